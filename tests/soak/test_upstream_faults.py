"""Ten thousand failures of the upstream: each gets its answer, and nothing is left behind."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.soak.programs import LOOPBACK, Program, free_port, sidecar

REPETITIONS = 10_000
WARM_UP = 600
ABREAST = 16
GROWTH_BYTES = 4_000_000

# Fault → status. `truncated` has sent its head when it breaks: all that is left is to break off.
STATUS = {
    "/killed": 502,
    "/stalled": 504,
    "/truncated": 200,
    "/reset": 502,
    "/refused": 503,
    "/garbage": 502,
}
POLICY = """
version: 1
listen: {proxy: '127.0.0.1:PORT', admin: '127.0.0.1:ADMIN'}
upstream: {url: 'http://127.0.0.1:FAULTY', timeouts: {connect: 1s, response: 100ms, idle: 1s}}
audit: {sinks: [{file: 'AUDIT'}]}
routes:
  - {path: /refused, public: true, upstream: 'http://127.0.0.1:CLOSED'}
  - {path: /**, public: true}
"""


@pytest.fixture
def faulty_port() -> int:
    return free_port()


@pytest.fixture
def guard(faulty_port: int, tmp_path: Path) -> Iterator[Program]:
    words = {
        "FAULTY": str(faulty_port),
        "CLOSED": str(free_port()),
        "AUDIT": str(tmp_path / "audit.jsonl"),
    }
    policy = POLICY
    for word, meaning in words.items():
        policy = policy.replace(word, meaning)
    with sidecar(policy, tmp_path) as program:
        yield program


@pytest.mark.timeout(900)
def test_ten_thousand_upstream_faults_leave_nothing_behind(
    guard: Program, faulty_port: int, tmp_path: Path
) -> None:
    seen = asyncio.run(_provoke(guard, faulty_port, WARM_UP))
    descriptors, rss_bytes = guard.descriptors, guard.rss_bytes
    seen += asyncio.run(_provoke(guard, faulty_port, REPETITIONS))
    expected = Counter(dict.fromkeys(STATUS.items(), 0))
    for number in (*range(WARM_UP), *range(REPETITIONS)):
        path = tuple(STATUS)[number % len(STATUS)]
        expected[path, STATUS[path]] += 1
    assert seen == expected
    assert guard.descriptors <= descriptors + 2
    assert guard.rss_bytes - rss_bytes < GROWTH_BYTES
    records = (tmp_path / "audit.jsonl").read_text().count("\n")
    assert records == WARM_UP + REPETITIONS


async def _provoke(
    guard: Program, faulty_port: int, repetitions: int
) -> "Counter[tuple[str, int]]":
    """Ask for every fault in turn, and wait until the sidecar has put everything away."""
    seen: Counter[tuple[str, int]] = Counter()
    numbers = iter(range(repetitions))

    async def ask_on() -> None:
        for number in numbers:
            path = tuple(STATUS)[number % len(STATUS)]
            seen[path, await _ask(guard, path)] += 1

    async with _faulty(faulty_port), asyncio.timeout(600), asyncio.TaskGroup() as group:
        for _ in range(ABREAST):
            group.create_task(ask_on())
    await asyncio.sleep(1)
    return seen


async def _ask(guard: Program, path: str) -> int:
    reader, writer = await asyncio.open_connection(*guard.origin)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        try:
            reply = await reader.read()
        except ConnectionResetError:
            return 0
        head, _, body = reply.partition(b"\r\n\r\n")
        if path == "/truncated":
            assert len(body) < 1000, "the missing part of a body was made up"
        return int(head.split(b" ", 2)[1]) if head else 0
    finally:
        writer.close()


@asynccontextmanager
async def _faulty(port: int) -> AsyncIterator[None]:
    server = await asyncio.start_server(_fail, LOOPBACK, port)
    try:
        yield
    finally:
        server.close()


async def _fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        match head.split(b" ", 2)[1]:
            case b"/stalled":
                await reader.read()
            case b"/truncated":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
                await writer.drain()
            case b"/reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            case b"/garbage":
                writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                await writer.drain()
            case _:
                pass  # /killed: the end of the connection is the whole answer
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    finally:
        writer.close()
