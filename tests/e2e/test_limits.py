"""Rate limits over the wire: who is refused, when, with which answer, and what is recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.corpora.reader import Message
from tests.e2e.callers import a_key, a_record
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import BAD, GOOD, MEMORY, guarded
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

OTHER: Final = b"X-API-Key: " + a_key("other").encode()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def clocked(proxy: Running) -> Clock:
    """Let a sidecar count by a clock that the test moves."""
    counts = proxy.sidecar.proxy.outside.counts
    assert counts is not None
    clock = counts.clock = counts.monotonic = Clock()
    return clock


@asynccontextmanager
async def limited(**more: object) -> AsyncIterator[tuple[Running, Clock]]:
    """Run a sidecar whose routes are public."""
    async with a_service(Echo.new()) as service, running(a_policy(service.url, **more)) as proxy:
        yield proxy, clocked(proxy)


async def ask(proxy: Running, *lines: bytes, target: bytes = b"/") -> Message:
    async with a_client(proxy.port) as client:
        return await client.ask(get(target, *lines))


async def statuses(proxy: Running, count: int, *lines: bytes, target: bytes = b"/") -> list[int]:
    return [(await ask(proxy, *lines, target=target)).status for _ in range(count)]


def fields(answer: Message) -> dict[bytes, bytes]:
    names = (b"ratelimit", b"ratelimit-policy", b"retry-after")
    return {name: value for name in names for value in answer.values(name)}


# --- addresses


@pytest.mark.control("RL-1")
async def test_an_address_that_asks_too_often_is_told_when_to_come_again() -> None:
    async with limited(limits={"address": {"limit": "3/60s"}}) as (proxy, clock):
        first = await ask(proxy)
        assert first.status == 200
        assert fields(first) == {
            b"ratelimit-policy": b'"address";q=3;w=60',
            b"ratelimit": b'"address";r=2;t=60',
        }
        clock.now += 20.5
        assert await statuses(proxy, 2) == [200, 200]
        refused = await ask(proxy)
        assert refused.status == 429
        assert fields(refused) == {
            b"retry-after": b"40",
            b"ratelimit-policy": b'"address";q=3;w=60',
            b"ratelimit": b'"address";r=0;t=40',
        }
        problem = json.loads(refused.body)
        assert (problem["status"], problem["code"]) == (429, "RATE_LIMITED")
        clock.now += 39.4
        assert await statuses(proxy, 1) == [429]
        clock.now += 0.1
        assert await statuses(proxy, 2) == [200, 429]
        assert (await entries(proxy))[3] == Entry(
            "refused", 429, "RATE_LIMITED", "limit address: 3 in 60s are used up"
        )


@pytest.mark.control("RL-1")
async def test_the_address_is_charged_before_anything_is_looked_at() -> None:
    routes = [{"path": "/there", "public": True}]
    async with limited(limits={"address": {"limit": "2/60s"}}, routes=routes) as (proxy, _):
        assert await statuses(proxy, 2, target=b"/not-there") == [404, 404]
        assert await statuses(proxy, 1, target=b"/not-there") == [429]
        assert await statuses(proxy, 1, target=b"/there") == [429]


@pytest.mark.control("RL-1")
@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.3"),
    ],
)
async def test_an_ipv6_network_is_one_client_and_a_client_behind_a_proxy_is_itself(
    one: str, same: str, other: str
) -> None:
    listen = {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1/32"]}
    more = {"listen": listen, "limits": {"address": {"limit": "1/60s"}}}
    async with limited(**more) as (proxy, _):
        found = [await statuses(proxy, 1, line(by)) for by in (one, same, other)]
        assert found == [[200], [429], [200]]


def line(address: str) -> bytes:
    return f"X-Forwarded-For: {address}".encode()


async def test_what_a_client_says_of_its_address_counts_for_nothing() -> None:
    async with limited(limits={"address": {"limit": "1/60s"}}) as (proxy, _):
        assert await statuses(proxy, 1, line("192.0.2.1")) == [200]
        assert await statuses(proxy, 1, line("192.0.2.2")) == [429]


# --- tiers and routes


@pytest.mark.control("RL-3")
async def test_a_bucket_admits_its_burst_and_then_its_rate() -> None:
    tiers = {"anonymous": {"limit": "10/min", "burst": 4, "by": "address"}}
    async with limited(tiers=tiers) as (proxy, clock):
        assert await statuses(proxy, 5) == [200, 200, 200, 200, 429]
        refused = await ask(proxy)
        assert fields(refused)[b"retry-after"] == b"6"
        clock.now += 5.9
        assert await statuses(proxy, 1) == [429]
        clock.now += 0.1
        assert await statuses(proxy, 2) == [200, 429]
        assert fields(refused)[b"ratelimit-policy"] == b'"anonymous";q=10;w=60'


@pytest.mark.control("RL-6")
async def test_a_route_adds_limits_replaces_them_and_costs_what_it_says() -> None:
    routes = [
        {"path": "/plain", "public": True},
        {"path": "/added", "public": True, "limits": {"limit": "1/min", "by": "address"}},
        {"path": "/own", "public": True, "replace_limits": True,
         "limits": [{"limit": "5/min", "by": "address"}]},
        {"path": "/free", "public": True, "replace_limits": True},
        {"path": "/dear", "public": True, "cost": 3},
    ]  # fmt: skip
    tiers = {"anonymous": {"limit": "4/min", "by": "address"}}
    async with limited(tiers=tiers, routes=routes) as (proxy, clock):
        assert await statuses(proxy, 2, target=b"/added") == [200, 429]
        # The refused one took nothing of the tier.
        assert await statuses(proxy, 1, target=b"/dear") == [200]
        assert await statuses(proxy, 1, target=b"/plain") == [429]
        assert await statuses(proxy, 6, target=b"/own") == [200, 200, 200, 200, 200, 429]
        assert await statuses(proxy, 9, target=b"/free") == [200] * 9
        clock.now += 60
        both = await ask(proxy, target=b"/added")
        assert fields(both)[b"ratelimit"] == b'"anonymous";r=3;t=60, "route";r=0;t=60'


async def test_a_quota_is_full_again_at_midnight() -> None:
    tiers = {"anonymous": {"quota": "2/day", "by": "address"}}
    async with limited(tiers=tiers) as (proxy, clock):
        clock.now = 86_400.0 * 20_000 + 86_000
        assert await statuses(proxy, 3) == [200, 200, 429]
        refused = await ask(proxy)
        assert fields(refused) == {
            b"retry-after": b"400",
            b"ratelimit-policy": b'"anonymous";q=2;w=86400',
            b"ratelimit": b'"anonymous";r=0;t=400',
        }
        clock.now += 400
        assert await statuses(proxy, 1) == [200]


async def test_shadow_records_and_admits_and_takes_nothing_from_the_others() -> None:
    tiers = {
        "anonymous": [
            {"limit": "1/min", "by": "address", "mode": "shadow"},
            {"limit": "3/min", "by": "address"},
        ]
    }
    async with limited(tiers=tiers) as (proxy, _):
        assert await statuses(proxy, 4) == [200, 200, 200, 429]
        records = await proxy.records()
        assert [bool(shadowed(one)) for one in records] == [False, True, True, True]
        counts = proxy.sidecar.proxy.metrics.snapshot()["sidecar_rate_limit_decisions_total"]
        found = {tuple(labels): numbers[0] for labels, numbers in counts}
        # The second limit of a tier has a name of its own.
        assert found == {
            ("anonymous", "admitted"): 1,
            ("anonymous", "shadowed"): 3,
            ("anonymous-2", "admitted"): 3,
            ("anonymous-2", "refused"): 1,
        }


def shadowed(record: Mapping[str, object]) -> object:
    metadata = record["metadata"]
    assert isinstance(metadata, Mapping)
    return metadata.get("would_refuse")


async def test_mode_shadow_of_the_policy_refuses_nobody() -> None:
    more = {"mode": "shadow", "limits": {"address": {"limit": "1/min"}}}
    async with limited(**more) as (proxy, _):
        assert await statuses(proxy, 3) == [200, 200, 200]
        assert [bool(shadowed(one)) for one in await proxy.records()] == [False, True, True]


async def test_whoever_is_charged_for_refusals_stays_out_while_knocking() -> None:
    tiers = {"anonymous": {"limit": "2/min", "by": "address", "charge_refused": True}}
    async with limited(tiers=tiers) as (proxy, clock):
        assert await statuses(proxy, 3) == [200, 200, 429]
        for _ in range(4):
            clock.now += 20
            assert await statuses(proxy, 1) == [429]
        clock.now += 60
        assert await statuses(proxy, 1) == [200]


async def test_answers_say_nothing_of_limits_if_the_policy_says_so() -> None:
    async with limited(limits={"address": {"limit": "1/min"}, "fields": False}) as (proxy, _):
        assert fields(await ask(proxy)) == {}
        assert fields(await ask(proxy)) == {b"retry-after": b"60"}


# --- callers


TIERS: Final = {
    "free": {"limit": "2/min", "by": ["subject", "tenant"]},
    "pro": {"limit": "4/min", "by": ["subject", "tenant"]},
}


@pytest.mark.control("RL-4")
async def test_callers_have_the_limit_of_their_tier_each_for_himself(tmp_path: Path) -> None:
    """acme is of the tier pro; a key of its own tier goes before; others are of the default."""
    async with guarded(Echo.new(), tmp_path, tiers=TIERS, limits={"default_tier": "free"}) as proxy:
        clocked(proxy)
        for name, own in (("other", None), ("free", "free"), ("brass", "brass")):
            record = a_record(name, a_key(name), "viewer", tier=own, subject=name)
            assert await proxy.store.add_key(record)
        for name, most in (("good", 4), ("other", 4), ("free", 2), ("brass", 2)):
            key = b"X-API-Key: " + a_key(name).encode()
            assert await statuses(proxy, most + 1, key, target=b"/any") == [200] * most + [429]
        assert await statuses(proxy, 9, target=b"/public") == [200] * 9


@pytest.mark.control("RL-2")
async def test_a_key_is_charged_once_it_is_verified_and_by_nobody_else(tmp_path: Path) -> None:
    async with guarded(Echo.new(), tmp_path, limits={"key": {"limit": "2/60s"}}) as proxy:
        clocked(proxy)
        forged = GOOD[:-4] + b"zzzz"
        assert await statuses(proxy, 3, forged, target=b"/any") == [401] * 3
        assert await statuses(proxy, 1, GOOD, target=b"/any") == [200]
        # What the role forbids is charged too: the key was used.
        assert await statuses(proxy, 1, GOOD, target=b"/service") == [403]
        refused = await ask(proxy, GOOD, target=b"/any")
        assert (refused.status, fields(refused)[b"retry-after"]) == (429, b"60")


async def test_tenants_may_have_a_rate_of_their_own_within_the_bound(tmp_path: Path) -> None:
    tier = {"limit": "2/min", "by": "tenant", "custom_max": "5/min"}
    for own, most in (("4/min", 4), ("100/min", 5), ("nonsense", 2), ("", 2)):
        tenants = {"acme": {"tier": "pro", "attributes": {"rate_limit": own}}}
        folder = tmp_path / str(most) / (own[:1] or "-")
        folder.mkdir(parents=True)
        more: dict[str, Mapping[str, object]] = {
            "tiers": {"pro": tier},
            "limits": {"default_tier": "pro"},
            "tenants": tenants,
        }
        async with running_with(folder, more) as proxy:
            clocked(proxy)
            found = await statuses(proxy, most + 1, GOOD, target=b"/any")
            assert found == [200] * most + [429]


def running_with(
    folder: Path, more: Mapping[str, Mapping[str, object]]
) -> AbstractAsyncContextManager[Running]:
    return guarded(Echo.new(), folder, MEMORY, **more)


@pytest.mark.control("AN-5")
async def test_too_many_failures_refuse_even_the_right_key_unseen(tmp_path: Path) -> None:
    limits = {"failed_authentication": {"limit": "3/min"}}
    async with guarded(Echo.new(), tmp_path, limits=limits) as proxy:
        clocked(proxy)
        assert await statuses(proxy, 5, target=b"/any") == [401] * 5  # no credential: no guess
        assert await statuses(proxy, 2, BAD, target=b"/any") == [401, 401]
        assert await statuses(proxy, 1, GOOD, target=b"/any") == [200]
        assert await statuses(proxy, 2, BAD, target=b"/any") == [401, 429]
        assert await statuses(proxy, 1, GOOD, target=b"/any") == [429]
        assert await statuses(proxy, 1, target=b"/public") == [200]
        reasons = [one.reason for one in await entries(proxy) if one.status == 429]
        assert reasons == ["limit failed-authentication: 3 in 60s are used up"] * 2


async def test_failures_answer_alike_whatever_is_left(tmp_path: Path) -> None:
    limits = {"address": {"limit": "9/min"}, "failed_authentication": {"limit": "3/min"}}
    async with guarded(Echo.new(), tmp_path, limits=limits) as proxy:
        clocked(proxy)
        for _ in range(2):
            refused = await ask(proxy, BAD, target=b"/any")
            assert refused.status == 401
            assert fields(refused) == {}


@pytest.mark.control("AN-5")
async def test_of_many_guesses_at_once_no_more_are_judged_than_have_room(tmp_path: Path) -> None:
    limits = {"failed_authentication": {"limit": "3/min"}}
    async with guarded(Echo.new(), tmp_path, limits=limits) as proxy:
        clocked(proxy)
        keys = [b"X-API-Key: " + a_key(f"guess{n}").encode() for n in range(20)]
        found = await asyncio.gather(*(statuses(proxy, 1, key, target=b"/any") for key in keys))
        assert sorted(status for [status] in found) == [401] * 3 + [429] * 17


async def test_a_credential_stays_here_even_if_shadow_lets_a_locked_out_caller_pass(
    tmp_path: Path,
) -> None:
    echo = Echo()
    limits = {"failed_authentication": {"limit": "1/min"}}
    async with guarded(echo, tmp_path, mode="shadow", limits=limits) as proxy:
        clocked(proxy)
        assert await statuses(proxy, 3, BAD, target=b"/any") == [200] * 3
        assert await statuses(proxy, 1, GOOD, target=b"/any") == [200]
        names = {name.lower() for request in echo.requests for name, _ in request.fields}
        assert b"x-api-key" not in names
