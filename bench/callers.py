"""Who asks: tokens and keys of some callers, and the files by which proxies know them."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm

from bench.keys import PEPPER, a_key, a_record
from sidecar.adapters.stores.opening import open_store
from sidecar.policy.schema.state import State

CALLERS: Final = 100
ISSUER: Final = "https://idp.bench.example"
AUDIENCE: Final = "orders"
OTHER_AUDIENCE: Final = "another audience"
TENANT: Final = "acme"
ROLE: Final = "developer"
LOW_ROLE: Final = "viewer"
SCOPES: Final = "orders:read orders:write"
_KEY_ID: Final = "bench"
_LIFE_SECONDS: Final = 3600
_BEARER: Final = "Authorization: Bearer"
_KEY_FIELD: Final = "X-API-Key"


class Method(StrEnum):
    """How callers prove who they are."""

    SHARED = "HS256"
    PUBLIC = "RS256"
    KEY = "API key"
    MIXED = "HS256 and API key"


def subject_of(number: int) -> str:
    """Name a caller."""
    return f"caller-{number}"


@dataclass(frozen=True, slots=True)
class Callers:
    """Credentials as field lines, by method, and the folder with what proxies need for them.

    Attributes:
        folder: holds `secret`, `pepper`, `state.db`, `public.pem`, key sets and lists of lines.
        secret: shared secret of HS256, in hex.
        good: lines of `CALLERS` callers who are admitted, in their order.
        bad: lines that must be refused with 401, by what is wrong with them.
        low: the line of a caller whose role is too low.
    """

    folder: Path
    secret: str
    good: Mapping[Method, tuple[str, ...]]
    bad: Mapping[Method, Mapping[str, str]]
    low: Mapping[Method, str]

    def listed(self, method: Method) -> Path:
        """Where the lines of the admitted stand, one a line."""
        return self.folder / f"{method.name.lower()}.lines"

    async def admit(self, store: str) -> None:
        """Put the keys into a store, as a policy names it."""
        opened = open_store(State.model_validate(store), {})
        await opened.open()
        try:
            for number in range(CALLERS):
                await opened.add_key(a_record(number, subject_of(number), TENANT, ROLE))
            await opened.add_key(a_record(CALLERS, "low", TENANT, LOW_ROLE))
        finally:
            await opened.close()


def make_callers(folder: Path) -> Callers:
    """Issue credentials that are good for an hour, and write the files."""
    secret = secrets.token_hex(32)
    private = rsa.generate_private_key(65537, 2048)
    issuers = {
        Method.SHARED: _Issuer("HS256", secret, secrets.token_hex(32)),
        Method.PUBLIC: _Issuer("RS256", private, rsa.generate_private_key(65537, 2048)),
    }
    good = {method: issuer.good() for method, issuer in issuers.items()}
    bad = {method: issuer.bad() for method, issuer in issuers.items()}
    low = {
        method: issuer.line(subject="low", roles=[LOW_ROLE]) for method, issuer in issuers.items()
    }
    keys = tuple(f"{_KEY_FIELD}: {a_key(number)}" for number in range(CALLERS))
    good[Method.KEY] = keys
    bad[Method.KEY] = {"a key that was never made": f"{_KEY_FIELD}: {a_key(10 * CALLERS)}"}
    low[Method.KEY] = f"{_KEY_FIELD}: {a_key(CALLERS)}"
    half = CALLERS // 2
    good[Method.MIXED] = (*good[Method.SHARED][:half], *keys[half:])
    bad[Method.MIXED] = {**bad[Method.SHARED], **bad[Method.KEY]}
    low[Method.MIXED] = low[Method.SHARED]
    made = Callers(folder, secret, good, bad, low)
    _write(made, private)
    return made


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Signs tokens by its own key, and forges them by another."""

    algorithm: str
    key: str | rsa.RSAPrivateKey
    other: str | rsa.RSAPrivateKey

    def good(self) -> tuple[str, ...]:
        return tuple(self.line(subject=subject_of(number)) for number in range(CALLERS))

    def bad(self) -> dict[str, str]:
        now = int(time.time())
        return {
            "a wrong signature": self.line(key=self.other),
            "an expired token": self.line(iat=now - 7200, exp=now - 3600),
            OTHER_AUDIENCE: self.line(aud="billing"),
            "another issuer": self.line(iss="https://other.bench.example"),
        }

    def line(
        self,
        key: str | rsa.RSAPrivateKey | None = None,
        subject: str = "caller-0",
        **changes: object,
    ) -> str:
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + _LIFE_SECONDS,
            "jti": f"t-{subject}", "tenant_id": TENANT, "roles": [ROLE], "scope": SCOPES,
        }  # fmt: skip
        token = jwt.encode(
            {**claims, **changes}, key or self.key, self.algorithm, headers={"kid": _KEY_ID}
        )
        return f"{_BEARER} {token}"


def _write(callers: Callers, private: rsa.RSAPrivateKey) -> None:
    folder, public = callers.folder, private.public_key()
    shared = HMACAlgorithm.to_jwk(callers.secret, as_dict=True)
    published = RSAAlgorithm.to_jwk(public, as_dict=True)
    (folder / "secret").write_text(callers.secret)
    (folder / "pepper").write_bytes(PEPPER)
    (folder / "public.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for name, jwk in (("shared", {**shared, "alg": "HS256"}), ("public", published)):
        key_set = {"keys": [{"use": "sig", **jwk, "kid": _KEY_ID, "key_ops": ["verify"]}]}
        del key_set["keys"][0]["use"]
        (folder / f"{name}.jwks.json").write_text(json.dumps(key_set))
    for method in Method:
        callers.listed(method).write_text("\n".join(callers.good[method]) + "\n")
    asyncio.run(callers.admit(f"sqlite:{folder / 'state.db'}"))
