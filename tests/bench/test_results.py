"""Ratios, differences and verdicts, by values."""

from collections.abc import Sequence

import pytest

from bench.results import KeyCost, Results, RouteCost, Row, Started
from bench.targets import (
    ADDED_MS,
    CALLERS_MB,
    FAILURES,
    JWT_OF_ENVOY,
    JWT_OF_HAPROXY,
    KEYS_IN_REDIS,
    KEYS_OF_JWT,
    OBSERVED,
    OBSERVED_JWT,
    OF_NGINX,
    START,
    Goal,
    Verdict,
    judge,
)


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


def test_an_answer_that_failed_to_a_caller_who_is_known_misses_the_same_floor() -> None:
    results = some_results([Row("sidecar")])
    results.callers = {"sidecar-keys": Row("sidecar-keys", failures=1)}
    assert [verdict.goal for verdict in judge(results) if verdict.is_missed] == [FAILURES]


@pytest.mark.parametrize(("name", "goal"), [("sidecar", OBSERVED), ("sidecar-jwt", OBSERVED_JWT)])
def test_each_sidecar_is_held_against_itself_without_audit_and_metrics(
    name: str, goal: Goal
) -> None:
    results = some_results([])
    results.observed = {
        name: Row(name, core_rates=[91]),
        f"{name}-unobserved": Row(f"{name}-unobserved", core_rates=[100]),
    }
    figures = {verdict.goal: verdict.figure for verdict in judge(results)}
    assert figures[goal] == pytest.approx(0.91)
    assert [one for one in (OBSERVED, OBSERVED_JWT) if figures[one] is not None] == [goal]


@pytest.mark.parametrize(
    ("rate", "word"), [(90, "reached"), (89, "above the floor"), (71, "**floor missed**")]
)
def test_audit_and_metrics_shall_cost_a_tenth_and_may_cost_a_quarter(
    rate: float, word: str
) -> None:
    results = some_results([])
    results.observed = {
        "sidecar": Row("sidecar", core_rates=[rate]),
        "sidecar-unobserved": Row("sidecar-unobserved", core_rates=[100]),
    }
    [verdict] = [one for one in judge(results) if one.goal is OBSERVED]
    assert verdict.word == word


def test_an_answer_that_failed_among_many_keys_misses_the_same_floor() -> None:
    results = some_results([Row("sidecar")])
    results.keys = {"Redis": KeyCost(1, 1, 1, 1, Started(1, 1), Started(1, 1, failures=2))}
    assert [verdict.goal for verdict in judge(results) if verdict.is_missed] == [FAILURES]


def test_the_failures_of_a_peer_are_its_own() -> None:
    results = some_results([Row("sidecar")])
    results.callers = {"envoy-jwt": Row("envoy-jwt", failures=1)}
    assert not any(verdict.is_missed for verdict in judge(results))


@pytest.mark.parametrize(
    ("goal", "rates"),
    [
        pytest.param(JWT_OF_HAPROXY, {"sidecar-jwt": 69, "haproxy-jwt": 100}, id="HAProxy"),
        pytest.param(JWT_OF_ENVOY, {"sidecar-jwt": 149, "envoy-jwt": 100}, id="Envoy"),
        pytest.param(KEYS_OF_JWT, {"sidecar-keys": 94, "sidecar-jwt": 100}, id="keys"),
    ],
)
def test_known_callers_are_compared_with_one_credential(
    goal: Goal, rates: dict[str, float]
) -> None:
    results = some_results([])
    # With many callers it would be reached.
    results.callers = {
        name: Row(name, [rate], caller_rates=[1000 if "sidecar" in name else 1])
        for name, rate in rates.items()
    }
    missed = [verdict for verdict in judge(results) if verdict.is_missed]
    first, second = rates.values()
    assert [(verdict.goal, verdict.figure) for verdict in missed] == [(goal, first / second)]


def test_the_memory_of_keys_tokens_and_redis_has_a_bound_of_its_own() -> None:
    results = some_results([Row("sidecar", resident_bytes=60_000_000)])
    results.callers = {"sidecar-redis": Row("sidecar-redis", resident_bytes=80_000_001)}
    assert [verdict.goal for verdict in judge(results) if verdict.is_missed] == [CALLERS_MB]


def test_many_keys_are_judged_store_by_store() -> None:
    results = some_results([])
    results.keys = {"SQLite": KeyCost(100, 120, 1.2), "Redis": KeyCost(100, 111, 1.11)}
    assert [verdict.goal for verdict in judge(results) if verdict.is_missed] == [KEYS_IN_REDIS]


def test_the_start_is_judged_by_the_slower_store() -> None:
    results = some_results([])
    results.keys = {
        kind: KeyCost(1, 1, 1, start_ratio=ratio) for kind, ratio in (("a", 1.0), ("b", 1.3))
    }
    missed = [verdict for verdict in judge(results) if verdict.is_missed]
    assert [(verdict.goal, verdict.figure) for verdict in missed] == [(START, 1.3)]


def test_the_cost_of_routes_is_judged_by_its_ratio() -> None:
    results = some_results([])
    results.routes = RouteCost(few=10, many=12, ratio=1.2)
    assert [verdict.figure for verdict in judge(results) if verdict.is_missed] == [1.2]
