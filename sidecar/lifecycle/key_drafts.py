"""What an operator says of a key, and the rules that it must keep before it becomes a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from sidecar.knowledge.auth.key_format import KeyPattern, KeyPatterns
from sidecar.lifecycle.errors import BadValueError, NotFoundError
from sidecar.lifecycle.moments import read_expiry, read_moment
from sidecar.model.identity import KeyDigest, KeyId, KeyRecord, TenantId, TenantStatus
from sidecar.model.ports import TenantStore
from sidecar.policy.schema.addresses import Network
from sidecar.policy.schema.names import Role, Scope, TenantName, Word
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section

_LIST_MAX: Final = 64

# They reach the upstream in a field line, and terminals: visible ASCII without blanks.
Subject = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,256}$")]
Label = Annotated[str, Field(max_length=128)]


class KeyDraft(Section):
    """A key that is to be made.

    Attributes:
        tenant: tenant that it belongs to; none: a key of no tenant.
        kind: kind of key; the first that the policy has a format for if left out.
        roles: roles in the tenant.
        scopes: scopes.
        project: project of the tenant that it is bound to.
        tier: tier; the tenant's if left out.
        subject: who it acts for; `key:` and its id if left out.
        label: what its owner calls it.
        addresses: networks that may use it; any if left out.
        expires: when it ends: `90d`, a date or RFC 3339; never if left out.
        not_before: when it begins, likewise; at once if left out.
        read_only: true opens only safe methods to it (AZ-7).
    """

    tenant: TenantName | None = None
    kind: Word | None = None
    roles: Annotated[tuple[Role, ...], Field(max_length=_LIST_MAX)] = ()
    scopes: Annotated[tuple[Scope, ...], Field(max_length=_LIST_MAX)] = ()
    project: TenantName | None = None
    tier: Word | None = None
    subject: Subject | None = None
    label: Label = ""
    addresses: Annotated[tuple[Network, ...], Field(max_length=_LIST_MAX)] = ()
    expires: str | None = None
    not_before: str | None = None
    read_only: Flag = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What a key is known by.

    Attributes:
        id: its id.
        digest: its digest.
        pepper: name of the digest's pepper.
        prefix: its visible prefix.
    """

    id: KeyId
    digest: KeyDigest
    pepper: str
    prefix: str


class DraftRules:
    """Judges drafts against the policy and the tenants that there are.

    Args:
        policy: names the roles, the formats and tenants of its own.
        store: holds the other tenants.
    """

    def __init__(self, policy: Policy, store: TenantStore) -> None:
        keys = policy.authentication.api_keys
        self.patterns = KeyPatterns(() if keys is None else keys.formats)
        self._roles = policy.roles
        self._tenants = policy.tenants
        self._store = store

    def pattern_of(self, kind: str | None) -> KeyPattern:
        """Return the format in which a key of this kind is made.

        Raises:
            BadValueError: the policy has no such kind.
        """
        kinds = self.patterns.kinds()
        if not kinds:
            raise BadValueError(
                "the policy takes no API keys", "authentication: {api_keys: {}} in the policy"
            )
        pattern = self.patterns.of_kind(kind or kinds[0])
        if pattern is None:
            raise BadValueError(
                f"kind {kind} is not in authentication.api_keys.formats",
                f"one of {', '.join(kinds)}",
            )
        return pattern

    async def judge(self, draft: KeyDraft) -> None:
        """Judge what a key is to be allowed.

        Raises:
            LifecycleError: a role, the tenant or the project is not there.
        """
        unknown = [role for role in draft.roles if role not in self._roles]
        if unknown:
            hint = f"roles of the policy: {', '.join(self._roles)}"
            raise BadValueError(f"{unknown[0]} is no role of the policy", hint)
        if draft.tenant is not None:
            await self._judge_project(draft.tenant, draft.project)
        elif draft.roles or draft.project is not None:
            raise BadValueError("a key of no tenant has neither roles nor a project", "name tenant")
        if not draft.label.isprintable():
            raise BadValueError("label is not printable", "text on a single line")

    async def _judge_project(self, tenant: str, project: str | None) -> None:
        projects = await self._projects_of(tenant)
        if project is not None and project not in projects:
            hint = f"projects there: {', '.join(projects) or 'none'}"
            raise NotFoundError(f"tenant {tenant} has no project {project}", hint)

    async def _projects_of(self, tenant: str) -> Mapping[str, object]:
        if tenant in self._tenants:
            return self._tenants[tenant].projects
        record = await self._store.tenant(TenantId(tenant))
        if record is None or record.status is TenantStatus.DELETED:
            raise NotFoundError(
                f"there is no tenant {tenant}",
                f"sidecar tenants create {tenant}, or name it under tenants in the policy",
            )
        return record.projects


def record_of(draft: KeyDraft, identity: Identity, kind: str, actor: str, now: float) -> KeyRecord:
    """Make the record of a draft.

    Args:
        draft: a draft that was judged.
        identity: what the key is known by.
        kind: its kind.
        actor: who makes it.
        now: Unix seconds.

    Raises:
        BadValueError: one of its times is none, or it would never be valid.
    """
    expires = None if draft.expires is None else read_expiry("expires", draft.expires, now)
    begins = None if draft.not_before is None else read_moment("not_before", draft.not_before, now)
    if expires is not None and begins is not None and begins >= expires:
        raise BadValueError("the key ends before it begins", "not_before earlier than expires")
    return KeyRecord(
        id=identity.id,
        digest=identity.digest,
        pepper=identity.pepper,
        prefix=identity.prefix,
        tenant=None if draft.tenant is None else TenantId(draft.tenant),
        subject=draft.subject or f"key:{identity.id}",
        kind=kind,
        roles=draft.roles,
        scopes=draft.scopes,
        tier=draft.tier,
        project=draft.project,
        is_read_only=draft.read_only,
        addresses=tuple(str(network) for network in draft.addresses),
        label=draft.label,
        created_at=now,
        created_by=actor,
        not_before=begins,
        expires_at=expires,
        changed_at=now,
    )
