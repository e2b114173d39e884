"""What an upstream may do wrong: each fault has its answer, its reason, its time, and no leak."""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Running, running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import (
    Peer,
    Serve,
    a_client,
    a_full_backlog,
    a_policy,
    a_service,
    answers,
    get,
    ok,
)

CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
QUICK: Final = {"connect": "300ms", "response": "300ms", "idle": "300ms"}
FAILED: Final = "failed"


async def stalls(peer: Peer) -> None:
    await peer.request()
    await peer.reader.read()


async def stalls_in_its_head(peer: Peer) -> None:
    await peer.request()
    for piece in (b"HTTP/1.1 200", b" OK\r\n", b"A: b\r\n"):
        await peer.send(piece)
        await asyncio.sleep(0.1)
    await peer.reader.read()


async def closes(peer: Peer) -> None:
    await peer.request()


async def resets(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def closes_unread(peer: Peer) -> None:
    peer.close()


def then(answer: bytes, end: str) -> Serve:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        await asyncio.sleep(0.02)
        if end == "reset":
            peer.reset()
        elif end == "stall":
            await peer.reader.read()

    return serve


BEFORE_THE_HEAD: Final = [
    pytest.param(stalls, 504, "upstream took too long over its head", id="stall"),
    pytest.param(stalls_in_its_head, 504, "upstream took too long over its head", id="slow head"),
    pytest.param(closes, 502, "upstream closed the connection before its head", id="close"),
    pytest.param(closes_unread, 502, None, id="close at once"),
    pytest.param(resets, 502, "upstream reset the connection before its head", id="reset"),
    pytest.param(
        answers(b"\x16\x03\x01 garbage\r\n\r\n"),
        502,
        "malformed status line",
        id="garbage",
    ),
    pytest.param(
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5"),
        502,
        "upstream closed the connection before its head",
        id="half a head",
    ),
    pytest.param(
        answers(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000),
        502,
        "response head larger than 64 KiB",
        id="endless head",
    ),
]
CODES: Final = {502: "BAD_GATEWAY", 503: "UPSTREAM_UNAVAILABLE", 504: "UPSTREAM_TIMEOUT"}


@pytest.mark.parametrize(("serve", "status", "reason"), BEFORE_THE_HEAD)
async def test_a_fault_before_the_head_is_answered_in_its_time(
    serve: Serve, status: int, reason: str | None
) -> None:
    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": QUICK})) as proxy,
        a_client(proxy.port) as client,
    ):
        began = time.monotonic()
        answer = await client.ask(get())
        assert time.monotonic() - began < 1
        assert answer.status == status
        assert answer.values(b"content-type") == [b"application/problem+json"]
        [entry] = await entries(proxy)
        assert entry[:3] == (FAILED, status, CODES[status])
        assert reason is None or entry.reason == reason
        await service.lost(1)
        client.close()
        await proxy.rests()


@pytest.mark.parametrize(
    ("answer", "end", "reason"),
    [
        pytest.param(
            ok(10) + b"only", "close", "upstream closed the connection in its body", id="1"
        ),
        pytest.param(
            ok(10) + b"only", "reset", "upstream reset the connection in its body", id="2"
        ),
        pytest.param(ok(10) + b"only", "stall", "upstream took too long over its body", id="3"),
        pytest.param(
            CHUNKED + b"4\r\nonly\r\n",
            "close",
            "upstream closed the connection in its body",
            id="4",
        ),
        pytest.param(
            CHUNKED + b"4\r\nonly\r\n", "stall", "upstream took too long over its body", id="5"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n\r\nonly",
            "reset",
            "upstream reset the connection in its body",
            id="6",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n\r\nonly", "stall", "upstream took too long over its body", id="7"
        ),
    ],
)
async def test_a_body_that_breaks_off_is_broken_off(answer: bytes, end: str, reason: str) -> None:
    async with (
        a_service(then(answer, end)) as service,
        running(a_policy({"url": service.url, "timeouts": QUICK})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        received = await client.ended()
        assert b"only" in received
        assert not received.endswith(b"0\r\n\r\n")
        [entry] = await entries(proxy)
        assert entry == Entry(FAILED, 200, CODES[504 if end == "stall" else 502], reason)
        await proxy.rests()


@pytest.mark.parametrize(
    ("url", "status", "reason"),
    [
        pytest.param("http://127.0.0.1:1", 503, "cannot connect", id="refused"),
        pytest.param("http://no-such-name.invalid:80", 503, "cannot connect", id="no such name"),
        pytest.param("unix:///no/such/socket", 503, "cannot connect", id="no such socket"),
    ],
)
async def test_an_upstream_that_cannot_be_reached_is_unavailable(
    url: str, status: int, reason: str
) -> None:
    timeouts = {"connect": "2s"}
    async with (
        running(a_policy({"url": url, "timeouts": timeouts})) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get())).status == status
        [entry] = await entries(proxy)
        assert entry[:3] == (FAILED, status, CODES[status])
        assert str(entry.reason).startswith(reason)
        assert (await client.ask(get())).status == status  # and the connection goes on
        client.close()
        await proxy.rests()


async def test_a_connection_that_takes_too_long_is_given_up() -> None:
    with a_full_backlog() as url:
        async with (
            running(a_policy({"url": url, "timeouts": QUICK})) as proxy,
            a_client(proxy.port) as client,
        ):
            assert (await client.ask(get())).status == 504
            [entry] = await entries(proxy)
            assert entry == Entry(FAILED, 504, CODES[504], "connecting took too long")
            client.close()
            await proxy.rests()


async def test_an_upstream_that_stops_reading_is_given_up() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(3)

    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": QUICK}, body={"max": "1GB"})) as proxy,
        a_client(proxy.port) as client,
    ):
        client.writer.write(get(b"/", b"Content-Length: 60000000", method=b"POST"))
        client.writer.write(bytes(60_000_000))
        assert (await client.response()).status == 504
        client.reset()
        await proxy.rests()


async def test_an_upstream_that_read_on_and_then_fell_silent_is_given_up() -> None:
    """It begins its answer, stops reading, reads on, and says no more."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(ok(10) + b"only")
        await asyncio.sleep(0.2)
        while await peer.reader.read(1 << 20):
            pass

    size = 30_000_000
    timeouts = {**QUICK, "idle": "500ms"}
    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": timeouts}, body={"max": "1GB"})) as proxy,
        a_client(proxy.port) as client,
    ):
        client.writer.write(get(b"/", b"Content-Length: %d" % size, method=b"POST"))
        client.writer.write(bytes(size))
        assert b"only" in await client.ended()
        [entry] = await entries(proxy)
        assert entry == Entry(FAILED, 200, CODES[504], "upstream took too long over its body")
        await proxy.rests()


FAULTS: Final[dict[bytes, Serve]] = {
    b"/close": closes,
    b"/reset": resets,
    b"/at-once": closes_unread,
    b"/garbage": answers(b"garbage\r\n\r\n"),
    b"/short": then(ok(10) + b"only", "close"),
    b"/chunks": then(CHUNKED + b"4\r\nonly\r\n", "reset"),
    b"/good": answers(ok(2) + b"ok"),
}


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_two_hundred_faults_leave_nothing_behind() -> None:
    kinds: list[Callable[[Peer], object]] = list(FAULTS.values())

    async def serve(peer: Peer) -> None:
        await kinds[service.connections % len(kinds)](peer)  # type: ignore[misc]  # a coroutine

    async def ask(proxy: Running) -> None:
        async with a_client(proxy.port) as client:
            await client.send(get(b"/", b"Connection: close"))
            await client.ended()

    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": QUICK})) as proxy,
    ):
        for _ in range(40):
            await ask(proxy)
        await proxy.rests()
        gc.collect()
        before = (descriptors(), len(asyncio.all_tasks()), resident_bytes())
        for _ in range(200):
            await ask(proxy)
        await proxy.rests()
        await service.lost(service.connections)
        gc.collect()
        assert descriptors() <= before[0] + 1
        assert len(asyncio.all_tasks()) <= before[1] + 1
        assert resident_bytes() - before[2] < 4_000_000
        assert len(await proxy.records()) == 240
