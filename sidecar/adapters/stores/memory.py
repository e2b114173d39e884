"""The state store in the memory of one process: for trying things out and for tests."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from sidecar.model.blocks import Block, BlockKind
from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.ports import Change, ChangeKind, Changes

LOG_ENTRIES: Final = 10_000
"""Changes that a log reaches back to; whoever slept longer forgets all it remembers."""


class _Named(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Named)


class MemoryStore:
    """Keeps everything in dictionaries; a restart empties it, and no other process sees it.

    Args:
        clock: gives Unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._keys: dict[KeyId, KeyRecord] = {}
        self._ids: dict[KeyDigest, KeyId] = {}
        self._tenants: dict[TenantId, TenantRecord] = {}
        self._domains: dict[tuple[TenantId, str], dict[str, float]] = {}
        self._revocations: dict[int, Revocation] = {}
        self._revoked = 0
        self._blocks: dict[str, Block] = {}
        self._secrets: dict[tuple[str, str], bytes] = {}
        self._log: deque[Change] = deque(maxlen=LOG_ENTRIES)
        self._revision = 0
        self._wakes: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Nothing has to be opened."""

    async def close(self) -> None:
        """Nothing has to be released."""

    # --- keys

    async def add_key(self, record: KeyRecord) -> bool:
        """Add a key; False when its id or digest is there already."""
        if record.id in self._keys or record.digest in self._ids:
            return False
        self._keys[record.id] = record
        self._ids[record.digest] = record.id
        self._note(ChangeKind.KEY, record.id)
        return True

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find the key that has one of these digests."""
        found = (self._ids.get(digest) for digest in digests)
        return next((self._keys[one] for one in found if one is not None), None)

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""
        return self._keys.get(key_id)

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id."""
        owned = (one for one in self._keys.values() if tenant in (None, one.tenant))
        return _page(owned, after, limit)

    async def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed record in the place of the version before it."""
        old = self._keys.get(record.id)
        if old is None or (old.version, old.tenant) != (record.version - 1, record.tenant):
            return False
        if self._ids.get(record.digest, record.id) != record.id:
            return False
        del self._ids[old.digest]
        self._ids[record.digest] = record.id
        used = max(old.last_used_at or 0.0, record.last_used_at or 0.0) or None
        self._keys[record.id] = replace(record, last_used_at=used)
        self._note(ChangeKind.KEY, record.id)
        return True

    async def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last."""
        for key_id, at in uses.items():
            old = self._keys.get(key_id)
            if old is not None and at > (old.last_used_at or 0.0):
                self._keys[key_id] = replace(old, last_used_at=at)

    # --- tenants

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""
        return self._tenants.get(tenant)

    async def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id."""
        return _page(self._tenants.values(), after, limit)

    async def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant of version 1, or put a changed record in the place of the version before."""
        old = self._tenants.get(record.id)
        if (0 if old is None else old.version) != record.version - 1:
            return False
        self._tenants[record.id] = record
        self._note(ChangeKind.TENANT, record.id)
        return True

    async def admit_domain(
        self, tenant: TenantId, project: str, domain: str, *, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it (AN-8)."""
        now = self._clock()
        noted = self._domains.setdefault((tenant, project), {})
        for gone in [one for one, at in noted.items() if at <= now - window_seconds]:
            del noted[gone]
        if domain not in noted and len(noted) >= cap:
            return False
        # Noted anew at each use: else the cap would not hold for every stretch of that length.
        noted[domain] = now
        return True

    # --- revocations

    async def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""
        now = self._clock()
        for gone in [number for number, one in self._revocations.items() if one.kept_until <= now]:
            del self._revocations[gone]
        self._revoked += 1
        self._revocations[self._revoked] = revocation
        self._note(ChangeKind.REVOCATION, str(self._revoked))

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the revocations in force with a number above `after`, and the newest number."""
        now = self._clock()
        found = [
            one
            for number, one in self._revocations.items()
            if number > after and one.kept_until > now
        ]
        return self._revoked, found

    # --- blocks

    async def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value."""
        held = self._blocks_in_force()
        if block.id not in held and len(held) >= most:
            return False
        held[block.id] = block
        self._note(ChangeKind.BLOCK, block.id)
        return True

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id."""
        return _page(self._blocks_in_force().values(), after, limit)

    async def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block; False when there was none in force."""
        gone = self._blocks_in_force().pop(Block(kind, value).id, None)
        if gone is None:
            return False
        self._note(ChangeKind.BLOCK, gone.id)
        return True

    def _blocks_in_force(self) -> dict[str, Block]:
        now = self._clock()
        for gone in [name for name, one in self._blocks.items() if one.is_over(now)]:
            del self._blocks[gone]
        return self._blocks

    # --- secrets

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret."""
        self._secrets[tenant, name] = sealed
        self._note(ChangeKind.SECRET, f"{tenant}/{name}")

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""
        return self._secrets.get((tenant, name))

    async def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""
        return sorted(name for owner, name in self._secrets if owner == tenant)

    async def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""
        if self._secrets.pop((tenant, name), None) is None:
            return False
        self._note(ChangeKind.SECRET, f"{tenant}/{name}")
        return True

    # --- changes

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision; it is always the same store."""
        del mark
        now = self._clock()
        if after is None:
            return Changes(self._revision, (), is_complete=True, now=now)
        oldest = self._log[0].revision if self._log else 0
        if after > self._revision or oldest > max(after, 1):
            return Changes(self._revision, (), is_complete=False, now=now)
        items = tuple(one for one in self._log if one.revision > after)
        return Changes(self._revision, items, is_complete=True, now=now)

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` at each change, until the task is cancelled."""
        self._wakes.append(wake)
        try:
            await asyncio.Event().wait()
        finally:
            self._wakes.remove(wake)

    def _note(self, kind: ChangeKind, name: str) -> None:
        self._revision += 1
        self._log.append(Change(self._revision, kind, name, self._clock()))
        for wake in self._wakes:
            wake()


def _page(records: Iterable[R], after: str, limit: int) -> list[R]:
    return sorted((one for one in records if one.id > after), key=_id_of)[:limit]


def _id_of(record: _Named) -> str:
    return record.id
