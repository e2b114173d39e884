"""Secrets of tenants and of the installation: sealed in a store, remembered for a short while.

The store holds what the box sealed (SE-1); the memory holds what was opened lately, so that a
request for a tenant's upstream waits for the store once and not each time (TN-6).
"""

from collections.abc import Callable
from typing import Final

from sidecar.adapters.vault.box import Box, Place, SealedError
from sidecar.model.identity import TenantId
from sidecar.model.ports import UNKNOWN, Event, Events, SecretStore, Unsure
from sidecar.model.questions import FindCredential
from sidecar.model.secret import Secret

KIND: Final = "secret"
MEMORY: Final = 1024
ACTOR: Final = "sidecar"
"""Who opened a secret because a request needs it, in the audit."""


class Vault:
    """Sets, opens and deletes secrets.

    Args:
        store: holds them sealed.
        box: seals and opens them; None when the policy has no `secrets.master_key`: then names can
            be listed and secrets deleted, nothing more.
    """

    def __init__(self, store: SecretStore, box: Box | None) -> None:
        self._store = store
        self._box = box

    async def set(self, tenant: str, name: str, value: Secret) -> None:
        """Seal a secret and put it in the place of the one before.

        Args:
            tenant: whose it is; empty for the installation's.
            name: its name.
            value: the secret.

        Raises:
            SealedError: there is no master key.
            StoreUnavailableError: the store cannot answer.
        """
        sealed = self._opened_box().seal(Place(KIND, tenant, name), value)
        await self._store.put_secret(tenant, name, sealed)

    async def get(self, tenant: str, name: str) -> Secret | None:
        """Open a secret; None when there is none.

        Raises:
            SealedError: there is no master key, or none that opens it.
            StoreUnavailableError: the store cannot answer.
        """
        box = self._opened_box()
        sealed = await self._store.sealed_secret(tenant, name)
        return None if sealed is None else box.open(Place(KIND, tenant, name), sealed)

    async def names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets, or of the installation's."""
        return sorted(await self._store.secret_names(tenant))

    async def delete(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""
        return await self._store.delete_secret(tenant, name)

    async def reseal(self, tenant: str) -> int:
        """Seal a tenant's secrets with the newest master key, where an older one did.

        A secret that is set in the same moment may get its old value back: the newest key is in
        force everywhere first, and secrets are set afterwards.

        Returns:
            How many were sealed anew.

        Raises:
            SealedError: there is no master key, or one of them does not open; those before it are
                sealed anew.
            StoreUnavailableError: the store cannot answer.
        """
        box, count = self._opened_box(), 0
        for name in await self.names(tenant):
            sealed = await self._store.sealed_secret(tenant, name)
            anew = None if sealed is None else box.reseal(Place(KIND, tenant, name), sealed)
            if anew is not None:
                await self._store.put_secret(tenant, name, anew)
                count += 1
        return count

    def _opened_box(self) -> Box:
        if self._box is None:
            raise SealedError("secrets need secrets.master_key, which the policy does not set")
        return self._box


class UnsealedSecrets:
    """Secrets that were opened lately, and the answer to who asks for another.

    It knows nothing while changes of the store cannot be seen, so that a deleted or changed secret
    is used no longer than the policy's bound on staleness.

    Args:
        vault: opens secrets.
        is_current: whether the change feed is within its bound on staleness.
        events: is told of each secret that was opened and was not remembered (AU-2).
        limit: most secrets that are remembered; then it starts again.
    """

    __slots__ = ("_events", "_forgotten", "_is_current", "_known", "_limit", "_vault")

    def __init__(
        self,
        vault: Vault,
        is_current: Callable[[], bool],
        events: Events,
        *,
        limit: int = MEMORY,
    ) -> None:
        self._vault = vault
        self._is_current = is_current
        self._events = events
        self._limit = limit
        self._known: dict[tuple[str, str], Secret | None] = {}
        self._forgotten = 0

    def at_hand(self, tenant: TenantId, name: str) -> Secret | Unsure | None:
        """Return the secret, None when there is none such, UNKNOWN when the vault must be asked."""
        if not self._is_current():
            return UNKNOWN
        return self._known.get((tenant, name), UNKNOWN)

    async def find(self, question: FindCredential) -> Secret | None:
        """Answer which credential a tenant's upstream gets.

        Raises:
            StoreUnavailableError: the store cannot answer, or the secret cannot be opened.
        """
        forgotten = self._forgotten
        secret = await self._vault.get(question.tenant, question.name)
        if secret is not None and (question.tenant, question.name) not in self._known:
            self._events.note_event(
                Event("secret.access", ACTOR, question.tenant, "secret", question.name)
            )
        # What was forgotten while the store was asked may be what the store answered.
        if forgotten == self._forgotten:
            if len(self._known) >= self._limit:
                self._known.clear()
            self._known[question.tenant, question.name] = secret
        return secret

    def forget(self, tenant: str, name: str) -> None:
        """Forget a secret that was changed."""
        self._forgotten += 1
        self._known.pop((tenant, name), None)

    def forget_all(self) -> None:
        """Forget all of them: nobody knows what was changed."""
        self._forgotten += 1
        self._known.clear()
