"""Attacks on algorithm, key and signature: RFC 8725, and what other libraries were reported for.

Each row is refused, and says why. Published attacks are named by their number.
"""

import functools
import hashlib
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidecar.knowledge.auth.tokens import TokenProver
from sidecar.model.identity import KeySet, Principal, VerifyingKey
from tests.knowledge.auth.minting import (
    ISSUER,
    NOW,
    OTHER_ISSUER,
    SECRET,
    KeysAtHand,
    a_key_set,
    a_secret_set,
    an_at_hand,
    b64,
    claims,
    minted,
    pem_of,
    private_key,
    public_jwk,
    sealed,
    signature_of,
    unb64,
)
from tests.knowledge.auth.proving import a_prover, an_issuer, verdict_on

HMAC_ISSUER = "https://hmac.example"
NOT_ALLOWED = "jwt: algorithm not allowed"
WRONG = "jwt: wrong signature"
UNKNOWN_KID = "jwt: unknown kid"
MISFIT = "jwt: key does not fit the algorithm"
NO_KID = "jwt: no kid, and several keys fit"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@functools.cache
def known() -> KeysAtHand:
    """Two issuers with keys under the same names, and one with a shared secret."""
    names = ("RSA", "P-256", "P-384", "Ed25519", "Ed448")
    own = a_key_set(ISSUER, *names)
    # Another issuer's key under a name of ours, beside a key of its own.
    theirs = a_key_set(OTHER_ISSUER, "RSA other", "P-256")
    taken = VerifyingKey("RSA", None, "RSA", theirs.keys[0].key)
    return KeysAtHand(
        own,
        KeySet(OTHER_ISSUER, (*theirs.keys, taken), NOW),
        a_secret_set(HMAC_ISSUER),
    )


def prover() -> TokenProver:
    return a_prover(
        an_at_hand(*known().known.values()),
        an_issuer(),
        an_issuer(issuer=OTHER_ISSUER, algorithms=["RS256"]),
        an_issuer(issuer=HMAC_ISSUER, algorithms=["HS256"], jwks=None, secret=SECRET.decode()),
    )


def hmac_claims(**changes: object) -> dict[str, object]:
    return claims(iss=HMAC_ISSUER, **changes)


def with_signature(signature: bytes, name: str = "P-256", algorithm: str = "ES256") -> bytes:
    return minted(name, algorithm).rpartition(b".")[0] + b"." + b64(signature)


def unsigned(algorithm: object, signature: bytes = b"", **header: object) -> bytes:
    content = json.dumps({"alg": algorithm, "typ": "JWT", "kid": "RSA", **header}).encode()
    return b64(content) + b"." + b64(json.dumps(claims()).encode()) + b"." + b64(signature)


def confused(secret: bytes, algorithm: str = "HS256", **header: object) -> bytes:
    """Sign with what everybody knows as if it were a secret (CVE-2015-9235, CVE-2016-10555)."""
    start = {"alg": algorithm, "typ": "JWT", "kid": "RSA", **header}
    content = {name: value for name, value in start.items() if value is not None}
    return sealed(json.dumps(content).encode(), json.dumps(claims()).encode(), algorithm, secret)


def der_of(name: str) -> bytes:
    key = private_key(name)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der_signature() -> bytes:
    key = private_key("P-256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(minted("P-256", "ES256").rpartition(b".")[0], ec.ECDSA(hashes.SHA256()))


def twin(point: bytes) -> bytes:
    """Pad both integers of an ECDSA signature by one zero: the same numbers, another length."""
    return b"\0" + point[:32] + b"\0" + point[32:]


def swapped_payload(**changes: object) -> bytes:
    header, _, signature = minted().split(b".")
    return header + b"." + b64(json.dumps(claims(**changes)).encode()) + b"." + signature


def a_signature(name: str, algorithm: str) -> bytes:
    return unb64(minted(name, algorithm).rpartition(b".")[2])


Row = tuple[Callable[[], bytes], str]

SPELLINGS: tuple[object, ...] = (
    *("none", "None", "NONE", "nOnE", "none ", "\0none", ""),
    *(None, False, ["none"], {}),
)
ALGORITHMS: dict[str, Row] = {
    f"unsigned as {name!r}": (functools.partial(unsigned, name), NOT_ALLOWED) for name in SPELLINGS
}

CONFUSION: dict[str, Row] = {
    "none with a signature": (lambda: unsigned("none", b"x" * 256), NOT_ALLOWED),
    "no algorithm": (lambda: minted(alg=None), NOT_ALLOWED),
    "an algorithm in lower case": (lambda: minted(alg="rs256"), NOT_ALLOWED),
    "a list of algorithms": (lambda: minted(alg=["RS256"]), NOT_ALLOWED),
    "HMAC with the PEM of the RSA key": (lambda: confused(pem_of("RSA")), NOT_ALLOWED),
    "HMAC with that PEM less its line break": (
        lambda: confused(pem_of("RSA").rstrip()),
        NOT_ALLOWED,
    ),
    "HMAC with the DER of the RSA key": (lambda: confused(der_of("RSA")), NOT_ALLOWED),
    "HMAC with the JWK of the RSA key": (
        lambda: confused(json.dumps(public_jwk("RSA")).encode()),
        NOT_ALLOWED,
    ),
    "HMAC with the PEM of the EC key": (
        lambda: confused(pem_of("P-256"), kid="P-256"),
        NOT_ALLOWED,
    ),
    "HMAC of another size with the PEM": (lambda: confused(pem_of("RSA"), "HS512"), NOT_ALLOWED),
    "HMAC with an empty secret (CVE-2019-20933)": (lambda: confused(b""), NOT_ALLOWED),
    "an algorithm of encryption": (lambda: minted(alg="RSA-OAEP"), NOT_ALLOWED),
    "a password as the key (PBES2, CVE-2022-3102)": (
        lambda: minted(alg="PBES2-HS256+A128KW", p2c=2**31, p2s="c2FsdA"),
        NOT_ALLOWED,
    ),
    "direct encryption": (lambda: minted(alg="dir", enc="A128GCM"), NOT_ALLOWED),
    "RS1": (lambda: minted(alg="RS1"), NOT_ALLOWED),
    "ES256K": (lambda: minted("secp256k1", "ES256", alg="ES256K"), NOT_ALLOWED),
    "an algorithm that only another issuer may use": (
        lambda: minted("P-256", "ES256", claims(iss=OTHER_ISSUER)),
        NOT_ALLOWED,
    ),
    "a larger HMAC than the policy names": (
        lambda: minted("oct", "HS512", hmac_claims()),
        NOT_ALLOWED,
    ),
    "RSASSA-PSS that calls itself PKCS #1": (lambda: minted("RSA", "PS256", alg="RS256"), WRONG),
    "PKCS #1 that calls itself RSASSA-PSS": (lambda: minted("RSA", "RS256", alg="PS256"), WRONG),
    "another hash than it says": (lambda: minted("RSA", "RS512", alg="RS256"), WRONG),
    "ES256 with a key on P-384": (lambda: minted("P-384", "ES256"), MISFIT),
    "ES384 with a key on P-256": (lambda: minted("P-256", "ES384"), MISFIT),
    "ES512 with a key on P-384": (lambda: minted("P-384", "ES512"), MISFIT),
    "ES256 with an Edwards key": (lambda: minted("Ed25519", "ES256"), MISFIT),
    "EdDSA with an EC key": (lambda: minted("P-256", "EdDSA"), MISFIT),
    "EdDSA with an RSA key": (lambda: minted("RSA", "EdDSA"), MISFIT),
    "RS256 with an EC key": (lambda: minted("P-256", "RS256"), MISFIT),
    "Ed448's signature with the key of Ed25519": (
        lambda: minted("Ed448", "EdDSA", kid="Ed25519"),
        WRONG,
    ),
    "an algorithm named after its curve": (lambda: minted("Ed25519", alg="Ed25519"), NOT_ALLOWED),
}

KEYS: dict[str, Row] = {
    "a key of nobody": (lambda: minted("RSA other", kid="RSA"), WRONG),
    "a key in the header (CVE-2018-0114)": (
        lambda: minted("RSA other", jwk=public_jwk("RSA other"), kid="attacker"),
        UNKNOWN_KID,
    ),
    "a key in the header under a kid of ours": (
        lambda: minted("RSA other", jwk=public_jwk("RSA other"), kid="RSA"),
        WRONG,
    ),
    "a key in the header and no kid": (
        lambda: minted("P-256 other", "ES256", jwk=public_jwk("P-256 other"), kid=None),
        WRONG,
    ),
    "a key set by address": (
        lambda: minted("RSA other", jku="https://evil.example/jwks.json", kid="RSA"),
        WRONG,
    ),
    "a certificate by address": (
        lambda: minted("RSA other", x5u="https://evil.example/c.pem", kid="RSA"),
        WRONG,
    ),
    "a certificate in the header": (
        lambda: minted("RSA other", x5c=["MIIB"], x5t="x", kid="RSA"),
        WRONG,
    ),
    "a kid that is a path": (lambda: minted("RSA", kid="../../../../dev/null"), UNKNOWN_KID),
    "HMAC with the content of that path": (
        lambda: sealed(
            b'{"alg":"HS256","kid":"../../../../dev/null"}',
            json.dumps(hmac_claims()).encode(),
            "HS256",
            b"",
        ),
        WRONG,
    ),
    "a kid that is SQL": (
        lambda: minted("RSA", kid="x' UNION SELECT 'secret' --"),
        UNKNOWN_KID,
    ),
    "a kid that is a command": (lambda: minted("RSA", kid="$(id)|id"), UNKNOWN_KID),
    "a kid with a NUL": (lambda: minted("RSA", kid="RSA\0"), UNKNOWN_KID),
    "a kid of another case": (lambda: minted("RSA", kid="rsa"), UNKNOWN_KID),
    "a kid that is a number": (lambda: minted("RSA", kid=0), "jwt: kid is no text"),
    "a kid that is a list": (lambda: minted("RSA", kid=["RSA"]), "jwt: kid is no text"),
    "an empty kid": (lambda: minted("Ed25519", "EdDSA", kid=""), NO_KID),
    "no kid where several keys fit": (lambda: minted("Ed25519", "EdDSA", kid=None), NO_KID),
    "no kid where no key fits": (
        lambda: minted("P-521", "ES512", kid=None),
        "jwt: no key fits the algorithm",
    ),
    "another issuer's key under the same kid": (
        lambda: minted("RSA", payload=claims(iss=OTHER_ISSUER)),
        WRONG,
    ),
    "the other issuer's key in our name": (lambda: minted("RSA other", kid="RSA"), WRONG),
    "another issuer's key under its own kid": (lambda: minted("RSA other"), UNKNOWN_KID),
    "an issuer of a secret and a token signed by RSA": (
        lambda: minted("RSA", payload=hmac_claims()),
        NOT_ALLOWED,
    ),
    "another secret": (
        lambda: sealed(b'{"alg":"HS256"}', json.dumps(hmac_claims()).encode(), "HS256", b"x" * 64),
        WRONG,
    ),
    "half of the secret": (
        lambda: sealed(
            b'{"alg":"HS256"}', json.dumps(hmac_claims()).encode(), "HS256", SECRET[:32]
        ),
        WRONG,
    ),
}

SIGNATURES: dict[str, Row] = {
    "no signature": (lambda: with_signature(b"", "RSA", "RS256"), WRONG),
    "a signature of zeros": (lambda: with_signature(bytes(256), "RSA", "RS256"), WRONG),
    "the signature 1": (lambda: with_signature(bytes(255) + b"\1", "RSA", "RS256"), WRONG),
    "a signature with a zero in front": (
        lambda: with_signature(b"\0" + a_signature("RSA", "RS256"), "RSA", "RS256"),
        WRONG,
    ),
    "a signature less its last byte": (
        lambda: with_signature(a_signature("RSA", "RS256")[:-1], "RSA", "RS256"),
        WRONG,
    ),
    "psychic: r = s = 0 (CVE-2022-21449)": (lambda: with_signature(bytes(64)), WRONG),
    "psychic on P-384": (lambda: with_signature(bytes(96), "P-384", "ES384"), WRONG),
    "r = s = the curve's order": (
        lambda: with_signature(P256_ORDER.to_bytes(32, "big") * 2),
        WRONG,
    ),
    "r = 0": (lambda: with_signature(bytes(32) + b"\1" * 32), WRONG),
    "s = 0": (lambda: with_signature(b"\1" * 32 + bytes(32)), WRONG),
    "r and s as DER has them (CVE-2022-24884)": (lambda: with_signature(der_signature()), WRONG),
    "r and s with a zero in front": (
        lambda: with_signature(twin(a_signature("P-256", "ES256"))),
        WRONG,
    ),
    "an ECDSA signature of half its length": (
        lambda: with_signature(a_signature("P-256", "ES256")[:32]),
        WRONG,
    ),
    "an Edwards signature of zeros": (
        lambda: with_signature(bytes(64), "Ed25519", "EdDSA"),
        WRONG,
    ),
    "an Edwards signature cut short": (
        lambda: with_signature(a_signature("Ed25519", "EdDSA")[:63], "Ed25519", "EdDSA"),
        WRONG,
    ),
    "an HMAC cut short": (
        lambda: minted("oct", "HS256", hmac_claims()).rpartition(b".")[0] + b"." + b64(b"\0" * 16),
        WRONG,
    ),
    "an HMAC that is empty": (
        lambda: minted("oct", "HS256", hmac_claims()).rpartition(b".")[0] + b".",
        WRONG,
    ),
    "another payload under a good signature": (lambda: swapped_payload(sub="root"), WRONG),
    "another header under a good signature": (
        lambda: b64(b'{"alg":"RS256","kid":"RSA"}') + b"." + minted().partition(b".")[2],
        WRONG,
    ),
    "a signature of the payload alone": (
        lambda: with_signature(
            signature_of("RS256", private_key("RSA"), json.dumps(claims()).encode()),
            "RSA",
            "RS256",
        ),
        WRONG,
    ),
    "the digest in place of the HMAC": (
        lambda: (
            minted("oct", "HS256", hmac_claims()).rpartition(b".")[0]
            + b"."
            + b64(hashlib.sha256(b"").digest())
        ),
        WRONG,
    ),
}

HEADERS: dict[str, Row] = {
    "a critical extension": (lambda: minted(crit=["exp"], exp=1), "jwt: crit in the header"),
    "a critical extension of a library (CVE-2025-59420)": (
        lambda: minted(crit=["cnf"]),
        "jwt: crit in the header",
    ),
    "critical extensions, none": (lambda: minted(crit=[]), "jwt: crit in the header"),
    "critical extensions that are text": (lambda: minted(crit="exp"), "jwt: crit in the header"),
    "a payload that is not encoded (RFC 7797)": (
        lambda: minted(crit=["b64"], b64=False),
        "jwt: crit in the header",
    ),
    "b64 alone": (lambda: minted(b64=False), "jwt: b64 in the header"),
    "compression (CVE-2024-21319)": (lambda: minted(zip="DEF"), "jwt: zip in the header"),
    "a content encryption": (lambda: minted(enc="A128GCM"), "jwt: enc in the header"),
    "a nested token": (lambda: minted(cty="JWT"), "jwt: nested"),
    "a nested token by its media type": (lambda: minted(cty="application/jwt"), "jwt: nested"),
    "a logout token": (lambda: minted(typ="logout+jwt"), "jwt: type not allowed"),
    "a security event": (lambda: minted(typ="secevent+jwt"), "jwt: type not allowed"),
    "a proof of possession": (lambda: minted(typ="dpop+jwt"), "jwt: type not allowed"),
    "a client's assertion": (
        lambda: minted(typ="client-authentication+jwt"),
        "jwt: type not allowed",
    ),
    "a type that is a number": (lambda: minted(typ=1), "jwt: type not allowed"),
    "a type with something behind it": (lambda: minted(typ="JWT;x"), "jwt: type not allowed"),
}

ROWS = ALGORITHMS | CONFUSION | KEYS | SIGNATURES | HEADERS


@pytest.mark.control("AN-13")
@pytest.mark.parametrize(("make", "reason"), ROWS.values(), ids=ROWS.keys())
def test_an_attack_is_refused(make: Callable[[], bytes], reason: str) -> None:
    assert verdict_on(prover(), make(), known()) == reason


def test_there_are_eighty_attacks_at_least() -> None:
    assert len(ROWS) >= 80


def test_what_the_attacks_start_from_is_accepted() -> None:
    for token in (
        minted(),
        minted("P-256", "ES256"),
        minted("P-384", "ES384"),
        minted("Ed25519", "EdDSA"),
        minted("RSA", "PS256", kid=None),
        minted("oct", "HS256", hmac_claims()),
        minted(jku="https://evil.example/jwks.json", x5u="x", jwk=public_jwk("RSA other")),
        minted(typ="at+jwt"),
        minted(typ="Application/AT+JWT"),
        minted(typ=None),
    ):
        # Both RSA algorithms fit the one RSA key: no kid is needed where one key alone fits.
        assert isinstance(verdict_on(prover(), token, known()), Principal)
