"""The judge of the experiment with many processes is judged first: it must not miss an excess."""

from collections import Counter
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.limits.counters import new_counter
from tests.knowledge.limits.a_limit import a_window
from tests.knowledge.limits.log_checker import Asked, Full, above, fullest, greedy

PERIOD = 100


def asked(sent: int, answered: int, status: int = 200, caller: str = "a") -> Asked:
    return Asked(caller, sent, answered, status)


def at_once(*moments: int) -> list[Asked]:
    return [asked(moment, moment) for moment in moments]


LOGS = st.lists(
    st.builds(
        lambda caller, sent, took, status: Asked(caller, sent, sent + took, status),
        st.sampled_from("ab"),
        st.integers(0, 400),
        st.integers(0, 30),
        st.sampled_from([200, 200, 200, 429, 503, 0]),
    ),
    max_size=25,
)


@pytest.mark.parametrize(
    ("log", "most"),
    [
        pytest.param(at_once(0, 50, 99), 3, id="all within a window"),
        pytest.param(at_once(0, 50, 100), 2, id="the end is not in the window"),
        pytest.param(at_once(60, 99, 101, 140), 4, id="across the turn of a fixed window"),
        pytest.param([asked(0, 1), asked(98, 100)], 1, id="an answer at the end may be outside"),
        pytest.param([asked(0, 1), asked(98, 99)], 2, id="an answer before the end is inside"),
        pytest.param([asked(0, 99), asked(1, 2)], 2, id="answers in another order than sends"),
        pytest.param([asked(0, 300), *at_once(10, 20)], 2, id="a slow one hides no quick ones"),
        pytest.param([asked(0, 0, 429), asked(1, 1, 503), asked(2, 2, 0)], 0, id="none admitted"),
        pytest.param([asked(0, 0), asked(1, 1, caller="b")], 1, id="callers count apart"),
    ],
)
def test_admissions_count_in_a_window_that_holds_send_and_answer(
    log: list[Asked], most: int
) -> None:
    assert max((one.admitted for one in fullest(log, PERIOD)), default=0) == most


def test_an_excess_is_told_with_its_caller_and_window() -> None:
    log = [*at_once(0, 250, 260, 349), asked(0, 0, caller="b")]
    assert above(log, 2, PERIOD) == [Full("a", 250, 3)]
    assert above(log, 3, PERIOD) == []


@given(LOGS, st.randoms())
def test_the_order_of_the_log_means_nothing(log: list[Asked], random: Random) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)
    assert Counter(fullest(shuffled, PERIOD)) == Counter(fullest(log, PERIOD))


@given(LOGS)
def test_the_fullest_window_is_that_of_all_windows(log: list[Asked]) -> None:
    for one in fullest(log, PERIOD):
        own = [asked for asked in log if asked.is_admitted and asked.caller == one.caller]
        counts = [
            sum(start <= each.sent and each.answered < start + PERIOD for each in own)
            for start in range(-PERIOD, 401)
        ]
        assert max(counts) == one.admitted


@given(st.lists(st.integers(0, 300), max_size=10), st.integers(1, 3))
def test_no_choice_that_keeps_the_limit_is_larger_than_the_greedy_one(
    moments: list[int], amount: int
) -> None:
    log = at_once(*sorted(moments))
    chosen = greedy(log, amount, PERIOD)
    assert above(chosen, amount, PERIOD) == []
    larger = combinations(log, len(chosen) + 1)
    assert all(above(choice, amount, PERIOD) for choice in larger)


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 9))
def test_our_own_window_is_greedy_but_for_a_part_of_the_period(
    moments: list[int], amount: int
) -> None:
    counter = new_counter(a_window(amount, PERIOD))
    log = []
    for moment in sorted(moments):
        status = 429 if counter.wait(moment, 1) else 200
        if status == 200:
            counter.charge(moment, 1)
        log.append(asked(moment, moment, status))
    assert above(log, amount, PERIOD) == []
    # Windows of 100 have parts of one moment: what counts a moment too long is all that is lost.
    assert sum(one.is_admitted for one in log) == len(greedy(log, amount, PERIOD))
