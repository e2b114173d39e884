"""Millions of addresses come by: memory stays bounded, and whoever was there loses nothing."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pytest

from sidecar.adapters.limits.memory import SHARED, MemoryLimits
from sidecar.knowledge.limits.counters import new_counter
from sidecar.knowledge.limits.window import PARTS
from sidecar.model.limits import SECOND, Charge, Count, Limit
from tests.conftest import ManualClock
from tests.e2e.launch import Launched, serving
from tests.e2e.wire import a_policy
from tests.knowledge.limits.log_checker import Asked, above, greedy
from tests.soak.limit_load import Lines, Upstream, request_of

ADDRESSES: Final = int(os.environ.get("SOAK_LIMITS_ADDRESSES", "10_000_000"))
ENTRIES: Final = 50_000
NEW_BYTES: Final = 640
"""Bound of an entry whose caller has asked once."""
FULL_BYTES: Final = 2_400
"""Bound of an entry, and of a shared one: its log has all the parts that it can have."""
ONE_MINUTE: Final = Limit("address/60", "address", 60, 60 * SECOND)


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def a_charge(limit: Limit, number: int, kind: bytes = b"stranger") -> Charge:
    """Charge an IPv4 address; its /24 is the place."""
    address = number.to_bytes(4, "big")
    return Charge(limit, kind + address, 1, address[:3])


class Resident:
    """A caller who has an entry, held against a counter that nobody disturbs."""

    def __init__(self, number: int, limits: MemoryLimits) -> None:
        self._charge = a_charge(ONE_MINUTE, number, b"resident")
        self._limits = limits
        self._counter = new_counter(ONE_MINUTE)

    def is_answered_rightly(self) -> bool:
        """Ask, and compare everything that is said."""
        now = int(self._limits.monotonic() * SECOND)
        wait = self._counter.wait(now, 1)
        if not wait:
            self._counter.charge(now, 1)
        left = self._counter.left(now)
        expected = Count(not wait, left, wait or self._counter.next(now))
        return self._limits.at_hand([self._charge]) == (expected,)


@dataclass(frozen=True, slots=True)
class Flooded:
    """What a flood of addresses left behind.

    Attributes:
        growth: bytes of memory more than before.
        entries: callers that have counters of their own.
        sharing: charges that went to shared counters.
        admitted: strangers that were.
        latecomers: requests of a hundred who came again and again, half of them when there was no
            room any more.
    """

    growth: int
    entries: int
    sharing: int
    admitted: int
    latecomers: list[Asked]


def flood(addresses: int) -> Flooded:
    """Let strangers come by, once each, while residents go on asking."""
    clock = ManualClock()
    limits = MemoryLimits(ENTRIES, clock, clock)
    residents = [Resident(number, limits) for number in range(16)]
    before = rss_bytes()
    latecomers: list[Asked] = []
    admitted = 0
    for number in range(addresses):
        # Distinct ones, from all over: 2654435761 is odd, so no two are the same modulo 2^32.
        [count] = limits.at_hand([a_charge(ONE_MINUTE, number * 2_654_435_761 % 2**32)])
        admitted += count.is_admitted
        clock.advance(2e-5)
        if number % 1000 == 0:
            assert residents[number // 1000 % 16].is_answered_rightly()
            latecomers.append(_ask(limits, number // 1000 % 100))
    growth = rss_bytes() - before
    return Flooded(growth, limits.size, limits.sharing, admitted, latecomers)


def _ask(limits: MemoryLimits, number: int) -> Asked:
    [count] = limits.at_hand([a_charge(ONE_MINUTE, number, b"latecomer")])
    now = int(limits.monotonic() * SECOND)
    return Asked(str(number), now, now, 200 if count.is_admitted else 429)


def fill() -> tuple[int, int]:
    """Give every entry a log as long as can be; return entries and bytes."""
    clock = ManualClock()
    limit = Limit("address/1000", "address", 1000, 60 * SECOND)
    limits = MemoryLimits(ENTRIES, clock, clock)
    before = rss_bytes()
    for _ in range(2 * PARTS):
        for number in range(ENTRIES):
            limits.at_hand([a_charge(limit, number)])
        clock.advance(60 / PARTS)
    return limits.size, rss_bytes() - before


@pytest.fixture
def alone() -> Iterator[Executor]:
    """Measure in a new process: an old one has room from which it would take."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        yield executor


@pytest.mark.control("RL-1", "RL-7")
@pytest.mark.timeout(1200)
def test_ten_million_addresses_leave_memory_bounded_and_callers_with_entries_alone(
    alone: Executor,
) -> None:
    left = alone.submit(flood, ADDRESSES).result()
    latecomers = left.latecomers
    sys.stdout.write(
        f"\n{ADDRESSES} addresses, {left.admitted} admitted, {left.sharing} charges shared:"
        f" {left.growth / 1e6:.1f} MB more, {left.growth / ENTRIES:.0f} bytes for each of"
        f" {left.entries} entries; of the latecomers' {len(latecomers)} requests"
        f" {sum(one.is_admitted for one in latecomers)} were admitted\n"
    )
    assert left.entries <= ENTRIES
    assert left.growth < ENTRIES * NEW_BYTES + SHARED * FULL_BYTES
    assert above(latecomers, ONE_MINUTE.amount, ONE_MINUTE.period) == []


@pytest.mark.control("RL-7")
@pytest.mark.timeout(600)
def test_entries_whose_logs_are_as_long_as_can_be_stay_bounded(alone: Executor) -> None:
    entries, growth = alone.submit(fill).result()
    sys.stdout.write(
        f"\nlogs of {PARTS} parts: {growth / 1e6:.1f} MB, {growth / ENTRIES:.0f} bytes an entry\n"
    )
    assert entries == ENTRIES
    assert growth < ENTRIES * FULL_BYTES


STRANGERS: Final = 100_000
FIRST: Final = 30_000
FEW_ENTRIES: Final = 5_000
ABREAST: Final = 16
# What is known of addresses is remembered for 20,000 of them, beside the counters.
FIRST_GROWTH: Final = 20_000_000
GROWTH: Final = 4_000_000
RESIDENT: Final = "192.0.2.1"


@pytest.mark.control("RL-1")
@pytest.mark.timeout(600)
async def test_a_hundred_thousand_addresses_over_http_leave_a_caller_with_an_entry_alone(
    tmp_path: Path,
) -> None:
    upstream = Upstream()
    async with await upstream.start():
        policy = a_policy(
            f"http://127.0.0.1:{upstream.port}",
            listen={"trusted_proxies": ["127.0.0.0/8"]},
            limits={"address": {"limit": "60/60s"}, "entries": FEW_ENTRIES},
            audit={"requests": "refused"},
            state={"store": "memory"},
        )
        async with serving(policy, tmp_path) as sidecar:
            await _flood(sidecar)


async def _flood(sidecar: Launched) -> None:
    lines = Lines([sidecar.port], 0)
    log = [await _from(lines, RESIDENT)]
    start = sidecar.rss_bytes
    staying = asyncio.create_task(_stay(lines, log))
    statuses = await _all_from(lines, map(_address, range(FIRST)))
    first = sidecar.rss_bytes
    statuses += await _all_from(lines, map(_address, range(FIRST, STRANGERS)))
    grown = sidecar.rss_bytes
    staying.cancel()
    log += [await _from(lines, RESIDENT) for _ in range(70)]
    lines.close()
    seconds = (log[-1].answered - log[0].sent) / 1e9
    sys.stdout.write(
        f"\n{STRANGERS} addresses in {seconds:.0f} s {dict(statuses)}: {(first - start) / 1e6:.1f}"
        f" MB more for the first {FIRST}, {(grown - first) / 1e6:.1f} MB for the rest;"
        f" {await sidecar.count('sidecar_rate_limit_callers')} entries; the resident asked"
        f" {len(log)} times, {sum(one.is_admitted for one in log)} were admitted\n"
    )
    assert set(statuses) == {200, 429}
    assert first - start < FIRST_GROWTH
    assert grown - first < GROWTH
    assert sum(one.is_admitted for one in log) == len(greedy(log, 60, 60 * 10**9))
    assert not log[-1].is_admitted


async def _stay(lines: Lines, log: list[Asked]) -> None:
    """Ask now and then: further apart than the parts of a window, so that each counts alone."""
    while True:
        await asyncio.sleep(2)
        log.append(await _from(lines, RESIDENT))


async def _from(lines: Lines, address: str) -> Asked:
    return await lines.ask(address, request_of(b"X-Forwarded-For: %b" % address.encode()))


def _address(number: int) -> str:
    """Make one of many distinct addresses, each in another /24 than the one before."""
    return f"{16 + number // 65536}.{number // 256 % 256}.{number % 256}.7"


async def _all_from(lines: Lines, addresses: Iterable[str]) -> "Counter[int]":
    statuses: Counter[int] = Counter()
    waiting = iter(addresses)

    async def ask_on() -> None:
        for address in waiting:
            statuses[(await _from(lines, address)).status] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(ABREAST):
            group.create_task(ask_on())
    return statuses
