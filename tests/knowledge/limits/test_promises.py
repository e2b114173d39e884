"""What the counters promise, held against the bare log of what they admitted."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.limits.counter import Counter
from sidecar.knowledge.limits.counters import new_counter
from sidecar.knowledge.limits.window import PARTS
from sidecar.model.limits import SECOND, Calendar, Limit
from tests.knowledge.limits.a_limit import DAY, MINUTE, a_bucket, a_quota, a_window

START = int(datetime(2026, 2, 27, 23, 59, 30, tzinfo=UTC).timestamp()) * SECOND
Asked = list[tuple[int, int]]
Log = list[tuple[int, int]]

# Steps of no time, of a moment, and of about a period; costs of one mostly.
PERIODS = st.sampled_from([64, 1000, SECOND])
COSTS = st.one_of(st.just(1), st.integers(1, 4))


def asked(period: int) -> st.SearchStrategy[Asked]:
    steps = st.one_of(
        st.just(0),
        st.integers(0, max(period // 64, 1)),
        st.integers(0, period // 4),
        st.integers(0, period * 2),
    )
    return st.lists(st.tuples(steps, COSTS), max_size=60)


def admitted(counter: Counter, requests: Asked) -> Log:
    """Ask as told; return what was admitted, as moments and units."""
    now, log = START, []
    for step, cost in requests:
        now += step
        if not counter.wait(now, cost):
            counter.charge(now, cost)
            log.append((now, cost))
    return log


def units(log: Log, after: int, until: int) -> int:
    return sum(cost for moment, cost in log if after < moment <= until)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Limit, Asked]:
    period = draw(PERIODS)
    return a_window(draw(st.integers(1, 9)), period), draw(asked(period))


@st.composite
def buckets(draw: st.DrawFn) -> tuple[Limit, Asked]:
    period = draw(PERIODS)
    limit = a_bucket(draw(st.integers(1, 9)), draw(st.integers(1, 9)), period)
    return limit, draw(asked(period))


@pytest.mark.control("RL-2")
@given(windows())
def test_no_window_holds_more_than_the_amount(case: tuple[Limit, Asked]) -> None:
    limit, requests = case
    log = admitted(new_counter(limit), requests)
    for moment, _ in log:
        assert units(log, moment - limit.period, moment) <= limit.amount


@given(windows())
def test_nothing_counts_longer_than_a_part_of_the_period_beyond_it(
    case: tuple[Limit, Asked],
) -> None:
    limit, requests = case
    counter = new_counter(limit)
    now = START
    log: Log = []
    reach = limit.period + limit.period // PARTS
    for step, cost in requests:
        now += step
        if counter.wait(now, cost):
            assert units(log, now - reach, now) + cost > limit.amount
        else:
            counter.charge(now, cost)
            log.append((now, cost))


@pytest.mark.control("RL-3")
@given(buckets())
def test_no_span_holds_more_than_burst_and_rate(case: tuple[Limit, Asked]) -> None:
    limit, requests = case
    log = admitted(new_counter(limit), requests)
    for first, _ in log:
        for last, _ in log:
            span = last - first
            if span >= 0:
                most = limit.burst * limit.period + limit.amount * span
                assert units(log, first - 1, last) * limit.period <= most


@given(st.sampled_from(Calendar), st.integers(1, 9), asked(2 * DAY))
def test_no_period_of_the_calendar_holds_more_than_the_quota(
    calendar: Calendar, amount: int, requests: Asked
) -> None:
    log = admitted(new_counter(a_quota(amount, calendar)), requests)
    periods: dict[str, int] = {}
    for moment, cost in log:
        text = datetime.fromtimestamp(moment // SECOND, UTC).isoformat()
        period = text[: 10 if calendar is Calendar.DAY else 7]
        periods[period] = periods.get(period, 0) + cost
    assert all(used <= amount for used in periods.values())


@given(st.one_of(windows(), buckets()))
def test_who_waits_as_told_is_admitted_and_not_sooner(case: tuple[Limit, Asked]) -> None:
    limit, requests = case
    counter = new_counter(limit)
    now = START
    for step, cost in requests:
        now += step
        wait = counter.wait(now, cost)
        if not wait:
            counter.charge(now, cost)
        elif cost <= limit.most:
            assert counter.copy().wait(now + wait - 1, cost) == 1
            assert counter.copy().wait(now + wait, cost) == 0


@given(st.one_of(windows(), buckets()))
def test_what_is_left_can_be_had_and_no_more(case: tuple[Limit, Asked]) -> None:
    limit, requests = case
    counter = new_counter(limit)
    now = START
    for step, cost in requests:
        now += step
        if not counter.wait(now, cost):
            counter.charge(now, cost)
        left = counter.left(now)
        assert 0 <= left <= limit.most
        assert not left or counter.copy().wait(now, left) == 0
        assert counter.copy().wait(now, left + 1) > 0
        after = counter.next(now)
        assert (after == 0) == (left == limit.most)
        if after:
            assert counter.copy().left(now + after) > left
            assert counter.copy().left(now + after - 1) == left
        assert counter.copy().left(max(counter.ends(), now)) == limit.most


@given(st.one_of(windows(), buckets()))
def test_whoever_goes_on_knocking_stays_out(case: tuple[Limit, Asked]) -> None:
    """Charged although refused, a window holds the latest charges, and a bucket stays empty."""
    limit, requests = case
    counter = new_counter(limit)
    now = START
    for step, cost in requests:
        now += step
        if counter.wait(now, cost):
            counter.charge(now, cost)
            assert counter.wait(now, 1) or cost < limit.most
            assert counter.left(now) >= 0
        else:
            counter.charge(now, cost)


def test_a_window_of_single_requests_is_exact() -> None:
    counter = new_counter(a_window(3))
    for second in (0, 20, 40):
        counter.charge(START + second * SECOND, 1)
    now = START + 59 * SECOND
    assert counter.wait(now, 1) == SECOND
    assert counter.wait(now, 2) == 21 * SECOND
    assert counter.wait(now, 3) == 41 * SECOND
    assert counter.wait(now, 4) == MINUTE
    assert counter.next(now) == SECOND
    assert counter.wait(START + MINUTE, 1) == 0


def test_a_window_takes_little_memory_whatever_comes() -> None:
    counter = new_counter(a_window(1_000_000))
    for moment in range(START, START + 2 * MINUTE, 10_007):
        counter.charge(moment, 1)
    assert counter.ends() <= START + 3 * MINUTE
    assert (
        counter.left(START + 2 * MINUTE) >= 1_000_000 - MINUTE // 10_007 * (PARTS + 1) // PARTS - 1
    )


def test_a_bucket_of_an_odd_rate_is_never_faster_than_it() -> None:
    counter = new_counter(a_bucket(7, 1))
    times, now = 0, START
    while (now := now + counter.wait(now, 1)) < START + 100 * MINUTE:
        counter.charge(now, 1)
        times += 1
    assert times == 7 * 100


def test_more_than_the_bucket_never_fits() -> None:
    counter = new_counter(a_bucket(60, 5))
    assert counter.wait(START, 6) == 5 * SECOND
    counter.charge(START, 6)
    assert counter.left(START) == 0
    assert counter.wait(START, 1) == SECOND


@pytest.mark.parametrize(
    ("calendar", "moment", "end"),
    [
        (Calendar.DAY, "2026-02-27T23:59:30", "2026-02-28"),
        (Calendar.DAY, "2026-02-28T00:00:00", "2026-03-01"),
        (Calendar.MONTH, "2026-02-27T23:59:30", "2026-03-01"),
        (Calendar.MONTH, "2028-02-01T00:00:00", "2028-03-01"),
        (Calendar.MONTH, "2026-12-31T23:59:59", "2027-01-01"),
    ],
)
def test_a_quota_is_full_again_when_the_period_ends(
    calendar: Calendar, moment: str, end: str
) -> None:
    now, then = (
        int(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp()) * SECOND
        for one in (moment, end)
    )
    counter = new_counter(a_quota(2, calendar))
    assert counter.ends() == 0
    counter.charge(now, 2)
    assert counter.wait(now, 1) == counter.next(now) == then - now
    assert counter.ends() == then
    assert counter.copy().left(then) == 2
    assert counter.wait(then, 2) == 0
    # A clock that is set back gives nothing twice.
    counter.charge(then, 2)
    assert counter.wait(now, 1) > 0
