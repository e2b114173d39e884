from dataclasses import replace

import pytest

from sidecar.decision.steps.authenticate import NOBODY, Authenticate, Withhold
from sidecar.knowledge.auth.credentials import Credentials, Places, Provers
from sidecar.knowledge.auth.prover import CHALLENGE, unauthorized, unavailable
from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeyDigest, Method
from sidecar.model.outcome import PASS, Ask, Refuse
from sidecar.model.questions import FindKey
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_principal, an_exchange, an_unread_exchange
from tests.knowledge.auth.provers import FixedProver

PLACES = Places(header=b"x-api-key", query=b"", cookie=b"session", reads_bearer=True)
CALLER = a_principal()
QUESTION = FindKey((KeyDigest(b"d"),))
KEY = b"X-API-Key: sk_1"


def a_step(
    keys: FixedProver | None = None,
    accepted: frozenset[Method] | None = None,
    *,
    forwards: bool = False,
    is_verbose: bool = False,
) -> Authenticate:
    credentials = Credentials(PLACES, Provers(keys or FixedProver(b"sk_", CALLER)))
    return Authenticate(credentials, accepted, forwards=forwards, is_verbose=is_verbose)


def asked_with(*lines: bytes) -> Exchange:
    return an_exchange(a_head(b"GET", b"/", *lines))


def test_a_good_credential_names_the_caller_and_goes_no_further() -> None:
    bearer = b"Authorization: Bearer sk_1"
    exchange = asked_with(bearer)
    assert a_step().decide(exchange) is PASS
    assert exchange.principal is CALLER
    assert exchange.credential_lines == {bearer: None}


def test_the_policy_may_let_the_service_see_the_credential() -> None:
    exchange = asked_with(b"Authorization: Bearer sk_1")
    assert a_step(forwards=True).decide(exchange) is PASS
    assert exchange.credential_lines == {}


@pytest.mark.control("AN-6")
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no credential"),
        ([KEY, b"X-API-Key: sk_2"], "two different credentials"),
        ([KEY, b"Authorization: Bearer sk_2"], "two different credentials"),
        ([b"Cookie: session=sk_1"], "no method judges this credential"),
        ([b"X-API-Key: foreign"], "unknown prefix"),
        ([b"Authorization: Bearer foreign"], "unknown prefix"),
    ],
)
def test_every_failure_has_one_face_and_its_own_reason(lines: list[bytes], reason: str) -> None:
    exchange = asked_with(*lines)
    refusal = a_step().decide(exchange)
    assert refusal == Refuse(RefusalCode.UNAUTHORIZED, reason, (CHALLENGE,), has_floor=True)
    assert exchange.principal is NOBODY


def test_a_method_that_the_route_does_not_accept_is_refused() -> None:
    refusal = a_step(accepted=frozenset({Method.JWT})).decide(asked_with(KEY))
    assert refusal == unauthorized("api_key is not accepted here")
    assert a_step(accepted=frozenset({Method.API_KEY})).decide(asked_with(KEY)) is PASS


def test_a_prover_that_must_ask_is_asked_again_with_the_answer() -> None:
    prover = FixedProver(b"sk_", Ask(QUESTION), resumed=CALLER)
    step, exchange = a_step(prover), asked_with(KEY)
    assert step.decide(exchange) == Ask(QUESTION)
    assert exchange.principal is NOBODY
    assert step.resume(exchange, QUESTION, "answer") is PASS
    assert exchange.principal is CALLER
    assert prover.judged == [b"sk_1", b"sk_1"]
    assert prover.answers == ["answer"]


def test_an_answer_without_a_request_that_it_belongs_to_refuses() -> None:
    step = a_step()
    assert step.resume(an_unread_exchange(), QUESTION, None) == unauthorized("no credential")
    assert step.decide(an_unread_exchange()) == unauthorized("no credential")
    exchange = asked_with(b"Cookie: session=sk_1")
    refusal = unauthorized("no method judges this credential")
    assert step.resume(exchange, QUESTION, None) == refusal


def test_a_verbose_policy_tells_a_bad_credential_but_not_why() -> None:
    step = a_step(FixedProver(b"sk_", unauthorized("revoked key")), is_verbose=True)
    refusal = step.decide(asked_with(KEY))
    assert isinstance(refusal, Refuse)
    assert refusal.lines == (CHALLENGE + b', error="invalid_token"',)
    assert step.decide(asked_with()) == unauthorized("no credential")


@pytest.mark.control("AN-4")
def test_a_store_that_cannot_answer_refuses_verbose_or_not() -> None:
    refusal = unavailable("store did not answer")
    step = a_step(FixedProver(b"sk_", refusal), is_verbose=True)
    assert step.decide(asked_with(KEY)) == refusal
    assert refusal.code is RefusalCode.STORE_UNAVAILABLE


def test_a_public_route_keeps_credentials_back_and_asks_for_none() -> None:
    step = Withhold(Credentials(PLACES, Provers(FixedProver(b"sk_", CALLER))))
    bearer = b"Authorization: Bearer sk_1"
    exchange = asked_with(bearer, b"Accept: */*")
    assert step.decide(exchange) is PASS
    assert exchange.credential_lines == {bearer: None}
    unread = an_exchange(replace(a_head()))
    unread.head = None
    assert step.decide(unread) is PASS
