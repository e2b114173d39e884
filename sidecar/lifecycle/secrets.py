"""Secrets, as operators set, list and delete them; one that was set is never shown again (SE-2)."""

from collections.abc import Mapping
from typing import Final

from sidecar.adapters.vault.secrets import Vault
from sidecar.lifecycle.errors import BadValueError, ConflictError, NotFoundError, audited
from sidecar.lifecycle.tenant_facts import tenant_id, word
from sidecar.model.identity import TenantStatus
from sidecar.model.ports import Event, Events, TenantStore
from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy

MOST_BYTES: Final = 16 * 1024
ALL: Final = "*"
UNNAMED: Final = "-"
"""What stands in the audit for all secrets of an owner, and for a name that is none."""


class Secrets:
    """Acts on secrets of tenants and of the installation; each action goes to the audit.

    Args:
        vault: holds them.
        tenants: the store's tenants.
        policy: the policy in force.
        events: the audit.
    """

    def __init__(self, vault: Vault, tenants: TenantStore, policy: Policy, events: Events) -> None:
        self._vault = vault
        self._tenants = tenants
        self._own = frozenset(policy.tenants)
        self._has_master_key = policy.secrets.master_key is not None
        self._events = events

    async def set(self, actor: str, tenant: str | None, name: str, value: Secret) -> None:
        """Set a secret, in the place of the one before.

        Args:
            actor: who sets it.
            tenant: whose it is; None for the installation's.
            name: its name.
            value: the secret, up to 16 KiB.

        Raises:
            LifecycleError: a value does not fit, there is no such tenant, or no master key.
            StoreUnavailableError: the store cannot answer.

        Controls: SE-1.
        """
        with audited(self._events, _event("set", actor, tenant, name)):
            word(name, "the name")
            if not 1 <= len(value.reveal()) <= MOST_BYTES:
                raise BadValueError("the secret is empty or too large", f"1 to {MOST_BYTES} bytes")
            self._need_master_key()
            owner = await self._living(tenant)
            await self._vault.set(owner, name, value)

    async def list(self, tenant: str | None) -> list[str]:
        """List the names of a tenant's secrets, or of the installation's.

        Raises:
            LifecycleError: this is no tenant's id.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._vault.names(_owner(tenant))

    async def delete(self, actor: str, tenant: str | None, name: str) -> None:
        """Delete a secret.

        Raises:
            LifecycleError: there is none such.
            StoreUnavailableError: the store cannot answer.
        """
        with audited(self._events, _event("delete", actor, tenant, name)):
            if not await self._vault.delete(_owner(tenant), word(name, "the name")):
                whose = f"the tenant {tenant}" if tenant else "the installation"
                raise NotFoundError(f"{whose} has no secret {name}", "sidecar secrets list")

    async def reseal(self, actor: str, tenant: str | None) -> int:
        """Seal secrets with the newest master key, where an older one of the ring did.

        Returns:
            How many were sealed anew.

        Raises:
            LifecycleError: there is no master key.
            StoreUnavailableError: the store cannot answer, or a secret cannot be opened.
        """
        details: dict[str, object] = {}
        with audited(self._events, _event("reseal", actor, tenant, ALL, details)):
            self._need_master_key()
            count = await self._vault.reseal(_owner(tenant))
            details["count"] = count
        return count

    def _need_master_key(self) -> None:
        if not self._has_master_key:
            raise BadValueError(
                "secrets are sealed with secrets.master_key, which the policy does not set",
                "secrets: {master_key: file:PATH}, a file made by openssl rand -hex 32",
            )

    async def _living(self, tenant: str | None) -> str:
        """Insist on a tenant that is there: what is set for a misspelled one is never found."""
        owner = _owner(tenant)
        if not owner or owner in self._own:
            return owner
        record = await self._tenants.tenant(tenant_id(owner))
        if record is None:
            raise NotFoundError(f"there is no tenant {owner}", "sidecar tenants list shows all")
        if record.status is TenantStatus.DELETED:
            raise ConflictError(f"the tenant {owner} was deleted", "its secrets went with it")
        return owner


def _owner(tenant: str | None) -> str:
    return "" if tenant is None else tenant_id(tenant)


def _event(
    verb: str,
    actor: str,
    tenant: str | None,
    name: str,
    details: Mapping[str, object] | None = None,
) -> Event:
    return Event(f"secret.{verb}", actor, tenant, "secret", _shown(name), details=details)


def _shown(name: str) -> str:
    """Name a secret in the audit; what is no name may be the secret, given in the wrong place."""
    try:
        return name if name == ALL else word(name, "the name")
    except BadValueError:
        return UNNAMED
