"""Callers of two tenants, by every kind of credential, and the policy that judges them."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sidecar.knowledge.auth.digest import DigestRing
from sidecar.model.identity import KeyId, KeyRecord, KeyStatus, TenantId, TenantRecord, TenantStatus
from sidecar.model.ports import Store
from sidecar.model.secret import Secret
from tests.knowledge.auth.minting import SECRET, private_key, public_jwk, sealed

PEPPER: Final = b"a pepper of thirty-two characters"
AUDIENCE: Final = "orders"
RSA_ISSUER: Final = "https://idp.example"
SHARED_ISSUER: Final = "https://login.example"

ROUTES: Final[list[Mapping[str, object]]] = [
    {"path": "/public", "public": True},
    {"path": "/any", "role": "viewer"},
    {"path": "/dev", "role": "developer"},
    {"path": "/admin", "role": "admin"},
    {"path": "/orgs/{tenant}/items", "role": "viewer"},
    {"path": "/create", "permission": "project.create"},
    {"path": "/delete", "permission": "project.delete"},
    {"path": "/transfer", "permission": "project.transfer"},
    {"path": "/scoped", "scopes": ["orders:write"]},
    {"path": "/service", "role": "viewer", "key_kinds": ["service"]},
    {"path": "/projects/{project}", "role": "viewer"},
    {"path": "/keys-only", "role": "viewer", "authenticate": ["api_key"]},
]


def sections(folder: Path, state: Mapping[str, object]) -> dict[str, object]:
    """Write the policy's sections; the issuer's key set and the secrets go into the folder."""
    (folder / "jwks.json").write_text(json.dumps({"keys": [public_jwk("RSA", kid="r1")]}))
    (folder / "shared").write_bytes(SECRET)
    (folder / "pepper").write_bytes(PEPPER)
    claims = {"tenant": "tenants", "roles": "roles", "login": "amr"}
    issuers = [
        {
            "issuer": RSA_ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["RS256"],
            "jwks": "file:jwks.json",
            "claims": claims,
        },
        {
            "issuer": SHARED_ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["HS256"],
            "secret": "file:shared",
            "claims": claims,
        },
    ]
    formats = [
        {"kind": "secret", "prefix": "sk"},
        {"kind": "publishable", "prefix": "pk"},
        {"kind": "service", "prefix": "svc"},
    ]
    return {
        "state": state,
        "secrets": {"pepper": "file:pepper"},
        "authentication": {"api_keys": {"formats": formats}, "jwt": issuers},
        "permissions": {
            "project": {
                "create": "developer",
                "delete": ["owner", "admin"],
                "transfer": {"roles": ["owner", "developer"], "logins": ["sso"]},
            }
        },
        "tenants": {"acme": {"tier": "pro", "projects": {"shop": {"domains": ["shop.example"]}}}},
        "routes": ROUTES,
    }


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks.

    Attributes:
        lines: field lines with which they ask.
        reason: why they are nobody; empty for a caller who is known.
    """

    lines: tuple[bytes, ...] = ()
    reason: str = ""


def a_key(name: str, prefix: str = "sk") -> str:
    """Make a key that says whose it is: 26 characters of Crockford's alphabet."""
    spelt = "".join(c for c in name.upper() if c in "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    return f"{prefix}_{spelt.ljust(26, '0')[:26]}"


def a_record(name: str, key: str, *roles: str, **facts: object) -> KeyRecord:
    """Make the record of a key under the newest pepper."""
    ring = DigestRing([Secret(PEPPER)])
    record = KeyRecord(
        id=KeyId(f"id-{name}"),
        digest=ring.digest(key.encode()),
        pepper=ring.newest,
        prefix=key[:11],
        tenant=TenantId("acme"),
        subject=f"user-{name}",
        roles=roles,
        created_at=time.time(),
    )
    return replace(record, **facts)  # type: ignore[arg-type]  # facts by name


KEYS: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, object]]]] = {
    "owner": (("owner",), {}),
    "admin": (("admin",), {}),
    "developer": (("developer",), {"scopes": ("orders:write",)}),
    "viewer": (("viewer",), {}),
    "read-only": (("developer",), {"is_read_only": True}),
    "publishable": (("viewer",), {"kind": "publishable", "project": "shop"}),
    "elsewhere": (("viewer",), {"kind": "publishable", "project": "shop"}),
    "service": (("admin",), {"kind": "service"}),
    "globex": (("developer",), {"tenant": TenantId("globex")}),
    "nobody's": (("owner",), {"tenant": None}),
    "suspended": (("owner",), {"tenant": TenantId("initech")}),
    "unrecorded": (("owner",), {"tenant": TenantId("hooli")}),
    "revoked": (("owner",), {"status": KeyStatus.REVOKED}),
    "disabled": (("owner",), {"status": KeyStatus.DISABLED}),
    "expired": (("owner",), {"expires_at": 1.0}),
    "early": (("owner",), {"not_before": 4e9}),
    "far": (("owner",), {"addresses": ("10.0.0.0/8",)}),
}  # fmt: skip
_PREFIXES: Final = {"publishable": "pk", "elsewhere": "pk", "service": "svc"}
_REASONS: Final = {
    "suspended": "suspended tenant",
    "unrecorded": "unknown tenant",
    "revoked": "revoked key",
    "disabled": "disabled key",
    "expired": "expired key",
    "early": "key not yet valid",
    "far": "address not allowed for the key",
}
_ORIGINS: Final = {
    "publishable": b"Origin: https://shop.example",
    "elsewhere": b"Origin: https://evil.example",
}


def key_of(name: str) -> str:
    """Return the key of a caller."""
    return a_key(name, _PREFIXES.get(name, "sk"))


async def admit_all(store: Store) -> None:
    """Put keys and tenants into a store."""
    for name, (roles, facts) in KEYS.items():
        assert await store.add_key(a_record(name, key_of(name), *roles, **facts))
    await store.put_tenant(TenantRecord(TenantId("globex")))
    await store.put_tenant(TenantRecord(TenantId("initech"), status=TenantStatus.SUSPENDED))


def a_token(issuer: str = RSA_ISSUER, **claims: object) -> bytes:
    """Make a token that is good, but for the claims that are given."""
    now = int(time.time())
    own: dict[str, object] = {
        "iss": issuer, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 3600, "jti": "t1",
        "tenants": "acme", "roles": ["developer"], "amr": "sso", "scope": "orders:write",
    }  # fmt: skip
    is_rsa = issuer == RSA_ISSUER
    header = {"alg": "RS256", "kid": "r1"} if is_rsa else {"alg": "HS256"}
    payload = json.dumps({**own, **claims}).encode()
    key = private_key("RSA" if is_rsa else "oct")
    return sealed(json.dumps(header).encode(), payload, header["alg"], key)


def callers() -> dict[str, Caller]:
    """List everybody who asks, by the name that the table has for them."""
    found = {"none": Caller((), "no credential")}
    for name in KEYS:
        lines = (b"X-API-Key: " + key_of(name).encode(), *filter(None, [_ORIGINS.get(name)]))
        found[name] = Caller(lines, _REASONS.get(name, ""))
    bearer = b"Authorization: Bearer "
    owner = key_of("owner").encode()
    of_globex: dict[str, object] = {"tenants": "globex", "amr": "pwd"}
    of_both: dict[str, object] = {"tenants": ["acme", "globex"]}
    viewer: dict[str, object] = {"roles": ["viewer"], "scope": ""}
    found |= {
        "bearer": Caller((bearer + owner,)),
        "beside": Caller((b"X-API-Key: " + owner, b"Authorization: Basic YTpi")),
        "unknown": Caller((b"X-API-Key: " + a_key("never made").encode(),), "unknown key"),
        "malformed": Caller((b"X-API-Key: " + owner[:-1],), "malformed key"),
        "foreign": Caller((b"X-API-Key: ghp_abcdef",), "malformed key"),
        "two": Caller(
            (b"X-API-Key: " + owner, bearer + key_of("admin").encode()),
            "two different credentials",
        ),
        "token": Caller((bearer + a_token(),)),
        "shared": Caller((bearer + a_token(SHARED_ISSUER, **of_globex, **viewer),)),
        "both": Caller((bearer + a_token(RSA_ISSUER, **of_both, **viewer),)),
        "stale": Caller((bearer + a_token(iat=1, exp=2),), "jwt: expired"),
        "other": Caller((bearer + a_token(aud="billing"),), "jwt: audience not ours"),
        "forged": Caller((bearer + a_token()[:-4] + b"AAAA",), "jwt: wrong signature"),
    }
    return found
