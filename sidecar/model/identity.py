"""Who a caller is: principals, the records of keys, tenants and revocations behind them.

A record is what a store holds; a principal is what one credential proved. Nothing here holds a key,
a token or another secret.
"""

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Final, NewType

TenantId = NewType("TenantId", str)
KeyId = NewType("KeyId", str)
KeyDigest = NewType("KeyDigest", bytes)

# The grammar of ids in the policy: what breaks it is in no store, and must be in no header field.
_TENANT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")

NO_ROLES: Final[tuple[str, ...]] = ()


def is_tenant_id(text: str) -> bool:
    """Tell whether a tenant can have this id."""
    return _TENANT_ID.match(text) is not None


class Method(StrEnum):
    """How a caller proved who they are; a route's `authenticate` lists them."""

    API_KEY = "api_key"
    JWT = "jwt"
    INTROSPECTION = "introspection"


class KeyStatus(StrEnum):
    """State of a key as it is stored; a key whose time has passed is expired as well."""

    ACTIVE = "active"
    GRACE = "grace"
    DISABLED = "disabled"
    REVOKED = "revoked"


class TenantStatus(StrEnum):
    """State of a tenant; only an active one is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(slots=True, eq=False)
class Principal:
    """What a credential proved, once it was verified.

    Made once for a credential and kept while it is remembered, so that everything derived from it
    is derived once.

    Attributes:
        method: how it was proved.
        login: login method in the words of the policy: `api_key`, or what the token's claim says.
        subject: who it is, for the upstream and the audit.
        credential_id: what revokes it: the key's id, or `issuer#jti` of a token; never a secret.
        memberships: roles in each tenant.
        scopes: scopes of the credential.
        tier: tier of the credential itself; None leaves it to the tenant.
        kind: kind of the key; None for tokens.
        project: project of the key; None for a caller who is bound to none.
        key_prefix: visible prefix of the key (AN-7); empty for tokens.
        is_read_only: whether only safe methods are open to it (AZ-7).
        accepts_unknown_tenant: whether its tenant may have no record.
        expires_at: Unix seconds when it ends; None for never.
        attributes: further facts for conditions.
        identity: identity lines made for it last, owned by the step that writes them.
        noted: what audit records said of it last, owned by what writes them.
    """

    method: Method
    subject: str
    credential_id: str
    _: KW_ONLY
    memberships: Mapping[str, tuple[str, ...]]
    scopes: frozenset[str] = frozenset()
    login: str = ""
    tier: str | None = None
    kind: str | None = None
    project: str | None = None
    key_prefix: str = ""
    is_read_only: bool = False
    accepts_unknown_tenant: bool = False
    expires_at: float | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    identity: object = None
    noted: object = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as a store holds it: everything but the key.

    Attributes:
        id: id of the key, a UUIDv7 as text; public.
        digest: digest of the key (AN-2, AN-3).
        pepper: name of the pepper under which it was made; empty for plain SHA-256.
        prefix: the format's prefix and the first 8 characters behind it (AN-7); public.
        tenant: tenant that it belongs to; None for a key of no tenant.
        subject: who it acts for.
        kind: kind of its format: `secret`, `publishable`, …
        roles: roles in its tenant.
        scopes: its scopes.
        tier: its tier; None leaves it to the tenant.
        project: project that it is bound to.
        status: active, grace, disabled or revoked.
        is_read_only: whether only safe methods are open to it (AZ-7).
        addresses: networks that may use it, in CIDR notation; none given: all.
        label: what its owner calls it.
        created_at: Unix seconds.
        created_by: actor that made it.
        not_before: Unix seconds before which it is refused.
        expires_at: Unix seconds from which it is refused; also the end of a grace period.
        changed_at: Unix seconds of the last change of status.
        last_used_at: Unix seconds of a recent use, sampled.
        replaced_by: id of the key that a rotation made.
        version: counts changes; a change names the version that it saw.
    """

    id: KeyId
    digest: KeyDigest
    pepper: str
    prefix: str
    tenant: TenantId | None
    subject: str
    kind: str = "secret"
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    tier: str | None = None
    project: str | None = None
    status: KeyStatus = KeyStatus.ACTIVE
    is_read_only: bool = False
    addresses: tuple[str, ...] = ()
    label: str = ""
    created_at: float = 0.0
    created_by: str = ""
    not_before: float | None = None
    expires_at: float | None = None
    changed_at: float = 0.0
    last_used_at: float | None = None
    replaced_by: KeyId | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project of a tenant.

    Attributes:
        domains: registered domains; publishable keys are locked to them (AN-8).
        is_system: whether the cap on unregistered domains is skipped.
    """

    domains: tuple[str, ...] = ()
    is_system: bool = False

    def has_domain(self, domain: str) -> bool:
        """Tell whether a host name is registered, itself or as one label under `*.`.

        Args:
            domain: the name, in lower case.
        """
        wildcard = "*." + domain.partition(".")[2]
        return any(own.lower() in {domain, wildcard} for own in self.domains)


@dataclass(frozen=True, slots=True, eq=False)
class TenantRecord:
    """A tenant.

    Attributes:
        id: its id.
        status: only an active tenant is served.
        tier: tier of its callers whose credential names none.
        origins: web origins of its own.
        domains: host names and e-mail domains that it owns.
        projects: its projects.
        logins: login methods that its callers may use; none given: all.
        upstream: URL of an upstream of its own; None for the policy's (TN-6).
        upstream_credential: name of the tenant's secret that its upstream gets in Authorization.
        attributes: further facts for conditions and headers.
        version: counts changes; 0 for a tenant of the policy file.
    """

    id: TenantId
    status: TenantStatus = TenantStatus.ACTIVE
    tier: str | None = None
    origins: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    projects: Mapping[str, ProjectRecord] = field(default_factory=dict)
    logins: tuple[str, ...] = ()
    upstream: str | None = None
    upstream_credential: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


class RevocationKind(StrEnum):
    """What a revocation names."""

    TOKEN = "token"  # noqa: S105 -- a kind, no secret
    SESSION = "session"
    SUBJECT = "subject"
    TENANT = "tenant"


_SPARE_SECONDS: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that are refused although their signature and time are good.

    Attributes:
        kind: what `value` is: a `jti`, a `sid`, a `sub` or a tenant's id.
        issuer: issuer of the tokens; empty for every issuer.
        value: the claim's value.
        before: Unix seconds; tokens issued before are refused, and those that do not say when.
        expires_at: Unix seconds from which no such token can be valid any more.
    """

    kind: RevocationKind
    issuer: str
    value: str
    before: float
    expires_at: float

    @property
    def kept_until(self) -> float:
        """Unix seconds from which it may be forgotten.

        A clock that was a day ahead for a while, here or where the store is, brings no token back.
        """
        return self.expires_at + _SPARE_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class VerifyingKey:
    """A key that verifies signatures of tokens.

    Attributes:
        key_id: its `kid`; empty when the set gives none.
        algorithm: the one algorithm that it is for (`alg`); None for any that fits its type.
        kind: `RSA`, `EC`, `OKP` or `oct`.
        key: the key as the library wants it; a `Secret` for `oct`.
    """

    key_id: str
    algorithm: str | None
    kind: str
    key: object


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The keys that an issuer publishes (RFC 7517).

    Attributes:
        issuer: the issuer.
        keys: its usable keys.
        fetched_at: Unix seconds.
    """

    issuer: str
    keys: tuple[VerifyingKey, ...]
    fetched_at: float


@dataclass(frozen=True, slots=True, eq=False)
class Introspection:
    """What an issuer said of an opaque token (RFC 7662 §2.2).

    Attributes:
        is_active: whether the token is good.
        claims: the other members of the answer.
        asked_at: Unix seconds.
    """

    is_active: bool
    claims: Mapping[str, object]
    asked_at: float
