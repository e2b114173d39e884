"""Key sets that issuers publish, read strictly (RFC 7517); only the adapter of key sets needs it.

A key that cannot be used is left out with a note, for issuers publish keys for other purposes and
other readers beside ours. A document that can be read in two ways is refused whole.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from sidecar.knowledge.auth.compact import base64url
from sidecar.knowledge.auth.strict_json import strict_object
from sidecar.model.identity import KeySet, VerifyingKey
from sidecar.model.secret import Secret

LIMIT_BYTES: Final = 256 * 1024
"""Longest document; a set of 100 keys with certificates has half of it."""

LIMIT_KEYS: Final = 100
_RSA_BITS: Final = range(2048, 8193)
# Exponents in use are 3 and 65537; a huge one makes each verification slow.
_EXPONENT_BYTES: Final = 4
_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Final = {
    ("EC", "P-256"): ("ES256", frozenset({"ES256"})),
    ("EC", "P-384"): ("ES384", frozenset({"ES384"})),
    ("EC", "P-521"): ("ES512", frozenset({"ES512"})),
    # RFC 9864 names the curve in the algorithm.
    ("OKP", "Ed25519"): ("EdDSA", frozenset({"EdDSA", "Ed25519"})),
    ("OKP", "Ed448"): ("EdDSA", frozenset({"EdDSA", "Ed448"})),
}


@dataclass(frozen=True, slots=True)
class Published:
    """A key set as it was read.

    Attributes:
        key_set: its usable keys, one at least.
        notes: why others were left out, or what is odd, for the log; the index names the key.
    """

    key_set: KeySet
    notes: tuple[str, ...]


def read_key_set(issuer: str, document: bytes, now: float) -> Published | str:
    """Read a published key set.

    Args:
        issuer: the issuer that published it.
        document: the JSON document.
        now: Unix seconds.

    Returns:
        Its usable keys and what was noticed, or why there are none.

    Source: RFC 7517 §5; RFC 8725 §3.5. Controls: AN-13.
    """
    if len(document) > LIMIT_BYTES:
        return "key set: too large"
    found = strict_object(document)
    entries = None if found is None else found.get("keys")
    if not isinstance(entries, list):
        return "key set: no JSON object with keys"
    if len(entries) > LIMIT_KEYS:
        return "key set: too many keys"
    keys: list[VerifyingKey] = []
    notes: list[str] = []
    for index, entry in enumerate(entries):
        key = _read_key(entry) if isinstance(entry, dict) else "is no object"
        if isinstance(key, str):
            notes.append(f"keys[{index}] {key}")
            continue
        keys.append(key)
        if not _PRIVATE.isdisjoint(entry):
            notes.append(f"keys[{index}] publishes a private key")
    if not keys:
        return "key set: no usable key"
    return Published(KeySet(issuer, tuple(keys), now), tuple(notes))


def secret_key_set(issuer: str, secret: Secret, now: float) -> KeySet:
    """Make the key set of an issuer that shares a secret with us.

    Args:
        issuer: the issuer.
        secret: the secret.
        now: Unix seconds.

    Returns:
        Its one key, or none when the secret is somebody's public key: whoever read that could sign
        (RFC 8725 §2.1).
    """
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret.reveal())
    except InvalidKeyError:
        return KeySet(issuer, (), now)
    return KeySet(issuer, (VerifyingKey("", None, "oct", secret),), now)


def _read_key(entry: dict[str, object]) -> VerifyingKey | str:
    kind = entry.get("kty")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        return "is of a type that verifies no signature here"
    if not _is_for_verifying(entry):
        return "is not for verifying signatures"
    key_id, algorithm = entry.get("kid", ""), entry.get("alg")
    if not isinstance(key_id, str) or not isinstance(algorithm, str | None):
        return "has a kid or an alg that is no text"
    members = {name: entry.get(name) for name in _MEMBERS[kind]}
    parts = {name: v for name, v in members.items() if isinstance(v, str) and base64url(v.encode())}
    if len(parts) != len(members):
        return "lacks a part, or it is not base64url"
    if kind == "RSA":
        return _read_rsa(key_id, algorithm, parts)
    return _read_curve(key_id, algorithm, {"kty": kind, "crv": str(entry.get("crv")), **parts})


def _is_for_verifying(entry: dict[str, object]) -> bool:
    """Whether a key is for what we do (RFC 7517 §4.2, §4.3); nothing said leaves it open."""
    operations = entry.get("key_ops", ["verify"])
    is_verifying = isinstance(operations, list) and "verify" in operations
    return is_verifying and entry.get("use", "sig") == "sig"


def _read_rsa(key_id: str, algorithm: str | None, parts: dict[str, str]) -> VerifyingKey | str:
    if algorithm is not None and algorithm not in _RSA_ALGORITHMS:
        return "is for another algorithm"
    if len(base64url(parts["e"].encode()) or b"") > _EXPONENT_BYTES:
        return "has an exponent that is too large"
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", **parts})
    except (ValueError, InvalidKeyError):
        return "is no RSA key"
    if not isinstance(key, RSAPublicKey) or key.key_size not in _RSA_BITS:
        return "is an RSA key of less than 2048 bits or more than 8192"
    return VerifyingKey(key_id, algorithm, "RSA", key)


def _read_curve(key_id: str, algorithm: str | None, parts: dict[str, str]) -> VerifyingKey | str:
    curve = _CURVES.get((parts["kty"], parts["crv"]))
    if curve is None:
        return "is on a curve that is not used here"
    own, names = curve
    if algorithm is not None and algorithm not in names:
        return "is for another algorithm than its curve"
    reader = ECAlgorithm if parts["kty"] == "EC" else OKPAlgorithm
    try:
        # A point that is not on its curve raises ValueError (RFC 8725 §2.3).
        key = reader.from_jwk(dict(parts))
    except (ValueError, InvalidKeyError):
        return "is no point of its curve"
    return VerifyingKey(key_id, own, parts["kty"], key)
