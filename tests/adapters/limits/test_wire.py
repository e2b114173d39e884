"""The wire to Redis, against servers that do not answer as they should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import hiredis
import pytest

from tests.adapters.limits.charges import a_charge
from tests.adapters.limits.counting import Counting
from tests.knowledge.limits.a_limit import a_window

CHARGE: Final = a_charge(a_window(9))
GOOD: Final = b"*4\r\n:1\r\n:8\r\n:0\r\n:0\r\n"
WRAPPED: Final = (
    b"-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write\r\n"
)


@dataclass(slots=True)
class Answering:
    """A server that says OK to whatever opens a connection, and to scripts what a test wants.

    Attributes:
        answers: what scripts get, one after the other; None closes the connection.
        connections: how many were opened.
        tasks: what serves them.
    """

    answers: list[bytes | None] = field(default_factory=list)
    connections: int = 0
    tasks: list[asyncio.Task[object]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(65536):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                answer = self._answer(command)
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer)

    def _answer(self, command: object) -> bytes | None:
        is_script = isinstance(command, list) and command[0] in {b"EVALSHA", b"EVAL"}
        return self.answers.pop(0) if is_script else b"+OK\r\n"


@asynccontextmanager
async def counting(*answers: bytes | None) -> AsyncIterator[tuple[Counting, Answering]]:
    # The first script is the one that makes sure of the server, on a connection of its own.
    answering = Answering([b":1\r\n", *answers])
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    replica = Counting(f"redis://127.0.0.1:{port}/0", timeout="300ms")
    try:
        await replica.limits.open()
        answering.connections = 0
        yield replica, answering
    finally:
        await replica.limits.close()
        server.close()
        await asyncio.gather(*answering.tasks)


@pytest.mark.parametrize(
    "answer",
    [b":1\r\n", b"*0\r\n", b"*3\r\n:1\r\n:8\r\n:0\r\n", b"$-1\r\n", b"+OK\r\n", b"-ERR odd\r\n"],
)
async def test_an_answer_of_another_shape_admits_nobody_and_leaves_nobody_waiting(
    answer: bytes,
) -> None:
    async with counting(answer, GOOD) as (replica, _):
        found = await asyncio.gather(*(replica.reason(CHARGE) for _ in range(3)))
        assert found == ["the server answered with an error"] * 3
        assert await replica.admits(CHARGE)


@pytest.mark.parametrize("answer", [None, b"?what\r\n"])
async def test_a_connection_that_breaks_is_made_again(answer: bytes | None) -> None:
    async with counting(answer, GOOD, GOOD) as (replica, answering):
        assert await replica.reason(CHARGE) == "the server cannot be reached"
        assert await replica.admits(CHARGE)
        assert await replica.admits(CHARGE)
        assert answering.connections == 2


@pytest.mark.parametrize("answer", [b"-READONLY no\r\n", b"-MOVED 1 127.0.0.1:1\r\n", WRAPPED])
async def test_a_server_that_is_not_the_master_any_more_is_left(answer: bytes) -> None:
    async with counting(answer, GOOD) as (replica, answering):
        assert await replica.reason(CHARGE)
        assert await replica.admits(CHARGE)
        assert answering.connections == 2


async def test_a_script_that_the_server_lost_is_sent_whole() -> None:
    async with counting(b"-NOSCRIPT none\r\n", GOOD) as (replica, answering):
        assert await replica.admits(CHARGE)
        assert answering.connections == 1


async def test_whoever_gets_no_answer_in_time_is_told() -> None:
    async with counting(b"", b"", GOOD) as (replica, _):
        found = await asyncio.gather(*(replica.reason(CHARGE) for _ in range(2)))
        assert found == ["the store did not answer in time"] * 2
