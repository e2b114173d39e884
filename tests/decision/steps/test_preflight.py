"""Preflights: what is granted, what is refused, and whose origins count."""

import pytest

from sidecar.decision.steps.preflight import TenantPreflight
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId
from sidecar.model.outcome import PASS, Ask, Refuse, Respond
from sidecar.model.questions import FindTenant
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from tests.builders import a_tenant, an_unread_exchange, values_of
from tests.decision.crossings import (
    ACME,
    APP,
    EVIL,
    a_crossed_policy,
    a_page,
    a_preflight,
    preflight_step,
)

pytestmark = pytest.mark.control("RS-4")

FIELDS = b"Access-Control-Request-Headers: "


def granted(step: Step, exchange: Exchange) -> tuple[bytes, ...]:
    """Have a preflight answered; gives the field lines, none for a refusal."""
    outcome = step.decide(exchange)
    lines = exchange.preflight
    assert lines is not None
    if isinstance(outcome, Refuse):
        assert outcome.code is RefusalCode.ORIGIN_NOT_ALLOWED
        assert not lines
    else:
        assert outcome == Respond(204, "preflight")
    return lines


def test_a_preflight_is_answered_with_all_that_was_asked_for() -> None:
    lines = granted(
        preflight_step(a_crossed_policy(methods=["GET", "PUT"])),
        a_preflight(lines=[FIELDS + b"content-type"]),
    )
    assert values_of(lines, b"access-control-allow-origin") == [APP]
    assert values_of(lines, b"access-control-allow-methods") == [b"GET, HEAD, PUT"]
    assert values_of(lines, b"access-control-max-age") == [b"600"]
    assert values_of(lines, b"access-control-allow-credentials") == []
    [fields] = values_of(lines, b"access-control-allow-headers")
    assert {b"Authorization", b"Content-Type"} <= set(fields.split(b", "))


def test_the_field_of_keys_may_be_sent_whatever_its_name() -> None:
    step = preflight_step(a_crossed_policy(keys=True))
    assert granted(step, a_preflight(lines=[FIELDS + b"x-api-key"]))
    own = preflight_step(a_crossed_policy(authentication={"api_keys": {"header": "X-Token"}}))
    assert granted(own, a_preflight(lines=[FIELDS + b"x-token"]))
    assert not granted(own, a_preflight(lines=[FIELDS + b"x-api-key"]))
    none = preflight_step(a_crossed_policy(authentication={"api_keys": {"header": None}}))
    assert granted(none, a_preflight(lines=[FIELDS + b"authorization"]))
    assert not granted(none, a_preflight(lines=[FIELDS + b"x-api-key"]))


@pytest.mark.parametrize(
    ("section", "method", "fields", "expected"),
    [
        ({}, b"PUT", b"", True),
        ({}, b"PATCH", b"if-match, idempotency-key", True),
        ({}, b"PUT", b"x-other", False),
        ({"request_headers": ["X-Other"]}, b"PUT", b"x-other", True),
        ({"request_headers": ["X-Other"]}, b"PUT", b"authorization", False),
        ({"request_headers": ["*"]}, b"PUT", b"x-other", True),
        ({"request_headers": ["*"]}, b"PUT", b"authorization", False),
        ({"request_headers": ["*", "Authorization"]}, b"PUT", b"authorization", True),
        ({"methods": ["GET"]}, b"GET", b"", True),
        ({"methods": ["GET"]}, b"PUT", b"", False),
    ],
)
def test_a_preflight_gets_what_the_policy_grants(
    section: dict[str, object], method: bytes, fields: bytes, *, expected: bool
) -> None:
    step = preflight_step(a_crossed_policy(cors={"origins": ["https://app.example"], **section}))
    exchange = a_preflight(method=method, lines=[FIELDS + fields])
    assert bool(granted(step, exchange)) is expected


def test_methods_that_the_route_does_not_serve_are_granted_to_nobody() -> None:
    section = {"origins": ["https://app.example"], "methods": ["PUT", "DELETE"]}
    step = preflight_step(a_crossed_policy(cors=section, methods=["GET", "PUT"]))
    lines = granted(step, a_preflight(method=b"PUT"))
    assert values_of(lines, b"access-control-allow-methods") == [b"PUT"]
    assert not granted(step, a_preflight(method=b"DELETE"))
    none = preflight_step(a_crossed_policy(cors={**section, "methods": ["PATCH"]}, methods=["GET"]))
    assert not granted(none, a_preflight(method=b"GET"))


def test_without_fields_none_is_granted() -> None:
    step = preflight_step(a_crossed_policy(cors={"origins": ["*"], "request_headers": ["*"]}))
    lines = granted(step, a_preflight(EVIL))
    assert values_of(lines, b"access-control-allow-origin") == [b"*"]
    assert values_of(lines, b"access-control-allow-headers") == []


@pytest.mark.parametrize(
    ("is_allowed", "asked", "expected"),
    [
        (True, [b"true"], [b"true"]),
        (True, [], []),
        (True, [b"false"], []),
        (True, [b"true", b"true"], []),
        (False, [b"true"], []),
    ],
)
def test_a_private_network_is_open_where_it_is_asked_for_and_allowed(
    asked: list[bytes], expected: list[bytes], *, is_allowed: bool
) -> None:
    section = {"origins": ["https://app.example"], "private_network": is_allowed}
    lines = [b"Access-Control-Request-Private-Network: " + value for value in asked]
    told = granted(preflight_step(a_crossed_policy(cors=section)), a_preflight(lines=lines))
    assert values_of(told, b"access-control-allow-private-network") == expected


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(a_preflight(EVIL), id="a stranger"),
        pytest.param(a_preflight(b"null"), id="null"),
        pytest.param(a_preflight(lines=[b"Origin: " + APP]), id="two origins"),
        pytest.param(a_preflight(method=b"put"), id="a small method"),
        pytest.param(a_preflight(lines=[FIELDS + b"x y"]), id="no field"),
    ],
)
def test_what_is_not_allowed_is_told_nothing(exchange: Exchange) -> None:
    assert granted(preflight_step(a_crossed_policy()), exchange) == ()


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(a_page(APP), id="a request"),
        pytest.param(a_page(APP, b"OPTIONS"), id="no method asked for"),
        pytest.param(a_preflight(None), id="no origin"),
        pytest.param(an_unread_exchange(), id="no head"),
    ],
)
@pytest.mark.parametrize("path", ["/**", "/orders/{tenant}"])
def test_what_is_no_preflight_passes(exchange: Exchange, path: str) -> None:
    assert preflight_step(a_crossed_policy(path)).decide(exchange) is PASS
    assert exchange.preflight is None
    assert exchange.named_tenant is None


ALLOWED = a_tenant(origins=("https://app.acme.example",))


def test_the_tenant_that_the_path_names_adds_its_origins() -> None:
    step = preflight_step(a_crossed_policy("/orgs/{org}/**", keys=True), ALLOWED)
    assert granted(step, a_preflight(ACME, target=b"/orgs/acme/x"))
    assert granted(step, a_preflight(APP, target=b"/orgs/acme/x"))
    assert not granted(step, a_preflight(EVIL, target=b"/orgs/acme/x"))


def test_the_tenant_that_the_host_names_adds_its_origins() -> None:
    policy = a_crossed_policy(keys=True, bind={"host": "tenant"})
    step = preflight_step(policy, a_tenant("shop", origins=("https://app.acme.example",)))
    assert granted(step, a_preflight(ACME))


def test_a_tenant_that_the_query_names_does_not() -> None:
    policy = a_crossed_policy(keys=True, bind={"query": {"org": "tenant"}})
    step = preflight_step(policy, ALLOWED)
    assert not granted(step, a_preflight(ACME, target=b"/x?org=acme"))


def test_a_request_to_a_tenant_s_path_notes_the_tenant_for_its_answer() -> None:
    step = preflight_step(a_crossed_policy("/orgs/{org}/**", keys=True), ALLOWED)
    exchange = a_page(ACME, target=b"/orgs/acme/x")
    assert step.decide(exchange) is PASS
    assert exchange.named_tenant is ALLOWED


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(a_page(None, target=b"/orgs/acme/acme"), id="no page"),
        pytest.param(a_page(APP, target=b"/orgs/acme/acme"), id="a page of the list"),
        pytest.param(a_page(b"null", target=b"/orgs/acme/acme"), id="null"),
        pytest.param(a_page(b"https://" + b"a" * 400, target=b"/orgs/acme/acme"), id="too long"),
        pytest.param(
            a_page(ACME, target=b"/orgs/acme/acme", lines=[b"Origin: x"]), id="two origins"
        ),
        pytest.param(a_page(ACME, target=b"/orgs/acme/globex"), id="two tenants"),
        pytest.param(a_page(ACME, target=b"/orgs/-/-"), id="no name"),
    ],
)
def test_nothing_is_looked_up_for_a_page_that_no_tenant_can_have(exchange: Exchange) -> None:
    step = preflight_step(a_crossed_policy("/orgs/{org}/{tenant}", keys=True))
    assert step.decide(exchange) is PASS
    assert exchange.named_tenant is None


def test_a_tenant_that_is_not_at_hand_is_asked_for() -> None:
    step = preflight_step(a_crossed_policy("/orgs/{org}/**", keys=True))
    assert isinstance(step, TenantPreflight)
    question = FindTenant(TenantId("acme"))
    for answer, outcome in ((ALLOWED, Respond), (None, Refuse), (a_tenant(), Refuse)):
        exchange = a_preflight(ACME, target=b"/orgs/acme/x")
        asked = step.decide(exchange)
        assert isinstance(asked, Ask)
        assert asked.question == question
        assert isinstance(step.resume(exchange, question, answer), outcome)
    unread = an_unread_exchange()
    assert step.resume(unread, question, None) is PASS


def test_the_tenants_of_a_policy_that_knows_no_callers_are_at_hand() -> None:
    tenants = {"acme": {"origins": ["https://app.acme.example"]}}
    step = preflight_step(a_crossed_policy("/orgs/{org}/**", tenants=tenants))
    assert granted(step, a_preflight(ACME, target=b"/orgs/acme/x"))
    assert not granted(step, a_preflight(ACME, target=b"/orgs/globex/x"))


def test_tenants_may_be_left_out() -> None:
    section = {"origins": ["https://app.example"], "tenant_origins": "ignore"}
    step = preflight_step(a_crossed_policy("/orgs/{org}/**", section, keys=True), ALLOWED)
    assert not granted(step, a_preflight(ACME, target=b"/orgs/acme/x"))
