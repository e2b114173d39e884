"""What a state store does, as SQL; it blocks, and belongs to the thread that made it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.records import decode, decode_key, encode, encode_key
from sidecar.adapters.stores.sqlite.schema import opened
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
from sidecar.model.ports import Change, ChangeKind, Changes

_REPLACE: Final = """UPDATE OR IGNORE keys SET digest = ?, version = ?, record = ?,
    used = nullif(max(coalesce(used, 0), coalesce(?, 0)), 0)
    WHERE id = ? AND version = ? AND tenant IS ?"""

_KINDS: Final = frozenset(kind.value for kind in ChangeKind)


class Tables:
    """The state file, open.

    Args:
        path: the file.
        seconds: how long to wait for a lock of another process.
        clock: gives Unix seconds.

    Raises:
        StoreUnavailableError: the file cannot be used.
    """

    def __init__(self, path: Path, seconds: float, clock: Callable[[], float]) -> None:
        self._path = path
        self._connection = opened(path, seconds)
        self._place = self._found_place()
        self._ask = self._connection.execute
        self._clock = clock

    def prove_place(self) -> None:
        """Make sure that this is the file which others find, and change.

        A file that was replaced is not opened again: the log of the one before may lie beside it,
        and SQLite would take it for its own.

        Raises:
            StoreUnavailableError: it is not: whoever goes on with it hears of no change any more.
        """
        if self._found_place() != self._place:
            raise StoreUnavailableError(
                "the state file was replaced under the running sidecar, which must be restarted"
            )

    def _found_place(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            reason = f"the state file is not where it was: {error.strerror}"
            raise StoreUnavailableError(reason) from error
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        # Immediate: a transaction that reads first and writes later could not be retried.
        self._ask("BEGIN IMMEDIATE")
        try:
            yield
            self._ask("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._ask("ROLLBACK")

    def _note(self, kind: ChangeKind, name: str) -> None:
        added = self._ask(
            "INSERT INTO changes (kind, id, at) VALUES (?, ?, ?)", (kind, name, self._clock())
        )
        oldest = (added.lastrowid or 0) - LOG_ENTRIES
        self._ask("DELETE FROM changes WHERE revision <= ?", (oldest,))

    # --- keys

    def add_key(self, record: KeyRecord) -> bool:
        """Add a key."""
        row = (
            record.id, record.digest, record.tenant, record.version, record.last_used_at,
            encode_key(record),
        )  # fmt: skip
        with self._writing():
            added = self._ask("INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
            if not added.rowcount:
                return False
            self._note(ChangeKind.KEY, record.id)
        return True

    def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find a key by one of its digests."""
        for digest in digests:
            row = self._ask("SELECT record, used FROM keys WHERE digest = ?", (digest,)).fetchone()
            if row is not None:
                return decode_key(*row)
        return None

    def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""
        row = self._ask("SELECT record, used FROM keys WHERE id = ?", (key_id,)).fetchone()
        return None if row is None else decode_key(*row)

    def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id."""
        if tenant is None:
            rows = self._ask(
                "SELECT record, used FROM keys WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
            )
        else:
            rows = self._ask(
                "SELECT record, used FROM keys WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",
                (tenant, after, limit),
            )
        return [decode_key(*row) for row in rows]

    def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed key in the place of the version before it."""
        row = (
            record.digest, record.version, encode_key(record), record.last_used_at,
            record.id, record.version - 1, record.tenant,
        )  # fmt: skip
        with self._writing():
            if not self._ask(_REPLACE, row).rowcount:
                return False
            self._note(ChangeKind.KEY, record.id)
        return True

    def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last."""
        rows = [(at, key_id, at) for key_id, at in uses.items()]
        with self._writing():
            self._connection.executemany(
                "UPDATE keys SET used = ? WHERE id = ? AND coalesce(used, 0) < ?", rows
            )

    # --- tenants

    def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""
        row = self._ask("SELECT record FROM tenants WHERE id = ?", (tenant,)).fetchone()
        return None if row is None else decode(TenantRecord, row[0])

    def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id."""
        rows = self._ask(
            "SELECT record FROM tenants WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [decode(TenantRecord, text) for (text,) in rows]

    def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant, or put a changed one in the place of the version before it."""
        text = encode(record)
        with self._writing():
            if record.version == 1:
                row = (record.id, 1, text)
                done = self._ask("INSERT OR IGNORE INTO tenants VALUES (?, ?, ?)", row)
            else:
                done = self._ask(
                    "UPDATE tenants SET version = ?, record = ? WHERE id = ? AND version = ?",
                    (record.version, text, record.id, record.version - 1),
                )
            if not done.rowcount:
                return False
            self._note(ChangeKind.TENANT, record.id)
        return True

    def admit_domain(
        self, tenant: TenantId, project: str, domain: str, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it."""
        now, owner = self._clock(), (tenant, project)
        with self._writing():
            self._ask(
                "DELETE FROM domains WHERE tenant = ? AND project = ? AND noted <= ?",
                (*owner, now - window_seconds),
            )
            rows = self._ask("SELECT domain FROM domains WHERE tenant = ? AND project = ?", owner)
            noted = {name for (name,) in rows}
            is_admitted = domain in noted or len(noted) < cap
            if is_admitted:
                self._ask("INSERT OR REPLACE INTO domains VALUES (?, ?, ?, ?)",
                          (*owner, domain, now))  # fmt: skip
        return is_admitted

    # --- revocations

    def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""
        row = (revocation.kept_until, encode(revocation))
        with self._writing():
            self._ask("DELETE FROM revocations WHERE expires <= ?", (self._clock(),))
            added = self._ask("INSERT INTO revocations (expires, record) VALUES (?, ?)", row)
            self._note(ChangeKind.REVOCATION, str(added.lastrowid))

    def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return revocations from a number on."""
        # Numbers are given in order and by one writer at a time, so whoever reads the newest number
        # first misses none up to it; one more of the list is told twice, which does no harm.
        newest = self._ask("SELECT seq FROM sqlite_sequence WHERE name = 'revocations'").fetchone()
        rows = self._ask(
            "SELECT record FROM revocations WHERE number > ? AND expires > ? ORDER BY number",
            (after, self._clock()),
        )
        return (newest[0] if newest else 0), [decode(Revocation, text) for (text,) in rows]

    # --- blocks

    def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value."""
        row = (block.id, block.until, encode(block))
        with self._writing():
            self._ask("DELETE FROM blocks WHERE until <= ?", (self._clock(),))
            held = self._ask("SELECT count(*) FROM blocks WHERE id <> ?", (block.id,)).fetchone()
            if held[0] >= most:
                return False
            self._ask("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", row)
            self._note(ChangeKind.BLOCK, block.id)
        return True

    def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id."""
        rows = self._ask(
            "SELECT record FROM blocks WHERE id > ? AND (until IS NULL OR until > ?)"
            " ORDER BY id LIMIT ?",
            (after, self._clock(), limit),
        )
        return [decode(Block, text) for (text,) in rows]

    def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block."""
        name = Block(kind, value).id
        with self._writing():
            self._ask("DELETE FROM blocks WHERE until <= ?", (self._clock(),))
            if not self._ask("DELETE FROM blocks WHERE id = ?", (name,)).rowcount:
                return False
            self._note(ChangeKind.BLOCK, name)
        return True

    # --- secrets

    def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret."""
        with self._writing():
            self._ask("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?)", (tenant, name, sealed))
            self._note(ChangeKind.SECRET, f"{tenant}/{name}")

    def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""
        row = self._ask(
            "SELECT sealed FROM secrets WHERE tenant = ? AND name = ?", (tenant, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""
        rows = self._ask("SELECT name FROM secrets WHERE tenant = ? ORDER BY name", (tenant,))
        return [name for (name,) in rows]

    def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret."""
        with self._writing():
            gone = self._ask("DELETE FROM secrets WHERE tenant = ? AND name = ?", (tenant, name))
            if not gone.rowcount:
                return False
            self._note(ChangeKind.SECRET, f"{tenant}/{name}")
        return True

    # --- changes

    def changes(self, after: int | None, mark: bytes) -> Changes:
        """Return the changes after a revision."""
        with self._reading():
            oldest, revision = self._ask(
                "SELECT coalesce(min(revision), 0), coalesce(max(revision), 0) FROM changes"
            ).fetchone()
            told = Changes(
                revision, (), is_complete=True, now=self._clock(), mark=self._mark(revision)
            )
            if after is None:
                return told
            # A file that was restored counts its changes anew: the entry then is another one.
            is_same = mark in {b"", self._mark(after)}
            if after > revision or oldest > max(after, 1) or not is_same:
                return replace(told, is_complete=False)
            rows = self._ask(
                "SELECT revision, kind, id, at FROM changes WHERE revision > ? ORDER BY revision",
                (after,),
            ).fetchall()
        if not _KINDS.issuperset(kind for _, kind, _, _ in rows):
            # Of a newer version: it may be about anything.
            return replace(told, is_complete=False)
        items = tuple(Change(one[0], ChangeKind(one[1]), one[2], one[3]) for one in rows)
        return replace(told, items=items)

    def _mark(self, revision: int) -> bytes:
        row = self._ask(
            "SELECT kind, id, at FROM changes WHERE revision = ?", (revision,)
        ).fetchone()
        return b"" if row is None else repr(row).encode()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._ask("BEGIN")
        try:
            yield
        finally:
            self._ask("ROLLBACK")

    def pulse(self) -> int:
        """Return a number that differs after another connection committed."""
        number: int = self._ask("PRAGMA data_version").fetchone()[0]
        return number
