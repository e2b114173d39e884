# noqa: INP001 -- a file to copy, not a package
"""Verify the signed assertion of the sidecar. Copy this file; it needs `PyJWT[crypto]` alone."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jwt

_CLAIMS = ["iss", "aud", "iat", "exp", "jti", "sub", "htm", "path", "query_sha256"]


class NotVerifiedError(Exception):
    """The request did not come through the sidecar, or not as it is: answer 401."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling; `tenant` is None for a caller of no tenant."""

    subject: str
    tenant: str | None
    roles: frozenset[str]
    scopes: frozenset[str]


class Verifier:
    """Verifies assertions for one audience.

    `keys` is the URL of `/jwks.json` on the sidecar's admin or health listener, or a file with the
    same content. A URL is asked at the first request and every five minutes: publish keys before.
    """

    def __init__(self, keys: str, audience: str, issuer: str = "sidecar") -> None:
        self._audience, self._issuer = audience, issuer
        self._key: Callable[[str], jwt.PyJWK]
        if keys.startswith(("http://", "https://")):
            self._key = jwt.PyJWKClient(keys, lifespan=300, timeout=2).get_signing_key
        else:
            self._key = jwt.PyJWKSet.from_json(Path(keys).read_text()).__getitem__

    def verify(self, assertion: str | None, method: str, target: str) -> Caller:
        """Say who calls; `target` is path and query exactly as they stood in the request line."""
        try:
            header = jwt.get_unverified_header(assertion or "")
            read = jwt.decode_complete(
                assertion or "", self._key(header.get("kid", "")), ["EdDSA"],
                {"require": _CLAIMS}, audience=self._audience, issuer=self._issuer, leeway=2,
            )  # fmt: skip
        except (jwt.PyJWTError, KeyError) as error:
            raise NotVerifiedError(str(error)) from error
        claims, (path, _, query) = read["payload"], target.partition("?")
        digest = base64.urlsafe_b64encode(hashlib.sha256(query.encode("latin-1")).digest())
        bound = (claims["htm"], claims["path"], claims["query_sha256"])
        if bound != (method, path, digest.decode().rstrip("=")):
            raise NotVerifiedError("it is for another request")
        if read["header"].get("typ") != "sidecar+jwt":
            raise NotVerifiedError("it is another kind of token")
        roles, scopes = claims.get("roles", ()), claims.get("scopes", ())
        return Caller(claims["sub"], claims.get("tenant"), frozenset(roles), frozenset(scopes))
