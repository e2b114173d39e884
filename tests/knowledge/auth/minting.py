"""An issuer of tokens for tests: real keys, and tokens signed as any attacker could sign them."""

import functools
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidecar.knowledge.auth.key_set import Published, read_key_set, secret_key_set
from sidecar.model.identity import Introspection, KeySet
from sidecar.model.ports import UNKNOWN, AtHand, Unsure
from sidecar.model.secret import Secret

NOW: Final = 1_800_000_000.0
ISSUER: Final = "https://idp.example"
OTHER_ISSUER: Final = "https://login.example"
SECRET: Final = bytes(range(64, 128))

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | bytes
)
Json = Mapping[str, object]
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
HASHES: Final[Mapping[str, type[Hash]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


@functools.cache
def private_key(name: str) -> PrivateKey:
    """Make a key once: `RSA`, `RSA 1024`, `P-256`, `Ed25519`, `oct`; ` other` behind one more."""
    makers: dict[str, Callable[[], PrivateKey]] = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 -- weak on purpose
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
        "oct": lambda: SECRET,
    }
    return makers[name.removesuffix(" other")]()


def b64(content: bytes) -> bytes:
    """Write base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=")


def unb64(text: str | bytes) -> bytes:
    """Read base64url without padding."""
    content = text.encode() if isinstance(text, str) else text
    return urlsafe_b64decode(content + b"=" * (-len(content) % 4))


def number(value: int, size: int | None = None) -> str:
    """Write an integer as JWK has it."""
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode()


def public_jwk(name: str, **members: object) -> dict[str, object]:
    """Publish a key."""
    key = private_key(name)
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        own = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        size = (key.key_size + 7) // 8
        curve = name.removesuffix(" other")
        own = {"kty": "EC", "crv": curve, "x": number(point.x, size), "y": number(point.y, size)}
    elif isinstance(key, bytes):
        own = {"kty": "oct", "k": b64(key).decode()}
    else:
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        own = {"kty": "OKP", "crv": name.removesuffix(" other"), "x": b64(raw).decode()}
    return {**own, **members}


def pem_of(name: str) -> bytes:
    """Publish a key as PEM."""
    key = private_key(name)
    assert not isinstance(key, bytes)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwks(*keys: Json) -> bytes:
    """Publish a set of keys."""
    return json.dumps({"keys": keys}).encode()


def signature_of(algorithm: str, key: PrivateKey, signed: bytes) -> bytes:
    """Sign as an algorithm says, whatever the key is."""
    digest = HASHES.get(algorithm[-3:], hashes.SHA256)()
    if isinstance(key, bytes):
        return hmac.new(key, signed, getattr(hashlib, f"sha{algorithm[-3:]}")).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(signed, pss if algorithm.startswith("PS") else padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))
        size = (key.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(signed)


def claims(**changes: object) -> dict[str, object]:
    """Make the claims of a good token; None takes a claim out."""
    good: dict[str, object] = {
        "iss": ISSUER,
        "aud": "orders",
        "sub": "u-1",
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 600,
        "jti": "t-1",
        "tenant_id": "acme",
        "roles": ["developer"],
        "scope": "orders:read orders:write",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def sealed(header: bytes, payload: bytes, algorithm: str, key: PrivateKey) -> bytes:
    """Sign any bytes as header and payload."""
    signed = b64(header) + b"." + b64(payload)
    return signed + b"." + b64(signature_of(algorithm, key, signed))


def minted(
    name: str = "RSA", algorithm: str = "RS256", payload: Json | None = None, **header: object
) -> bytes:
    """Mint a token.

    Args:
        name: key that signs.
        algorithm: how it signs, and `alg` unless the header says otherwise.
        payload: claims; good ones if left out.
        header: further members of the header; None takes one out.
    """
    start: dict[str, object] = {"alg": algorithm, "typ": "JWT", "kid": name}
    start = {key: value for key, value in (start | header).items() if value is not None}
    content = json.dumps(claims() if payload is None else payload).encode()
    return sealed(json.dumps(start).encode(), content, algorithm, private_key(name))


def a_key_set(issuer: str, *names: str) -> KeySet:
    """Publish keys under their own names and read them as the sidecar does."""
    published = read_key_set(issuer, jwks(*(public_jwk(name, kid=name) for name in names)), NOW)
    assert isinstance(published, Published)
    return published.key_set


class KeysAtHand:
    """Key sets that a test puts in."""

    def __init__(self, *key_sets: KeySet) -> None:
        self.known = {key_set.issuer: key_set for key_set in key_sets}

    def at_hand(self, issuer: str) -> KeySet | Unsure:
        return self.known.get(issuer, UNKNOWN)


class RevocationsAtHand:
    """Revocations that a test puts in, as pairs of kind and value."""

    def __init__(self) -> None:
        self.revoked: set[tuple[str, str]] = set()
        self.is_fresh = True

    def is_current(self) -> bool:
        return self.is_fresh

    def is_revoked(
        self, issuer: str, identities: Mapping[str, str], issued_at: float | None
    ) -> bool:
        assert issuer
        assert issued_at is None or issued_at > 0
        return not self.revoked.isdisjoint(identities.items())


class WordsAtHand:
    """What issuers said of opaque tokens, as a test puts it in."""

    def __init__(self) -> None:
        self.known: dict[bytes, Introspection] = {}

    def at_hand(self, token: bytes, now: float) -> Introspection | Unsure:
        assert now > 0
        return self.known.get(token, UNKNOWN)


def an_at_hand(*key_sets: KeySet) -> AtHand:
    """Know these key sets and no revocations."""
    return AtHand(
        key_sets=KeysAtHand(*key_sets),
        revocations=RevocationsAtHand(),
        introspections=WordsAtHand(),
    )


def a_secret_set(issuer: str = ISSUER, secret: bytes = SECRET) -> KeySet:
    """Share a secret with an issuer."""
    return secret_key_set(issuer, Secret(secret), NOW)
