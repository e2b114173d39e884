"""What counters in memory promise, whoever comes when, and however few entries there are."""

from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.model.limits import SECOND, Count, Limit
from tests.adapters.limits.charges import (
    MOMENT,
    Entry,
    a_charge,
    greedy,
    is_let_through,
    keeps_promise,
    shadow,
)
from tests.knowledge.limits.a_limit import DAY, a_bucket, a_quota, a_window

LIMITS = (
    a_window(2, SECOND),
    greedy(a_window(3, 3 * SECOND)),
    a_bucket(2, 3, SECOND),
    a_quota(3),
    shadow(a_window(1, SECOND)),
)
STEPS = st.one_of(
    st.sampled_from([0, 0, SECOND, 2 * SECOND]),
    st.integers(0, SECOND // 8),
    st.integers(0, 2 * SECOND),
    st.integers(0, DAY),
)
COSTS = st.one_of(st.just(1), st.integers(1, 3))
CHOSEN = st.one_of(
    st.sampled_from([(one,) for one in LIMITS[:4]]),
    st.lists(st.sampled_from(LIMITS), min_size=1, max_size=4, unique=True).map(tuple),
)
REQUESTS = st.lists(st.tuples(STEPS, st.integers(0, 7), COSTS, CHOSEN), max_size=60)
Requests = list[tuple[int, int, int, tuple[Limit, ...]]]


class _Moved:
    """A clock of whole microseconds, and the counters that go by it."""

    def __init__(self, entries: int) -> None:
        self.now = MOMENT
        self.limits = MemoryLimits(entries, self.seconds, self.seconds)

    def seconds(self) -> float:
        return self.now / SECOND

    def ask(self, caller: int, cost: int, limits: Iterable[Limit]) -> tuple[Count, ...]:
        """Charge a caller; two and two come from one place."""
        return self.limits.at_hand(
            tuple(a_charge(one, f"{caller}", cost, f"{caller // 2}") for one in limits)
        )


@pytest.mark.control("RL-1")
@settings(max_examples=300)
@given(st.integers(1, 4), REQUESTS)
def test_nobody_gets_more_than_the_limit_however_few_entries_there_are(
    entries: int, requests: Requests
) -> None:
    moved = _Moved(entries)
    logs: dict[tuple[Limit, int], list[Entry]] = defaultdict(list)
    for step, caller, cost, limits in requests:
        moved.now += step
        if is_let_through(limits, moved.ask(caller, cost, limits)):
            for limit in limits:
                logs[limit, caller].append((moved.now, cost))
        assert moved.limits.size <= entries
    over = [key for key, log in logs.items() if not keeps_promise(key[0], log)]
    assert [key for key in over if not key[0].is_shadow] == []


@pytest.mark.control("RL-1")
@settings(max_examples=200)
@given(st.integers(1, 4), REQUESTS)
def test_strangers_change_nothing_for_those_who_have_an_entry(
    entries: int, requests: Requests
) -> None:
    moved, alone = _Moved(entries), _Moved(10_000)
    limit = a_window(3, 2 * SECOND)
    ends = dict.fromkeys(range(entries), 0)
    for caller in ends:
        moved.ask(caller, 1, [limit])
        alone.ask(caller, 1, [limit])
        ends[caller] = moved.now + limit.period
    for step, caller, cost, limits in requests:
        moved.now = alone.now = moved.now + min(step, SECOND)
        if caller not in ends:
            moved.ask(caller, cost, limits)
        elif ends[caller] <= moved.now:
            return  # its place may be taken
        else:
            expected = alone.ask(caller, cost, [limit])
            assert moved.ask(caller, cost, [limit]) == expected
            if expected[0].is_admitted:
                ends[caller] = moved.now + limit.period


@settings(max_examples=200)
@given(REQUESTS)
def test_while_there_is_room_the_number_of_entries_changes_nothing(requests: Requests) -> None:
    """Forgetting what is over is not noticed."""
    moved, alone = _Moved(8 * len(LIMITS)), _Moved(10_000)
    for step, caller, cost, limits in requests:
        moved.now = alone.now = moved.now + step
        assert moved.ask(caller, cost, limits) == alone.ask(caller, cost, limits)
    assert moved.limits.sharing == 0
