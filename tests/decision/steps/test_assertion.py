"""The step that adds the signed assertion to what the upstream is told."""

import json
import subprocess
import sys

import jwt
import pytest

from sidecar.decision.pipeline import OrderError, prove_order
from sidecar.decision.steps.assertion import Assertion
from sidecar.decision.steps.authenticate import NOBODY
from sidecar.knowledge.auth.assertion import Signer
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import PASS
from sidecar.model.refusals import RefusalCode
from sidecar.model.secret import Secret
from sidecar.policy.schema.assertion import Assertion as Section
from tests.builders import (
    OWN_ID,
    a_head,
    a_principal,
    a_tenant,
    an_exchange,
    an_unread_exchange,
    refusal_of,
    values_of,
)
from tests.decision.test_pipeline import a_step

SIGNER = Signer(Section.model_construct(key=(Secret(bytes(range(32))),), audience="orders"))
STEP = Assertion(SIGNER, "X-Sidecar-Assertion")


def an_identified(principal: Principal | None = None, *, tenant: str | None = "acme") -> Exchange:
    """Make an exchange as the steps before this one leave it."""
    exchange = an_exchange(a_head(b"DELETE", b"/v1/orders/7?a=b"))
    exchange.principal = principal or a_principal("acme", "admin")
    exchange.tenant = None if tenant is None else a_tenant(tenant)
    exchange.roles = ("admin",)
    exchange.tier = "pro"
    exchange.request_id = b"request-1"
    exchange.upstream_path = b"/orders/7?a=b"
    exchange.identity_lines = [b"X-User-Id: key:k1"]
    return exchange


def claims_of(exchange: Exchange) -> dict[str, object]:
    (assertion,) = values_of(exchange.identity_lines, b"x-sidecar-assertion")
    key = jwt.PyJWKSet.from_json(SIGNER.key_set.decode()).keys[0]
    options: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
    read: dict[str, object] = jwt.decode(assertion, key, ["EdDSA"], options, audience="orders")
    return read


@pytest.mark.control("TN-3")
def test_the_upstream_gets_a_signed_statement_of_who_is_calling() -> None:
    exchange = an_identified()
    assert STEP.decide(exchange) is PASS
    claims = claims_of(exchange)
    facts = {name: claims[name] for name in ("sub", "tenant", "roles", "tier", "key_id")}
    assert facts == {
        "sub": "key:k1",
        "tenant": "acme",
        "roles": ["admin"],
        "tier": "pro",
        "key_id": "k1",
    }
    assert (claims["iat"], claims["jti"]) == (1_800_000_000, OWN_ID.decode())
    assert claims["request_id"] == "request-1"


def test_it_is_bound_to_the_request_as_the_upstream_gets_it() -> None:
    exchange = an_identified()
    STEP.decide(exchange)
    claims = claims_of(exchange)
    assert (claims["htm"], claims["path"]) == ("DELETE", "/orders/7")


def test_what_was_said_before_stays_and_no_other_request_sees_this_one() -> None:
    exchange = an_identified()
    remembered = exchange.identity_lines
    STEP.decide(exchange)
    assert remembered == [b"X-User-Id: key:k1"]
    assert exchange.identity_lines[:1] == remembered
    assert len(exchange.identity_lines) == 2


def test_a_token_has_no_key_id_and_its_scopes_are_sorted() -> None:
    token = a_principal("acme", method=Method.JWT, scopes=frozenset({"b", "a", "c"}))
    exchange = an_identified(token)
    STEP.decide(exchange)
    claims = claims_of(exchange)
    assert "key_id" not in claims
    assert claims["scopes"] == ["a", "b", "c"]


def test_a_caller_without_a_tenant_is_said_to_have_none() -> None:
    exchange = an_identified(tenant=None)
    STEP.decide(exchange)
    assert "tenant" not in claims_of(exchange)


def test_a_subject_that_is_no_text_is_refused() -> None:
    exchange = an_identified(a_principal("acme", subject="\ud800"))
    outcome = STEP.decide(exchange)
    assert outcome is not PASS
    assert refusal_of(outcome) is RefusalCode.UNAUTHORIZED
    assert values_of(exchange.identity_lines, b"x-sidecar-assertion") == []


def test_nothing_is_signed_for_a_head_that_could_not_be_read() -> None:
    exchange = an_unread_exchange()
    exchange.principal, exchange.tenant = NOBODY, None
    assert STEP.decide(exchange) is PASS
    assert exchange.identity_lines == []


def test_nobody_whom_shadow_mode_let_pass_is_vouched_for() -> None:
    exchange = an_identified(NOBODY)
    assert STEP.decide(exchange) is PASS
    assert values_of(exchange.identity_lines, b"x-sidecar-assertion") == []


CALLER = a_step("", "principal tenant roles tier request_id")
UPSTREAM = a_step("head", "target upstream_path")


def test_it_stands_behind_the_steps_whose_facts_it_signs() -> None:
    prove_order([CALLER, UPSTREAM, STEP])
    for order in ([CALLER, STEP, UPSTREAM], [UPSTREAM, STEP, CALLER]):
        with pytest.raises(OrderError, match="assertion reads"):
            prove_order(order)


def test_a_policy_without_assertions_loads_no_cryptography() -> None:
    program = (
        "import json, sys\n"
        "import sidecar.decision.steps.assertion\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=30
    )
    loaded = set(json.loads(done.stdout))
    assert "sidecar.knowledge.auth.assertion" in loaded
    assert not loaded & {"cryptography", "jwt"}


@pytest.mark.control("TN-3")
def test_a_caller_of_a_suspended_tenant_is_not_vouched_for_in_shadow_mode() -> None:
    exchange = an_identified(tenant=None)
    exchange.shadow.append(unauthorized("suspended tenant"))
    assert STEP.decide(exchange) is PASS
    assert values_of(exchange.identity_lines, b"x-sidecar-assertion") == []
