"""A service behind the sidecar that reads strictly, remembers everything and lies on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.corpora.reader import InvalidError, Message, read_request
from tests.corpora.rows import Answer, Then

APART_SECONDS: Final = 0.05
"""Pause between two writes that must not arrive as one."""


class RecordingUpstream:
    """Answer every request with its own target, but `/row` with the row's answer.

    Attributes:
        port: where it listens, on 127.0.0.1.
        begun: every request whose head came, in order; `is_complete` says whether its end came.
        faults: bytes that were no HTTP, in words.
        answer: the row whose bytes answer `/row`, None for an ordinary answer.
    """

    def __init__(self) -> None:
        self.port = 0
        self.begun: list[Message] = []
        self.faults: list[str] = []
        self.answer: Answer | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the requests of one connection."""
        try:
            await self._converse(reader, writer)
        except InvalidError as error:
            self.faults.append(str(error))
        except ConnectionError:
            pass  # the sidecar may break off whenever a client does
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = b""
        place: int | None = None
        while data := await reader.read(65_536):
            waiting += data
            while waiting:
                request, rest = read_request(waiting)
                if request is None:
                    break
                place = self._remember(request, place)
                if not request.is_complete:
                    break
                waiting, place = rest, None
                if not await self._reply(request, writer):
                    return
        if waiting and place is None:
            self.faults.append(f"the connection ended inside a head: {waiting[:80]!r}")

    def _remember(self, request: Message, place: int | None) -> int:
        """Note a request once, at the place where its beginning was noted."""
        if place is None:
            self.begun.append(request)
            return len(self.begun) - 1
        self.begun[place] = request
        return place

    async def _reply(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        target = request.start[1]
        if self.answer is not None and target.startswith(b"/row"):
            return await self._lie(self.answer, writer)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        body = b"" if request.start[0] == b"HEAD" else target
        writer.write(head % len(target) + body)
        await writer.drain()
        return True

    async def _lie(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        for number, piece in enumerate(answer.writes):
            if number:
                await asyncio.sleep(APART_SECONDS)
            writer.write(piece)
            await writer.drain()
        if answer.late:
            await asyncio.sleep(APART_SECONDS)
            writer.write(answer.late)
            await writer.drain()
        return answer.then is Then.WAIT


@asynccontextmanager
async def a_recording_upstream() -> AsyncIterator[RecordingUpstream]:
    """Listen on a free port of 127.0.0.1 for the length of a test."""
    upstream = RecordingUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
