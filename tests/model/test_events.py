"""When an exchange is what the policy calls it."""

import pytest

from sidecar.model.events import EVENTS, RouteAction, is_failure, statuses_of
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict

CREATED = RouteAction("account.created", statuses_of("2xx"))
DENIED = RouteAction("auth.failure", statuses_of("401") | statuses_of("4xx"))


def ended(
    status: int, code: RefusalCode | None = None, ending: Ending = Ending.ADMITTED
) -> Verdict:
    return Verdict(ending, status, code, "", "", 0.0, None, 0, 0, is_upgraded=False)


@pytest.mark.parametrize(
    ("action", "verdict", "holds"),
    [
        pytest.param(CREATED, ended(201), True, id="created"),
        pytest.param(CREATED, ended(201, ending=Ending.ABANDONED), True, id="left while told so"),
        pytest.param(CREATED, ended(302), False, id="another status"),
        pytest.param(CREATED, ended(204, ending=Ending.ANSWERED), False, id="a preflight"),
        pytest.param(
            CREATED,
            ended(200, RefusalCode.TOOL_NOT_ALLOWED, Ending.REFUSED),
            False,
            id="an error of JSON-RPC",
        ),
        pytest.param(
            DENIED, ended(401, RefusalCode.UNAUTHORIZED, Ending.REFUSED), True, id="refused"
        ),
        pytest.param(DENIED, ended(403), True, id="refused by the service"),
        pytest.param(DENIED, ended(499, ending=Ending.ABANDONED), False, id="left before"),
    ],
)
def test_an_action_holds_for_the_answers_that_it_names(
    action: RouteAction, verdict: Verdict, *, holds: bool
) -> None:
    assert action.is_of(verdict) is holds


def test_a_resource_is_named_by_text_and_by_segments() -> None:
    action = RouteAction("a.b", frozenset(), "account", ("org ", 1, "/", 3))
    assert action.resource_of(("orgs", "acme", "accounts", "7")) == "org acme/7"


@pytest.mark.parametrize(
    ("verdict", "failed"),
    [
        (ended(401, RefusalCode.UNAUTHORIZED), True),
        (ended(200, RefusalCode.UNAUTHORIZED), False),
        (ended(401), False),
    ],
)
def test_a_failure_to_authenticate_is_a_refusal_of_ours(verdict: Verdict, *, failed: bool) -> None:
    assert is_failure(verdict) is failed


def test_every_action_says_when_it_is_written() -> None:
    assert [name for name, kind in EVENTS.items() if not (kind.when and kind.resource)] == []
