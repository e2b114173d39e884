"""A store in memory that fails, waits and counts on demand."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.model.blocks import Block
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyDigest, KeyRecord, Revocation, TenantId, TenantRecord
from sidecar.model.ports import Changes


class FailingStore(MemoryStore):
    """A store whose reads can be broken or held.

    Attributes:
        is_broken: whether reads fail.
        blocks_are_broken: whether the list of blocks alone cannot be read.
        revocations_are_broken: whether the revocations alone cannot be read.
        gate: what look-ups of keys and tenants wait for, after they have read.
        asked: calls of each kind that reached it.
        watches: subscriptions that were begun.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.is_broken = False
        self.blocks_are_broken = False
        self.revocations_are_broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: Counter[str] = Counter()
        self.watches = asyncio.Semaphore(0)

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find a key; hold the answer back while the gate is shut."""
        self._note_asked("find_key")
        record = await super().find_key(digests)
        await self.gate.wait()
        return record

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant; hold the answer back while the gate is shut."""
        self._note_asked("tenant")
        record = await super().tenant(tenant)
        await self.gate.wait()
        return record

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision."""
        self._note_asked("changes")
        return await super().changes(after, mark)

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the revocations after a number."""
        self._note_asked("revocations")
        if self.revocations_are_broken:
            raise StoreUnavailableError("garbage")
        return await super().revocations(after)

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """Return the blocks in force."""
        self._note_asked("blocks")
        if self.blocks_are_broken:
            raise StoreUnavailableError("garbage")
        return await super().blocks(after, limit)

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` at each change."""
        self.watches.release()
        self._note_asked("watch")
        await super().watch(wake)

    async def note_uses(self, uses: object) -> None:
        """Take note of uses, and of the call."""
        self.asked["note_uses"] += 1
        await super().note_uses(uses)  # type: ignore[arg-type]  # the port's own mapping

    def _note_asked(self, what: str) -> None:
        self.asked[what] += 1
        if self.is_broken:
            raise StoreUnavailableError("broken")
