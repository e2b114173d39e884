"""The time floor of authentication, by value."""

import pytest

from sidecar.fronts.proxy.pause import Floor
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Timeouts
from tests.decision.steps.test_authenticate import a_step

FLOOR = 0.08
BAD = unauthorized("revoked key")
FORBIDDEN = Refuse(RefusalCode.FORBIDDEN, "role below admin")


def a_plan(*, guarded: bool) -> RoutePlan:
    identity = (a_step(),) if guarded else ()
    return RoutePlan(
        "/**", identity, (), Timeouts(2.0, 30.0, 60.0, 3600.0), shadow=False, identity=identity
    )


@pytest.mark.control("AN-5")
@pytest.mark.parametrize(
    ("elapsed", "left"),
    [
        pytest.param(0.0, 0.08, id="at once"),
        pytest.param(0.03, 0.05, id="after a look-up"),
        pytest.param(0.08, 0.0, id="just in time"),
        pytest.param(0.081, 0.079, id="a slow store shows in whole floors alone"),
        pytest.param(0.2, 0.04, id="a very slow one"),
    ],
)
def test_an_outcome_shows_after_a_whole_multiple_of_the_floor(elapsed: float, left: float) -> None:
    floor = Floor(FLOOR, applies_to_all=False)
    assert floor.left(elapsed, 100.0) == pytest.approx(left, abs=1e-9)


@pytest.mark.control("AN-5")
@pytest.mark.parametrize(
    ("refusal", "applies_to_all", "guarded", "is_held"),
    [
        pytest.param(BAD, False, True, True, id="a failure"),
        pytest.param(BAD, False, False, True, id="a failure, whatever the route"),
        pytest.param(FORBIDDEN, False, True, False, id="a caller who is known"),
        pytest.param(FORBIDDEN, True, True, True, id="a caller who is known, for all outcomes"),
        pytest.param(FORBIDDEN, True, False, False, id="a public route has no such outcome"),
    ],
)
def test_what_is_held_back_is_what_the_policy_says(
    refusal: Refuse, *, applies_to_all: bool, guarded: bool, is_held: bool
) -> None:
    floor = Floor(FLOOR, applies_to_all=applies_to_all)
    assert floor.holds(refusal, a_plan(guarded=guarded)) is is_held


@pytest.mark.control("AN-5")
def test_for_a_while_all_wait_as_long_as_one_whose_look_up_was_slow() -> None:
    floor = Floor(FLOOR, applies_to_all=False)
    assert floor.left(0.09, 100.0) == pytest.approx(0.07)
    assert floor.left(0.0, 101.9) == pytest.approx(0.16)
    assert floor.left(0.17, 101.9) == pytest.approx(0.07)
    assert floor.left(0.09, 102.0) == pytest.approx(0.15)
    assert floor.left(0.0, 103.8) == pytest.approx(0.24)
    assert floor.left(0.0, 104.0) == pytest.approx(0.08)


def test_a_store_that_hangs_makes_nobody_else_wait() -> None:
    floor = Floor(FLOOR, applies_to_all=False)
    assert floor.left(0.9, 100.0) == pytest.approx(0.06)
    assert floor.left(0.0, 100.0) == pytest.approx(0.08)


def test_a_policy_without_a_floor_holds_nothing_back() -> None:
    assert not Floor(0.0, applies_to_all=True).holds(BAD, a_plan(guarded=True))
