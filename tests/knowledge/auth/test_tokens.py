"""Tokens from the first byte to the principal, and what is asked again of a remembered one."""

import pytest

from sidecar.knowledge.auth.prover import CHALLENGE
from sidecar.knowledge.auth.tokens import TokenProver
from sidecar.model.identity import Introspection, Method, Principal
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.questions import FindKeySet, Introspect
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.authentication import Authentication
from tests.knowledge.auth.minting import (
    ISSUER,
    NOW,
    OTHER_ISSUER,
    SECRET,
    KeysAtHand,
    RevocationsAtHand,
    WordsAtHand,
    a_key_set,
    a_secret_set,
    an_at_hand,
    b64,
    claims,
    minted,
    unb64,
)
from tests.knowledge.auth.proving import CLAIMS, a_prover, an_issuer, at, reason_of

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNERS = [
    *[("RSA", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")],
    ("P-256", "ES256"),
    ("P-384", "ES384"),
    ("P-521", "ES512"),
    ("Ed25519", "EdDSA"),
    ("Ed448", "EdDSA"),
]


@pytest.mark.control("AN-13")
@pytest.mark.parametrize(("key", "algorithm"), SIGNERS)
def test_a_token_of_each_algorithm_is_accepted(key: str, algorithm: str) -> None:
    prover = a_prover(an_at_hand(a_key_set(ISSUER, *{name for name, _ in SIGNERS})))
    token = minted(key, algorithm)
    assert prover.recognises(token)
    proof = prover.judge(token, at())
    assert isinstance(proof, Principal)
    assert proof.method is Method.JWT
    assert (proof.subject, proof.credential_id) == ("u-1", f"{ISSUER}#t-1")
    assert proof.memberships == {"acme": ("developer",)}
    assert proof.scopes == {"orders:read", "orders:write"}
    assert proof.expires_at == NOW + 630


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_of_a_shared_secret_is_accepted_whatever_its_kid(algorithm: str) -> None:
    issuer = an_issuer(algorithms=["HS256", "HS384", "HS512"], jwks=None, secret=SECRET.decode())
    prover = a_prover(an_at_hand(a_secret_set()), issuer)
    for kid in (None, "2024-1"):
        assert isinstance(prover.judge(minted("oct", algorithm, kid=kid), at()), Principal)


def test_an_accepted_token_is_remembered_with_one_principal() -> None:
    prover = a_prover(an_at_hand(a_key_set(ISSUER, "RSA")))
    token = minted()
    first = prover.judge(token, at())
    assert prover.recognises(bytes(bytearray(token)))
    assert prover.judge(bytes(bytearray(token)), at()) is first


def test_keys_that_are_not_known_are_asked_for() -> None:
    at_hand = an_at_hand()
    prover, token, exchange = a_prover(at_hand), minted(), at()
    asked = prover.judge(token, exchange)
    assert asked == Ask(FindKeySet(ISSUER, ""))
    assert isinstance(asked, Ask)
    proof = prover.resume(token, exchange, asked.question, a_key_set(ISSUER, "RSA"))
    assert isinstance(proof, Principal)


def test_an_unknown_kid_is_asked_for_once_and_then_refused() -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "P-256"))
    prover, token, exchange = a_prover(at_hand), minted(), at()
    asked = prover.judge(token, exchange)
    assert asked == Ask(FindKeySet(ISSUER, "RSA"))
    assert isinstance(asked, Ask)
    again = prover.resume(token, exchange, asked.question, a_key_set(ISSUER, "P-256"))
    assert reason_of(again) == "jwt: unknown kid"
    rotated = prover.resume(token, exchange, asked.question, a_key_set(ISSUER, "P-256", "RSA"))
    assert isinstance(rotated, Principal)


@pytest.mark.control("AN-16")
@pytest.mark.parametrize(
    ("now", "reason"),
    [(NOW + 630, "jwt: expired"), (NOW - 1000, "jwt: not valid yet")],
)
def test_a_remembered_token_is_refused_when_its_time_is_not_now(now: float, reason: str) -> None:
    prover = a_prover(an_at_hand(a_key_set(ISSUER, "RSA")))
    token = minted(payload=claims(nbf=int(NOW) - 20))
    assert isinstance(prover.judge(token, at()), Principal)
    assert isinstance(prover.judge(token, at(NOW + 629)), Principal)
    assert reason_of(prover.judge(token, at(now))) == reason


@pytest.mark.control("AN-16")
@pytest.mark.parametrize(
    "revoked", [("token", "t-1"), ("session", "s-1"), ("subject", "u-1"), ("tenant", "globex")]
)
def test_a_remembered_token_is_refused_once_it_is_revoked(revoked: tuple[str, str]) -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "RSA"))
    prover = a_prover(at_hand)
    token = minted(payload=claims(sid="s-1", tenant_id=["acme", "globex"]))
    assert isinstance(prover.judge(token, at()), Principal)
    assert isinstance(at_hand.revocations, RevocationsAtHand)
    at_hand.revocations.revoked.add(revoked)
    assert reason_of(prover.judge(token, at())) == "jwt: revoked"


@pytest.mark.control("AN-16")
def test_no_token_is_admitted_while_the_revocations_are_not_known() -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "RSA"))
    prover, token = a_prover(at_hand), minted()
    assert isinstance(prover.judge(token, at()), Principal)
    assert isinstance(at_hand.revocations, RevocationsAtHand)
    at_hand.revocations.is_fresh = False
    for one in (token, minted(payload=claims(jti="t-2"))):
        proof = prover.judge(one, at())
        assert isinstance(proof, Refuse)
        assert proof.code is RefusalCode.STORE_UNAVAILABLE


@pytest.mark.control("AN-16")
def test_a_remembered_token_is_verified_again_when_the_keys_change() -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "RSA"))
    prover, token = a_prover(at_hand), minted()
    first = prover.judge(token, at())
    assert isinstance(at_hand.key_sets, KeysAtHand)
    at_hand.key_sets.known[ISSUER] = a_key_set(ISSUER, "RSA", "P-256")
    second = prover.judge(token, at())
    assert isinstance(second, Principal)
    assert second is not first
    at_hand.key_sets.known[ISSUER] = a_key_set(ISSUER, "P-256")
    assert prover.judge(token, at()) == Ask(FindKeySet(ISSUER, "RSA"))
    del at_hand.key_sets.known[ISSUER]
    assert prover.judge(token, at()) == Ask(FindKeySet(ISSUER, ""))


def test_a_token_without_an_id_is_revoked_by_its_fingerprint_however_it_is_signed() -> None:
    """Whoever has an ECDSA signature (r, s) can write (r, n - s) as well: the id stays."""
    at_hand = an_at_hand(a_key_set(ISSUER, "P-256"))
    prover = a_prover(at_hand)
    token = minted("P-256", "ES256", claims(jti=None))
    signed, _, signature = token.rpartition(b".")
    point = unb64(signature)
    other = (P256_ORDER - int.from_bytes(point[32:], "big")).to_bytes(32, "big")
    twin = signed + b"." + b64(point[:32] + other)
    one, two = prover.judge(token, at()), prover.judge(twin, at())
    assert isinstance(one, Principal)
    assert isinstance(two, Principal)
    assert one.credential_id == two.credential_id
    assert isinstance(at_hand.revocations, RevocationsAtHand)
    at_hand.revocations.revoked.add(("token", one.credential_id.rpartition("#")[2]))
    assert [reason_of(prover.judge(each, at())) for each in (token, twin)] == ["jwt: revoked"] * 2


AN_INTROSPECTION = {
    "url": "https://idp.example/introspect",
    "client_id": "sidecar",
    "client_secret": "hush",
    "claims": CLAIMS,
}


def said(*, is_active: bool = True, **members: object) -> Introspection:
    return Introspection(is_active, {"sub": "u-2", "tenant_id": "acme", **members}, NOW)


def test_an_opaque_token_is_asked_about_and_then_remembered_while_the_word_holds() -> None:
    at_hand = an_at_hand()
    prover = TokenProver(
        Authentication.model_validate({"introspection": AN_INTROSPECTION}), at_hand
    )
    token, exchange, word = b"2YotnFZFEjr1zCsicMWpAA", at(), said(exp=int(NOW) + 60)
    assert prover.recognises(token)
    asked = prover.judge(token, exchange)
    assert asked == Ask(Introspect(token))
    assert isinstance(asked, Ask)
    first = prover.resume(token, exchange, asked.question, word)
    assert isinstance(first, Principal)
    assert first.method is Method.INTROSPECTION
    assert first.expires_at == NOW + 60
    assert prover.judge(token, exchange) == asked
    assert isinstance(at_hand.introspections, WordsAtHand)
    at_hand.introspections.known[token] = word
    assert prover.judge(token, exchange) is first
    assert reason_of(prover.judge(token, at(NOW + 60))) == "introspection: expired"
    at_hand.introspections.known[token] = said(is_active=False)
    assert reason_of(prover.judge(token, exchange)) == "introspection: not active"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (said(is_active=False), "not active"),
        (said(iss="https://evil.example", aud="orders"), "issuer not ours"),
        (said(aud="orders-2"), "audience not ours"),
        (said(), "audience not ours"),
        (said(aud=["orders"], exp="never"), "a time is no time"),
        (said(aud=["orders"], nbf=NOW + 1), "not valid yet"),
        (said(aud=["orders"], exp=NOW), "expired"),
        (said(aud=["orders"], sub=None), "subject is no plain text"),
        (said(aud=["orders"], tenant_id="../x"), "tenant is no tenant's id"),
    ],
)
def test_what_is_said_of_an_opaque_token_may_refuse_it(word: Introspection, reason: str) -> None:
    section = AN_INTROSPECTION | {"issuer": ISSUER, "audiences": ["orders"]}
    prover = TokenProver(Authentication.model_validate({"introspection": section}), an_at_hand())
    proof = prover.resume(b"opaque", at(), Introspect(b"opaque"), word)
    assert reason_of(proof) == f"introspection: {reason}"


def test_a_prefix_tells_opaque_tokens_and_those_of_the_application_apart() -> None:
    section = {"introspection": AN_INTROSPECTION | {"prefix": "op_"}}
    prover = TokenProver(Authentication.model_validate(section), an_at_hand())
    assert prover.recognises(b"op_1")
    assert not prover.recognises(b"gho_1")
    assert not prover.recognises(minted())
    assert reason_of(prover.judge(b"gho_1", at())) == "jwt: not three parts"
    assert reason_of(prover.judge(b"op_\xff", at())) == "introspection: not a token"
    assert reason_of(prover.judge(b"op_" + b"a" * 9000, at())) == "introspection: too large"


def test_a_jwt_of_a_configured_issuer_is_never_asked_about() -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "RSA"))
    prover = a_prover(at_hand, introspection=AN_INTROSPECTION)
    wrong = minted("RSA other", kid="RSA")
    assert reason_of(prover.judge(wrong, at())) == "jwt: wrong signature"
    assert prover.judge(minted(payload=claims(iss=OTHER_ISSUER)), at()) == Ask(
        Introspect(minted(payload=claims(iss=OTHER_ISSUER)))
    )


def test_an_answer_that_nobody_asked_for_admits_nobody() -> None:
    prover = a_prover(an_at_hand())
    for question, answer in (
        (Introspect(b"x"), said()),
        (Introspect(b"x"), None),
        (FindKeySet(ISSUER, ""), None),
    ):
        proof = prover.resume(minted(), at(), question, answer)
        assert isinstance(proof, Refuse)
        assert proof.code is RefusalCode.STORE_UNAVAILABLE
    mistaken = prover.resume(minted(), at(), FindKeySet(ISSUER, ""), a_key_set(OTHER_ISSUER, "RSA"))
    assert reason_of(mistaken) == "jwt: key set of another issuer"
    broken = prover.resume(b"a.b", at(), FindKeySet(ISSUER, ""), a_key_set(ISSUER, "RSA"))
    assert reason_of(broken) == "jwt: not three parts"


def test_a_failure_has_the_one_face() -> None:
    proof = a_prover(an_at_hand(a_key_set(ISSUER, "RSA"))).judge(b"a.b.c", at())
    assert isinstance(proof, Refuse)
    assert (proof.code, proof.lines) == (RefusalCode.UNAUTHORIZED, (CHALLENGE,))
