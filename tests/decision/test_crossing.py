"""Where in the way of a request other origins are judged, and where they are not."""

import pytest

from sidecar.decision.pipeline import build
from sidecar.decision.runner import decide
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_policy, an_exchange

pytestmark = pytest.mark.control("RS-4")


def test_without_cors_nothing_asks_where_a_request_comes_from() -> None:
    generation = build(a_policy({"path": "/a"}, {"path": "/b", "cors": False}))
    for plan in (generation.unrouted, *generation.plans):
        assert not plan.answers_preflights
        assert not {"preflight", "origin"} & {step.name for step in plan.steps}
        assert "cors" not in [step.name for step in plan.response]
    assert type(generation.edge[-1]).__name__ == "Route"


@pytest.mark.parametrize("keys", [{}, {"api_keys": {}}])
def test_origins_are_judged_first_and_once_the_tenant_is_known(keys: dict[str, object]) -> None:
    cors = {"origins": ["https://a.example"], "enforce": True}
    guarded = {"path": "/b", "public": False, "role": "viewer"}
    policy = a_policy({"path": "/a"}, guarded, cors=cors, authentication=keys)
    for plan in build(policy).plans:
        names = [step.name for step in plan.steps]
        assert names[0] == "preflight"
        assert "origin" in names
        assert "tenant" not in names or names.index("tenant") < names.index("origin")
        assert "authorize" not in names or names.index("origin") < names.index("authorize")
        assert [step.name for step in plan.response][:2] == ["security_headers", "cors"]


def test_routes_of_equal_rules_share_what_is_remembered_of_origins() -> None:
    cors = {"origins": ["https://a.example"], "enforce": True}
    one, other, third = build(
        a_policy(
            {"path": "/a"}, {"path": "/b"}, {"path": "/c", "cors": {"max_age": "1h"}}, cors=cors
        )
    ).plans
    assert one.response is other.response
    assert one.response is not third.response
    assert one.steps[0] is other.steps[0]
    assert one.steps[0] is not third.steps[0]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (b"GET", "preflight"),
        (b"HEAD", "preflight"),
        (b"DELETE", "off"),
        (b"PUT", RefusalCode.METHOD_NOT_ALLOWED),
        (b"OPTIONS", RefusalCode.METHOD_NOT_ALLOWED),
        (b"get", RefusalCode.ORIGIN_NOT_ALLOWED),
        (b"", RefusalCode.ORIGIN_NOT_ALLOWED),
    ],
)
def test_a_preflight_goes_by_the_method_that_it_asks_for(
    asked: bytes, expected: str | RefusalCode
) -> None:
    policy = a_policy(
        {"path": "/a", "methods": ["GET"]},
        {"path": "/a", "methods": ["DELETE"], "cors": False},
        {"path": "/b", "cors": False},
        {"path": "/c"},
        cors={"origins": ["https://a.example"]},
    )
    lines = (b"Origin: https://a.example", b"Access-Control-Request-Method: " + asked)
    exchange = an_exchange(a_head(b"OPTIONS", b"/a", *lines))
    generation = build(policy)
    outcome = decide(generation.edge, exchange, shadow=False)
    if outcome is None:
        outcome = decide(exchange.route.steps, exchange, shadow=False)
    if expected == "preflight":
        assert isinstance(outcome, Respond)
    elif expected == "off":
        # Such a route answers no preflight: OPTIONS is a method like others, and not listed.
        assert isinstance(outcome, Refuse)
        assert outcome.code is RefusalCode.METHOD_NOT_ALLOWED
    else:
        assert isinstance(outcome, Refuse)
        assert outcome.code is expected
        assert expected is not RefusalCode.METHOD_NOT_ALLOWED or outcome.lines == (
            b"Allow: DELETE, GET, HEAD",
        )
    elsewhere = an_exchange(a_head(b"OPTIONS", b"/b", *lines))
    assert decide(generation.edge, elsewhere, shadow=False) is None
    assert not elsewhere.route.answers_preflights
    lost = an_exchange(a_head(b"OPTIONS", b"/none", *lines))
    assert isinstance(decide(generation.edge, lost, shadow=False), Refuse)


@pytest.mark.control("AZ-4")
@pytest.mark.parametrize(
    ("others", "origin", "expected"),
    [
        pytest.param({"methods": ["OPTIONS"]}, b"https://evil.example", Refuse, id="a stranger"),
        pytest.param({"methods": ["OPTIONS"]}, b"https://a.example", Refuse, id="a page"),
        pytest.param({}, b"https://evil.example", Refuse, id="a stranger, all other methods"),
        pytest.param({}, b"https://a.example", Respond, id="a page, all other methods"),
        pytest.param({"mode": "shadow"}, b"https://evil.example", type(None), id="shadow too"),
    ],
)
def test_a_preflight_does_not_lead_around_the_route_that_options_has(
    others: dict[str, object], origin: bytes, expected: type
) -> None:
    policy = a_policy(
        {"path": "/a", "methods": ["GET"], "mode": "shadow"},
        {"path": "/a", "addresses": {"allow": ["10.9.9.9"]}, **others},
        cors={"origins": ["https://a.example"]},
    )
    lines = (b"Origin: " + origin, b"Access-Control-Request-Method: GET")
    exchange = an_exchange(a_head(b"OPTIONS", b"/a", *lines))
    generation = build(policy)
    assert decide(generation.edge, exchange, shadow=False) is None
    plan = exchange.route
    outcome = decide(plan.steps, exchange, shadow=plan.shadow)
    assert isinstance(outcome, expected)
