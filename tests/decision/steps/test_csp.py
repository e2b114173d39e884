"""Content-Security-Policy: constant, or with a nonce that service and browser both know."""

import pytest

from sidecar.decision.pipeline import build
from sidecar.decision.runner import decide, respond
from sidecar.model.exchange import Exchange
from sidecar.model.headers import canonical
from sidecar.model.ports import AtHand
from tests.builders import a_head, a_policy, an_exchange, an_unread_exchange, values_of

pytestmark = pytest.mark.control("RS-2")

CSP = b"content-security-policy"
REPORTED = b"content-security-policy-report-only"
STRICT = {"script-src": ["nonce", "'strict-dynamic'"], "base-uri": ["'none'"]}
NONCE = b"AAECAwQFBgcICQoLDA0ODw=="
WITH_NONCE = b"script-src 'nonce-" + NONCE + b"' 'strict-dynamic'; base-uri 'none'"
OWN = b"Content-Security-Policy: default-src https:"


def answered(
    csp: object,
    *lines: bytes,
    status: int = 200,
    sent: tuple[bytes, ...] = (),
    **sections: object,
) -> Exchange:
    """Run a request through all steps, and an answer with these lines back."""
    generation = build(a_policy(csp=csp, **sections), AtHand(nonces=lambda: NONCE))
    exchange = an_exchange(a_head(b"GET", b"/", *sent))
    assert decide(generation.edge, exchange, shadow=False) is None
    assert decide(exchange.route.steps, exchange, shadow=False) is None
    exchange.status = status
    exchange.response_lines = list(lines)
    respond(exchange.route.response, exchange)
    return exchange


def policies(csp: object, *lines: bytes, name: bytes = CSP, **more: object) -> list[bytes]:
    return values_of(answered(csp, *lines, **more).response_lines, name)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("default-src 'self'", b"default-src 'self'"),
        ("default-src  'self' ;; IMG-SRC *;", b"default-src 'self'; img-src *"),
        ("default-src 'self'; default-src *", b"default-src 'self'"),
        ({"default-src": ["'self'"]}, b"default-src 'self'"),
        ({"default-src": "'self' data:"}, b"default-src 'self' data:"),
        ({"default-src": ["'none'"], "sandbox": []}, b"default-src 'none'; sandbox"),
        (
            {"enforce": {"default-src": ["https://*.example:*/x"]}},
            b"default-src https://*.example:*/x",
        ),
        (
            {"default-src": "'none'", "upgrade-insecure-requests": None},
            b"default-src 'none'; upgrade-insecure-requests",
        ),
        (
            {"default-src": "'none'", "require-trusted-types-for": "'script'"},
            b"default-src 'none'; require-trusted-types-for 'script'",
        ),
    ],
)
def test_a_policy_is_written_as_it_is_stated(written: object, sent: bytes) -> None:
    assert policies(written) == [sent]


def test_a_constant_policy_is_a_constant_field_and_no_step_of_its_own() -> None:
    [plan] = build(a_policy(csp="default-src 'none'"), AtHand(nonces=lambda: NONCE)).plans
    names = {step.name for step in plan.steps} | {step.name for step in plan.response}
    assert not names & {"csp", "csp_nonce"}


@pytest.mark.parametrize("csp", ["default-src 'none'", STRICT])
@pytest.mark.parametrize("preset", ["api", "web"])
def test_it_takes_the_place_of_the_preset_s(csp: object, preset: str) -> None:
    assert len(policies(csp, headers=preset)) == 1


@pytest.mark.parametrize(
    ("csp", "ours"), [("default-src 'none'", b"default-src 'none'"), (STRICT, WITH_NONCE)]
)
@pytest.mark.parametrize(
    ("upstream", "both"), [("add", ["own", "ours"]), ("replace", ["ours"]), ("keep", ["own"])]
)
def test_the_service_s_own_holds_too_gives_way_or_goes_before(
    csp: object, ours: bytes, upstream: str, both: list[str]
) -> None:
    known = {"own": b"default-src https:", "ours": ours}
    section = {"enforce": csp, "upstream": upstream}
    assert policies(section, OWN) == [known[name] for name in both]
    assert policies(section) == [ours]


@pytest.mark.parametrize("csp", ["default-src 'none'", STRICT])
def test_a_policy_that_only_reports_stands_beside_one_that_holds(csp: object) -> None:
    section = {"enforce": "default-src 'self'", "report_only": csp}
    assert policies(section) == [b"default-src 'self'"]
    [reported] = policies(section, name=REPORTED)
    assert reported in {b"default-src 'none'", WITH_NONCE}


def test_one_that_only_reports_leaves_the_service_s_own_in_force() -> None:
    section = {"report_only": STRICT, "upstream": "replace"}
    assert policies(section, OWN) == [b"default-src https:"]


def test_service_and_browser_get_the_same_nonce() -> None:
    exchange = answered(STRICT)
    assert values_of(exchange.response_lines, CSP) == [WITH_NONCE]
    assert values_of(exchange.upstream_lines, b"x-csp-nonce") == [NONCE]


def test_the_nonce_is_told_in_a_field_of_the_policy_s_choice() -> None:
    exchange = answered({"enforce": STRICT, "nonce_header": "X-Nonce"})
    assert values_of(exchange.upstream_lines, b"x-nonce") == [NONCE]
    assert values_of(exchange.upstream_lines, b"x-csp-nonce") == []


def test_every_answer_has_a_nonce_of_its_own() -> None:
    nonces = iter([b"one", b"two"])
    generation = build(a_policy(csp=STRICT), AtHand(nonces=lambda: next(nonces)))
    seen = []
    for _ in range(2):
        exchange = an_exchange(a_head())
        assert decide(generation.edge, exchange, shadow=False) is None
        assert decide(exchange.route.steps, exchange, shadow=False) is None
        respond(exchange.route.response, exchange)
        seen += values_of(exchange.response_lines, CSP)
    assert [b"'nonce-one'" in seen[0], b"'nonce-two'" in seen[1]] == [True, True]


@pytest.mark.parametrize(
    "line",
    [b"X-CSP-Nonce: evil", b"x_csp_nonce: evil", b"X.CSP.Nonce: evil", b"X-CSP_Nonce:evil"],
)
def test_no_client_chooses_the_nonce(line: bytes) -> None:
    # The codec takes managed fields out by these names.
    managed = build(a_policy(csp=STRICT), AtHand(nonces=lambda: NONCE)).managed
    assert canonical(line.partition(b":")[0]) in managed
    assert canonical(line.partition(b":")[0]) not in build(a_policy(csp="default-src x.y")).managed


def test_a_route_s_nonce_field_is_taken_from_clients_on_every_route() -> None:
    routes = ({"path": "/page", "csp": {"enforce": STRICT, "nonce_header": "X-N"}}, {"path": "/**"})
    assert b"x-n" in build(a_policy(*routes), AtHand(nonces=lambda: NONCE)).managed


def test_an_answer_that_was_not_modified_keeps_the_nonce_that_the_client_has() -> None:
    assert policies(STRICT, status=304) == []
    assert policies(STRICT, OWN, status=304) == [b"default-src https:"]


@pytest.mark.parametrize(
    ("csp", "sent"),
    [
        (STRICT, b"script-src 'strict-dynamic'; base-uri 'none'"),
        ({"script-src": ["nonce"], "img-src": []}, b"script-src 'none'; img-src"),
    ],
)
def test_a_refusal_has_no_nonce(csp: object, sent: bytes) -> None:
    generation = build(a_policy({"path": "/x"}, csp=csp), AtHand(nonces=lambda: NONCE))
    for exchange in (an_exchange(), an_unread_exchange()):
        respond(generation.unrouted.response, exchange)
        assert values_of(exchange.response_lines, CSP) == [sent]


def test_without_a_source_of_nonces_there_is_none() -> None:
    generation = build(a_policy(csp=STRICT))
    [plan] = generation.plans
    assert "csp_nonce" not in {step.name for step in plan.steps}
    exchange = an_exchange()
    respond(plan.response, exchange)
    [policy] = values_of(exchange.response_lines, CSP)
    assert b"nonce" not in policy


def test_a_route_s_policy_goes_over_the_policy_s() -> None:
    policy = a_policy(
        {"path": "/a", "csp": {"upstream": "replace"}},
        {"path": "/b", "csp": "default-src 'none'"},
        csp={"enforce": "default-src 'self'", "report_only": "default-src x.example"},
    )
    first, second = (policy.csp_of(route) for route in policy.routes)
    assert first is not None
    assert second is not None
    assert (first.enforce, first.upstream) == ({"default-src": ("'self'",)}, "replace")
    assert second.enforce == {"default-src": ("'none'",)}
    assert second.report_only == {"default-src": ("x.example",)}


@pytest.mark.parametrize("csp", ["default-src 'none'", STRICT])
def test_it_takes_the_place_of_a_default_of_the_headers_too(csp: object) -> None:
    headers = {"default": {"content-security-policy": "object-src 'none'", "X-A": "1"}}
    exchange = answered(csp, headers=headers)
    assert len(values_of(exchange.response_lines, CSP)) == 1
    assert values_of(exchange.response_lines, b"x-a") == [b"1"]
