"""The script of limits on a real server, its clock moved: it counts as the memory does."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.model.limits import SECOND, Calendar, Count, Limit
from tests.adapters.limits.charges import MOMENT, a_charge, greedy, micros_of, shadow
from tests.adapters.limits.moved import EPOCH, Moved, Request
from tests.knowledge.limits.a_limit import DAY, MINUTE, a_bucket, a_quota, a_window
from tests.stores.servers import Valkey, valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture(scope="module")
def moved(server: Valkey) -> Iterator[Moved]:
    moved = Moved(server)
    yield moved
    moved.end()


@pytest.fixture
def anew(moved: Moved) -> Moved:
    moved.begin()
    return moved


# --- as the memory

LIMITS = (
    a_window(3, SECOND),
    a_window(2, 64),
    a_window(9, MINUTE),
    a_bucket(7, 5),
    a_bucket(3, 2, 1000),
    a_quota(4),
    a_quota(6, Calendar.MONTH),
)
KINDS = (*LIMITS, *map(shadow, LIMITS), *map(greedy, LIMITS), greedy(shadow(a_window(2, SECOND))))
STEPS = st.one_of(
    st.just(0),
    st.sampled_from([64, 1000, SECOND, MINUTE, DAY]),
    st.integers(0, SECOND // 64),
    st.integers(0, 2 * SECOND),
    st.integers(0, 2 * MINUTE),
    st.integers(0, 40 * DAY),
)
COSTS = st.one_of(st.just(1), st.integers(1, 12))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    limits = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5, unique=True))
    caller = draw(st.sampled_from(["alice", "bob"]))
    return tuple(a_charge(one, caller, draw(COSTS)) for one in limits)


@pytest.mark.control("RL-5")
@settings(max_examples=150)
@given(st.lists(st.tuples(STEPS, st.lists(requests(), min_size=1, max_size=4)), max_size=20))
def test_the_script_counts_as_the_memory_does(
    moved: Moved, scripts: list[tuple[int, list[Request]]]
) -> None:
    moved.begin()
    for step, together in scripts:
        moved.now += step
        assert moved.on_server(*together) == moved.in_memory(*together)


@pytest.mark.parametrize(
    ("limit", "step"),
    [
        pytest.param(a_window(50), MINUTE // 130, id="a log of many parts"),
        pytest.param(a_window(500), MINUTE // 1000, id="parts of several charges"),
        pytest.param(greedy(a_window(20)), MINUTE // 9, id="a log that is cut"),
        pytest.param(a_bucket(70, 9), MINUTE // 90, id="a bucket of an odd rate"),
        pytest.param(greedy(a_bucket(70, 9)), MINUTE // 30, id="an empty bucket"),
        pytest.param(a_quota(100), DAY // 90, id="days"),
        pytest.param(a_quota(100, Calendar.MONTH), DAY // 2, id="months"),
    ],
)
def test_a_long_run_is_counted_as_in_memory(anew: Moved, limit: Limit, step: int) -> None:
    admitted = 0
    for number in range(400):
        anew.now += number * 7_919_000_003 % (2 * step)
        request = (a_charge(limit, cost=number % 3 + 1),)
        [(count,)] = anew.on_server(request)
        assert [(count,)] == anew.in_memory(request)
        admitted += count.is_admitted
    assert 50 < admitted < 400


@pytest.mark.parametrize(
    "limit", [a_window(1, SECOND), a_window(1, 1500), a_bucket(1, 1, SECOND), a_quota(1)]
)
@pytest.mark.parametrize("part", [0, 1, 999])
def test_a_count_is_kept_to_its_last_microsecond(anew: Moved, limit: Limit, part: int) -> None:
    anew.now += part
    request = (a_charge(limit),)
    [(first,)] = anew.on_server(request)
    assert first.is_admitted
    anew.now += first.wait - 1
    assert anew.on_server(request) == [(Count(is_admitted=False, left=0, wait=1),)]
    anew.now += 1
    assert anew.on_server(request)[0][0].is_admitted


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2024, 2026, 2100])
def test_every_day_of_a_year_lies_in_the_right_month(anew: Moved, year: int) -> None:
    anew.now = (year - 1970) * 365 * DAY + (year - 1969) // 4 * DAY
    requests = [(a_charge(a_quota(1, one), "alice"),) for one in Calendar]
    for _ in range(366):
        assert anew.on_server(*requests) == anew.in_memory(*requests)
        anew.now += DAY


def test_requests_of_one_caller_in_one_script_count_one_another(anew: Moved) -> None:
    request = (a_charge(a_window(3)), a_charge(a_bucket(60, 2)), a_charge(shadow(a_quota(1))))
    other = (a_charge(a_window(3), "bob"),)
    told = anew.on_server(request, request, other, request, request)
    assert [[one.is_admitted for one in counts] for counts in told] == [
        [True, True, True],
        [True, True, False],
        [True],
        [True, False, False],
        [True, False, False],
    ]
    assert [counts[0].left for counts in told] == [2, 1, 2, 1, 1]


# --- strict mode


def _waits(moved: Moved, *limits: Limit) -> list[int]:
    """Ask for one unit of each limit in strict mode; a wait of 0 is an admission."""
    told = moved.on_server(*((a_charge(one),) for one in limits), mode="strict")
    return [0 if count.is_admitted else count.wait for (count,) in told]


def test_in_strict_mode_a_new_server_admits_nothing_that_could_still_count(anew: Moved) -> None:
    limits = (a_window(9), a_bucket(60, 20), a_quota(9), a_quota(9, Calendar.MONTH))
    seconds = [60, 20, 30, 30 + 86_400]
    assert _waits(anew, *limits) == [one * SECOND for one in seconds]
    for limit, second in sorted(zip(limits, seconds, strict=True), key=lambda pair: pair[1]):
        anew.now = MOMENT + second * SECOND - 1
        assert _waits(anew, limit) == [1]
        anew.now += 1
        assert _waits(anew, limit) == [0]


@pytest.mark.parametrize("loss", ["emptied", "replaced"])
def test_in_strict_mode_a_loss_is_noticed_whenever_it_happens(
    anew: Moved, server: Valkey, loss: str
) -> None:
    limit = a_window(9)
    assert _waits(anew, limit) == [MINUTE]
    anew.now += MINUTE
    assert _waits(anew, limit) == [0]
    anew.now += SECOND
    if loss == "emptied":
        server.command("FLUSHALL")
    else:
        server.command("HSET", EPOCH, "state", f"{'0' * 40}:1")
    assert _waits(anew, limit) == [MINUTE]
    anew.now += MINUTE
    assert _waits(anew, limit) == [0]


@pytest.mark.parametrize(
    ("calendar", "lost", "end", "later"),
    [
        (Calendar.DAY, "2026-02-27T23:59:30", "2026-02-28", "2026-03-01"),
        (Calendar.MONTH, "2026-01-30T12:00:00", "2026-02-01", "2026-02-28"),
        (Calendar.MONTH, "2026-02-01T00:00:01", "2026-03-01", "2026-05-31"),
    ],
)
def test_in_strict_mode_a_loss_costs_the_period_that_it_happened_in_and_no_other(
    anew: Moved, calendar: Calendar, lost: str, end: str, later: str
) -> None:
    limit = a_quota(9, calendar)
    anew.now = micros_of(lost)
    ends = micros_of(end)
    assert _waits(anew, limit) == [ends - anew.now]
    anew.now = ends - 1
    assert _waits(anew, limit) == [1]
    for moment in (ends, ends + SECOND, micros_of(later)):
        anew.now = moment
        assert _waits(anew, limit) == [0]


def test_in_strict_mode_a_shadow_limit_refuses_nobody(anew: Moved) -> None:
    enforced, watched = a_charge(a_window(9, SECOND)), a_charge(shadow(a_window(9)))
    anew.on_server((enforced,), mode="strict")
    anew.now += SECOND
    [counts] = anew.on_server((watched, enforced), mode="strict")
    assert [one.is_admitted for one in counts] == [False, True]
    assert counts[1].left == 8


def test_without_strict_mode_nothing_is_kept_but_counts(anew: Moved, server: Valkey) -> None:
    anew.on_server((a_charge(a_window(9)),))
    assert server.command("EXISTS", EPOCH) == 0
    assert server.command("DBSIZE") == 1
