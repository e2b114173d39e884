"""Provers under test, and what they say of a token in the end."""

from collections.abc import Mapping
from typing import Final

from sidecar.knowledge.auth.tokens import TokenProver
from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeySet, Principal
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.ports import AtHand
from sidecar.model.questions import FindKeySet
from sidecar.policy.schema.authentication import Authentication
from tests.builders import an_exchange
from tests.knowledge.auth.minting import ISSUER, NOW, KeysAtHand

ALL: Final = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
CLAIMS: Final = {"tenant": "tenant_id", "roles": "roles", "tier": "plan"}


def an_issuer(**keys: object) -> dict[str, object]:
    start: dict[str, object] = {
        "issuer": ISSUER,
        "audiences": ["orders"],
        "algorithms": ALL,
        "jwks": "https://idp.example/jwks.json",
        "claims": CLAIMS,
    }
    return start | keys


def a_prover(at_hand: AtHand, *issuers: Mapping[str, object], **keys: object) -> TokenProver:
    section = {"jwt": list(issuers or [an_issuer()]), **keys}
    return TokenProver(Authentication.model_validate(section), at_hand)


def at(now: float = NOW) -> Exchange:
    exchange = an_exchange()
    exchange.now = now
    return exchange


def reason_of(proof: object) -> str:
    assert isinstance(proof, Refuse)
    assert proof.has_floor
    return proof.reason


def verdict_on(prover: TokenProver, token: bytes, key_sets: KeysAtHand) -> Principal | str:
    """Judge a token, answer once with the keys that are known, and give the reason if refused."""
    exchange = at()
    proof = prover.judge(token, exchange)
    if isinstance(proof, Ask):
        assert isinstance(proof.question, FindKeySet)
        key_set = key_sets.at_hand(proof.question.issuer)
        assert isinstance(key_set, KeySet)
        proof = prover.resume(token, exchange, proof.question, key_set)
    return proof if isinstance(proof, Principal) else reason_of(proof)
