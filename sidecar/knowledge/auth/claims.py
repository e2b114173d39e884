"""What a token's claims say of its bearer, by the mapping of the policy; nothing is guessed.

A claim of another type than its meaning needs refuses the token: a role that is dropped, or a list
read as text, would be somebody else's rights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sidecar.model.identity import Method, Principal, RevocationKind
from sidecar.policy.schema.jwt import Claims

_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
# Becomes a field value and stands in the audit: visible ASCII, blanks inside (RFC 9110 §5.5).
_TEXT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?\Z")
# Roles are joined by commas.
_ROLE: Final = re.compile(
    r"[\x21-\x2b\x2d-\x7e]([\x20-\x2b\x2d-\x7e]{0,253}[\x21-\x2b\x2d-\x7e])?\Z"
)
# RFC 6749 §3.3: scope-token.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}\Z")
_MOST: Final = 256
"""Most roles, scopes or tenants of one token."""

_Path = tuple[str, ...]


class _Missing:
    """The value of a claim that is not there."""


MISSING: Final = _Missing()


def value_at(claims: Mapping[str, object], path: _Path) -> object:
    """Look a claim up.

    Args:
        claims: the claims, or an object inside them.
        path: words of a claim's name or path. A name that holds dots, such as a URL, wins over the
            same words read as a path, and the longer name over the shorter.

    Returns:
        The value, or MISSING.
    """
    for size in range(len(path), 0, -1):
        name = ".".join(path[:size])
        if name not in claims:
            continue
        value = claims[name]
        if size == len(path):
            return value
        return value_at(value, path[size:]) if isinstance(value, dict) else MISSING
    return MISSING


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which claim says what, compiled.

    Attributes:
        subject, tenant, roles, scopes, tier, project, login, session: paths; empty for none.
        accepts_unknown_tenant: whether tenants may have no record.
    """

    subject: _Path
    tenant: _Path
    roles: _Path
    scopes: _Path
    tier: _Path
    project: _Path
    login: _Path
    session: _Path
    accepts_unknown_tenant: bool

    @classmethod
    def compile(cls, claims: Claims, *, accepts_unknown_tenant: bool) -> Self:
        """Compile the section `claims` of an issuer."""
        return cls(
            path_of(claims.subject),
            path_of(claims.tenant),
            path_of(claims.roles),
            path_of(claims.scopes),
            path_of(claims.tier),
            path_of(claims.project),
            path_of(claims.login),
            path_of(claims.session),
            accepts_unknown_tenant,
        )


def path_of(claim: str | None) -> _Path:
    """Split the policy's name of a claim into words."""
    return tuple(claim.split(".")) if claim else ()


@dataclass(slots=True)
class Bearer:
    """Whom a token speaks of.

    Attributes:
        principal: the caller.
        identities: by kind of revocation, what revokes it; several when it has several tenants.
    """

    principal: Principal
    identities: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where claims come from.

    Attributes:
        method: JWT or INTROSPECTION; the reasons of refusals begin with it.
        issuer: the issuer.
    fingerprint: begin of a SHA-256 in hexadecimal, the id of tokens without `jti`.
        expires_at: Unix seconds when the token ends; None when nothing says so.
    """

    method: Method
    issuer: str
    fingerprint: str
    expires_at: float | None


def bearer_of(claims: Mapping[str, object], mapped: Mapped, source: Source) -> Bearer | str:
    """Read who bears a token.

    Args:
        claims: claims that were verified.
        mapped: which of them says what.
        source: where they come from.

    Returns:
        The bearer, or why the claims name none, for the audit.

    Controls: AN-13.
    """
    texts: dict[str, str] = {}
    for name, path in (
        ("subject", mapped.subject),
        ("jti", ("jti",)),
        ("session", mapped.session),
        ("tier", mapped.tier),
        ("project", mapped.project),
    ):
        value = value_at(claims, path) if path else MISSING
        if value is MISSING:
            continue
        if not isinstance(value, str) or not _TEXT.match(value):
            return f"{source.method}: {name} is no plain text"
        texts[name] = value
    if "subject" not in texts:
        return f"{source.method}: subject missing"
    words = _words_of(claims, mapped)
    if isinstance(words, str):
        return f"{source.method}: {words}"
    roles, scopes, login = words
    memberships = _memberships(value_at(claims, mapped.tenant) if mapped.tenant else MISSING, roles)
    if isinstance(memberships, str):
        return f"{source.method}: {memberships}"
    token_id = texts.setdefault("jti", source.fingerprint)
    principal = Principal(
        source.method,
        texts["subject"],
        f"{source.issuer}#{token_id}",
        memberships=memberships,
        scopes=frozenset(scopes),
        login=" ".join(login) if mapped.login else source.method,
        tier=texts.get("tier"),
        project=texts.get("project"),
        accepts_unknown_tenant=mapped.accepts_unknown_tenant,
        expires_at=source.expires_at,
        attributes=claims,
    )
    return Bearer(principal, _identities(texts, list(memberships)))


_Words = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _words_of(claims: Mapping[str, object], mapped: Mapped) -> _Words | str:
    found: list[tuple[str, ...]] = []
    for name, path, grammar in (
        ("roles", mapped.roles, _ROLE),
        ("scopes", mapped.scopes, _SCOPE),
        ("login", mapped.login, _ROLE),
    ):
        words = _words(value_at(claims, path) if path else MISSING, grammar)
        if words is None:
            return f"{name} are not plain words"
        found.append(words)
    return found[0], found[1], found[2]


def _words(value: object, grammar: re.Pattern[str]) -> tuple[str, ...] | None:
    """Read words: text separated by blanks, or a list; None for anything else."""
    if value is MISSING:
        return ()
    words: list[object] = []
    if isinstance(value, str):
        words.extend(word for word in value.split(" ") if word)
    elif isinstance(value, list):
        words.extend(value)
    else:
        return None
    if len(words) > _MOST:
        return None
    found = tuple(word for word in words if isinstance(word, str) and grammar.match(word))
    return found if len(found) == len(words) else None


def _memberships(tenant: object, roles: tuple[str, ...]) -> dict[str, tuple[str, ...]] | str:
    """Read memberships: one tenant or a list with the same roles, or roles by tenant."""
    by_tenant: dict[str, tuple[str, ...] | None] = {}
    if isinstance(tenant, dict):
        by_tenant = {one: _words(value, _ROLE) for one, value in tenant.items()}
    elif isinstance(tenant, list) and all(isinstance(one, str) for one in tenant):
        by_tenant = dict.fromkeys(tenant, roles)
    elif isinstance(tenant, str):
        by_tenant = {tenant: roles}
    elif tenant is not MISSING:
        return "tenant is no text"
    if len(by_tenant) > _MOST or not all(_TENANT.match(one) for one in by_tenant):
        return "tenant is no tenant's id"
    found = {one: words for one, words in by_tenant.items() if words is not None}
    return found if len(found) == len(by_tenant) else "roles are not plain words"


def _identities(texts: Mapping[str, str], tenants: list[str]) -> tuple[dict[str, str], ...]:
    """List what revokes a token; a set of identities has room for one tenant."""
    own: dict[str, str] = {
        RevocationKind.SUBJECT: texts["subject"],
        RevocationKind.TOKEN: texts["jti"],
    }
    if "session" in texts:
        own[RevocationKind.SESSION] = texts["session"]
    if tenants:
        own[RevocationKind.TENANT] = tenants[0]
    return (own, *({RevocationKind.TENANT.value: tenant} for tenant in tenants[1:]))
