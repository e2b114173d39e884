"""Counters on a real server: shared by all replicas, in few scripts, and gone in time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from redis.crc import key_slot

from sidecar.adapters.limits.answers import LimitAnswers
from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.limits.redis import TOGETHER
from sidecar.decision.charges import Counted, Networks
from sidecar.model.identity import TenantId
from sidecar.model.limits import SECOND, Calendar, Limit
from sidecar.model.ports import UNKNOWN
from sidecar.model.questions import FindTenant, Question, TakeLimits
from sidecar.policy.schema.limits import RateLimits
from tests.adapters.limits.charges import a_charge, greedy, shadow
from tests.adapters.limits.counting import Counting, counting
from tests.conftest import ManualClock
from tests.knowledge.limits.a_limit import DAY, MINUTE, a_bucket, a_quota, a_window
from tests.stores.servers import Valkey, valkey, wait_until

HOUR = 60 * MINUTE
COUNTERS = "{sidecar}:limit:*"


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
async def replica(server: Valkey) -> AsyncIterator[Counting]:
    await _run(server, "FLUSHALL")
    async with counting(server.url) as replica:
        yield replica


async def _run(server: Valkey, *words: str) -> object:
    return await asyncio.to_thread(server.command, *words)


async def _keys(server: Valkey) -> list[str]:
    found = await _run(server, "KEYS", "*")
    return sorted(map(str, found)) if isinstance(found, list) else []


async def _calls(server: Valkey) -> int:
    """Count the scripts that were run since the last time."""
    stats = await _run(server, "INFO", "commandstats")
    await _run(server, "CONFIG", "RESETSTAT")
    assert isinstance(stats, dict)
    found = (stats.get(f"cmdstat_{name}", {"calls": 0}) for name in ("eval", "evalsha"))
    return sum(one["calls"] for one in found)


# --- the same counts, on all replicas


@pytest.mark.control("RL-5")
async def test_a_sequence_is_counted_as_in_memory(replica: Counting, clock: ManualClock) -> None:
    memory = MemoryLimits(100, clock, clock)
    limits = (
        a_window(9, HOUR),
        a_bucket(5, 7, HOUR),
        shadow(a_window(4, HOUR)),
        greedy(a_window(3, HOUR)),
        greedy(shadow(a_bucket(1, 2, HOUR))),
    )
    for number in range(60):
        chosen = limits[number % 5 :] if number % 7 else limits[: number % 5 + 1]
        charges = [a_charge(one, "ab"[number % 2], number % 4 + 1) for one in chosen]
        told, expected = await replica.ask(*charges), memory.at_hand(charges)
        assert [(one.is_admitted, one.left) for one in told] == [
            (one.is_admitted, one.left) for one in expected
        ]
        for one, other in zip(told, expected, strict=True):
            assert other.wait - 20 * SECOND <= one.wait <= other.wait


@pytest.mark.control("RL-5")
async def test_replicas_share_their_counts(server: Valkey, replica: Counting) -> None:
    charge = a_charge(a_window(100, HOUR))
    async with counting(server.url) as second, counting(server.url) as third:
        replicas = (replica, second, third) * 100
        told = await asyncio.gather(*(one.admits(charge) for one in replicas))
    assert sum(told) == 100


async def test_requests_at_once_go_in_few_scripts_and_are_counted_exactly(
    server: Valkey, replica: Counting
) -> None:
    await _calls(server)
    requests = 10 * TOGETHER
    limits = (a_window(100, HOUR), a_bucket(1, 70, HOUR), shadow(a_window(20, HOUR)))
    told = await asyncio.gather(
        *(replica.ask(*(a_charge(one, f"{n % 4}") for one in limits)) for n in range(requests))
    )
    admitted = [counts for counts in told if counts[0].is_admitted and counts[1].is_admitted]
    assert len(admitted) == 4 * 70
    assert sum(counts[2].is_admitted for counts in admitted) == 4 * 20
    # The server has to be told the script first, which is one call more.
    assert await _calls(server) <= requests // TOGETHER + 1


async def test_a_request_alone_waits_for_no_other(server: Valkey, replica: Counting) -> None:
    await replica.ask(a_charge(a_window(9)))
    await _calls(server)
    for _ in range(5):
        assert await replica.admits(a_charge(a_window(9)))
    assert await _calls(server) == 5


async def test_what_comes_in_one_round_of_the_loop_goes_in_one_script(
    server: Valkey, replica: Counting
) -> None:
    await replica.ask(a_charge(a_window(9)))
    await _calls(server)
    server.pause()
    charge = a_charge(a_window(9), "bob")
    tasks = []
    for requests in (1, 20):
        tasks += [asyncio.create_task(replica.admits(charge)) for _ in range(requests)]
        for _ in range(5):
            await asyncio.sleep(0)
    assert replica.limits.waiting == 21
    server.resume()
    assert sum(await asyncio.gather(*tasks)) == 9
    assert replica.limits.waiting == 0
    assert await _calls(server) == 2


async def test_who_gives_up_waiting_disturbs_nobody(replica: Counting) -> None:
    charge = a_charge(a_window(9, HOUR))
    tasks = [asyncio.create_task(replica.ask(charge)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    del found[1]
    assert [one[0].left for one in found if isinstance(one, tuple)] == [8, 6, 5, 4]


def test_nothing_is_at_hand(server: Valkey) -> None:
    assert Counting(server.url).limits.at_hand((a_charge(a_window(9)),)) is UNKNOWN


class _Others:
    """Answers every other question with itself."""

    async def find(self, question: Question) -> object:
        return question

    def find_soon(self, question: Question, then: object) -> bool:
        del question, then
        return False


async def test_other_questions_are_answered_by_others(replica: Counting) -> None:
    answers = LimitAnswers(replica.limits, _Others())
    other = FindTenant(TenantId("acme"))
    assert await answers.find(other) is other
    told = await answers.find(TakeLimits((a_charge(a_window(9)),)))
    assert isinstance(told, tuple)
    assert told[0].left == 8


# --- what the server holds, and how long


@pytest.mark.control("RL-7")
@pytest.mark.parametrize(
    ("limit", "longest"),
    [
        pytest.param(a_window(9), MINUTE, id="a window"),
        pytest.param(greedy(a_window(1)), MINUTE, id="a window that counts refusals"),
        pytest.param(a_bucket(60, 20), 3 * SECOND, id="a bucket"),
        pytest.param(greedy(a_bucket(60, 2)), 2 * SECOND, id="an empty bucket"),
        pytest.param(a_quota(9), DAY, id="a day"),
        pytest.param(a_quota(9, Calendar.MONTH), 31 * DAY, id="a month"),
    ],
)
async def test_no_count_outlives_the_time_of_its_limit(
    server: Valkey, replica: Counting, limit: Limit, longest: int
) -> None:
    for _ in range(3):
        await replica.ask(a_charge(limit))
    [key] = [one for one in await _keys(server) if "limit" in one]
    left = await _run(server, "PTTL", key)
    assert isinstance(left, int)
    assert 0 < left <= longest // 1000


@pytest.mark.control("RL-7")
async def test_nothing_is_left_when_its_time_is_over(server: Valkey, replica: Counting) -> None:
    before = await _keys(server)
    limits = (a_window(9, SECOND // 5), a_bucket(100, 20), greedy(a_window(1, SECOND // 10)))
    for caller in range(20):
        await replica.ask(*(a_charge(one, f"{caller}") for one in limits))
    assert len(await _keys(server)) == len(before) + 60
    await asyncio.to_thread(
        wait_until, lambda: server.command("KEYS", COUNTERS) == [], "all counts are gone"
    )
    assert await _keys(server) == before


async def test_who_is_refused_leaves_nothing(server: Valkey, replica: Counting) -> None:
    assert not await replica.admits(a_charge(a_window(2), cost=3))
    assert not await replica.admits(a_charge(a_window(2), cost=3), a_charge(a_bucket(9, 9)))
    assert await _run(server, "KEYS", COUNTERS) == []


async def test_all_names_lie_in_one_slot_and_tell_nothing_of_callers(
    server: Valkey, replica: Counting
) -> None:
    networks = Networks(RateLimits())
    limit = replace(a_window(9), id="route/GET/{tenant}/orders/{id}/9/60/0")
    counted = Counted(limit, ("address", "header:X-User"), networks, 1)
    callers = [("198.51.100.7/32", "alice}{"), ("2001:db8::/64", "bob@example.com")]
    for parts in callers:
        assert await replica.admits(counted.charge(parts))
    names = await _keys(server)
    assert len(names) == 3
    assert {key_slot(one.encode()) for one in names} == {key_slot(b"sidecar")}
    everything = "\n".join(names)
    assert everything.isascii()
    for value in (*callers[0], *callers[1], "198.51.100.7", "2001:db8"):
        assert value not in everything
        assert value.encode().hex() not in everything


async def test_prefixes_are_counted_apart(server: Valkey, replica: Counting) -> None:
    charge = a_charge(a_window(1))
    assert await replica.admits(charge)
    async with counting(server.url, prefix="other") as other:
        assert await other.admits(charge)
        assert not await other.admits(charge)
