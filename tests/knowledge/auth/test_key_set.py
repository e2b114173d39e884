"""Key sets as issuers publish them: what is usable is used, the rest is named (RFC 7517)."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sidecar.knowledge.auth.key_set import LIMIT_BYTES, Published, read_key_set, secret_key_set
from sidecar.knowledge.auth.signature import is_signed
from sidecar.model.secret import Secret
from tests.knowledge.auth.minting import (
    ISSUER,
    NOW,
    Json,
    b64,
    jwks,
    minted,
    number,
    private_key,
    public_jwk,
    unb64,
)

GOOD = public_jwk("P-256", kid="good")


def published(*keys: Json) -> Published:
    found = read_key_set(ISSUER, jwks(*keys), NOW)
    assert isinstance(found, Published)
    return found


def off_the_curve() -> Json:
    point = public_jwk("P-256")
    last = unb64(str(point["y"]))
    return point | {"y": b64(last[:-1] + bytes([last[-1] ^ 1])).decode()}


def with_exponent(exponent: int) -> Json:
    return public_jwk("RSA") | {"e": number(exponent)}


@pytest.mark.parametrize(
    ("name", "kind", "algorithm"),
    [
        ("RSA", "RSA", None),
        ("P-256", "EC", "ES256"),
        ("P-384", "EC", "ES384"),
        ("P-521", "EC", "ES512"),
        ("Ed25519", "OKP", "EdDSA"),
        ("Ed448", "OKP", "EdDSA"),
    ],
)
def test_a_key_of_each_kind_is_read(name: str, kind: str, algorithm: str | None) -> None:
    found = published(public_jwk(name, kid="k", use="sig", key_ops=["verify"], x5t="x"))
    (key,) = found.key_set.keys
    assert (key.key_id, key.kind, key.algorithm) == ("k", kind, algorithm)
    assert (found.key_set.issuer, found.key_set.fetched_at) == (ISSUER, NOW)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("name", "algorithm", "read"),
    [
        ("RSA", "PS384", "PS384"),
        ("P-256", "ES256", "ES256"),
        ("Ed25519", "EdDSA", "EdDSA"),
        ("Ed25519", "Ed25519", "EdDSA"),
        ("Ed448", "Ed448", "EdDSA"),
    ],
)
def test_the_algorithm_of_a_key_is_its_own(name: str, algorithm: str, read: str) -> None:
    (key,) = published(public_jwk(name, alg=algorithm)).key_set.keys
    assert (key.key_id, key.algorithm) == ("", read)


@pytest.mark.control("AN-13")
@pytest.mark.parametrize(
    ("key", "note"),
    [
        ("no object", "is no object"),
        ({}, "is of a type"),
        ({"kty": 1}, "is of a type"),
        ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}, "is of a type"),
        (public_jwk("oct"), "is of a type"),
        (public_jwk("RSA", use="enc"), "is not for verifying"),
        (public_jwk("RSA", use=["sig"]), "is not for verifying"),
        (public_jwk("RSA", key_ops=["encrypt", "wrapKey"]), "is not for verifying"),
        (public_jwk("RSA", key_ops="verify"), "is not for verifying"),
        (public_jwk("RSA", kid=7), "has a kid or an alg that is no text"),
        (public_jwk("RSA", alg=["RS256"]), "has a kid or an alg that is no text"),
        (public_jwk("RSA", alg="RSA-OAEP"), "is for another algorithm"),
        (public_jwk("RSA", alg="HS256"), "is for another algorithm"),
        (public_jwk("RSA", alg="none"), "is for another algorithm"),
        (public_jwk("RSA 1024"), "is an RSA key of less than 2048 bits"),
        (public_jwk("RSA") | {"n": number((1 << 8200) + 1)}, "is an RSA key of less than"),
        (public_jwk("RSA") | {"n": None}, "lacks a part"),
        (public_jwk("RSA") | {"n": ""}, "lacks a part"),
        (public_jwk("RSA") | {"n": str(public_jwk("RSA")["n"]) + "="}, "lacks a part"),
        (public_jwk("RSA") | {"n": "\u00e9"}, "lacks a part"),
        (with_exponent(1), "is no RSA key"),
        (with_exponent(65536), "is no RSA key"),
        (with_exponent(2**64 + 1), "has an exponent that is too large"),
        (public_jwk("secp256k1"), "is on a curve that is not used"),
        (public_jwk("P-256") | {"crv": None}, "is on a curve that is not used"),
        (public_jwk("P-256") | {"crv": "Ed25519"}, "is on a curve that is not used"),
        (public_jwk("Ed25519") | {"crv": "X25519"}, "is on a curve that is not used"),
        (public_jwk("P-256") | {"crv": "P-384"}, "is no point of its curve"),
        (public_jwk("P-256", alg="ES384"), "is for another algorithm than its curve"),
        (public_jwk("P-256", alg="EdDSA"), "is for another algorithm than its curve"),
        (public_jwk("Ed25519", alg="Ed448"), "is for another algorithm than its curve"),
        (public_jwk("P-256") | {"y": None}, "lacks a part"),
        (public_jwk("P-256") | {"x": "AA", "y": "AA"}, "is no point of its curve"),
        (off_the_curve(), "is no point of its curve"),
        (public_jwk("Ed25519") | {"x": "AA"}, "is no point of its curve"),
    ],
)
def test_a_key_that_cannot_be_used_is_left_out_and_named(key: Json, note: str) -> None:
    found = published(key, GOOD)
    assert [one.key_id for one in found.key_set.keys] == ["good"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"keys[0] {note}")
    alone = read_key_set(ISSUER, json.dumps({"keys": [key]}).encode(), NOW)
    assert alone == "key set: no usable key"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "no JSON object with keys"),
        (b"null", "no JSON object with keys"),
        (b"[]", "no JSON object with keys"),
        (b"{}", "no JSON object with keys"),
        (b'{"keys": {"0": {}}}', "no JSON object with keys"),
        (b'{"keys": [], "keys": []}', "no JSON object with keys"),
        (b'{"keys": []}', "no usable key"),
        (jwks(*[GOOD] * 101), "too many keys"),
        (jwks(GOOD) + b" " * LIMIT_BYTES, "too large"),
        (jwks(GOOD).replace(b'"kty"', b'"kty": "RSA", "kty"'), "no JSON object with keys"),
    ],
)
def test_a_document_with_two_readings_or_none_is_refused(document: bytes, reason: str) -> None:
    assert read_key_set(ISSUER, document, NOW) == f"key set: {reason}"


def test_a_private_key_is_used_as_a_public_one_and_named() -> None:
    key = private_key("RSA")
    assert isinstance(key, rsa.RSAPrivateKey)
    found = published(public_jwk("RSA", kid="k", d=number(key.private_numbers().d)))
    (read,) = found.key_set.keys
    assert isinstance(read.key, rsa.RSAPublicKey)
    assert found.notes == ("keys[0] publishes a private key",)


def test_a_key_serves_no_algorithm_of_another_kind() -> None:
    signed, _, signature = minted().rpartition(b".")
    (rsa_key, curve_key) = published(public_jwk("RSA"), public_jwk("P-256")).key_set.keys
    assert is_signed("RS256", rsa_key.key, signed, unb64(signature))
    for algorithm, key in (
        ("HS256", rsa_key.key),
        ("RS256", Secret(b"x" * 32)),
        ("RS256", None),
        ("ES256", rsa_key.key),
        ("RS256", curve_key.key),
        ("ES384", curve_key.key),
        ("EdDSA", curve_key.key),
    ):
        assert not is_signed(algorithm, key, signed, unb64(signature))


def test_a_shared_secret_never_prints() -> None:
    assert "secret-of-the-issuer" not in repr(
        secret_key_set(ISSUER, Secret(b"secret-of-the-issuer-0123456789ab"), NOW)
    )
