"""Connections to upstreams: reused where that is safe, never shared where it is not."""

import asyncio

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, answers, get, ok, post


async def test_requests_of_many_clients_share_one_connection_in_turn() -> None:
    async with a_service(Echo()) as service, running(a_policy(service.url)) as proxy:
        for number in range(5):
            async with a_client(proxy.port) as client:
                assert (await client.ask(get(b"/%d" % number))).body == b"/%d" % number
        assert service.connections == 1
        await proxy.rests()
        assert proxy.gauge("sidecar_upstream_connections", "idle") == 1


async def test_no_more_idle_connections_are_kept_than_the_policy_says() -> None:
    upstream = {"keepalive": {"connections": 2, "idle": "5s"}}
    async with a_service(Echo()) as service:
        async with running(a_policy({"url": service.url, **upstream})) as proxy:

            async def ask() -> None:
                async with a_client(proxy.port) as client:
                    await client.ask(get())

            await asyncio.gather(*(ask() for _ in range(8)))
            await proxy.rests()
            assert proxy.gauge("sidecar_upstream_connections", "idle") <= 2
            await service.lost(service.connections - 2)
        await service.lost(service.connections)


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    upstream = {"keepalive": {"idle": "100ms"}}
    async with (
        a_service(Echo()) as service,
        running(a_policy({"url": service.url, **upstream})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get())
        await service.lost(1)
        await client.ask(get())
        assert service.connections == 2


async def test_routes_with_different_upstreams_never_share_a_connection() -> None:
    one, other = Echo(), Echo()
    async with a_service(one) as first, a_service(other) as second:
        routes = [
            {"path": "/**", "public": True},
            {"path": "/other/**", "public": True, "upstream": second.url},
        ]
        async with (
            running(a_policy(first.url, routes=routes)) as proxy,
            a_client(proxy.port) as client,
        ):
            for _ in range(3):
                await client.ask(get(b"/one"))
                await client.ask(get(b"/other/x"))
    assert {request.start[1] for request in one.requests} == {b"/one"}
    assert {request.start[1] for request in other.requests} == {b"/other/x"}
    assert (first.connections, second.connections) == (1, 1)


class StaleService:
    """Closes a connection at its second request, so many times; remembers what reached it."""

    def __init__(self, deaths: int) -> None:
        self.seen: list[bytes] = []
        self._deaths = deaths

    async def __call__(self, peer: Peer) -> None:
        served = 0
        while peer.waiting or await peer.more():
            request = await peer.request()
            self.seen.append(request.start[0])
            if served and self._deaths:
                self._deaths -= 1
                return
            served += 1
            await peer.send(ok(2) + (b"" if request.start[0] == b"HEAD" else b"ok"))


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
async def test_a_stale_connection_is_replaced_for_what_may_be_repeated(method: bytes) -> None:
    stale = StaleService(1)
    async with (
        a_service(stale) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get())
        repeated = get(method=method)
        if method == b"PUT":
            repeated = get(b"/", b"Content-Length: 0", method=method)
        assert (await client.ask(repeated)).status == 200
        assert stale.seen == [b"GET", method, method]


@pytest.mark.parametrize(
    "unsafe",
    [
        pytest.param(post(b"pay"), id="POST"),
        pytest.param(post(b""), id="POST without a body"),
        pytest.param(get(method=b"PATCH"), id="PATCH"),
        pytest.param(b"PUT" + post(b"x")[4:], id="PUT with a body"),
        pytest.param(get(b"/", b"Content-Length: 1") + b"x", id="GET with a body"),
    ],
)
async def test_what_may_have_had_an_effect_is_never_sent_twice(unsafe: bytes) -> None:
    stale = StaleService(1)
    async with (
        a_service(stale) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get())
        assert (await client.ask(unsafe)).status == 502
        assert len(stale.seen) == 2


async def test_a_second_stale_connection_is_not_tried_a_third_time() -> None:
    async def serve(peer: Peer) -> None:
        if service.connections == 1:
            await peer.request()
            await peer.send(ok(0))
        await peer.request()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get())
        assert (await client.ask(get())).status == 502
        assert service.connections == 2


async def test_a_slow_upstream_is_not_asked_twice() -> None:
    """A time-out on a reused connection says nothing about the connection."""
    seen = []

    async def serve(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            if len(seen) == 1:
                await peer.send(ok(0))

    timeouts = {"response": "200ms"}
    async with (
        a_service(serve) as service,
        running(a_policy({"url": service.url, "timeouts": timeouts})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get())
        assert (await client.ask(get())).status == 504
        assert len(seen) == 2


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL", id="a whole answer"),
        pytest.param(b"\n", id="one byte"),
    ],
)
@pytest.mark.parametrize("is_apart", [True, False], ids=["later", "at-once"])
async def test_bytes_behind_an_answer_never_reach_the_next_client(
    late: bytes, *, is_apart: bool
) -> None:
    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            head = ok(4) + b"good"
            if service.connections > 1:
                await peer.send(head)
            elif is_apart:
                await peer.send(head)
                await answered.wait()
                await peer.send(late)
            else:
                await peer.send(head + late)

    answered = asyncio.Event()
    async with a_service(serve) as service, running(a_policy(service.url)) as proxy:
        async with a_client(proxy.port) as client:
            assert (await client.ask(get())).body == b"good"
            answered.set()
            await service.lost(1)
        async with a_client(proxy.port) as client:
            assert (await client.ask(get())).body == b"good"
        assert service.connections == 2


async def test_what_an_upstream_says_before_it_is_asked_answers_nobody() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(ok(4) + b"EVIL")
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        # Whether it comes before or behind the request is the kernel's choice; then it is read as
        # the answer to it, which no client can tell from a quick upstream.
        assert (await client.ask(get())).status in {200, 502}
        client.close()
        await proxy.rests()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", id="1.1"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="1.0"),
    ],
)
async def test_a_connection_that_the_upstream_gives_up_is_not_reused(answer: bytes) -> None:
    async with (
        a_service(answers(answer, answer)) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(2):
            assert (await client.ask(get())).status == 200
        assert service.connections == 2
        assert [entry.outcome for entry in await entries(proxy)] == ["admitted"] * 2


async def test_an_old_upstream_that_keeps_its_connection_is_asked_on_it_again() -> None:
    answer = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    async with (
        a_service(answers(answer, answer)) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(2):
            await client.ask(get())
        assert service.connections == 1


async def test_an_upstream_that_answers_until_it_closes_is_whole_for_the_client() -> None:
    async with (
        a_service(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get())
        assert answer.body == b"all of it"
        assert answer.values(b"transfer-encoding") == [b"chunked"]
        assert await entries(proxy) == [Entry("admitted", 200, None, None)]


async def test_a_body_that_came_with_its_head_does_not_stop_at_a_connection_at_hand() -> None:
    # More than may wait for a connection that is still opened, all in one read.
    body = b"x" * 1_000_000
    limits = {"body": {"max": "2MB"}}
    async with a_service(Echo()) as service, running(a_policy(service.url, **limits)) as proxy:
        async with a_client(proxy.port) as client:
            for _ in range(4):
                answer = await client.ask(post(body))
                assert answer.status == 200
        assert service.connections == 1
