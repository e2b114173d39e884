"""A caller who adds a key or a token is no victim; one whom a browser identifies may be."""

import pytest

from sidecar.decision.pipeline import build
from sidecar.decision.steps.authenticate import NOBODY
from sidecar.model.identity import Method
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_policy, a_principal, an_exchange

pytestmark = pytest.mark.control("RQ-5")

COOKIE = b"Cookie: sid=7f3a"
CROSS_SITE = b"Sec-Fetch-Site: cross-site"
KEYS = {"formats": [{"kind": "secret", "prefix": "ck_live"}], "query": "key"}
JWT = {
    "issuer": "https://idp.example",
    "audiences": ["shop"],
    "jwks": "https://idp.example/jwks",
    "algorithms": ["ES256"],
}
CALLERS = {"api_keys": KEYS, "jwt": [JWT], "cookie": "token"}


def judged_caller(
    *lines: bytes, target: bytes = b"/orders", method: Method | None, applies_to: str = "ambient"
) -> Outcome:
    """Judge a caller who proved who they are with what the lines carry; None for nobody."""
    routes = {"path": "/**", "public": False, "role": "viewer"}
    policy = a_policy(routes, csrf=applies_to, authentication=CALLERS)
    [step] = [step for step in build(policy).plans[0].steps if step.name == "csrf"]
    exchange = an_exchange(a_head(b"POST", target, CROSS_SITE, *lines))
    exchange.is_secure = True
    exchange.is_from_proxy = False
    exchange.principal = NOBODY if method is None else a_principal(method=method)
    outcome = step.decide(exchange)
    assert outcome is PASS or isinstance(outcome, Refuse)
    return outcome


@pytest.mark.parametrize(
    ("lines", "method"),
    [
        ([b"X-API-Key: ck_live_x", COOKIE], Method.API_KEY),
        ([b"Authorization: Bearer ck_live_x", COOKIE], Method.API_KEY),
        ([b"Authorization: Bearer a.b.c", COOKIE], Method.JWT),
        ([b"X-API-Key: ck_live_x"], Method.API_KEY),
    ],
)
def test_a_caller_with_a_credential_that_no_browser_adds_passes(
    lines: list[bytes], method: Method
) -> None:
    assert judged_caller(*lines, method=method) is PASS
    assert judged_caller(*lines, method=method, applies_to="all") is PASS


@pytest.mark.parametrize(
    ("lines", "target", "method"),
    [
        pytest.param([b"Cookie: token=a.b.c"], b"/", Method.JWT, id="a token in a cookie"),
        pytest.param(
            [b"Cookie: token=a.b.c; x=1", b"Authorization: Bearer mine"],
            b"/",
            Method.JWT,
            id="an application's Bearer beside it",
        ),
        pytest.param(
            [COOKIE], b"/?key=ck_live_x", Method.API_KEY, id="an attacker's key in the query"
        ),
        pytest.param([COOKIE, b"X-API-Key: junk"], b"/", None, id="shadowed: proved nothing"),
    ],
)
def test_a_caller_with_one_that_a_browser_adds_is_judged(
    lines: list[bytes], target: bytes, method: Method | None
) -> None:
    outcome = judged_caller(*lines, target=target, method=method)
    refusal = Refuse(RefusalCode.CSRF, "Sec-Fetch-Site says cross-site")
    assert outcome == refusal


def test_a_public_route_knows_no_caller_whatever_comes_along() -> None:
    policy = a_policy({"path": "/**"}, csrf={}, authentication=CALLERS)
    [step] = [step for step in build(policy).plans[0].steps if step.name == "csrf"]
    exchange = an_exchange(a_head(b"POST", b"/", CROSS_SITE, COOKIE, b"X-API-Key: ck_live_x"))
    exchange.is_secure = True
    exchange.is_from_proxy = False
    assert isinstance(step.decide(exchange), Refuse)
