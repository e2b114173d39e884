"""A store behind a breaker: while it is down, whoever asks is told so at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from sidecar.adapters.stores.breaker import Breaker
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.errors import StoreUnavailableError, UnreadableRecordError
from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.ports import Changes, Store

P = ParamSpec("P")
T = TypeVar("T")


class Guarded:
    """Passes calls on to a store as long as it answers, and counts those that fail.

    Reads alone move the breaker: a server that is full or read-only fails every write, yet what it
    says of keys is as good as ever.

    Args:
        store: the store.
        breaker: says when to leave it alone.
        failed: is told the operation of each call that failed.
    """

    def __init__(self, store: Store, breaker: Breaker, failed: Callable[[str], None]) -> None:
        self._store = store
        self._breaker = breaker
        self._failed = failed

    @property
    def is_left_alone(self) -> bool:
        """Whether the store has failed so often that it is not asked."""
        return self._breaker.is_open

    async def _read(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        self._knock(call)
        try:
            answer = await call(*args, **kwargs)
        except UnreadableRecordError:
            # It answers: whoever asks for one bad record must not shut the others out.
            self._breaker.succeed()
            self._failed(_name(call))
            raise
        except StoreUnavailableError:
            self._breaker.fail()
            self._failed(_name(call))
            raise
        except BaseException:
            # Given up, or a fault of ours: a probe that nobody ends would never be made again.
            self._breaker.abandon()
            raise
        self._breaker.succeed()
        return answer

    async def _write(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except StoreUnavailableError:
            self._failed(_name(call))
            raise

    def _knock(self, call: object) -> None:
        if not self._breaker.admits():
            self._failed(_name(call))
            raise StoreUnavailableError("the store did not answer lately and is not asked now")

    async def open(self) -> None:
        """Open the store."""
        await self._store.open()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    # --- keys

    async def add_key(self, record: KeyRecord) -> bool:
        """Add a key; False when its id or digest is there already."""
        return await self._write(self._store.add_key, record)

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find the key that has one of these digests."""
        return await self._read(self._store.find_key, digests)

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""
        return await self._read(self._store.key, key_id)

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id."""
        return await self._read(self._store.keys, tenant, after, limit)

    async def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed record in the place of the version before it."""
        return await self._write(self._store.replace_key, record)

    async def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last."""
        await self._write(self._store.note_uses, uses)

    # --- tenants

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""
        return await self._read(self._store.tenant, tenant)

    async def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id."""
        return await self._read(self._store.tenants, after, limit)

    async def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant of version 1, or put a changed record in the place of the version before."""
        return await self._write(self._store.put_tenant, record)

    async def admit_domain(
        self, tenant: TenantId, project: str, domain: str, *, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it (AN-8)."""
        return await self._write(
            self._store.admit_domain,
            tenant, project, domain, cap=cap, window_seconds=window_seconds,
        )  # fmt: skip

    # --- revocations

    async def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""
        await self._write(self._store.revoke, revocation)

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the revocations in force with a number above `after`, and the newest number."""
        return await self._read(self._store.revocations, after)

    # --- blocks

    async def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value."""
        return await self._write(self._store.put_block, block, most)

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id."""
        return await self._read(self._store.blocks, after, limit)

    async def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block; False when there was none in force."""
        return await self._write(self._store.remove_block, kind, value)

    # --- secrets

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret."""
        await self._write(self._store.put_secret, tenant, name, sealed)

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""
        return await self._read(self._store.sealed_secret, tenant, name)

    async def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""
        return await self._read(self._store.secret_names, tenant)

    async def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""
        return await self._write(self._store.delete_secret, tenant, name)

    # --- changes

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision."""
        return await self._read(self._store.changes, after, mark)

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a change may have happened."""
        await self._store.watch(wake)


def _name(call: object) -> str:
    return getattr(call, "__name__", "call")
