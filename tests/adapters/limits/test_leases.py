"""Units taken in advance: replicas with leases never admit more than the limit, whatever happens.

The model: replicas with clocks of their own, delays on both ways to the server, and deaths; the
script on a real server whose clock is moved; the bare log of what was admitted, and when.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.adapters.limits.leases import PART, SHARE, Leases, burst_of
from sidecar.model.limits import RATE_PART, SECOND, Calendar, Charge, Count, Limit
from sidecar.model.ports import UNKNOWN
from tests.adapters.limits.charges import Entry, a_charge, keeps_promise
from tests.adapters.limits.moved import Moved
from tests.conftest import ManualClock
from tests.knowledge.limits.a_limit import MINUTE, a_bucket, a_quota, a_window
from tests.stores.servers import valkey

REPLICAS: Final = 3
LEASE_SECONDS: Final = 1.0


@pytest.fixture(scope="module")
def moved() -> Iterator[Moved]:
    with valkey() as server:
        moved = Moved(server)
        yield moved
        moved.end()


class Replica:
    """A process: its leases, and a clock that is skewed."""

    def __init__(self, moved: Moved, skew: int) -> None:
        self._moved = moved
        self.skew = skew
        self.leases = self._fresh()

    def _fresh(self) -> Leases:
        return Leases(LEASE_SECONDS, 10, lambda: (self._moved.now + self.skew) / SECOND)

    def die(self) -> None:
        """Start again with nothing."""
        self.leases = self._fresh()


@dataclass(frozen=True, slots=True)
class Ask:
    """Requests, after a pause: to which replica, with which delays on the way."""

    pause: int
    replica: int
    there: int
    back: int
    is_last: bool = False
    times: int = 1


# Bursts, a lease's whole time, and what is left of a period behind it: where it would show.
PAUSES: Final = st.one_of(
    st.sampled_from([0, 0, 0, 20_000, 900_000, 980_000]),
    st.sampled_from([MINUTE - 2 * SECOND, MINUTE - SECOND, MINUTE - 100_000, MINUTE]),
    st.integers(0, 2 * SECOND),
)
DELAYS: Final = st.sampled_from([0, 0, 1000, SECOND // 2])
ASKS: Final = st.lists(
    st.builds(
        Ask, PAUSES, st.integers(0, REPLICAS - 1), DELAYS, DELAYS,
        st.sampled_from([False] * 19 + [True]), st.sampled_from([1, 2, 3, 5, 20]),
    ),
    min_size=5, max_size=40,
)  # fmt: skip
LIMITS: Final = st.sampled_from(
    [a_window(8), a_window(16), a_window(40), a_bucket(60, 16), a_bucket(600, 90), a_quota(20)]
)


# What a lease leaves room for, where charges counted from when they were granted; where its time
# began with the answer; and where the bucket kept its whole burst.
LATE: Final = [Ask(0, 0, 0, 0, times=2), Ask(980_000, 0, 0, 0, times=20)]
COUNTED_LATE: Final = [*LATE, Ask(MINUTE - 978_000, 0, 0, 0, times=20)]
SLOW: Final = [
    Ask(0, 0, 0, 0, times=1),
    Ask(0, 0, 0, SECOND // 2, times=1),
    Ask(980_000, 0, 0, 0, times=20),
    Ask(MINUTE - 478_000, 0, 0, 0, times=20),
]
FULL: Final = [Ask(0, 0, 0, 0, times=2), Ask(980_000, 0, 0, 0, times=100)]


@pytest.mark.control("RL-5")
@settings(max_examples=100)
@example(a_window(16), [0, 0, 0], COUNTED_LATE)
@example(a_window(16), [0, 0, 0], SLOW)
@example(a_bucket(600, 90), [0, 0, 0], FULL)
@given(LIMITS, st.lists(st.integers(-MINUTE, MINUTE), min_size=3, max_size=3), ASKS)
def test_no_replica_that_lags_dies_or_has_another_clock_admits_too_much(
    moved: Moved, limit: Limit, skews: list[int], asks: list[Ask]
) -> None:
    moved.begin()
    replicas = [Replica(moved, skew + 10 * MINUTE) for skew in skews]
    charge = a_charge(limit)
    log: list[Entry] = []
    for ask in asks:
        moved.now += ask.pause
        replica = replicas[ask.replica]
        if ask.is_last:
            replica.die()
        for _ in range(ask.times):
            moment = admitted(moved, replica.leases, charge, ask)
            log += [(moment, 1)] if moment else []
    assert keeps_promise(limit, sorted(log))


def admitted(moved: Moved, leases: Leases, charge: Charge, ask: Ask) -> int:
    """Ask a replica; return when it admitted, as the log of a service would have it, or 0."""
    if leases.at_hand((charge,)) is not UNKNOWN:
        return moved.now
    sent = leases.now()
    wanted = leases.want(charge, sent)
    moved.now += ask.there
    moment = moved.now
    count, leased = moved.leasing(charge, leases, wanted)
    moved.now += ask.back
    leases.grant(charge, count, leased, sent)
    return moment if count.is_admitted else 0


@pytest.mark.parametrize("limit", [a_window(6000), a_bucket(6000, 800), a_quota(6000)])
def test_a_steady_caller_is_asked_for_rarely_and_loses_little(moved: Moved, limit: Limit) -> None:
    moved.begin()
    leases = Replica(moved, 0).leases
    charge = a_charge(limit)
    served = asked = 0
    for _ in range(2500):
        moved.now += 8000
        if leases.at_hand((charge,)) is UNKNOWN:
            asked += 1
            admitted(moved, leases, charge, Ask(0, 0, 0, 0))
        served += 1
    assert asked < served / 20
    count, _ = moved.leasing(charge, leases, 0)
    used = limit.amount - count.left
    if limit.calendar is not None:
        assert served <= used <= served * 1.06
    elif not limit.burst:
        assert used <= served * 1.06


@pytest.mark.parametrize("burst", [1, 2, 7, 8, 9])
def test_a_small_bucket_counts_with_leases_as_without(moved: Moved, burst: int) -> None:
    moved.begin()
    leases = Replica(moved, 0).leases
    charge = a_charge(a_bucket(60, burst))
    found = [moved.leasing(charge, leases, 0)[0].is_admitted for _ in range(burst + 2)]
    assert found.count(True) in {burst, burst - 1}
    assert found[0]


def test_a_process_without_leases_shortens_nothing_that_others_took(moved: Moved) -> None:
    moved.begin()
    limit = a_window(16)
    charge = a_charge(limit)
    long, none = Replica(moved, 0).leases, Leases(0, 10, lambda: moved.now / SECOND)
    moved.leasing(charge, long, 1)
    moved.leasing(charge, none, 0)
    moved.now += MINUTE + SECOND - 1
    assert moved.leasing(charge, none, 0)[0].left < limit.amount - 1


# --- one process alone


def a_lease(clock: ManualClock, seconds: float = 1.0, entries: int = 10) -> Leases:
    return Leases(seconds, entries, clock)


ROOM: Final = Count(is_admitted=True, left=50, wait=7)


def taken(leases: Leases, charge: Charge, leased: int) -> None:
    """Let a server grant units."""
    sent = leases.now()
    leases.want(charge, sent)
    leases.grant(charge, ROOM, leased, sent)


def test_who_asks_once_gets_no_lease_and_who_asks_again_twice_what_he_used() -> None:
    clock = ManualClock()
    leases, charge = a_lease(clock), a_charge(a_window(1000))
    wants = []
    for _ in range(4):
        sent = leases.now()
        wants.append(leases.want(charge, sent))
        leases.grant(charge, ROOM, wants[-1], sent)
        while leases.at_hand((charge,)) is not UNKNOWN:
            clock.now += 0.001
    assert wants == [0, 2, 6, 14]


def test_a_lease_says_what_is_left_and_ends_with_its_time() -> None:
    clock = ManualClock()
    leases, charge = a_lease(clock), a_charge(a_window(1000))
    taken(leases, charge, 0)
    taken(leases, charge, 2)
    assert leases.at_hand((charge,)) == (Count(is_admitted=True, left=51, wait=7),)
    assert leases.used == 1
    assert (leases.granted, leases.spent) == (2, 1)
    clock.now += 1.0
    assert leases.at_hand((charge,)) is UNKNOWN


def test_a_request_is_charged_to_all_leases_or_to_none() -> None:
    leases = a_lease(ManualClock())
    one, other = a_charge(a_window(1000)), a_charge(a_window(2000))
    taken(leases, one, 5)
    assert leases.at_hand((one, other)) is UNKNOWN
    taken(leases, other, 1)
    assert leases.at_hand((one, other)) is not UNKNOWN
    assert leases.at_hand((one, other)) is UNKNOWN
    assert leases.at_hand((one,)) == (Count(is_admitted=True, left=53, wait=7),)


def test_one_question_at_a_time_asks_for_units() -> None:
    leases, charge = a_lease(ManualClock()), a_charge(a_window(1000))
    taken(leases, charge, 0)
    sent = leases.now()
    assert [leases.want(charge, sent) for _ in range(3)] == [2, 0, 0]
    leases.forget_asking(charge)
    assert leases.want(charge, sent) == 2


def test_no_lease_is_a_large_part_of_the_limit() -> None:
    leases, charge = a_lease(ManualClock()), a_charge(a_window(20))
    for _ in range(9):
        taken(leases, charge, 0)
    assert leases.want(charge, leases.now()) == 20 // SHARE


def test_leases_are_bounded_in_number_and_old_ones_make_room() -> None:
    clock = ManualClock()
    leases, limit = a_lease(clock, entries=2), a_window(1000)
    for name in "abc":
        taken(leases, a_charge(limit, name), 5)
    held = [leases.at_hand((a_charge(limit, name),)) is not UNKNOWN for name in "abc"]
    assert held == [True, True, False]
    clock.now += 2
    taken(leases, a_charge(limit, "c"), 5)
    assert leases.at_hand((a_charge(limit, "c"),)) is not UNKNOWN


@pytest.mark.parametrize(
    ("limit", "length"),
    [
        (a_window(10, 60 * SECOND), SECOND),
        (a_window(10, 2 * SECOND), 2 * SECOND // PART),
        (a_bucket(60, 8), SECOND),
        (a_bucket(600, 40), SECOND // 2),
        (a_bucket(60, 7), 0),
        (a_bucket(60, 1), 0),
        (a_quota(10, Calendar.MONTH), SECOND),
    ],
)
def test_leases_are_short_beside_the_limit(limit: Limit, length: int) -> None:
    assert a_lease(ManualClock()).length_of(limit) == length
    burst = burst_of(limit, length)
    assert burst > 0 or not limit.burst
    assert burst >= limit.burst - limit.burst // RATE_PART - 1
    assert a_lease(ManualClock(), 0.0).length_of(limit) == 0


def test_without_leases_nothing_is_at_hand_or_wanted() -> None:
    leases, charge = a_lease(ManualClock(), 0.0), a_charge(a_window(1000))
    assert leases.want(charge, leases.now()) == 0
    leases.grant(charge, ROOM, 5, leases.now())
    leases.forget_asking(charge)
    assert leases.at_hand((charge,)) is UNKNOWN
