"""Bodies pass in both directions as they come, at the pace of the slower side."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from tests.e2e.conftest import running
from tests.e2e.wire import Peer, a_client, a_policy, a_service, get, ok

PIECE: Final = bytes(range(256)) * 256
PIECES: Final = 256
SIZE: Final = len(PIECE) * PIECES
# What may be under way: kernel buffers of four socket ends, and our own water marks.
IN_FLIGHT: Final = 24 << 20
CHUNKED: Final = b"Transfer-Encoding: chunked"
LARGE: Final = {"max": "1GB"}


async def progress_ends(count: Callable[[], int]) -> int:
    """Wait until a number stands still, and return it."""
    last = -1
    while count() != last:
        last = count()
        await asyncio.sleep(0.15)
    return last


def takes_when_told(
    go: asyncio.Event, size: int, taken: list[int]
) -> Callable[[Peer], Awaitable[None]]:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        taken[0] = len(peer.waiting)
        peer.waiting = b""
        while taken[0] < size:
            taken[0] += len(await peer.reader.read(1 << 18))
        await peer.send(ok(2) + b"ok")

    return serve


async def test_a_client_waits_while_the_upstream_does_not_take_its_body() -> None:
    go, taken, sent = asyncio.Event(), [0], [0]

    async def upload(client: Peer) -> None:
        await client.send(get(b"/", b"Content-Length: %d" % SIZE, method=b"POST"))
        for _ in range(PIECES):
            await client.send(PIECE)
            sent[0] += len(PIECE)

    async with (
        a_service(takes_when_told(go, SIZE, taken)) as service,
        running(a_policy(service.url, body=LARGE)) as proxy,
        a_client(proxy.port) as client,
    ):
        writing = asyncio.create_task(upload(client))
        assert await progress_ends(lambda: sent[0]) < IN_FLIGHT
        go.set()
        await writing
        assert (await client.response()).body == b"ok"
        assert taken[0] == SIZE


async def test_the_upstream_waits_while_the_client_does_not_take_its_answer() -> None:
    sent = [0]

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(ok(SIZE))
        for _ in range(PIECES):
            await peer.send(PIECE)
            sent[0] += len(PIECE)

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        assert await progress_ends(lambda: sent[0]) < IN_FLIGHT
        await client.head()
        received = len(client.waiting)
        client.waiting = b""
        while received < SIZE:
            received += len(await client.reader.read(1 << 18))
        assert received == SIZE
        await client.send(get())  # the connection goes on
        await client.head()


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_slow_writer_is_passed_on_byte_by_byte(direction: str) -> None:
    """Each byte is seen on the other side before the next one is written."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    go: asyncio.Queue[bytes] = asyncio.Queue()
    text = b"one by one"

    async def serve(peer: Peer) -> None:
        await peer.head()
        for _ in text if direction == "up" else ():
            await arrived.put(await peer.exactly(1))
        await peer.send(ok(len(text) if direction == "down" else 0))
        for _ in text if direction == "down" else ():
            await peer.send(await go.get())

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        length = len(text) if direction == "up" else 0
        await client.send(get(b"/", b"Content-Length: %d" % length, method=b"POST"))
        if direction == "down":
            await client.head()
        for number in range(len(text)):
            byte = text[number : number + 1]
            if direction == "up":
                await client.send(byte)
                assert await asyncio.wait_for(arrived.get(), 5) == byte
            else:
                await go.put(byte)
                assert await client.exactly(1) == byte


async def test_an_event_reaches_the_client_before_the_next_one_is_sent() -> None:
    seen = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + CHUNKED + b"\r\n\r\n"
        await peer.send(head)
        for number in range(5):
            seen.clear()
            await peer.send(b"9\r\ndata: %d\n\n\r\n" % number)
            await seen.wait()
        await peer.send(b"0\r\n\r\n")

    timeouts = {"idle": "100ms", "event_stream": "4s"}
    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": timeouts})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Accept: text/event-stream"))
        head = await client.head()
        assert b"Transfer-Encoding: chunked" in head
        for number in range(5):
            if number == 2:
                await asyncio.sleep(0.5)  # silence that would break off any other body
            assert await client.until(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number
            seen.set()
        assert await client.exactly(5) == b"0\r\n\r\n"


async def test_chunks_pass_both_ways_with_the_same_content() -> None:
    async def serve(peer: Peer) -> None:
        request = await peer.request()
        assert request.values(b"transfer-encoding") == [b"chunked"]
        assert request.trailers == []
        half = len(request.body) // 2
        head = b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n"
        first, second = request.body[:half], request.body[half:]
        await peer.send(head, b"%x\r\n%b\r\n" % (half, first))
        await peer.send(b"%x;x=y\r\n%b\r\n0\r\nX-T: 1\r\n\r\n" % (len(second), second))

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", CHUNKED, method=b"POST"))
        await client.send(b"3;name=value\r\nabc\r\n", b"5\r\ndefgh\r\n0\r\nX-Sum: 8\r\n\r\n")
        answer = await client.response()
        assert (answer.body, answer.trailers) == (b"abcdefgh", [])


async def test_a_body_without_a_length_ends_with_the_connection_for_an_old_client() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n"
        await peer.send(head, b"5\r\nhello\r\n", b"0\r\n\r\n")
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = await client.response()
        assert answer.body == b"hello"
        assert answer.values(b"transfer-encoding") == []
        assert answer.values(b"connection") == [b"close"]


async def test_an_old_client_that_asks_for_it_keeps_its_connection() -> None:
    async def serve(peer: Peer) -> None:
        while await peer.more():
            await peer.request()
            await peer.send(ok(2) + b"ok")

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(2):
            answer = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert answer.values(b"connection") == [b"keep-alive"]
        answer = await client.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert answer.values(b"connection") == [b"close"]
        assert await client.ended() == b""


async def test_an_old_client_never_takes_a_broken_body_for_a_whole_one() -> None:
    """Without a length the end of the connection would look like the end of the body."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"garbage\r\n")
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await client.until(b"the end")
