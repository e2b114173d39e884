"""Rate limits that several sidecars share on Redis, and what holds while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from sidecar.policy.load import load
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import BAD, GOOD, guarded
from tests.e2e.records import Entry, entries
from tests.e2e.test_limits import ask, fields, statuses
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.stores.servers import Valkey, valkey

TIMES: Final[Mapping[str, object]] = {"timeout": "300ms", "poll": "100ms"}
FLOOR_SECONDS: Final = 0.05


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@asynccontextmanager
async def shared(
    server: Valkey, echo: Echo | None = None, /, **more: object
) -> AsyncIterator[Running]:
    state = {"store": server.url, **TIMES}
    async with (
        a_service(echo or Echo()) as service,
        running(a_policy(service.url, state=state, **more)) as proxy,
    ):
        yield proxy


@pytest.mark.control("RL-5")
async def test_two_sidecars_admit_no_more_than_one(server: Valkey) -> None:
    limits = {"address": {"limit": "20/h"}}
    async with shared(server, limits=limits) as one, shared(server, limits=limits) as other:
        found = await asyncio.gather(*(statuses(proxy, 15) for proxy in (one, other)))
        assert sorted([*found[0], *found[1]]) == [200] * 20 + [429] * 10
        refused = await ask(one)
        assert 3500 < int(fields(refused)[b"retry-after"]) <= 3600


@pytest.mark.control("RL-5")
async def test_the_limits_of_a_step_are_taken_together_or_not_at_all(server: Valkey) -> None:
    tiers = {"anonymous": {"limit": "3/h", "burst": 3, "by": "address"}}
    routes = [
        {"path": "/plain", "public": True},
        {"path": "/added", "public": True, "limits": {"quota": "1/month", "by": "route"}},
    ]
    async with shared(server, tiers=tiers, routes=routes) as proxy:
        assert await statuses(proxy, 4, target=b"/added") == [200, 429, 429, 429]
        assert await statuses(proxy, 3, target=b"/plain") == [200, 200, 429]
        reasons = {entry.reason for entry in await entries(proxy) if entry.status == 429}
        assert reasons == {
            "limit route: 1 in month are used up",
            "limit anonymous: 3 in 3600s with a burst of 3 are used up",
        }


async def test_counts_end_with_their_time_on_the_server(server: Valkey) -> None:
    async with shared(server, limits={"address": {"limit": "5/60s"}}) as proxy:
        assert await statuses(proxy, 1) == [200]
        [key] = keys_of(server)
        life = await asyncio.to_thread(server.command, "PTTL", key)
        assert isinstance(life, int)
        assert 0 < life <= 60_000
        assert "127.0.0.1" not in key


def keys_of(server: Valkey) -> list[str]:
    found = server.command("KEYS", "*limit:*")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("choice", "while_away"),
    [("refuse", [503, 503, 503]), ("local", [200, 200, 429]), ("allow", [200, 200, 200])],
)
async def test_what_holds_while_the_server_is_away_is_the_policys_choice(
    server: Valkey, choice: str, while_away: list[int]
) -> None:
    limits = {"address": {"limit": "2/h", "on_store_failure": choice}}
    async with shared(server, limits=limits) as proxy:
        assert await statuses(proxy, 2) == [200, 200]
        await asyncio.to_thread(server.kill)
        assert await statuses(proxy, 3) == while_away
        degraded = proxy.gauge("sidecar_rate_limit_degraded_total")
        assert (degraded > 0) == (choice != "refuse")
        for kind in ("refuse", "local", "allow"):
            assert proxy.gauge("sidecar_degraded", f"limits_{kind}") == (kind == choice)
        await asyncio.to_thread(server.start)
        # It came back empty: it counts anew.
        async with asyncio.timeout(15):
            while not keys_of(server):
                await statuses(proxy, 1)
        if choice == "refuse":
            entry = next(e for e in await entries(proxy) if e.status == 503)
            assert entry.code == "STORE_UNAVAILABLE"


async def test_a_server_that_is_not_there_at_start_ends_the_start(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    from sidecar.app import Sidecar
    from sidecar.model.errors import StoreUnavailableError

    state = {"store": f"redis://127.0.0.1:{free_port()}/0", **TIMES}
    file = tmp_path / "policy.yaml"
    limits = {"address": {"limit": "2/h", "on_store_failure": "allow"}}
    file.write_text(a_policy("http://127.0.0.1:1", state=state, limits=limits))
    loaded = load(str(file), lambda name: Path(name).read_bytes(), {})
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        await Sidecar(loaded).start()


@pytest.mark.control("RQ-1")
@pytest.mark.parametrize("tiers", [{}, {"anonymous": {"limit": "9/h", "by": "address"}}])
async def test_a_body_that_came_while_no_route_was_known_is_still_measured(
    server: Valkey, tiers: Mapping[str, object]
) -> None:
    """Whether the route, too, has something to ask or not."""
    routes = [{"path": "/**", "public": True, "body": {"max": "10B"}}]
    limits = {"address": {"limit": "9/h"}}
    more = {"limits": limits, "routes": routes, "tiers": tiers}
    async with shared(server, **more) as proxy, a_client(proxy.port) as peer:
        server.pause()
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        await peer.send(head, b"14\r\n" + b"x" * 20 + b"\r\n")
        await proxy.becomes(1, 1, 0, 0)
        server.resume()
        assert (await peer.response(b"POST")).status == 413
        assert (await entries(proxy))[0] == Entry(
            "refused", 413, "PAYLOAD_TOO_LARGE", "body above the limit while streaming"
        )


async def test_a_body_that_came_meanwhile_goes_on_whole(server: Valkey) -> None:
    limits = {"address": {"limit": "9/h"}}
    echo = Echo()
    async with shared(server, echo, limits=limits) as proxy, a_client(proxy.port) as peer:
        server.pause()
        await peer.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
        sending = asyncio.create_task(peer.send(*[b"x" * 1000] * 300))
        await proxy.becomes(1, 1, 0, 0)
        server.resume()
        await sending
        assert (await peer.response(b"POST")).status == 200
        assert len(echo.requests[0].body) == 300_000


async def test_a_client_that_leaves_while_it_waits_is_forgotten(server: Valkey) -> None:
    async with shared(server, limits={"address": {"limit": "9/h"}}) as proxy:
        server.pause()
        async with a_client(proxy.port) as peer:
            await peer.send(get(b"/"))
            await proxy.becomes(1, 1, 0, 0)
            peer.reset()
        await proxy.rests()
        server.resume()
        assert await statuses(proxy, 1) == [200]


@pytest.mark.control("AN-5")
async def test_who_has_too_many_failures_waits_for_the_floor_like_all_others(
    server: Valkey, tmp_path: Path
) -> None:
    limits = {"failed_authentication": {"limit": "2/h"}, "key": {"limit": "1/h"}}
    failure = {"failure": {"floor": f"{FLOOR_SECONDS * 1000:.0f}ms"}}
    state = {"store": server.url, **TIMES}
    more = {"limits": limits, "authentication": failure}
    async with guarded(Echo.new(), tmp_path, state, **more) as proxy:
        found = []
        for key in (GOOD, GOOD, BAD, BAD, BAD, GOOD):
            began = time.monotonic()
            found.append((await ask(proxy, key, target=b"/any")).status)
            assert found[-1] == 200 or time.monotonic() - began >= FLOOR_SECONDS
        assert found == [200, 429, 401, 401, 429, 429]
