"""Limits of what goes on at the same time: held while an exchange lasts, and no longer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.callers import a_key, a_record
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import GOOD, guarded
from tests.e2e.records import entries
from tests.e2e.test_limits import ask, fields
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Peer, Service, a_client, a_policy, a_service, get, ok
from tests.stores.servers import Valkey, valkey

TWO: Final = {"anonymous": {"concurrency": 2, "by": "address"}}
QUICK: Final = {"timeout": "300ms", "poll": "100ms"}
HELD: Final = "sidecar_rate_limit_held"


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while peer.waiting or await peer.more():
            await peer.request()
            self.asked += 1
            await self.may.wait()
            await peer.send(ok(2) + b"ok")


@pytest.fixture(params=["in memory", "on Redis"])
def state(request: pytest.FixtureRequest, server: Valkey) -> object:
    return {"store": server.url, **QUICK} if request.param == "on Redis" else "memory"


@asynccontextmanager
async def slow(state: object, **more: object) -> AsyncIterator[tuple[Running, Slow]]:
    service = Slow()
    async with (
        a_service(service) as behind,
        running(a_policy(behind.url, state=state, **more)) as proxy,
    ):
        yield proxy, service
        service.may.set()


async def held(proxy: Running, count: int) -> None:
    """Wait until so many are held."""
    async with asyncio.timeout(5):
        while proxy.gauge(HELD) != count:  # noqa: ASYNC110 -- the sidecar has no event for a test
            await asyncio.sleep(0.005)


async def test_no_more_requests_go_on_than_the_limit_says(state: object) -> None:
    async with slow(state, tiers=TWO) as (proxy, service):
        first = [asyncio.create_task(ask(proxy)) for _ in range(2)]
        await held(proxy, 2)
        refused = await ask(proxy)
        assert refused.status == 429
        assert fields(refused) == {
            b"retry-after": b"1",
            b"ratelimit-policy": b'"anonymous";q=2;qu="concurrent-requests"',
            b"ratelimit": b'"anonymous";r=0;t=1',
        }
        service.may.set()
        answers = await asyncio.gather(*first)
        assert [one.status for one in answers] == [200, 200]
        assert sorted(fields(one)[b"ratelimit"] for one in answers) == [
            b'"anonymous";r=0',
            b'"anonymous";r=1',
        ]
        await held(proxy, 0)
        assert [(await ask(proxy)).status for _ in range(3)] == [200] * 3
        reasons = [one.reason for one in await entries(proxy) if one.status == 429]
        assert reasons == ["limit anonymous: 2 at the same time are used up"]


async def test_whoever_leaves_makes_room_at_once(state: object) -> None:
    async with (
        slow(state, tiers=TWO) as (proxy, service),
        a_client(proxy.port) as one,
        a_client(proxy.port) as other,
    ):
        for peer in (one, other):
            await peer.send(get(b"/"))
        await held(proxy, 2)
        assert (await ask(proxy)).status == 429
        one.reset()
        await held(proxy, 1)
        third = asyncio.create_task(ask(proxy))
        await held(proxy, 2)
        service.may.set()
        assert (await third).status == 200


async def test_what_a_later_step_refuses_holds_nothing(state: object) -> None:
    limits = {"address": {"concurrency": 2}}
    async with slow(state, limits=limits, routes=[{"path": "/a", "public": True}]) as (proxy, _):
        assert [(await ask(proxy, target=b"/b")).status for _ in range(5)] == [404] * 5
        await held(proxy, 0)


async def test_a_rate_that_refuses_leaves_nothing_held(state: object) -> None:
    tiers = {"anonymous": [TWO["anonymous"], {"limit": "3/h", "by": "address"}]}
    async with slow(state, tiers=tiers) as (proxy, service):
        service.may.set()
        assert [(await ask(proxy)).status for _ in range(6)] == [200] * 3 + [429] * 3
        await held(proxy, 0)


async def test_a_refusal_for_what_goes_on_costs_no_rate(state: object) -> None:
    tiers = {"anonymous": [{"concurrency": 1, "by": "address"}, {"quota": "3/day", "by": "route"}]}
    async with slow(state, tiers=tiers) as (proxy, service):
        first = asyncio.create_task(ask(proxy))
        await held(proxy, 1)
        assert [(await ask(proxy)).status for _ in range(5)] == [429] * 5
        service.may.set()
        assert (await first).status == 200
        await held(proxy, 0)
        assert [(await ask(proxy)).status for _ in range(3)] == [200, 200, 429]


@asynccontextmanager
async def sockets(state: object, **more: object) -> AsyncIterator[tuple[Running, Service]]:
    async with (
        a_service(opens(reads)) as behind,
        running(a_policy(behind.url, state=state, **more)) as proxy,
    ):
        yield proxy, behind


async def test_a_websocket_counts_until_it_is_closed(state: object) -> None:
    routes = [{"path": "/**", "public": True, "limits": {"concurrency": 1, "by": "address"}}]
    async with sockets(state, routes=routes) as (proxy, _):
        async with a_client(proxy.port) as peer:
            await peer.send(get(b"/", *HANDSHAKE))
            assert b" 101 " in await peer.head()
            await proxy.becomes(1, 0, 1, 1)
            assert (await ask(proxy, *HANDSHAKE)).status == 429
            assert proxy.gauge(HELD) == 1
        await proxy.rests()
        await held(proxy, 0)
        async with a_client(proxy.port) as peer:
            await peer.send(get(b"/", *HANDSHAKE))
            assert b" 101 " in await peer.head()


async def test_a_tenant_and_a_key_have_what_goes_on_counted_apart(tmp_path: Path) -> None:
    tiers = {
        "free": [{"concurrency": 3, "by": "tenant"}, {"concurrency": 2, "by": "key"}],
    }
    service = Slow()
    async with guarded(service, tmp_path, tiers=tiers, limits={"default_tier": "free"}) as proxy:
        assert await proxy.store.add_key(a_record("other", a_key("other"), "viewer"))
        other = b"X-API-Key: " + a_key("other").encode()
        tasks = [asyncio.create_task(ask(proxy, GOOD, target=b"/any")) for _ in range(2)]
        await held(proxy, 4)
        assert (await ask(proxy, GOOD, target=b"/any")).status == 429
        tasks.append(asyncio.create_task(ask(proxy, other, target=b"/any")))
        await held(proxy, 6)
        assert (await ask(proxy, other, target=b"/any")).status == 429
        service.may.set()
        assert [one.status for one in await asyncio.gather(*tasks)] == [200] * 3
        await held(proxy, 0)


async def test_a_limit_on_trial_refuses_nobody(state: object) -> None:
    tiers = {"anonymous": {"concurrency": 1, "by": "address", "mode": "shadow"}}
    async with slow(state, tiers=tiers) as (proxy, service):
        tasks = [asyncio.create_task(ask(proxy)) for _ in range(3)]
        async with asyncio.timeout(5):
            while service.asked < 3:  # noqa: ASYNC110 -- the service has no event for it
                await asyncio.sleep(0.005)
        assert proxy.gauge(HELD) == 1
        service.may.set()
        assert [one.status for one in await asyncio.gather(*tasks)] == [200] * 3


# --- several sidecars


async def test_two_sidecars_hold_no_more_than_one(server: Valkey) -> None:
    state = {"store": server.url, **QUICK}
    async with slow(state, tiers=TWO) as (one, service), slow(state, tiers=TWO) as (other, _):
        tasks = [asyncio.create_task(ask(one)) for _ in range(2)]
        await held(one, 2)
        assert (await ask(other)).status == 429
        service.may.set()
        await asyncio.gather(*tasks)
        await held(one, 0)
        async with asyncio.timeout(5):
            task = asyncio.create_task(ask(other))
            await held(other, 1)
        task.cancel()


async def test_a_client_that_leaves_before_the_server_answered_holds_nothing(
    server: Valkey,
) -> None:
    state = {"store": server.url, "timeout": "3s", "poll": "100ms"}
    tiers = {"anonymous": {"concurrency": 1, "by": "address"}}
    async with slow(state, tiers=tiers) as (proxy, service):
        service.may.set()
        assert (await ask(proxy)).status == 200
        server.pause()
        async with a_client(proxy.port) as peer:
            await peer.send(get(b"/"))
            await proxy.becomes(1, 1, 0, 0)
            peer.reset()
        await proxy.rests()
        server.resume()
        async with asyncio.timeout(5):
            while (await ask(proxy)).status != 200:
                pass
        await held(proxy, 0)


@pytest.mark.parametrize(("choice", "status"), [("refuse", 503), ("allow", 200)])
async def test_what_holds_while_the_server_is_away(
    server: Valkey, choice: str, status: int
) -> None:
    async with away(server, choice) as (proxy, service):
        service.may.set()
        assert [(await ask(proxy)).status for _ in range(3)] == [status] * 3


async def test_a_process_counts_for_itself_while_the_server_is_away(server: Valkey) -> None:
    """The one that went on before is on the server's count."""
    async with away(server, "local") as (proxy, service):
        tasks = [asyncio.create_task(ask(proxy)) for _ in range(2)]
        await held(proxy, 3)
        assert (await ask(proxy)).status == 429
        service.may.set()
        assert [one.status for one in await asyncio.gather(*tasks)] == [200, 200]


@asynccontextmanager
async def away(server: Valkey, choice: str) -> AsyncIterator[tuple[Running, Slow]]:
    """Run a sidecar in which a request goes on, and whose server is gone."""
    tiers = {"anonymous": {"concurrency": 2, "by": "address", "on_store_failure": choice}}
    async with slow({"store": server.url, **QUICK}, tiers=tiers) as (proxy, service):
        first = asyncio.create_task(ask(proxy))
        await held(proxy, 1)
        await asyncio.to_thread(server.kill)
        yield proxy, service
        assert (await first).status == 200
        await held(proxy, 0)
