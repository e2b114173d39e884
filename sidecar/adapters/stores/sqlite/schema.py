"""The tables of the SQLite file, their versions, and how the file is opened."""

import os
import sqlite3
import time
from itertools import chain
from pathlib import Path
from typing import Final

from sidecar.model.errors import StoreUnavailableError

APPLICATION_ID: Final = 0x51DECA12
"""Marks the file as ours, so that the database of another program is never migrated."""

# Step n brings a file of version n to version n + 1. A step that was shipped is never changed.
STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE keys (
            id TEXT NOT NULL PRIMARY KEY, digest BLOB NOT NULL UNIQUE, tenant TEXT,
            version INTEGER NOT NULL, used REAL, record BLOB NOT NULL) STRICT""",
        "CREATE INDEX keys_of_tenant ON keys (tenant, id)",
        """CREATE TABLE tenants (
            id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL) STRICT""",
        """CREATE TABLE domains (
            tenant TEXT NOT NULL, project TEXT NOT NULL, domain TEXT NOT NULL, noted REAL NOT NULL,
            PRIMARY KEY (tenant, project, domain)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE revocations (
            number INTEGER PRIMARY KEY AUTOINCREMENT, expires REAL NOT NULL,
            record BLOB NOT NULL) STRICT""",
        "CREATE INDEX revocations_by_end ON revocations (expires)",
        """CREATE TABLE secrets (
            tenant TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL,
            PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE changes (
            revision INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
            at REAL NOT NULL) STRICT""",
    ),
    (
        """CREATE TABLE blocks (
            id TEXT NOT NULL PRIMARY KEY, until REAL, record BLOB NOT NULL) STRICT""",
        "CREATE INDEX blocks_by_end ON blocks (until)",
    ),
)

_ROUND_SECONDS: Final = 0.02

_REASONS: Final = {
    sqlite3.SQLITE_BUSY: "the state file is locked by another process",
    sqlite3.SQLITE_LOCKED: "the state file is locked by another process",
    sqlite3.SQLITE_READONLY: "the state file cannot be written",
    sqlite3.SQLITE_FULL: "the disk of the state file is full",
    sqlite3.SQLITE_CORRUPT: "the state file is damaged",
    sqlite3.SQLITE_NOTADB: "the state file is no SQLite database",
    sqlite3.SQLITE_CANTOPEN: "the state file cannot be opened",
    sqlite3.SQLITE_PERM: "the state file cannot be written",
    sqlite3.SQLITE_IOERR: "the disk of the state file fails",
}


def unavailable(error: sqlite3.Error) -> StoreUnavailableError:
    """Translate an error of SQLite; its text may quote a record and goes no further."""
    # The low byte is the class; the others say more than an operator can use.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreUnavailableError(_REASONS.get(code, f"the state file cannot be used ({name})"))


def opened(path: Path, seconds: float) -> sqlite3.Connection:
    """Open the file, make it where there is none, and bring it to this version.

    Args:
        path: the file; its folder is made too, for its owner alone.
        seconds: how long to wait for other processes.

    Raises:
        StoreUnavailableError: it cannot be used, or is of a version that is not ours.
    """
    _make(path)
    try:
        connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    except sqlite3.Error as error:
        raise unavailable(error) from error
    try:
        _configure(connection, time.monotonic() + seconds)
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise unavailable(error) from error
    except StoreUnavailableError:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    # SQLite gives its side files the mode of the file, so they are closed to others as well.
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = f"the state file cannot be made or written: {error.strerror}"
        raise StoreUnavailableError(reason) from error
    try:
        status = os.fstat(file)
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _configure(connection: sqlite3.Connection, end: float) -> None:
    if _journal_mode(connection, end) != "wal":
        raise StoreUnavailableError("the file system of the state file cannot hold SQLite's WAL")
    # What was acknowledged survives a loss of power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")


def _journal_mode(connection: sqlite3.Connection, end: float) -> object:
    while (mode := _tried_journal_mode(connection, end)) is None:
        time.sleep(_ROUND_SECONDS)
    return mode


def _tried_journal_mode(connection: sqlite3.Connection, end: float) -> object:
    try:
        return connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Two processes that make the file at once: this lock knows no busy time-out.
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
            raise
    return None


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")  # others may open the file at the same time
    try:
        for statement in chain.from_iterable(STEPS[_version(connection) :]):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    count: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or count):
        raise StoreUnavailableError("the state file is the database of another program")
    if version > len(STEPS):
        raise StoreUnavailableError(
            f"the state file is of version {version}, newer than version {len(STEPS)} of this"
            " sidecar"
        )
    return version
