"""What the sidecar takes itself, told apart from what others take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Running, running
from tests.e2e.guarded import BAD, guarded
from tests.e2e.wire import Echo, Peer, Serve, a_client, a_policy, a_service, get, ok, post

# What was slow is told from what was not by half of it: timers of the loop may be a millisecond
# early, and a head takes its time to arrive.
SLOW_SECONDS: Final = 1.0
"""What others take; far more than a sidecar does on a busy machine."""


def of_route(proxy: Running, metric: str, route: str) -> tuple[float, float]:
    """Return how many were observed, and the sum of their seconds."""
    for labels, numbers in proxy.sidecar.proxy.metrics.snapshot().get(metric, []):
        if tuple(labels) == (route,):
            *counts, seconds = numbers
            return sum(counts), seconds
    return 0, 0.0


def own(proxy: Running, route: str = "/**") -> tuple[float, float]:
    return of_route(proxy, "sidecar_overhead_seconds", route)


def whole(proxy: Running, route: str = "/**") -> float:
    return of_route(proxy, "sidecar_request_duration_seconds", route)[1]


@asynccontextmanager
async def in_front_of(serve: Serve, **sections: object) -> AsyncIterator[Running]:
    async with (
        a_service(serve) as service,
        running(a_policy(service.url, **sections)) as proxy,
    ):
        yield proxy


async def slow_head(peer: Peer) -> None:
    await peer.request()
    await asyncio.sleep(SLOW_SECONDS)
    await peer.send(ok(2) + b"ok")


async def slow_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(ok(4) + b"ok")
    await asyncio.sleep(SLOW_SECONDS)
    await peer.send(b"ok")


@pytest.mark.parametrize("serve", [slow_head, slow_body])
async def test_the_upstreams_pace_is_not_the_sidecars(serve: Serve) -> None:
    async with in_front_of(serve) as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get())).status == 200
        assert whole(proxy) > SLOW_SECONDS / 2
        count, seconds = own(proxy)
        assert count == 1
        assert 0 < seconds < SLOW_SECONDS / 2


RULED = [{"path": "/**", "public": True, "body": {"json": {"depth": 5}}}]
PLAIN = [{"path": "/**", "public": True}]


@pytest.mark.parametrize("routes", [RULED, PLAIN])
async def test_the_clients_pace_is_not_the_sidecars(routes: object) -> None:
    async with in_front_of(Echo(), routes=routes) as proxy, a_client(proxy.port) as client:
        request = post(b'{"a": 1}', b"/", b"Content-Type: application/json")
        await client.send(request[:-4])
        await asyncio.sleep(SLOW_SECONDS)
        await client.send(request[-4:])
        assert (await client.response()).status == 200
        assert whole(proxy) > SLOW_SECONDS / 2
        count, seconds = own(proxy)
        assert count == 1
        assert 0 < seconds < SLOW_SECONDS / 2


async def test_the_time_floor_is_not_what_the_sidecar_took(tmp_path: Path) -> None:
    failure = {"failure": {"floor": "1s"}}
    async with (
        guarded(Echo(), tmp_path, authentication=failure) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get(b"/any", BAD))
        assert answer.status == 401
        [route] = [
            labels[0]
            for labels, _ in proxy.sidecar.proxy.metrics.snapshot()["sidecar_requests_total"]
        ]
        assert whole(proxy, route) > SLOW_SECONDS / 2
        count, seconds = own(proxy, route)
        assert count == 1
        assert 0 < seconds < SLOW_SECONDS / 2


async def test_a_refusal_is_all_the_sidecars() -> None:
    async with in_front_of(Echo(), routes=[{"path": "/a", "public": True}]) as proxy:
        async with a_client(proxy.port) as client:
            assert (await client.ask(get(b"/b"))).status == 404
        count, seconds = own(proxy, "-")
        assert count == 1
        assert seconds == pytest.approx(whole(proxy, "-"))


async def gives_up(peer: Peer) -> None:
    await peer.request()


async def test_of_what_failed_nobody_can_tell_whose_time_it_was() -> None:
    async with in_front_of(gives_up) as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get())).status == 502
        assert own(proxy)[0] == 0


async def test_of_a_client_that_left_nobody_can_tell() -> None:
    async with in_front_of(slow_head) as proxy, a_client(proxy.port) as client:
        await client.send(get())
        await proxy.becomes(1, 1, 0, 1)
        client.reset()
        await proxy.rests()
        assert own(proxy)[0] == 0


async def test_a_body_that_breaks_off_midway_is_not_the_sidecars_time() -> None:
    timeouts = {"timeouts": {"body": "1s"}}
    async with in_front_of(Echo(), routes=RULED, listen=timeouts) as proxy:
        async with a_client(proxy.port) as client:
            request = post(b'{"a": 1}', b"/", b"Content-Type: application/json")
            await client.send(request[:-4])
            assert (await client.response()).status == 408
        assert whole(proxy) > SLOW_SECONDS / 2
        assert own(proxy)[1] < SLOW_SECONDS / 2
