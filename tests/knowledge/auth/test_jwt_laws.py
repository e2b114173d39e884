"""What holds of every token: nothing raises, and no bit of a good one can be changed."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.auth.strict_json import strict_object
from sidecar.model.identity import Principal
from sidecar.model.outcome import Ask, Refuse
from tests.knowledge.auth.minting import (
    ISSUER,
    SECRET,
    KeysAtHand,
    a_key_set,
    a_secret_set,
    an_at_hand,
    b64,
    claims,
    minted,
    private_key,
    sealed,
)
from tests.knowledge.auth.proving import a_prover, an_issuer, at, verdict_on

KEYS: Final = KeysAtHand(a_key_set(ISSUER, "RSA", "P-256", "Ed25519"))
PROVER: Final = a_prover(an_at_hand(*KEYS.known.values()), introspection=None)
TOKENS: Final = {
    "RS256": minted(),
    "ES256": minted("P-256", "ES256"),
    "EdDSA": minted("Ed25519", "EdDSA"),
}
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES: Final = st.sampled_from(
    ["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "tenant_id", "roles", "scope", "plan", "sid"]
)


@given(st.binary(max_size=200))
def test_no_bytes_raise_and_none_are_accepted(value: bytes) -> None:
    assert not PROVER.recognises(value)
    assert isinstance(PROVER.judge(value, at()), Refuse)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_no_parts_raise_and_none_are_accepted(one: bytes, two: bytes, three: bytes) -> None:
    token = b".".join(map(b64, (one, two, three)))
    PROVER.recognises(token)
    assert isinstance(PROVER.judge(token, at()), Refuse | Ask)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "cty"]), JSON))
def test_no_header_raises_and_no_foreign_one_is_accepted(changes: dict[str, object]) -> None:
    header = {"alg": "EdDSA", "kid": "Ed25519"} | changes
    token = sealed(
        json.dumps(header).encode(), json.dumps(claims()).encode(), "EdDSA", private_key("Ed25519")
    )
    verdict = verdict_on(PROVER, token, KEYS)
    if isinstance(verdict, Principal):
        assert header["alg"] == "EdDSA"
        assert "crit" not in header
        assert header["kid"] == "Ed25519"


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_no_claims_raise_though_they_are_signed(changes: dict[str, object]) -> None:
    payload = json.dumps(claims() | changes).encode()
    header = b'{"alg":"EdDSA","kid":"Ed25519"}'
    verdict = verdict_on(PROVER, sealed(header, payload, "EdDSA", private_key("Ed25519")), KEYS)
    if isinstance(verdict, Principal):
        assert all(name.isascii() for name in verdict.memberships)
        lines = (verdict.subject, verdict.credential_id, verdict.tier or "", *verdict.scopes)
        assert all(line.isascii() and line.isprintable() for line in lines)


@pytest.mark.parametrize("algorithm", TOKENS)
def test_a_good_token_with_one_bit_changed_is_never_accepted(algorithm: str) -> None:
    token = TOKENS[algorithm]
    assert isinstance(verdict_on(PROVER, token, KEYS), Principal)
    for at_bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[at_bit // 8] ^= 1 << at_bit % 8
        assert isinstance(verdict_on(PROVER, bytes(changed), KEYS), str), at_bit


def test_a_token_of_a_secret_with_one_bit_changed_is_never_accepted() -> None:
    keys = KeysAtHand(a_secret_set())
    issuer = an_issuer(algorithms=["HS256"], jwks=None, secret=SECRET.decode())
    prover = a_prover(an_at_hand(*keys.known.values()), issuer)
    token = minted("oct", "HS256")
    for at_bit in range(len(token) * 8):
        changed = bytearray(token)
        changed[at_bit // 8] ^= 1 << at_bit % 8
        assert isinstance(verdict_on(prover, bytes(changed), keys), str), at_bit


@given(st.dictionaries(st.text(), st.integers(-(10**18), 10**18) | st.text() | st.booleans()))
def test_what_is_written_strictly_is_read_as_it_was(value: dict[str, object]) -> None:
    assert strict_object(json.dumps(value, ensure_ascii=False).encode()) == value
    assert strict_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=100))
def test_no_bytes_make_the_reader_of_json_raise(content: bytes) -> None:
    found = strict_object(content)
    assert found is None or isinstance(found, dict)
