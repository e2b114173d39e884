"""Writes that a browser sends with what it keeps for a site come from that site, or are refused."""

import dataclasses

import pytest

from sidecar.decision.pipeline import build
from sidecar.decision.runner import decide
from sidecar.decision.steps.csrf import Csrf
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import PROXY, a_head, a_policy, an_exchange, an_unread_exchange

pytestmark = pytest.mark.control("RQ-5")

COOKIE = b"Cookie: sid=7f3a"
OWN = b"Origin: https://shop.example"
OTHERS = "https://evil.example"


def a_step(**keys: object) -> Csrf:
    section = a_policy(csrf=keys).csrf
    assert section is not None
    return Csrf(section)


def judged(
    *lines: bytes,
    method: bytes = b"POST",
    target: bytes = b"/orders",
    host: bytes | None = b"shop.example",
    is_secure: bool = True,
    is_from_proxy: bool = False,
    **keys: object,
) -> Outcome:
    """Judge a request with a cookie and these lines."""
    return judged_head(
        a_head(method, target, COOKIE, *lines, host=host),
        is_secure=is_secure,
        is_from_proxy=is_from_proxy,
        **keys,
    )


def judged_head(
    head: RequestHead, *, is_secure: bool = True, is_from_proxy: bool = False, **keys: object
) -> Outcome:
    exchange = an_exchange(head, peer=PROXY)
    exchange.is_secure = is_secure
    exchange.is_from_proxy = is_from_proxy
    return a_step(**keys).decide(exchange)


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.CSRF
    return outcome.reason


FETCH = b"Sec-Fetch-Site: "
SITE = "Sec-Fetch-Site says cross-site"
SAME_SITE = "Sec-Fetch-Site says same-site, which the policy does not allow"
MALFORMED_SITE = "Sec-Fetch-Site is malformed or stands twice"
NULL = "Origin is null"
ANOTHER = "Origin is another one"
MALFORMED = "Origin is malformed or stands twice"
REFERER = "Referer is of another origin"
MALFORMED_REFERER = "Referer is malformed or stands twice"
MISSING = "neither Sec-Fetch-Site, Origin nor Referer is there"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        pytest.param([FETCH + b"cross-site"], SITE, id="another site, says the browser"),
        pytest.param([FETCH + b"cross-site", OWN], SITE, id="a redirect through another site"),
        pytest.param([FETCH + b"cross-site", b"Origin: null"], SITE, id="a sandboxed frame"),
        pytest.param([FETCH + b"same-site"], SAME_SITE, id="another subdomain, says the browser"),
        pytest.param([FETCH + b"same-site", OWN], SAME_SITE, id="a subdomain by a stale proxy"),
        pytest.param([FETCH + b"Same-Origin"], MALFORMED_SITE, id="a token of another case"),
        pytest.param([FETCH + b"same-origin;x"], MALFORMED_SITE, id="a parameter"),
        pytest.param([FETCH + b'"same-origin"'], MALFORMED_SITE, id="a string"),
        pytest.param([FETCH + b"same-origin, none"], MALFORMED_SITE, id="a list"),
        pytest.param([FETCH], MALFORMED_SITE, id="nothing said"),
        pytest.param(
            [FETCH + b"same-origin", FETCH + b"cross-site"], MALFORMED_SITE, id="two, first good"
        ),
        pytest.param(
            [FETCH + b"cross-site", FETCH + b"same-origin"], MALFORMED_SITE, id="two, last good"
        ),
        pytest.param(
            [FETCH + b"same-origin", FETCH + b"same-origin"], MALFORMED_SITE, id="the same twice"
        ),
        pytest.param([b"Sec_Fetch_Site: same-origin"], MISSING, id="an underscore is no field"),
        pytest.param([b"Origin: null"], NULL, id="an opaque origin"),
        pytest.param([b"Origin: https://evil.example"], ANOTHER, id="another host"),
        pytest.param([b"Origin: https://api.shop.example"], ANOTHER, id="a subdomain"),
        pytest.param([b"Origin: https://example"], ANOTHER, id="the parent"),
        pytest.param([b"Origin: https://shop.example:8443"], ANOTHER, id="another port"),
        pytest.param([b"Origin: http://shop.example"], ANOTHER, id="a scheme below"),
        pytest.param([b"Origin: http://shop.example:443"], ANOTHER, id="a scheme below, 443"),
        pytest.param([b"Origin: https://shop.example."], ANOTHER, id="a dot behind"),
        pytest.param([b"Origin: https://shop.example.evil.example"], ANOTHER, id="a prefix"),
        pytest.param([b"Origin: https://evilshop.example"], ANOTHER, id="a suffix"),
        pytest.param([b"Origin: https://shop-example"], ANOTHER, id="a dot that is none"),
        pytest.param([b"Origin: https://shop.example@evil.example"], MALFORMED, id="a user"),
        pytest.param([b"Origin: https://evil.example/shop.example"], MALFORMED, id="a path"),
        pytest.param([b"Origin: https://shop.example/"], MALFORMED, id="a slash behind"),
        pytest.param([b"Origin: https://shop.example\\.evil.example"], MALFORMED, id="a backslash"),
        pytest.param([b"Origin: https://shop.example%2eevil"], MALFORMED, id="an escape"),
        pytest.param([b"Origin: shop.example"], MALFORMED, id="no scheme"),
        pytest.param([b"Origin: "], MALFORMED, id="an empty one"),
        pytest.param([b"Origin: *"], MALFORMED, id="a star"),
        pytest.param([b"Origin: chrome-extension://abcdefgh"], ANOTHER, id="an extension"),
        pytest.param([b"Origin: file://"], MALFORMED, id="a file"),
        pytest.param(
            [b"Origin: https://shop.example https://evil.example"], MALFORMED, id="Origin: a list"
        ),
        pytest.param(
            [OWN, b"Origin: https://evil.example"], MALFORMED, id="Origin: two, first good"
        ),
        pytest.param(
            [b"Origin: https://evil.example", OWN], MALFORMED, id="Origin: two, last good"
        ),
        pytest.param([OWN, OWN], MALFORMED, id="Origin: the same twice"),
        pytest.param(
            [FETCH + b"same-origin", OWN, b"Origin: https://evil.example"],
            MALFORMED,
            id="two beside a good word of the browser",
        ),
        pytest.param(
            [b"Origin: https://evil.example", b"Referer: https://shop.example/"],
            ANOTHER,
            id="a Referer does not mend an Origin",
        ),
        pytest.param([b"Referer: https://evil.example/"], REFERER, id="Referer of another"),
        pytest.param([b"Referer: http://shop.example/"], REFERER, id="Referer of a scheme below"),
        pytest.param(
            [b"Referer: https://evil.example/https://shop.example/"], REFERER, id="own URL in it"
        ),
        pytest.param(
            [b"Referer: https://evil.example?https://shop.example/"], REFERER, id="in its query"
        ),
        pytest.param(
            [b"Referer: https://shop.example@evil.example/"], MALFORMED_REFERER, id="user in it"
        ),
        pytest.param([b"Referer: about:blank"], MALFORMED_REFERER, id="no URL of the web"),
        pytest.param([b"Referer: "], MALFORMED_REFERER, id="an empty Referer"),
        pytest.param(
            [b"Referer: https://shop.example/", b"Referer: https://evil.example/"],
            MALFORMED_REFERER,
            id="two Referers",
        ),
        pytest.param([], MISSING, id="nothing at all"),
        pytest.param([b"Content-Type: text/plain"], MISSING, id="a form that looks like JSON"),
        pytest.param([b"X-Requested-With: XMLHttpRequest"], MISSING, id="a field of scripts"),
        pytest.param([b"X-Forwarded-Host: evil.example"], MISSING, id="a host that nobody vouches"),
        pytest.param(
            [b"X-Forwarded-Host: evil.example", b"Origin: https://evil.example"],
            ANOTHER,
            id="a host of the client's own choice",
        ),
    ],
)
def test_a_write_of_another_origin_is_refused_for_its_own_reason(
    lines: list[bytes], why: str
) -> None:
    assert reason(judged(*lines)) == why


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([FETCH + b"same-origin"], id="the browser says so"),
        pytest.param([FETCH + b"none"], id="a person typed it"),
        pytest.param([FETCH + b"same-origin", b"Origin: null"], id="a page without referrers"),
        pytest.param([FETCH + b"none", b"Origin: chrome-extension://abc"], id="an extension"),
        pytest.param([OWN], id="the origin itself"),
        pytest.param([b"Origin: https://shop.example:443"], id="its port written"),
        pytest.param([OWN, b"Referer: https://evil.example/"], id="Origin goes before Referer"),
        pytest.param([b"Referer: https://shop.example/cart?x=1"], id="Referer alone"),
        pytest.param([b"Referer: https://shop.example"], id="Referer of the origin alone"),
    ],
)
def test_a_write_of_the_origin_s_own_passes(lines: list[bytes]) -> None:
    assert judged(*lines) is PASS


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_method_that_changes_nothing_passes(method: bytes) -> None:
    assert judged(FETCH + b"cross-site", method=method) is PASS


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST"])
def test_every_method_is_judged_where_the_policy_says_so(method: bytes) -> None:
    outcome = judged(FETCH + b"cross-site", method=method, every_method=True)
    assert reason(outcome) == SITE
    assert judged(FETCH + b"same-origin", method=method, every_method=True) is PASS


@pytest.mark.parametrize(
    "method", [b"POST", b"PUT", b"PATCH", b"DELETE", b"QUERY", b"PROPFIND", b"PURGE", b"get"]
)
def test_every_other_method_is_judged(method: bytes) -> None:
    assert reason(judged(FETCH + b"cross-site", method=method)) == SITE


def test_a_method_override_does_not_hide_a_write_nor_reach_the_service() -> None:
    override = b"X-HTTP-Method-Override: GET"
    assert reason(judged(FETCH + b"cross-site", override)) == SITE
    policy = a_policy(csrf={})
    head = a_head(b"GET", b"/x", COOKIE, b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: P")
    exchange = an_exchange(head)
    generation = build(policy)
    assert decide(generation.edge, exchange, shadow=False) is None
    assert decide(exchange.route.steps, exchange, shadow=False) is None
    assert not [line for line in exchange.upstream_lines if b"Override" in line]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([b"Origin: https://evil.example"], ANOTHER),
        ([FETCH + b"cross-site", b"Origin: https://evil.example"], SITE),
        ([b"Origin: null"], NULL),
        ([], MISSING),
    ],
)
def test_a_websocket_of_another_origin_is_refused(lines: list[bytes], why: str) -> None:
    head = a_head(b"GET", b"/live", COOKIE, *lines)
    assert reason(judged_head(dataclasses.replace(head, is_websocket=True))) == why


def test_a_websocket_of_the_origin_s_own_passes() -> None:
    head = a_head(b"GET", b"/live", COOKIE, OWN)
    assert judged_head(dataclasses.replace(head, is_websocket=True)) is PASS


@pytest.mark.parametrize(
    "line",
    [
        b"Cookie: a=1",
        b"cookie:a=1",
        b"Cookie: ",
        b"Authorization: Basic dTpw",
        b"authorization:  BASIC dTpw",
        b"Authorization: Basic\tdTpw",
        b"Authorization: Digest username=u",
        b"Authorization: Negotiate YII",
        b"Authorization: NTLM TlRM",
    ],
)
def test_what_a_browser_adds_of_itself_is_judged(line: bytes) -> None:
    assert reason(judged_head(a_head(b"POST", b"/", line))) == MISSING


@pytest.mark.parametrize(
    "line", [b"Authorization: Bearer x", b"Authorization: AWS4-HMAC-SHA256 x", b"X-API-Key: k"]
)
def test_what_no_browser_adds_of_itself_is_not_judged(line: bytes) -> None:
    assert judged_head(a_head(b"POST", b"/", FETCH + b"cross-site", line)) is PASS
    assert reason(judged(line)) == MISSING


def test_all_writes_are_judged_where_the_policy_says_so() -> None:
    """A login form of another site has no cookie yet; a network may be a credential."""
    head = a_head(b"POST", b"/login", FETCH + b"cross-site")
    assert reason(judged_head(head, applies_to="all")) == SITE
    assert judged_head(head) is PASS


@pytest.mark.parametrize(
    "lines",
    [
        [b"Origin: https://console.example"],
        [FETCH + b"cross-site", b"Origin: https://console.example"],
        [FETCH + b"same-site", b"Origin: https://console.example"],
        [b"Referer: https://console.example/x"],
        [b"Origin: http://localhost:5173"],
    ],
)
def test_an_origin_of_the_list_passes(lines: list[bytes]) -> None:
    origins = ["https://console.example", "http://localhost:5173"]
    assert judged(*lines, origins=origins) is PASS


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([b"Origin: http://console.example"], ANOTHER),
        ([b"Origin: https://console.example:8443"], ANOTHER),
        ([b"Origin: https://x.console.example"], ANOTHER),
        ([FETCH + b"cross-site"], SITE),
        ([FETCH + b"cross-site", b"Referer: https://console.example/"], SITE),
        ([FETCH + b"cross-site", b"Origin: null"], SITE),
        ([b"Origin: null"], NULL),
    ],
)
def test_an_origin_beside_the_list_does_not(lines: list[bytes], why: str) -> None:
    assert reason(judged(*lines, origins=["https://console.example"])) == why


def test_sites_of_the_same_domain_pass_where_the_policy_says_so() -> None:
    assert judged(FETCH + b"same-site", same_site="allow") is PASS
    assert reason(judged(FETCH + b"cross-site", same_site="allow")) == SITE
    # Without the browser's word a subdomain is another origin.
    assert reason(judged(b"Origin: https://a.shop.example", same_site="allow")) == ANOTHER


def test_a_request_that_says_nothing_passes_where_the_policy_says_so() -> None:
    assert judged(missing="allow") is PASS
    assert reason(judged(b"Origin: null", missing="allow")) == NULL
    assert reason(judged(b"Referer: ", missing="allow")) == MALFORMED_REFERER


def test_nothing_is_judged_where_a_route_says_so() -> None:
    policy = a_policy({"path": "/hooks", "csrf": "nothing"}, {"path": "/**"}, csrf={})
    judging = [any(step.name == "csrf" for step in plan.steps) for plan in build(policy).plans]
    assert judging == [False, True]


def test_a_policy_without_the_section_has_no_step_for_it() -> None:
    plans = build(a_policy({"path": "/a", "csrf": {}}, {"path": "/**"})).plans
    judging = [any(step.name == "csrf" for step in plan.steps) for plan in plans]
    assert judging == [True, False]


def test_a_route_s_keys_go_over_the_policy_s() -> None:
    policy = a_policy(
        {"path": "/a", "csrf": {"missing": "allow"}}, csrf={"origins": ["https://b.example"]}
    )
    laid = policy.csrf_of(policy.routes[0])
    assert laid is not None
    assert (laid.missing, laid.origins) == ("allow", ("https://b.example",))


@pytest.mark.parametrize(
    ("host", "is_secure", "origin"),
    [
        (b"shop.example", False, b"http://shop.example"),
        (b"shop.example:8080", False, b"http://shop.example:8080"),
        (b"shop.example:443", True, b"https://shop.example"),
        (b"[2001:db8::1]:8443", True, b"https://[2001:db8::1]:8443"),
    ],
)
def test_the_own_origin_is_what_the_client_sees(
    host: bytes, is_secure: bool, origin: bytes
) -> None:
    assert judged(b"Origin: " + origin, host=host, is_secure=is_secure) is PASS


def test_a_request_without_a_host_has_no_origin_of_its_own() -> None:
    assert reason(judged(OWN, host=None)) == ANOTHER
    assert judged(OWN, host=None, origins=["https://shop.example"]) is PASS


@pytest.mark.parametrize(
    ("forwarded", "origin", "passes"),
    [
        pytest.param([b"shop.example"], b"https://shop.example", True, id="the proxy's word"),
        pytest.param([b"SHOP.example"], b"https://shop.example", True, id="in capitals"),
        pytest.param([b"shop.example:8443"], b"https://shop.example:8443", True, id="its port"),
        pytest.param([b"evil.example, shop.example"], b"https://shop.example", True, id="nearest"),
        pytest.param([b"evil.example, shop.example"], b"https://evil.example", False, id="farther"),
        pytest.param(
            [b"evil.example", b"shop.example"], b"https://evil.example", False, id="two lines"
        ),
        pytest.param([b"shop.example"], b"https://inner.svc", False, id="not the inner name"),
        pytest.param([b"shop.example/x"], b"https://shop.example", False, id="malformed"),
        pytest.param([b""], b"https://inner.svc", True, id="empty: Host counts"),
        pytest.param([], b"https://inner.svc", True, id="none: Host counts"),
    ],
)
def test_a_trusted_proxy_says_which_host_the_client_named(
    forwarded: list[bytes], origin: bytes, passes: bool
) -> None:
    lines = [b"X-Forwarded-Host: " + host for host in forwarded]
    outcome = judged(b"Origin: " + origin, *lines, host=b"inner.svc", is_from_proxy=True)
    assert (outcome is PASS) == passes


def test_an_unread_head_passes_on_to_its_own_refusal() -> None:
    exchange = an_unread_exchange()
    assert a_step().decide(exchange) is PASS


def test_shadow_records_and_lets_pass() -> None:
    generation = build(a_policy(csrf={}, mode="shadow"))
    exchange = an_exchange(a_head(b"POST", b"/", COOKIE, FETCH + b"cross-site"))
    assert decide(generation.edge, exchange, shadow=True) is None
    assert decide(exchange.route.steps, exchange, shadow=True) is None
    assert [(one.code, one.reason) for one in exchange.shadow] == [(RefusalCode.CSRF, SITE)]
