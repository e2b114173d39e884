"""Counters in the memory of one process: exact, all or nothing, and for a bounded number."""

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest

from sidecar.adapters.limits.memory import SHARED, SWEEP, MemoryLimits
from sidecar.model.limits import SECOND, Calendar, Charge, Limit
from sidecar.policy.schema.limits import RateLimits
from tests.adapters.limits.charges import (
    MOMENT,
    a_charge,
    greedy,
    is_let_through,
    shadow,
)
from tests.conftest import ManualClock
from tests.knowledge.limits.a_limit import DAY, MINUTE, a_bucket, a_quota, a_window

ENTRIES = 50
ADDRESSES = 1_000_000
ONCE_BYTES = 400
"""Bound on the memory of a caller who came once: name, counter, places in table and ring."""
BUSY_BYTES = 2_500
"""The same of a caller whose log is full: 64 parts of the period, and the one that begins."""


@pytest.fixture
def limits(clock: ManualClock) -> MemoryLimits:
    return MemoryLimits(ENTRIES, clock, clock)


def _admitted(limits: MemoryLimits, *charges: Charge) -> bool:
    """Ask with some limits, and tell whether none of those that are enforced refuses."""
    counts = limits.at_hand(charges)
    return is_let_through([charge.limit for charge in charges], counts)


def _asks(limits: MemoryLimits, times: int, charge: Charge) -> int:
    """Ask so many times; return how often it was admitted."""
    return sum(limits.at_hand((charge,))[0].is_admitted for _ in range(times))


# --- all or nothing


def test_limits_of_one_step_are_all_charged(limits: MemoryLimits) -> None:
    charges = (a_charge(a_window(5)), a_charge(a_bucket(60, 3)), a_charge(a_quota(9), cost=2))
    assert [one.left for one in limits.at_hand(charges)] == [4, 2, 7]
    assert [one.left for one in limits.at_hand(charges)] == [3, 1, 5]


@pytest.mark.parametrize("order", [1, -1])
def test_when_one_refuses_none_is_charged(limits: MemoryLimits, order: int) -> None:
    charges = (a_charge(a_window(5)), a_charge(a_bucket(60, 1)), a_charge(a_quota(9)))[::order]
    assert all(one.is_admitted for one in limits.at_hand(charges))
    after = limits.at_hand(charges)
    assert [one.is_admitted for one in after][::order] == [True, False, True]
    assert [one.left for one in after][::order] == [4, 0, 8]
    assert [one.left for one in limits.at_hand(charges)][::order] == [4, 0, 8]


def test_a_shadow_limit_refuses_nobody_and_keeps_no_other_from_being_charged(
    limits: MemoryLimits,
) -> None:
    charges = (a_charge(shadow(a_window(1))), a_charge(a_window(5)))
    told = [limits.at_hand(charges) for _ in range(3)]
    assert [one[0].is_admitted for one in told] == [True, False, False]
    assert [one[1].left for one in told] == [4, 3, 2]


def test_a_shadow_limit_is_not_charged_for_what_another_refuses(limits: MemoryLimits) -> None:
    watched = a_charge(shadow(a_window(5)))
    full = a_charge(a_window(1))
    assert _admitted(limits, watched, full)
    assert not _admitted(limits, watched, full)
    assert limits.at_hand((watched,))[0].left == 3


def test_a_shadow_limit_alone_is_charged_no_more_than_it_has(limits: MemoryLimits) -> None:
    assert _asks(limits, 9, a_charge(shadow(a_window(2)))) == 2


def test_who_goes_on_knocking_stays_out_where_refused_requests_count(
    limits: MemoryLimits, clock: ManualClock
) -> None:
    plain, counting = a_window(1), greedy(a_window(1))
    assert _asks(limits, 1, a_charge(plain)) == _asks(limits, 1, a_charge(counting)) == 1
    told = []
    for seconds in (40, 40, 40, 60):
        clock.advance(seconds)
        told.append((_asks(limits, 1, a_charge(plain)), _asks(limits, 1, a_charge(counting))))
    assert told == [(0, 0), (1, 0), (0, 0), (1, 1)]


def test_a_limit_that_counts_what_it_refuses_counts_nothing_that_another_refuses(
    limits: MemoryLimits,
) -> None:
    charges = (a_charge(greedy(a_window(5))), a_charge(a_window(1)))
    assert [limits.at_hand(charges)[0].left for _ in range(3)] == [4, 4, 4]


def test_a_refusal_charges_those_limits_that_count_what_they_refuse_and_no_others(
    limits: MemoryLimits, clock: ManualClock
) -> None:
    knocking, other = a_charge(greedy(a_window(1))), a_charge(a_window(5))
    assert _admitted(limits, knocking, other)
    clock.advance(59)
    assert not _admitted(limits, knocking, other)
    clock.advance(1)
    told = limits.at_hand((knocking, other))
    assert [(one.is_admitted, one.left) for one in told] == [(False, 0), (True, 5)]


def test_who_is_refused_leaves_no_entry(limits: MemoryLimits) -> None:
    assert _asks(limits, 3, a_charge(a_window(2), cost=3)) == 0
    assert not _admitted(limits, a_charge(a_window(2), cost=3), a_charge(a_bucket(60, 5)))
    assert limits.size == 0
    assert limits.at_hand((a_charge(a_window(2)),))[0].left == 1
    assert limits.size == 1


def test_no_charge_is_no_answer(limits: MemoryLimits) -> None:
    assert limits.at_hand(()) == ()


def test_callers_and_limits_are_counted_apart(limits: MemoryLimits) -> None:
    for caller in ("alice", "bob"):
        for limit in (a_window(2), a_window(2, SECOND)):
            assert _asks(limits, 5, a_charge(limit, caller)) == 2
    assert limits.size == 4


# --- clocks


def test_a_quota_goes_by_the_calendar_and_all_else_by_a_steady_clock() -> None:
    calendar, steady = ManualClock(MOMENT / SECOND), ManualClock(7.0)
    limits = MemoryLimits(ENTRIES, calendar, steady)
    charges = [a_charge(one) for one in (a_window(1), a_bucket(1, 1), a_quota(1))]
    assert [_asks(limits, 2, one) for one in charges] == [1, 1, 1]
    calendar.advance(30)
    assert [_asks(limits, 2, one) for one in charges] == [0, 0, 1]
    steady.advance(60)
    assert [_asks(limits, 2, one) for one in charges] == [1, 1, 0]
    calendar.advance(-3600)
    assert [_asks(limits, 2, one) for one in charges] == [0, 0, 0]


def test_a_quota_says_when_its_period_ends() -> None:
    limits = MemoryLimits(ENTRIES, ManualClock(MOMENT / SECOND), ManualClock(7.0))
    waits = [limits.at_hand((a_charge(a_quota(1, one)),))[0].wait for one in Calendar]
    assert waits == [30 * SECOND, 30 * SECOND + DAY]


# --- bounds


@pytest.mark.control("RL-7")
def test_an_entry_whose_time_is_over_makes_room_for_a_new_caller(
    limits: MemoryLimits, clock: ManualClock
) -> None:
    for _ in range(5):
        for caller in range(ENTRIES):
            assert _asks(limits, 3, a_charge(a_window(2), f"{clock.now}/{caller}")) == 2
        assert (limits.size, limits.sharing) == (ENTRIES, 0)
        clock.advance(60)


@pytest.mark.parametrize("limit", [a_window(2), a_bucket(1, 2), a_quota(2)])
def test_what_is_live_stays_when_what_is_over_goes(limit: Limit, clock: ManualClock) -> None:
    limits = MemoryLimits(SWEEP, clock, clock)
    for number in range(SWEEP):
        old = number % 2
        _asks(limits, 2, a_charge(a_window(2, SECOND) if old else limit, f"{number}"))
    clock.advance(1)
    for number in range(SWEEP // 2):
        assert _asks(limits, 1, a_charge(a_window(2), f"new {number}")) == 1
    assert (limits.size, limits.sharing) == (SWEEP, 0)
    for number in range(0, SWEEP, 2):
        assert _asks(limits, 1, a_charge(limit, f"{number}")) == 0


def test_what_is_over_is_found_behind_any_number_of_live_entries(clock: ManualClock) -> None:
    limits = MemoryLimits(10 * SWEEP + 1, clock, clock)
    for number in range(10 * SWEEP):
        _asks(limits, 1, a_charge(a_window(1, 10 * MINUTE), f"{number}"))
    _asks(limits, 1, a_charge(a_window(1), "over"))
    clock.advance(60)
    for number in range(11):
        _asks(limits, 1, a_charge(a_window(1), f"new {number}", place=f"{number}"))
    assert (limits.size, limits.sharing) == (10 * SWEEP + 1, 10)


def _elsewhere(place: str) -> str:
    """Find a place whose callers share with nobody of another one."""
    slot = hash(place.encode()) % SHARED
    return next(f"{n}" for n in range(9) if hash(f"{n}".encode()) % SHARED != slot)


@pytest.mark.control("RL-1")
def test_when_all_entries_are_live_new_callers_share_by_place(clock: ManualClock) -> None:
    limits = MemoryLimits(1, clock, clock)
    limit = a_window(3)
    assert _asks(limits, 1, a_charge(limit, "resident", place="p")) == 1
    assert _asks(limits, 2, a_charge(limit, "a", place="p")) == 2
    assert _asks(limits, 2, a_charge(limit, "b", place="p")) == 1
    assert _asks(limits, 1, a_charge(limit, "a", place="p")) == 0
    assert _asks(limits, 9, a_charge(limit, "c", place=_elsewhere("p"))) == 3
    assert _asks(limits, 9, a_charge(limit, "resident", place="p")) == 2
    assert (limits.size, limits.sharing) == (1, 6)


def test_limits_are_counted_apart_where_callers_share(clock: ManualClock) -> None:
    limits = MemoryLimits(1, clock, clock)
    _asks(limits, 1, a_charge(a_window(1), "resident"))
    for limit in (a_window(2), a_bucket(60, 3), a_quota(4)):
        assert sum(_asks(limits, 2, a_charge(limit, f"{n}")) for n in range(4)) == limit.most


@pytest.mark.control("RL-1")
def test_who_shared_takes_the_use_along_into_an_own_entry(clock: ManualClock) -> None:
    limits = MemoryLimits(1, clock, clock)
    limit = a_window(4)
    _asks(limits, 1, a_charge(limit, "resident"))
    clock.advance(30)
    assert [_asks(limits, 1, a_charge(limit, one)) for one in "aab"] == [1, 1, 1]
    clock.advance(30)
    assert _asks(limits, 4, a_charge(limit, "a")) == 1  # the resident's time is over
    assert limits.sharing == 3
    assert _asks(limits, 4, a_charge(limit, "b")) == 1  # and goes on with those who share
    clock.advance(30)
    assert _asks(limits, 9, a_charge(limit, "a")) == 3


def test_what_is_shared_ends_with_its_time(clock: ManualClock) -> None:
    limits = MemoryLimits(1, clock, clock)
    _asks(limits, 1, a_charge(a_window(1, 10 * MINUTE), "resident"))
    for _ in range(3):
        assert _asks(limits, 9, a_charge(a_window(2), "a")) == 2
        clock.advance(60)


@pytest.mark.control("RL-1")
def test_who_gets_an_entry_while_others_share_is_not_charged_for_them(clock: ManualClock) -> None:
    """Room may be found when a charge is kept, although there was none when it was judged."""
    limits = MemoryLimits(2 * SWEEP + 1, clock, clock)
    for number in range(2 * SWEEP):
        _asks(limits, 1, a_charge(a_window(1, 10 * MINUTE), f"{number}"))
    limit = a_window(20)
    _asks(limits, 1, a_charge(limit, "over"))
    clock.advance(59)
    assert _asks(limits, 1, a_charge(limit, "stranger")) == limits.sharing == 1
    clock.advance(1)
    asked = 0
    while limits.sharing == 1 + asked:
        asked += _asks(limits, 1, a_charge(limit, "new"))
    assert _asks(limits, 20, a_charge(limit, "stranger")) < 20
    assert limits.at_hand((a_charge(limit, "new"),))[0].left == 20 - 1 - asked - 1


# --- memory


def _bytes_of(root: object) -> int:
    """Add up the sizes of all that an object holds."""
    seen: set[int] = set()
    waiting = [root]
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(
            one, type | ModuleType | FunctionType | BuiltinFunctionType
        ):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting += gc.get_referents(one)
    return total


@pytest.mark.control("RL-7")
def test_a_million_addresses_take_no_more_memory_than_there_are_entries(
    clock: ManualClock,
) -> None:
    entries = RateLimits().entries
    limits = MemoryLimits(entries, clock, clock)
    limit = a_window(60)
    residents = [Charge(limit, b"resident %d" % n, 30, b"home") for n in range(9)]
    assert all(limits.at_hand((one,))[0].is_admitted for one in residents)
    for number in range(ADDRESSES):
        caller = number.to_bytes(16)
        limits.at_hand((Charge(limit, caller, 1, caller[:15]),))
    assert limits.size == entries
    assert _bytes_of(limits) < (entries + SHARED) * ONCE_BYTES
    assert [limits.at_hand((one,))[0].left for one in residents] == [0] * 9


def test_a_busy_caller_takes_little_memory(limits: MemoryLimits, clock: ManualClock) -> None:
    for _ in range(200):
        clock.advance(0.9)
        for caller in range(ENTRIES):
            _asks(limits, 1, a_charge(a_window(10_000), f"{caller}"))
    assert _bytes_of(limits) < ENTRIES * BUSY_BYTES


@pytest.mark.control("RL-7")
def test_counts_are_let_go_while_nobody_asks(limits: MemoryLimits, clock: ManualClock) -> None:
    for number in range(ENTRIES):
        period = MINUTE * (number % 2 + 1)
        _asks(limits, 1, a_charge(a_window(2, period), f"{number}"))
    clock.advance(59)
    limits.forget(ENTRIES)
    assert limits.size == ENTRIES
    clock.advance(1)
    limits.forget(ENTRIES // 2)
    limits.forget(ENTRIES // 2)
    assert limits.size == ENTRIES // 2
    assert limits.at_hand((a_charge(a_window(2, 2 * MINUTE), "1"),))[0].left == 0
    clock.advance(120)
    limits.forget(10 * ENTRIES)
    assert limits.size == 0


@pytest.mark.control("RL-7")
def test_shared_counts_are_let_go_while_nobody_asks(clock: ManualClock) -> None:
    limits = MemoryLimits(1, clock, clock)
    _asks(limits, 1, a_charge(a_window(2), "resident"))
    small = _bytes_of(limits)
    for number in range(ENTRIES):
        _asks(limits, 1, a_charge(a_window(2), f"{number}", place=f"{number}"))
    clock.advance(59)
    limits.forget(1)
    assert _bytes_of(limits) > small + 40 * ENTRIES
    clock.advance(1)
    limits.forget(1)
    assert limits.size == 0
    # A table does not give back the room of its names at once.
    assert _bytes_of(limits) < small + 40 * ENTRIES
