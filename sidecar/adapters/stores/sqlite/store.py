"""The state store in a SQLite file, for callers that must not wait for a disk."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from sidecar.adapters.stores.gate import Gate
from sidecar.adapters.stores.sqlite.schema import unavailable
from sidecar.adapters.stores.sqlite.tables import Tables
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.ports import Changes

P = ParamSpec("P")
T = TypeVar("T")

QUEUE: Final = 1024
PULSE_SECONDS: Final = 0.25


_WIDTH: Final = 32
"""Calls that wait for the one thread: with one at a time each would take a turn of the loop."""


class SqliteStore:
    """Keeps everything in one file, on one thread of its own.

    What was acknowledged survives a crash and a loss of power (WAL, `synchronous = FULL`). Several
    processes may have the file open; each sees what the others changed.

    Args:
        path: the file.
        clock: gives Unix seconds.
        timeout: how long one call may take, in seconds; longer than the file waits for a lock.
        pulse_seconds: how often `watch` looks for commits of other processes.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        *,
        timeout: float = 1.0,
        pulse_seconds: float = PULSE_SECONDS,
    ) -> None:
        self._path = path
        self._clock = clock
        self._timeout = timeout
        self._pulse_seconds = pulse_seconds
        self._gate = Gate(_WIDTH, QUEUE, timeout)
        self._thread = ThreadPoolExecutor(1, "state file")
        self._tables: Tables | None = None
        self._wakes: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Open the file, make it where there is none, and bring it to this version.

        Raises:
            StoreUnavailableError: it cannot be used, or is of a version that is not ours.
        """
        # Half of the time for the lock: then the reason is the lock and not the clock.
        lock_seconds = self._timeout / 2
        loop = asyncio.get_running_loop()
        # No deadline: a migration may take its time, and nobody is served yet.
        self._tables = await loop.run_in_executor(
            self._thread, Tables, self._path, lock_seconds, self._clock
        )

    async def close(self) -> None:
        """Close the file, after the call that runs."""
        tables, self._tables = self._tables, None
        if tables is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, tables.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self, call: Callable[Concatenate[Tables, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        tables = self._tables
        if tables is None:
            raise StoreUnavailableError("the state file is not open")
        loop = asyncio.get_running_loop()

        def translated() -> T:
            try:
                tables.prove_place()
                return call(tables, *args, **kwargs)
            except sqlite3.Error as error:
                raise unavailable(error) from error

        async def on_thread() -> T:
            return await loop.run_in_executor(self._thread, translated)

        return await self._gate.run(on_thread)

    async def _change(
        self, call: Callable[Concatenate[Tables, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        done = await self._run(call, *args, **kwargs)
        for wake in self._wakes:
            wake()
        return done

    # --- keys

    async def add_key(self, record: KeyRecord) -> bool:
        """Add a key; False when its id or digest is there already."""
        return await self._change(Tables.add_key, record)

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find the key that has one of these digests."""
        return await self._run(Tables.find_key, digests)

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""
        return await self._run(Tables.key, key_id)

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id."""
        return await self._run(Tables.keys, tenant, after, limit)

    async def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed record in the place of the version before it."""
        return await self._change(Tables.replace_key, record)

    async def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last."""
        if uses:
            await self._run(Tables.note_uses, uses)

    # --- tenants

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""
        return await self._run(Tables.tenant, tenant)

    async def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id."""
        return await self._run(Tables.tenants, after, limit)

    async def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant of version 1, or put a changed record in the place of the version before."""
        return await self._change(Tables.put_tenant, record)

    async def admit_domain(
        self, tenant: TenantId, project: str, domain: str, *, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it (AN-8)."""
        return await self._run(Tables.admit_domain, tenant, project, domain, cap, window_seconds)

    # --- revocations

    async def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""
        await self._change(Tables.revoke, revocation)

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the unexpired revocations with a number above `after`, and the newest number."""
        return await self._run(Tables.revocations, after)

    # --- blocks

    async def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value."""
        return await self._change(Tables.put_block, block, most)

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id."""
        return await self._run(Tables.blocks, after, limit)

    async def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block; False when there was none in force."""
        return await self._change(Tables.remove_block, kind, value)

    # --- secrets

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret."""
        await self._change(Tables.put_secret, tenant, name, sealed)

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""
        return await self._run(Tables.sealed_secret, tenant, name)

    async def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""
        return await self._run(Tables.secret_names, tenant)

    async def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""
        return await self._change(Tables.delete_secret, tenant, name)

    # --- changes

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision."""
        return await self._run(Tables.changes, after, mark)

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` at each change of this process, and soon after one of another.

        Raises:
            StoreUnavailableError: the file cannot be read.
        """
        self._wakes.append(wake)
        try:
            await self._look_for_others(wake)
        finally:
            self._wakes.remove(wake)

    async def _look_for_others(self, wake: Callable[[], None]) -> None:
        seen = await self._run(Tables.pulse)
        while True:
            await asyncio.sleep(self._pulse_seconds)
            if seen != (seen := await self._run(Tables.pulse)):
                wake()
