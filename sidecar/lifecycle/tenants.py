"""Tenants, as operators create, change, suspend and delete them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sidecar.decision.steps.tenant import record_of
from sidecar.lifecycle.errors import BadValueError, ConflictError, NotFoundError, audited
from sidecar.lifecycle.tenant_facts import changed, tenant_id
from sidecar.lifecycle.tokens import Tokens, token_life
from sidecar.model.identity import (
    Revocation,
    RevocationKind,
    TenantId,
    TenantRecord,
    TenantStatus,
)
from sidecar.model.ports import Event, Events, RevocationStore, SecretStore, TenantStore
from sidecar.policy.schema.policy import Policy

MOST_LISTED: Final = 1000
_ATTEMPTS: Final = 5

Change = Callable[[TenantRecord], TenantRecord]


class TenantsStore(TenantStore, RevocationStore, SecretStore, Protocol):
    """The parts of a store that hold what belongs to tenants."""


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant and where it is kept.

    Attributes:
        record: the tenant.
        source: `policy` or `store`.
    """

    record: TenantRecord
    source: str


class Tenants:
    """Acts on tenants; each action names its actor and goes to the audit.

    A tenant of the policy is changed in the policy alone: what the store says of it is not used.

    Args:
        store: holds tenants, revocations and secrets.
        policy: the policy in force.
        events: the audit.
        now: tells Unix seconds.
    """

    def __init__(
        self, store: TenantsStore, policy: Policy, events: Events, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._own = {name: record_of(name, said) for name, said in policy.tenants.items()}
        self._has_vault = policy.secrets.master_key is not None
        self._events = events
        self._tokens = Tokens(store, events, now, token_life(policy.authentication))

    async def create(self, actor: str, tenant: str, facts: Mapping[str, object]) -> TenantRecord:
        """Create an active tenant.

        Args:
            actor: who creates it.
            tenant: its id; that of a deleted tenant is never used again.
            facts: by field, its value as JSON has it.

        Raises:
            LifecycleError: a value does not fit, or there is such a tenant.
            StoreUnavailableError: the store cannot answer.
        """
        with audited(self._events, _event("create", actor, tenant, facts)):
            record = self._changed(TenantRecord(self._changeable(tenant)), facts)
            if not await self._store.put_tenant(record):
                raise ConflictError(
                    f"the tenant {tenant} exists, or existed and was deleted",
                    "update changes a tenant; the id of a deleted one is never used again",
                )
        return record

    async def show(self, tenant: str) -> KnownTenant:
        """Return a tenant.

        Raises:
            LifecycleError: there is none such.
            StoreUnavailableError: the store cannot answer.
        """
        own = self._own.get(tenant)
        if own is not None:
            return KnownTenant(own, "policy")
        return KnownTenant(await self._stored(tenant_id(tenant)), "store")

    async def list(self, after: str, limit: int) -> list[KnownTenant]:
        """List tenants of policy and store by id, the deleted ones included.

        Args:
            after: id after which the page begins; empty for the first page.
            limit: most tenants of a page, 1 to 1000.

        Raises:
            BadValueError: the limit is out of range.
            StoreUnavailableError: the store cannot answer.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise BadValueError("the limit is out of range", f"1 to {MOST_LISTED}")
        stored = await self._store.tenants(after, limit)
        found = {record.id: KnownTenant(record, "store") for record in stored}
        for name, record in self._own.items():
            if name > after:
                found[record.id] = KnownTenant(record, "policy")
        return [found[name] for name in sorted(found)][:limit]

    async def update(self, actor: str, tenant: str, changes: Mapping[str, object]) -> TenantRecord:
        """Change fields of a tenant; those that are not named stay.

        Raises:
            LifecycleError: a value does not fit, or the tenant cannot be changed.
            StoreUnavailableError: the store cannot answer.
        """
        with audited(self._events, _event("update", actor, tenant, changes)):
            if not changes:
                raise BadValueError("nothing is to be changed", "name at least one field")
            return await self._swap(tenant, lambda record: self._changed(_living(record), changes))

    async def suspend(self, actor: str, tenant: str) -> TenantRecord:
        """Refuse a tenant's callers until it is resumed; nothing of it is lost.

        Raises:
            LifecycleError: the tenant cannot be changed.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._move("suspend", actor, tenant, TenantStatus.SUSPENDED)

    async def resume(self, actor: str, tenant: str) -> TenantRecord:
        """Serve a suspended tenant again.

        Raises:
            LifecycleError: the tenant cannot be changed.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._move("resume", actor, tenant, TenantStatus.ACTIVE)

    async def delete(self, actor: str, tenant: str) -> TenantRecord:
        """Refuse a tenant's callers for good, and delete what was said of it and its secrets.

        The id stays, as a tombstone: whoever still holds one of its credentials is refused, and
        nobody else can be given its name.

        Raises:
            LifecycleError: the tenant cannot be changed.
            StoreUnavailableError: the store cannot answer; secrets may be left, and a second
                delete deletes them.
        """
        with audited(self._events, _event("delete", actor, tenant)):
            record = await self._swap(tenant, _tombstone)
            for name in await self._store.secret_names(record.id):
                await self._store.delete_secret(record.id, name)
            return record

    async def revoke_tokens(self, actor: str, tenant: str) -> Revocation:
        """Refuse a tenant's tokens that were issued before now, whoever issued them.

        Raises:
            LifecycleError: this is no tenant's id.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._tokens.revoke(actor, RevocationKind.TENANT, tenant)

    async def _move(self, verb: str, actor: str, tenant: str, status: TenantStatus) -> TenantRecord:
        with audited(self._events, _event(verb, actor, tenant)):
            return await self._swap(tenant, lambda record: _moved(record, status))

    async def _swap(self, tenant: str, change: Change) -> TenantRecord:
        """Put a changed record in the place of the one that was seen, and of no other."""
        name = self._changeable(tenant)
        for _ in range(_ATTEMPTS):
            record = await self._stored(name)
            after = change(record)
            if after is record:
                return record
            after = replace(after, version=record.version + 1)
            if await self._store.put_tenant(after):
                return after
        raise ConflictError(f"the tenant {tenant} is being changed by others", "try again")

    async def _stored(self, tenant: TenantId) -> TenantRecord:
        record = await self._store.tenant(tenant)
        if record is None:
            raise NotFoundError(f"there is no tenant {tenant}", "sidecar tenants list shows all")
        return record

    def _changeable(self, tenant: str) -> TenantId:
        name = tenant_id(tenant)
        if name in self._own:
            raise ConflictError(
                f"the tenant {name} is defined by the policy, at tenants.{name}",
                "change it there, or take it out of the policy first",
            )
        return name

    def _changed(self, record: TenantRecord, changes: Mapping[str, object]) -> TenantRecord:
        after = changed(record, changes)
        if changes.get("upstream_credential") is not None and not self._has_vault:
            raise BadValueError(
                "upstream_credential names a secret, which only secrets.master_key can seal",
                "set secrets.master_key in the policy: file:PATH, made by openssl rand -hex 32",
            )
        return after


def _event(verb: str, actor: str, tenant: str, fields: Mapping[str, object] | None = None) -> Event:
    details = {"fields": sorted(map(str, fields))} if fields else None
    return Event(f"tenant.{verb}", actor, tenant, "tenant", tenant, details=details)


def _living(record: TenantRecord) -> TenantRecord:
    if record.status is TenantStatus.DELETED:
        raise ConflictError(
            f"the tenant {record.id} was deleted", "its id is never used again: create another"
        )
    return record


def _moved(record: TenantRecord, status: TenantStatus) -> TenantRecord:
    """Move to another status; where it stands already nothing changes: it may be a retry."""
    if _living(record).status is status:
        return record
    return replace(record, status=status)


def _tombstone(record: TenantRecord) -> TenantRecord:
    if record.status is TenantStatus.DELETED:
        return record
    return TenantRecord(record.id, TenantStatus.DELETED, version=record.version)
