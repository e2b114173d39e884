"""What browsers are told of answers, and which requests are refused for where they come from."""

import pytest

from sidecar.model.exchange import Exchange
from sidecar.model.identity import NO_ROLES, Principal, ProjectRecord, TenantRecord
from sidecar.model.outcome import PASS, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.policy import Policy
from tests.builders import (
    a_principal,
    a_tenant,
    an_unread_exchange,
    flat,
    names_of,
    values_of,
)
from tests.decision.crossings import (
    ACME,
    APP,
    EVIL,
    a_crossed_policy,
    a_page,
    a_preflight,
    enforcement,
    response_step,
)

pytestmark = pytest.mark.control("RS-4")

ALLOW = b"access-control-allow-origin"
OWN = a_tenant(origins=("https://app.acme.example",))
KEYS = a_crossed_policy(keys=True)


def answered(
    policy: Policy, exchange: Exchange, *lines: bytes, status: int = 200, routed: bool = True
) -> list[bytes]:
    """Write the CORS fields of an answer with some field lines."""
    exchange.status = status
    exchange.response_lines = list(lines)
    if routed:
        for fact in ("preflight", "named_tenant"):
            if not hasattr(exchange, fact):
                setattr(exchange, fact, None)
    response_step(policy, routed=routed).apply(exchange)
    return flat(exchange.response_lines)


def a_known_page(
    origin: bytes, tenant: TenantRecord | None = OWN, principal: Principal | None = None
) -> Exchange:
    """Make a request of a page whose caller and tenant were found."""
    exchange = a_page(origin)
    exchange.named_tenant = None
    exchange.tenant = tenant
    exchange.roles = NO_ROLES
    exchange.principal = principal or a_principal()
    return exchange


def test_a_page_of_the_list_may_read_the_answer() -> None:
    lines = answered(a_crossed_policy(), a_page(APP), b"Content-Length: 0")
    assert lines[0] == b"Content-Length: 0"
    assert values_of(lines, ALLOW) == [APP]
    assert values_of(lines, b"access-control-allow-credentials") == []
    exposed = [b"RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"]
    assert values_of(lines, b"access-control-expose-headers") == exposed
    assert values_of(lines, b"vary") == [b"Origin"]


@pytest.mark.parametrize("origin", [None, EVIL, b"null", b"", b"*"])
def test_others_are_told_nothing_but_that_it_depends(origin: bytes | None) -> None:
    lines = answered(a_crossed_policy(), a_page(origin), b"Content-Length: 0")
    assert lines == [b"Content-Length: 0", b"Vary: Origin"]


def test_two_origins_are_none() -> None:
    exchange = a_page(APP, lines=[b"Origin: " + APP])
    assert values_of(answered(a_crossed_policy(), exchange), ALLOW) == []


def test_credentials_are_allowed_where_the_policy_says_so() -> None:
    policy = a_crossed_policy(cors={"origins": ["https://app.example"], "credentials": True})
    lines = answered(policy, a_page(APP))
    assert values_of(lines, b"access-control-allow-credentials") == [b"true"]


def test_nothing_is_exposed_where_nothing_is_listed() -> None:
    policy = a_crossed_policy(cors={"origins": ["https://app.example"], "expose_headers": []})
    lines = answered(policy, a_page(APP))
    assert names_of(lines) == [ALLOW, b"vary"]


@pytest.mark.parametrize("origin", [None, EVIL, b"null"])
def test_a_public_answer_is_the_same_for_all(origin: bytes | None) -> None:
    policy = a_crossed_policy(cors={"origins": ["*"], "expose_headers": ["*"]})
    assert answered(policy, a_page(origin), b"Vary: Accept") == [
        b"Access-Control-Allow-Origin: *", b"Access-Control-Expose-Headers: *", b"Vary: Accept",
    ]  # fmt: skip
    assert b"vary" not in names_of(answered(policy, a_page(origin)))


def test_what_the_service_says_of_pages_is_taken_away() -> None:
    lines = answered(
        a_crossed_policy(), a_page(EVIL), b"access-control-allow-origin: *",
        b"ACCESS-CONTROL-ALLOW-CREDENTIALS: true", b"Access-Control-Whatever: x", b"ETag: y",
    )  # fmt: skip
    assert lines == [b"ETag: y", b"Vary: Origin"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([b"Vary: Accept-Encoding"], b"Accept-Encoding, Origin"),
        ([b"VARY:Accept-Encoding ,Cookie"], b"Accept-Encoding, Cookie, Origin"),
        ([b"Vary: A", b"vary: B"], b"A, B, Origin"),
        ([b"Vary: origin"], b"origin"),
        ([b"Vary: Accept, ORIGIN"], b"Accept, ORIGIN"),
        ([b"Vary: *"], b"*"),
        ([b"Vary: A", b"Vary: *"], b"*"),
        ([b"Vary:"], b"Origin"),
        ([b"Vary: Original"], b"Original, Origin"),
    ],
)
@pytest.mark.parametrize("origin", [None, APP, EVIL])
def test_what_the_answer_depends_on_is_said_once(
    sent: list[bytes], expected: bytes, origin: bytes | None
) -> None:
    lines = answered(a_crossed_policy(), a_page(origin), *sent)
    assert values_of(lines, b"vary") == [expected]


def test_a_preflight_s_answer_has_what_was_granted() -> None:
    exchange = a_preflight()
    exchange.preflight = (b"Access-Control-Allow-Origin: https://app.example", b"X: 1\r\nY: 2")
    lines = answered(a_crossed_policy(), exchange, b"Date: now", status=204)
    assert lines[:-1] == [b"Date: now", *flat(exchange.preflight)]
    assert values_of(lines, b"vary") == [
        b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    ]
    near = a_crossed_policy(cors={"origins": ["https://app.example"], "private_network": True})
    [depends] = values_of(answered(near, exchange, status=204), b"vary")
    assert depends.endswith(b", Access-Control-Request-Private-Network")


def test_a_refused_preflight_s_answer_has_no_field_of_ours() -> None:
    exchange = a_preflight()
    exchange.preflight = ()
    assert names_of(answered(a_crossed_policy(), exchange, status=403)) == [b"vary"]


def test_a_preflight_that_no_route_answers_is_judged_as_a_request() -> None:
    lines = answered(a_crossed_policy(), a_preflight(), status=404, routed=False)
    assert values_of(lines, ALLOW) == [APP]


def test_an_unread_request_is_of_no_page() -> None:
    lines = answered(a_crossed_policy(), an_unread_exchange(), status=400, routed=False)
    assert lines == [b"Vary: Origin"]


# --- tenants


def test_the_caller_s_tenant_adds_its_origins() -> None:
    assert values_of(answered(KEYS, a_known_page(ACME)), ALLOW) == [ACME]
    assert values_of(answered(KEYS, a_known_page(APP)), ALLOW) == [APP]
    assert values_of(answered(KEYS, a_known_page(EVIL)), ALLOW) == []
    assert values_of(answered(KEYS, a_known_page(ACME, None)), ALLOW) == []
    assert values_of(answered(KEYS, a_known_page(APP, None)), ALLOW) == [APP]


def test_what_was_refused_before_the_caller_was_known_is_judged_without() -> None:
    assert values_of(answered(KEYS, a_page(APP), status=415), ALLOW) == [APP]
    assert values_of(answered(KEYS, a_page(ACME), status=415), ALLOW) == []


def test_what_was_refused_before_all_else_is_judged_by_the_list() -> None:
    step = response_step(KEYS)
    for origin, allowed in ((APP, [APP]), (ACME, [])):
        for exchange in (a_page(origin), a_page(origin, b"OPTIONS")):
            exchange.status, exchange.response_lines = 405, [b"Allow: GET"]
            step.apply(exchange)
            assert exchange.response_lines[0] == b"Allow: GET"
            assert values_of(exchange.response_lines, ALLOW) == allowed


@pytest.mark.control("AN-6")
def test_a_401_of_ours_does_not_tell_whose_the_credential_is() -> None:
    exchange = a_known_page(ACME)
    exchange.refusal = RefusalCode.UNAUTHORIZED
    assert values_of(answered(KEYS, exchange, status=401), ALLOW) == []
    exchange = a_known_page(ACME)
    exchange.named_tenant = OWN
    exchange.refusal = RefusalCode.UNAUTHORIZED
    assert values_of(answered(KEYS, exchange, status=401), ALLOW) == [ACME]


def test_a_401_of_the_service_s_is_for_the_caller_s_page() -> None:
    assert values_of(answered(KEYS, a_known_page(ACME), status=401), ALLOW) == [ACME]


def test_a_public_route_takes_the_tenant_that_is_named() -> None:
    exchange = a_page(ACME)
    exchange.named_tenant = OWN
    assert values_of(answered(a_crossed_policy(), exchange), ALLOW) == [ACME]


def a_mode(word: str) -> Policy:
    return a_crossed_policy(
        cors={"origins": ["https://app.example"], "tenant_origins": word}, keys=True
    )


def test_a_tenant_may_be_alone_with_its_origins() -> None:
    only = a_mode("only")
    assert values_of(answered(only, a_known_page(ACME)), ALLOW) == [ACME]
    assert values_of(answered(only, a_known_page(APP)), ALLOW) == []
    assert values_of(answered(only, a_known_page(APP, a_tenant())), ALLOW) == [APP]
    assert values_of(answered(only, a_known_page(APP, None)), ALLOW) == [APP]


def test_tenants_may_be_left_out() -> None:
    ignore = a_mode("ignore")
    assert values_of(answered(ignore, a_known_page(ACME)), ALLOW) == []
    assert values_of(answered(ignore, a_known_page(APP)), ALLOW) == [APP]


# --- projects

DOMAINS = ProjectRecord(("shop.example", "*.shops.example"))
HOME = a_tenant(projects={"shop": DOMAINS})


@pytest.mark.control("AN-8")
@pytest.mark.parametrize(
    ("origin", "facts", "expected"),
    [
        (b"https://shop.example", {}, True),
        (b"https://shop.example:8443", {}, True),
        (b"http://shop.example", {}, True),
        (b"https://a.shops.example", {}, True),
        (b"https://shops.example", {}, False),
        (b"https://a.b.shops.example", {}, False),
        (b"https://shop.example.evil.example", {}, False),
        (b"https://SHOP.example", {}, False),
        (b"https://shop.example/", {}, False),
        (b"https://[::1]", {}, False),
        (b"null", {}, False),
        (b"https://shop.example", {"kind": "secret"}, False),
        (b"https://shop.example", {"kind": None}, False),
        (b"https://shop.example", {"project": None}, False),
        (b"https://shop.example", {"project": "depot"}, False),
    ],
)
def test_a_key_for_pages_is_readable_by_the_pages_of_its_project(
    origin: bytes, facts: dict[str, object], *, expected: bool
) -> None:
    principal = a_principal(**{"kind": "publishable", "project": "shop", **facts})  # type: ignore[arg-type]  # facts by name
    policy = a_crossed_policy(
        cors={"origins": ["https://app.example"], "credentials": True}, keys=True
    )
    lines = answered(policy, a_known_page(origin, HOME, principal))
    assert values_of(lines, ALLOW) == ([origin] if expected else [])
    # Such a page has a key, and needs nobody's cookies.
    assert values_of(lines, b"access-control-allow-credentials") == []


# --- shadow


def test_in_shadow_mode_the_service_s_word_stands_where_the_policy_allows_nothing() -> None:
    policy = a_crossed_policy(mode="shadow")
    own = b"Access-Control-Allow-Origin: *"
    assert answered(policy, a_page(EVIL), own) == [own, b"Vary: Origin"]
    assert values_of(answered(policy, a_page(APP), own), ALLOW) == [APP]
    preflight = a_preflight(EVIL)
    preflight.preflight = ()
    assert values_of(answered(policy, preflight, own), ALLOW) == [b"*"]


# --- enforcement

STRICT = {"origins": ["https://app.example"], "enforce": True}


@pytest.mark.parametrize(
    ("origin", "method", "expected"),
    [
        (None, b"PUT", True),
        (APP, b"PUT", True),
        (EVIL, b"GET", True),
        (EVIL, b"POST", True),
        (EVIL, b"PUT", False),
        (b"null", b"DELETE", False),
        (b"", b"PUT", False),
        (ACME, b"PUT", False),
    ],
)
@pytest.mark.parametrize("keys", [False, True])
def test_what_no_page_may_do_without_leave_is_refused(
    origin: bytes | None, method: bytes, *, expected: bool, keys: bool
) -> None:
    exchange = a_known_page(APP, None)
    exchange.head = a_page(origin, method).head
    outcome = enforcement(a_crossed_policy(cors=STRICT, keys=keys)).decide(exchange)
    if expected:
        assert outcome is PASS
    else:
        assert outcome == Refuse(RefusalCode.ORIGIN_NOT_ALLOWED, "origin not allowed")


def test_what_comes_from_two_places_is_refused() -> None:
    exchange = a_page(APP, b"PUT", lines=[b"Origin: " + APP])
    exchange.named_tenant = None
    assert enforcement(a_crossed_policy(cors=STRICT)).decide(exchange) is not PASS


def test_an_unread_request_is_not_judged() -> None:
    assert enforcement(a_crossed_policy(cors=STRICT)).decide(an_unread_exchange()) is PASS


def test_the_caller_s_tenant_vouches_for_its_pages() -> None:
    step = enforcement(a_crossed_policy(cors=STRICT, keys=True))
    exchange = a_known_page(ACME)
    exchange.head = a_page(ACME, b"PUT").head
    assert step.decide(exchange) is PASS
    exchange.tenant = a_tenant()
    assert step.decide(exchange) is not PASS
