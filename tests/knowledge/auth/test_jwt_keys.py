"""Which key may verify which token: long enough, of the right kind, one name for few."""

import json

import pytest

from sidecar.model.identity import KeySet, Principal, VerifyingKey
from tests.knowledge.auth.minting import (
    ISSUER,
    NOW,
    SECRET,
    KeysAtHand,
    a_key_set,
    a_secret_set,
    an_at_hand,
    claims,
    minted,
    pem_of,
    public_jwk,
    sealed,
)
from tests.knowledge.auth.proving import a_prover, an_issuer, verdict_on

WRONG = "jwt: wrong signature"
UNKNOWN_KID = "jwt: unknown kid"
MISFIT = "jwt: key does not fit the algorithm"


@pytest.mark.parametrize(
    ("algorithm", "size", "is_accepted"),
    [
        ("HS256", 31, False),
        ("HS256", 32, True),
        ("HS384", 47, False),
        ("HS384", 48, True),
        ("HS512", 63, False),
        ("HS512", 64, True),
    ],
)
def test_a_secret_is_as_long_as_the_hash_at_least(
    algorithm: str, size: int, *, is_accepted: bool
) -> None:
    secret = SECRET[:size]
    keys = KeysAtHand(a_secret_set(ISSUER, secret))
    issuer = an_issuer(algorithms=["HS256", "HS384", "HS512"], jwks=None, secret=secret.decode())
    start = json.dumps({"alg": algorithm}).encode()
    token = sealed(start, json.dumps(claims()).encode(), algorithm, secret)
    verdict = verdict_on(a_prover(an_at_hand(*keys.known.values()), issuer), token, keys)
    assert isinstance(verdict, Principal) is is_accepted


def test_a_secret_that_is_a_public_key_verifies_nothing() -> None:
    for secret in (pem_of("RSA"), json.dumps(public_jwk("RSA")).encode()):
        assert a_secret_set(ISSUER, secret).keys == ()


def confused(**header: object) -> bytes:
    """Sign with the public key of RSA as if it were a secret."""
    content = json.dumps({"alg": "HS256", **header}).encode()
    return sealed(content, json.dumps(claims()).encode(), "HS256", pem_of("RSA"))


def test_the_public_key_of_a_policy_that_mixes_algorithms_is_no_secret() -> None:
    """The lint refuses such a policy; were it to pass, each key still has its one kind."""
    keys = KeysAtHand(a_key_set(ISSUER, "RSA"))
    mixed = a_prover(an_at_hand(*keys.known.values()), an_issuer(algorithms=["HS256", "RS256"]))
    assert verdict_on(mixed, confused(kid="RSA"), keys) == MISFIT
    assert verdict_on(mixed, confused(), keys) == ("jwt: no key fits the algorithm")


def test_keys_that_are_too_weak_are_no_keys() -> None:
    keys = KeysAtHand(a_key_set(ISSUER, "RSA", "RSA 1024", "secp256k1"))
    weak = a_prover(an_at_hand(*keys.known.values()))
    assert verdict_on(weak, minted("RSA 1024"), keys) == UNKNOWN_KID
    assert verdict_on(weak, minted("secp256k1", "ES256"), keys) == UNKNOWN_KID


def test_of_several_keys_with_one_kid_each_that_fits_is_tried() -> None:
    own, other = a_key_set(ISSUER, "RSA"), a_key_set(ISSUER, "RSA other", "P-256")
    one_name = [VerifyingKey("k", key.algorithm, key.kind, key.key) for key in other.keys]
    last = VerifyingKey("k", "RS256", "RSA", own.keys[0].key)
    keys = KeysAtHand(KeySet(ISSUER, (*one_name, last), NOW))
    prover = a_prover(an_at_hand(*keys.known.values()))
    assert isinstance(verdict_on(prover, minted(kid="k"), keys), Principal)
    assert verdict_on(prover, minted("RSA", "RS384", kid="k"), keys) == WRONG
    first = (VerifyingKey("k", None, "RSA", other.keys[0].key),) * 4
    many = KeysAtHand(KeySet(ISSUER, (*first, last), NOW))
    bounded = a_prover(an_at_hand(*many.known.values()))
    assert verdict_on(bounded, minted(kid="k"), many) == WRONG
