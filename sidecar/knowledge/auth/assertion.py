"""The signed assertion for the upstream: who is calling, bound to one request (TN-3).

A compact JWS (RFC 7515 §7.1), signed with Ed25519 (RFC 8037 §3.1) and typed (RFC 8725 §3.11):

    {"alg": "EdDSA", "typ": "sidecar+jwt", "kid": …}
    {"iss", "aud", "iat", "exp", "jti", "sub", "tenant", "roles", "scopes", "tier", "key_id",
     "htm", "path", "query_sha256", "request_id"}

`htm`, `path` and `query_sha256` bind it to the request as it is sent upstream: the method, the path
byte for byte, and the SHA-256 of the query without its `?`, in base64url, that of nothing where
there is none. Because of them it is signed for each request and cannot be kept for a caller. `jti`
is the sidecar's own id of the request, `request_id` what X-Request-Id says. Facts that the caller
does not have are left out; roles and scopes are lists, which may be empty. The body is not bound:
it is streamed.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from sidecar.model.secret import Secret
from sidecar.policy.schema.assertion import Assertion

TYPE: Final = "sidecar+jwt"


@dataclass(slots=True)
class Statement:
    """What is said of one request.

    Attributes:
        subject: who is calling.
        tenant: id of the tenant; None for none.
        roles: the caller's roles in it.
        scopes: scopes of the credential.
        tier: tier of the caller; None for none.
        key_id: id of the API key; None for other credentials.
        method: method of the request.
        target: path and query as they are sent upstream.
        request_id: what X-Request-Id says.
        jti: an id that no other statement has.
    """

    subject: str
    tenant: str | None
    roles: Sequence[str]
    scopes: Sequence[str]
    tier: str | None
    key_id: str | None
    method: bytes
    target: bytes
    request_id: bytes
    jti: bytes


class Signer:
    """Signs statements with the newest key, and publishes all of them.

    Args:
        section: what the policy says of assertions.
    """

    def __init__(self, section: Assertion) -> None:
        # 9 MB and a native library, for policies that have the section.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        def key_of(seed: Secret) -> Ed25519PrivateKey:
            return Ed25519PrivateKey.from_private_bytes(seed.reveal())

        keys = [key_of(seed) for seed in section.key]
        published = [_jwk(key.public_key().public_bytes_raw()) for key in keys]
        self._sign = keys[0].sign
        header = {"alg": "EdDSA", "typ": TYPE, "kid": published[0]["kid"]}
        self._start = _encoded(_json(header)) + b"."
        self._section = section
        self.key_set: Final = _json({"keys": published})

    def sign(self, statement: Statement, now: float) -> bytes:
        """Sign a statement.

        Args:
            statement: what is said.
            now: Unix seconds.

        Returns:
            The assertion in compact serialisation, good for the policy's `life`.

        Source: RFC 7515 §5.1, RFC 8037 §3.1. Controls: TN-3.
        """
        path, _, query = statement.target.partition(b"?")
        issued = int(now)
        claims: dict[str, object] = {
            "iss": self._section.issuer,
            "aud": self._section.audience,
            "iat": issued,
            "exp": issued + int(self._section.life),
            "jti": statement.jti.decode(),
            "sub": statement.subject,
            "tenant": statement.tenant,
            "roles": statement.roles,
            "scopes": statement.scopes,
            "tier": statement.tier,
            "key_id": statement.key_id,
            "htm": statement.method.decode(),
            "path": path.decode(),
            "query_sha256": _encoded(sha256(query).digest()).decode(),
            "request_id": statement.request_id.decode(),
        }
        stated = {name: value for name, value in claims.items() if value is not None}
        signed = self._start + _encoded(msgspec.json.encode(stated))
        return signed + b"." + _encoded(self._sign(signed))


def _jwk(public: bytes) -> dict[str, str]:
    """Write a public key as JWK; its name is its thumbprint (RFC 8037 §2, RFC 7638 §3)."""
    required = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(public).decode()}
    # RFC 7638 §3.3: the required members in lexicographic order, without white space.
    thumbprint = sha256(_json(required)).digest()
    return {**required, "kid": _encoded(thumbprint).decode(), "use": "sig", "alg": "EdDSA"}


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _encoded(content: bytes) -> bytes:
    """Write in base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(content).rstrip(b"=")
