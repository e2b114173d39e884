"""Ratios, differences and verdicts, by values."""

from collections.abc import Sequence

import pytest

from bench.results import Results, RouteCost, Row
from bench.targets import ADDED_MS, OF_NGINX, Goal, Verdict, judge


def some_results(rows: Sequence[Row]) -> Results:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    results.rows = {row.name: row for row in rows}
    return results


def test_rates_are_compared_round_by_round() -> None:
    slowed_together = [Row("sidecar", [40, 10, 44]), Row("nginx", [100, 20, 100])]
    assert some_results(slowed_together).ratio("sidecar", "nginx") == 0.44


def test_who_was_not_measured_has_no_ratio() -> None:
    results = some_results([Row("sidecar", [40])])
    assert results.ratio("sidecar", "nginx") is None


def test_added_latency_is_the_difference_of_medians() -> None:
    rows = [Row("direct", medians=[0.25, 0.5, 0.75]), Row("sidecar", medians=[1, 1.5, 9])]
    assert some_results(rows).added_median("sidecar") == 1.0


@pytest.mark.parametrize(
    ("goal", "figure", "word"),
    [
        pytest.param(OF_NGINX, 0.39, "**floor missed**", id="under a lower bound"),
        pytest.param(OF_NGINX, 0.40, "above the floor", id="on the floor, short of the goal"),
        pytest.param(OF_NGINX, 0.50, "reached", id="on the goal"),
        pytest.param(ADDED_MS, 1.01, "**floor missed**", id="over an upper bound"),
        pytest.param(ADDED_MS, 1.0, "reached", id="on an upper bound without a goal"),
        pytest.param(ADDED_MS, None, "not measured", id="no figure"),
    ],
)
def test_a_figure_is_held_against_floor_and_goal(
    goal: Goal, figure: float | None, word: str
) -> None:
    assert Verdict(goal, figure).word == word


def test_one_answer_that_failed_under_load_misses_a_floor() -> None:
    verdicts = judge(some_results([Row("sidecar", failures=1)]))
    assert [verdict.goal.title for verdict in verdicts if verdict.is_missed] == [
        "answers that failed under load"
    ]


def test_the_cost_of_routes_is_judged_by_its_ratio() -> None:
    results = some_results([])
    results.routes = RouteCost(few=10, many=12, ratio=1.2)
    assert [verdict.figure for verdict in judge(results) if verdict.is_missed] == [1.2]
