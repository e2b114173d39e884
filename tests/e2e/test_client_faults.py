"""What a client may do wrong: be slow, stop reading, leave. Nothing of it stays behind."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

import pytest

from tests.e2e.conftest import Running, running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import (
    Echo,
    Peer,
    Service,
    a_client,
    a_full_backlog,
    a_policy,
    a_service,
    get,
    ok,
    post,
)

QUICK: Final = {"head": "300ms", "body": "300ms", "idle": "300ms", "write": "300ms"}
LEFT: Final = "client closed the connection"


def quick(service: Service, **limits: object) -> str:
    listen = {"timeouts": QUICK, "limits": limits}
    return a_policy(service.url, listen=listen, body={"max": "100MB"})


# --- slow clients


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nA: "])
async def test_a_head_that_drips_is_refused_after_its_time(start: bytes) -> None:
    async with (
        a_service(Echo()) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        began = time.monotonic()
        await client.send(start)

        async def drip() -> None:
            while True:
                await client.send(b"E")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        answer = await client.response()
        dripping.cancel()
        assert answer.status == 408
        assert 0.25 < time.monotonic() - began < 1
        [entry] = await entries(proxy)
        assert entry == Entry("refused", 408, "REQUEST_TIMEOUT", "the head took too long")
        assert service.connections == 0


@pytest.mark.parametrize("said", [b"", b"\r", b"\r\n"], ids=["nothing", "CR", "an empty line"])
async def test_a_silent_connection_is_closed_without_a_word(said: bytes) -> None:
    async with (
        a_service(Echo()) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(said)
        assert await client.ended() == b""
        assert await entries(proxy) == []
        await proxy.rests()


async def test_a_body_that_falls_silent_is_refused_and_the_upstream_let_go() -> None:
    async with (
        a_service(Echo()) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(post(b"hello")[:-2])
        answer = await client.response()
        assert answer.status == 408
        assert answer.values(b"connection") == [b"close"]
        await service.lost(1)
        [entry] = await entries(proxy)
        assert entry == Entry("refused", 408, "REQUEST_TIMEOUT", "the body took too long")


@pytest.mark.parametrize(("rate", "status"), [(1000, 408), (0, 200)])
async def test_a_body_must_keep_the_pace_that_the_policy_sets(rate: int, status: int) -> None:
    """Forty bytes a second are never silent for long, yet hold a connection for ever."""
    async with (
        a_service(Echo()) as service,
        running(quick(service, body_rate=rate)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 40", method=b"POST"))

        async def drip() -> None:
            for _ in range(40):
                await client.send(b"x")
                await asyncio.sleep(0.025)

        dripping = asyncio.create_task(drip())
        assert (await client.response()).status == status
        dripping.cancel()


async def endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(ok(1 << 30))
    while True:
        await peer.send(bytes(1 << 16))


async def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    async with (
        a_service(endless) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport
        await client.send(get())
        await service.lost(1)
        await proxy.rests()
        [entry] = await entries(proxy)
        assert entry == Entry("abandoned", 200, None, LEFT)


async def test_refused_requests_are_not_read_while_their_answers_are_not() -> None:
    """Else what a client pipelines would fill the memory at the speed of the network."""
    flood = get(b"//") * 20_000
    sent = 0
    async with (
        a_service(Echo()) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport
        try:
            async with asyncio.timeout(4):
                for _ in range(100):
                    await client.send(flood)
                    sent += len(flood)
        except (ConnectionError, TimeoutError):
            pass
        assert sent < 30_000_000
        await proxy.rests()


async def test_pipelined_refusals_go_on_once_their_answers_are_read() -> None:
    count = 3000
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        writing = asyncio.create_task(client.send(get(b"//") * count, get(b"/last")))
        await asyncio.sleep(0.3)
        while not client.waiting.endswith(b"/last"):
            assert await client.more()
        await writing
        assert client.waiting.count(b'"BAD_REQUEST"') == count


async def test_a_flood_of_refused_requests_does_not_hold_up_other_clients() -> None:
    count = 6000
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as flooder,
        a_client(proxy.port) as other,
    ):
        await other.ask(get())
        flooder.writer.write(get(b"//") * count)
        assert (await other.ask(get())).status == 200
        # Counted without another turn of the loop, in which the flood would go on.
        counted = proxy.sidecar.proxy.metrics.snapshot()["sidecar_requests_total"]
        assert sum(numbers[0] for _, numbers in counted) < count
        while flooder.waiting.count(b'"BAD_REQUEST"') < count:
            assert await flooder.more()


# --- clients that leave


async def leaves(client: Peer, proxy: Running) -> None:
    client.reset()
    await proxy.rests()


async def test_a_client_that_leaves_while_the_upstream_is_silent_ends_the_exchange() -> None:
    arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        await arrived.wait()
        await leaves(client, proxy)
        await service.lost(1)
        assert await entries(proxy) == [Entry("abandoned", 499, None, LEFT)]


async def test_a_client_that_leaves_in_its_upload_ends_the_exchange() -> None:
    arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(1000)
        arrived.set()
        await peer.request()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 5000", method=b"POST"), bytes(1000))
        await arrived.wait()
        await leaves(client, proxy)
        await service.lost(1)
        assert await entries(proxy) == [Entry("abandoned", 499, None, LEFT)]


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_in_its_download_ends_the_exchange(how: str) -> None:
    async with (
        a_service(endless) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        await client.exactly(100_000)
        if how == "reset":
            client.reset()
        else:
            client.close()
        await proxy.rests()
        await service.lost(1)
        assert await entries(proxy) == [Entry("abandoned", 200, None, LEFT)]


async def test_a_client_that_leaves_before_there_is_an_upstream_connection_ends_it() -> None:
    with a_full_backlog() as url:
        async with (
            running(a_policy({"url": url, "timeouts": {"connect": "4s"}})) as proxy,
            a_client(proxy.port) as client,
        ):
            await client.send(post(b"hello"))
            await proxy.becomes(1, 1, 0, 1)
            began = time.monotonic()
            await leaves(client, proxy)
            assert time.monotonic() - began < 2
            assert await entries(proxy) == [Entry("abandoned", 499, None, LEFT)]


async def test_a_client_that_leaves_with_requests_in_line_ends_the_first_alone() -> None:
    arrived = asyncio.Event()
    seen = []

    async def serve(peer: Peer) -> None:
        seen.append(await peer.request())
        arrived.set()
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/1") + get(b"/2") + post(b"body", b"/3"))
        await arrived.wait()
        await leaves(client, proxy)
        await service.lost(1)
        assert [request.start[1] for request in seen] == [b"/1"]
        assert await entries(proxy) == [Entry("abandoned", 499, None, LEFT)]


async def test_two_hundred_clients_that_leave_anywhere_leave_nothing_behind() -> None:
    stages = [
        b"GE",
        get(),
        post(b"hello")[:-2],
        get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"5\r\nhel",
        get(b"/a") + get(b"/b"),
    ]
    async with a_service(Echo()) as service, running(a_policy(service.url)) as proxy:
        for number in range(200):
            async with a_client(proxy.port) as client:
                await client.send(stages[number % len(stages)])
                if number % 3:
                    await asyncio.sleep(0)
                client.reset()
        await proxy.rests()


# --- bounds


async def test_requests_beyond_the_bound_are_refused_and_the_others_go_on() -> None:
    go = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        await go.wait()
        await peer.send(ok(0))

    async with (
        a_service(serve) as service,
        running(a_policy(service.url, listen={"limits": {"requests": 1}})) as proxy,
        a_client(proxy.port) as first,
        a_client(proxy.port) as second,
    ):
        await first.send(get())
        await proxy.becomes(2, 1, 0, 1)
        refused = await second.ask(get())
        assert refused.status == 503
        go.set()
        assert (await first.response()).status == 200
        go.set()
        assert (await second.ask(get())).status == 200
        found = await entries(proxy)
        assert found[0] == Entry("refused", 503, "OVERLOADED", "too many requests in flight")
        assert [entry.status for entry in found[1:]] == [200, 200]


async def test_connections_beyond_the_bound_are_told_so_and_far_beyond_it_cut() -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, listen={"limits": {"connections": 2}})) as proxy,
        a_client(proxy.port) as first,
        a_client(proxy.port) as second,
    ):
        assert (await first.ask(get())).status == 200
        assert (await second.ask(get())).status == 200
        async with a_client(proxy.port) as third:
            answer = await third.response()
            assert answer.status == 503
            assert answer.values(b"connection") == [b"close"]
            assert await third.ended() == b""
        assert (await entries(proxy))[-1] == Entry(
            "refused", 503, "OVERLOADED", "too many connections"
        )
        await proxy.becomes(2, 0, 0, 0)
        async with AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(a_client(proxy.port)) for _ in range(80)]
            told = [await client.ended() for client in crowd]
        assert told.count(b"") == 80 - 64
        assert all(b" 503 " in answer for answer in told if answer)
        await proxy.becomes(2, 0, 0, 0)
        first.close()
        await proxy.becomes(1, 0, 0, 0)
        async with a_client(proxy.port) as late:
            assert (await late.ask(get())).status == 200


@pytest.mark.parametrize(
    ("limits", "request_bytes", "status"),
    [
        pytest.param({"start_line": "100B"}, get(b"/" + b"a" * 100), 414, id="start line"),
        pytest.param(
            {"head": "200B", "start_line": "100B"}, get(b"/", b"A: " + b"b" * 200), 431, id="head"
        ),
        pytest.param({"fields": 2}, get(b"/", b"A: b", b"C: d"), 431, id="fields"),
    ],
)
async def test_what_a_head_may_hold_is_bounded(
    limits: dict[str, object], request_bytes: bytes, status: int
) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, listen={"limits": limits})) as proxy,
    ):
        for split in (len(request_bytes), len(request_bytes) - 1):
            async with a_client(proxy.port) as client:
                await client.send(request_bytes[:split])
                await client.send(request_bytes[split:])
                assert (await client.response()).status == status
        async with a_client(proxy.port) as client:
            assert (await client.ask(get())).status == 200
        assert service.connections == 1
