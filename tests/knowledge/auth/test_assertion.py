"""The signed assertion: its bytes, its claims, its keys, as a foreign library reads them."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Sequence

import jwt
import pytest

from sidecar.knowledge.auth.assertion import Signer, Statement
from sidecar.model.secret import Secret
from sidecar.policy.schema.assertion import Assertion

# RFC 8037 appendix A.1 to A.3: a key, its public half, its thumbprint.
SEED = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
OLD_SEED = bytes(range(32))
NOW = 1_800_000_000.9

ALICE = Statement(
    subject="user:alice",
    tenant="acme",
    roles=("admin", "viewer"),
    scopes=["orders:read", "orders:write"],
    tier="pro",
    key_id="k1",
    method=b"GET",
    target=b"/orders/%41?limit=5",
    request_id=b"from-a-proxy",
    jti=b"0190a4c2-7d10-7abc-8def-0123456789ab",
)


def a_signer(seeds: Sequence[bytes] = (SEED,), life: float = 30.0) -> Signer:
    keys = tuple(Secret(seed) for seed in seeds)
    return Signer(Assertion.model_construct(key=keys, audience="orders", life=life))


def claims_of(assertion: bytes, key_set: bytes) -> dict[str, object]:
    """Verify the signature as a stranger would, and nothing that depends on the time."""
    keys = jwt.PyJWKSet.from_json(key_set.decode())
    kid = jwt.get_unverified_header(assertion)["kid"]
    options: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
    read: dict[str, object] = jwt.decode(
        assertion, keys[kid], ["EdDSA"], options, audience="orders", issuer="sidecar"
    )
    return read


def test_it_says_who_calls_and_what_is_asked() -> None:
    signer = a_signer()
    assert claims_of(signer.sign(ALICE, NOW), signer.key_set) == {
        "iss": "sidecar",
        "aud": "orders",
        "iat": 1_800_000_000,
        "exp": 1_800_000_030,
        "jti": "0190a4c2-7d10-7abc-8def-0123456789ab",
        "sub": "user:alice",
        "tenant": "acme",
        "roles": ["admin", "viewer"],
        "scopes": ["orders:read", "orders:write"],
        "tier": "pro",
        "key_id": "k1",
        "htm": "GET",
        "path": "/orders/%41",
        "query_sha256": digest(b"limit=5"),
        "request_id": "from-a-proxy",
    }


def test_what_a_caller_has_not_is_left_out() -> None:
    signer = a_signer()
    nobody = dataclasses.replace(ALICE, tenant=None, roles=(), scopes=(), tier=None, key_id=None)
    claims = claims_of(signer.sign(nobody, NOW), signer.key_set)
    assert not {"tenant", "tier", "key_id"} & set(claims)
    assert (claims["roles"], claims["scopes"]) == ([], [])


def digest(query: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(query).digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", b""),
        (b"/a%2Fb", "/a%2Fb", b""),
        (b"/a?", "/a", b""),
        (b"/a?b=/c?d", "/a", b"b=/c?d"),
        (b"/a?b=%20+", "/a", b"b=%20+"),
        (b"*", "*", b""),
    ],
)
def test_path_and_query_are_bound_byte_for_byte(target: bytes, path: str, query: bytes) -> None:
    signer = a_signer()
    claims = claims_of(signer.sign(dataclasses.replace(ALICE, target=target), NOW), signer.key_set)
    assert (claims["path"], claims["query_sha256"]) == (path, digest(query))


def test_the_header_names_type_algorithm_and_key() -> None:
    assertion = a_signer().sign(ALICE, NOW)
    assert jwt.get_unverified_header(assertion) == {
        "alg": "EdDSA",
        "typ": "sidecar+jwt",
        "kid": THUMBPRINT,
    }
    assert b"=" not in assertion


def test_the_key_set_holds_public_halves_alone() -> None:
    (key,) = json.loads(a_signer().key_set)["keys"]
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": PUBLIC,
        "kid": THUMBPRINT,
        "use": "sig",
        "alg": "EdDSA",
    }


def test_the_newest_key_signs_and_all_are_published() -> None:
    before, after = a_signer((OLD_SEED, SEED)), a_signer((SEED, OLD_SEED))
    names = [{key["kid"] for key in json.loads(one.key_set)["keys"]} for one in (before, after)]
    assert names[0] == names[1]
    assert len(names[0]) == 2
    # Whoever still holds the set of before verifies what is signed after, and the reverse.
    assert claims_of(after.sign(ALICE, NOW), before.key_set)["sub"] == "user:alice"
    assert claims_of(before.sign(ALICE, NOW), after.key_set)["sub"] == "user:alice"
    assert jwt.get_unverified_header(after.sign(ALICE, NOW))["kid"] == THUMBPRINT


def test_a_key_that_is_not_published_any_more_verifies_nothing() -> None:
    old = a_signer((OLD_SEED,)).sign(ALICE, NOW)
    with pytest.raises(KeyError):
        claims_of(old, a_signer().key_set)


def test_one_changed_character_breaks_it() -> None:
    signer = a_signer()
    head, payload, signature = signer.sign(ALICE, NOW).split(b".")
    forged = payload.replace(payload[8:9], b"A" if payload[8:9] != b"A" else b"B", 1)
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(b".".join((head, forged, signature)), signer.key_set)


def test_equal_requests_of_equal_ids_have_equal_assertions() -> None:
    # RFC 8032 §5.1: no randomness is needed to sign.
    assert a_signer().sign(ALICE, NOW) == a_signer().sign(ALICE, NOW)


@pytest.mark.parametrize(
    ("life", "now", "expires"),
    [
        (1.0, 0.0, 1),
        (60.0, 1_800_000_000.0, 1_800_000_060),
        (30.0, 1_800_000_000.999, 1_800_000_030),
    ],
)
def test_it_lives_as_long_as_the_policy_says(life: float, now: float, expires: int) -> None:
    signer = a_signer(life=life)
    assert claims_of(signer.sign(ALICE, now), signer.key_set)["exp"] == expires


def test_a_subject_in_any_script_is_read_as_it_was_written() -> None:
    signer = a_signer()
    ana = dataclasses.replace(ALICE, subject='Ana "Ñ" \\ 林\n')
    assert claims_of(signer.sign(ana, NOW), signer.key_set)["sub"] == 'Ana "Ñ" \\ 林\n'
