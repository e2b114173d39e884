"""A request passes when the condition of its route is true, and in no other case."""

import pytest

from sidecar.decision.steps.condition import Condition
from sidecar.knowledge.conditions.bounds import ConditionError
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head
from tests.decision.steps.known import a_guarded_route, a_member

pytestmark = pytest.mark.control("AZ-6")


def judged(condition: str, target: str = "/x", **claims: object) -> Outcome:
    step = Condition.compile(a_guarded_route(condition=condition))
    assert step is not None
    exchange = a_member("developer", attributes=claims, scopes=frozenset({"a", "b"}), login="sso")
    exchange.head = a_head(b"POST", target.encode(), b"X-Env: test")
    exchange.client, exchange.tier = "192.0.2.1", "pro"
    return step.decide(exchange)


@pytest.mark.parametrize(
    ("condition", "is_true"),
    [
        ("request.method == 'POST'", True),
        ("request.method in ['GET', 'HEAD']", False),
        ("request.headers['x-env'] == 'test' && client.address.startsWith('192.0.2.')", True),
        ("'1' in request.query.dry", True),
        ("has(request.query.force)", False),
        ("caller.roles.exists(r, r == 'developer') && caller.tier != 'free'", True),
        ("caller.scopes.all(s, s in ['a'])", False),
        ("caller.claims.level >= 3", True),
        ("caller.claims.level > 3 || tenant.id == 'globex'", False),
        ("now > timestamp('2027-01-01T00:00:00Z')", True),
        ("caller.kind == null && caller.project == null && tenant.tier == null", True),
        ("caller.tenant == 'acme' && caller.login == 'sso'", True),
    ],
)
def test_a_condition_decides(condition: str, *, is_true: bool) -> None:
    outcome = judged(condition, "/x?dry=1", level=3)
    refusal = Refuse(RefusalCode.FORBIDDEN, "the condition is false")
    assert outcome == (PASS if is_true else refusal)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("caller.claims.absent == 1", "KeyError"),
        ("request.headers['absent'] == ''", "KeyError"),
        ("request.query.absent[0] == ''", "KeyError"),
        ("caller.roles[7] == ''", "IndexError"),
        ("1 / (size(caller.roles) - 1) == 1", "ZeroDivisionError"),
        ("9223372036854775807 + size(caller.roles) > 0", "OverflowError"),
        ("caller.claims.level + 'a' == ''", "TypeError"),
        ("int(caller.subject) == 1", "RuntimeError"),
        ("timestamp(caller.subject) < now", "RuntimeError"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_refuses(condition: str, error: str) -> None:
    reason = f"the condition cannot be evaluated ({error})"
    assert judged(condition, level=1) == Refuse(RefusalCode.FORBIDDEN, reason)


@pytest.mark.parametrize(
    "condition", ["1", "'true'", "null", "[true]", "caller.claims.flag", "now"]
)
def test_what_is_no_truth_value_refuses(condition: str) -> None:
    outcome = judged(condition, flag=1)
    assert outcome == Refuse(RefusalCode.FORBIDDEN, "the condition has no truth value")


@pytest.mark.parametrize(
    ("condition", "claims", "reason"),
    [
        pytest.param("size(caller.claims.l) > 0", {"l": [0] * 1001},
                     "the condition was given a list of over 1,000 items", id="a list"),
        pytest.param("caller.claims.s != ''", {"s": "a" * 8193},
                     "the condition was given a string of over 8 KiB", id="a string"),
        pytest.param("caller.claims.l.all(x, x in caller.claims.l)", {"l": list(range(1000))},
                     "the condition would cost too much on this request", id="a list times itself"),
        pytest.param("+".join(["caller.claims.l"] * 50) + " != []", {"l": list(range(1000))},
                     "the condition would cost too much on this request", id="a long sum"),
        pytest.param("caller.claims.l.all(x, x < 1000)", {"l": list(range(1000))}, None,
                     id="a long list once"),
        pytest.param("caller.claims.l.all(x, x in caller.claims.l)", {"l": list(range(100))}, None,
                     id="a short list times itself"),
    ],
)  # fmt: skip
def test_what_an_evaluation_may_cost_is_bounded(
    condition: str, claims: dict[str, object], reason: str | None
) -> None:
    outcome = judged(condition, "/x", **claims)
    assert outcome == (PASS if reason is None else Refuse(RefusalCode.FORBIDDEN, reason))


def test_a_route_without_a_condition_has_no_such_step() -> None:
    assert Condition.compile(a_guarded_route()) is None


def test_a_condition_beyond_the_bounds_makes_no_step() -> None:
    with pytest.raises(ConditionError):
        Condition.compile(a_guarded_route(condition="os.environ"))
