"""The store in a SQLite file: the contract, crashes, several processes, unusable files."""

import asyncio
import random
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.sqlite.schema import APPLICATION_ID, STEPS, unavailable
from sidecar.adapters.stores.sqlite.store import SqliteStore
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId
from sidecar.model.ports import ChangeKind, Store
from tests.conftest import ManualClock
from tests.stores.contract import StoreContract
from tests.stores.rows import a_block, a_key, changed

WRITER = Path(__file__).with_name("writer.py")
HOUSE = Path(__file__).parents[3]


@pytest.fixture
def elapse(clock: ManualClock) -> Callable[[float], Awaitable[None]]:
    async def advance(seconds: float) -> None:
        clock.advance(seconds)

    return advance


class TestSqliteStore(StoreContract):
    """The suite of all stores."""


async def _reopened(file: Path, clock: ManualClock, seconds: float = 0.4) -> SqliteStore:
    store = SqliteStore(file, clock, timeout=seconds, pulse_seconds=0.02)
    await store.open()
    return store


def _modes_in(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}


def _open_to_all(file: Path) -> None:
    file.chmod(0o644)


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True)


def _read(file: Path) -> bytes:
    return file.read_bytes()


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


async def test_what_was_written_is_there_after_a_restart(
    store: Store, file: Path, clock: ManualClock
) -> None:
    await store.add_key(a_key())
    await store.close()
    again = await _reopened(file, clock)
    assert await again.key(KeyId("k1")) == a_key()
    assert (await again.changes(0)).revision == 1
    await again.close()


async def test_nobody_else_may_read_the_files(store: Store, file: Path) -> None:
    await store.add_key(a_key())
    names = ("state.db", "state.db-wal", "state.db-shm")
    assert _modes_in(file.parent) == dict.fromkeys(names, 0o600)
    assert _modes_in(file.parent.parent) == {"state": 0o700}


async def test_a_file_that_others_may_read_is_closed_to_them(
    store: Store, file: Path, clock: ManualClock
) -> None:
    await store.close()
    _open_to_all(file)
    await (await _reopened(file, clock)).close()
    assert _modes_in(file.parent) == {"state.db": 0o600}


async def test_the_log_is_bounded(store: Store, file: Path) -> None:
    await store.close()
    with closing(sqlite3.connect(file)) as raw, raw:
        rows = [("secret", "/x", 1.0)] * LOG_ENTRIES
        raw.executemany("INSERT INTO changes (kind, id, at) VALUES (?, ?, ?)", rows)
    again = SqliteStore(file, ManualClock(), timeout=5)
    await again.open()
    assert (await again.changes(0)).is_complete
    await again.put_secret("", "token", b"sealed")
    await again.put_secret("", "token", b"sealed")
    assert not (await again.changes(0)).is_complete
    assert not (await again.changes(2)).is_complete
    assert len((await again.changes(3)).items) == LOG_ENTRIES - 1
    await again.close()


# --- several processes


async def test_another_process_is_seen_through_the_log(file: Path, clock: ManualClock) -> None:
    store = await _reopened(file, clock, 5)
    woken = asyncio.Event()
    watching = asyncio.create_task(store.watch(woken.set))
    writer = await _writer(file, "other")
    async with asyncio.timeout(20):
        assert writer.stdout is not None
        assert await writer.stdout.readline() == b"0\n"
        await woken.wait()
    told = await store.changes(0)
    assert (told.items[0].kind, told.items[0].id) == (ChangeKind.KEY, "other-0")
    assert await store.key(KeyId("other-0")) == a_key("other-0")
    await _kill(writer)
    watching.cancel()
    await asyncio.wait([watching])
    await store.close()


async def test_processes_that_write_at_once_lose_nothing(file: Path, clock: ManualClock) -> None:
    names = ("a", "b", "c")
    writers = [await _writer(file, name) for name in names]
    for writer in writers:
        assert writer.stdout is not None
        async with asyncio.timeout(20):
            while await writer.stdout.readline() != b"5\n":
                pass
    for writer in writers:
        await _kill(writer)
    store = await _reopened(file, clock, 5)
    found = [await store.key(KeyId(f"{name}-{n}")) for name in names for n in range(6)]
    assert None not in found
    told = await store.changes(0)
    assert [one.revision for one in told.items] == list(range(1, told.revision + 1))
    await store.close()


async def test_what_was_acknowledged_survives_a_kill(file: Path, clock: ManualClock) -> None:
    lottery = random.Random(7)  # noqa: S311 -- moments, no secrets
    acknowledged = []
    for attempt in range(10):
        writer = await _writer(file, str(attempt))
        await asyncio.sleep(lottery.random() / 20)  # the moment of the kill is the attack
        writer.kill()
        said, _ = await writer.communicate()
        # The last line may have been cut short by the kill.
        acknowledged += [f"{attempt}-{line}" for line in said.decode().split("\n")[:-1]]
    store = await _reopened(file, clock, 5)
    missing = [name for name in acknowledged if await store.key(KeyId(name)) is None]
    assert acknowledged
    assert missing == []
    told = await store.changes(0)
    assert {one.id for one in told.items} >= set(acknowledged)
    # A change and its entry in the log happen together or not at all.
    assert {one.id for one in await store.keys(None, "", 100_000)} == {one.id for one in told.items}
    await store.close()


async def _writer(file: Path, name: str) -> asyncio.subprocess.Process:
    words = (sys.executable, "-m", "tests.stores.sqlite.writer", str(file), name)
    writer = await asyncio.create_subprocess_exec(*words, stdout=-1, cwd=HOUSE)
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"open\n"
    return writer


async def _kill(writer: asyncio.subprocess.Process) -> None:
    writer.kill()
    await writer.communicate()


# --- files that cannot be used


async def _reason(file: Path) -> str:
    store = SqliteStore(file, ManualClock(), timeout=0.4)
    with pytest.raises(StoreUnavailableError) as caught:
        await store.open()
    await store.close()
    assert str(file) not in caught.value.reason
    return caught.value.reason


async def test_a_newer_file_is_refused(store: Store, file: Path) -> None:
    await store.close()
    with closing(sqlite3.connect(file)) as raw:
        raw.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    assert f"newer than version {len(STEPS)} of this sidecar" in await _reason(file)


@pytest.mark.parametrize("version", range(1, len(STEPS)))
async def test_a_file_of_an_older_version_keeps_what_it_holds(
    file: Path, clock: ManualClock, version: int
) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as raw, raw:
        for statement in chain.from_iterable(STEPS[:version]):
            raw.execute(statement)
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute(f"PRAGMA user_version = {version}")
        raw.execute("INSERT INTO tenants VALUES ('acme', 1, ?)", (b'{"id":"acme"}',))
    store = await _reopened(file, clock)
    assert [one.id for one in await store.tenants("", 9)] == ["acme"]
    assert await store.put_block(a_block(), 1)
    assert await store.blocks("", 9) == [a_block()]
    await store.close()


async def test_the_database_of_another_program_is_left_alone(file: Path) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE birds (name TEXT)")
    assert "of another program" in await _reason(file)


async def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    file.parent.mkdir()
    _write(file, b"no database at all" * 100)
    assert "no SQLite database" in await _reason(file)
    assert _read(file) == b"no database at all" * 100


async def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    assert "cannot be made or written" in await _reason(tmp_path / "state" / "state.db")


async def test_a_folder_in_the_place_of_the_file_is_said(file: Path) -> None:
    _make_folder(file)
    assert "Is a directory" in await _reason(file)


async def test_a_damaged_file_is_refused_when_it_is_read(
    store: Store, file: Path, clock: ManualClock
) -> None:
    for number in range(200):
        await store.put_secret("", str(number), bytes(200))
    await store.close()
    pages = _read(file)
    _write(file, pages[:4096] + b"\xff" * (len(pages) - 4096))
    again = await _reopened(file, clock)
    with pytest.raises(StoreUnavailableError, match="is damaged"):
        await again.sealed_secret("", "7")
    await again.close()


async def test_a_locked_file_is_waited_for_and_then_refused(file: Path, clock: ManualClock) -> None:
    store = await _reopened(file, clock)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked by another"):
            await store.add_key(a_key())
        assert await store.key(KeyId("k1")) is None  # readers go on
        other.execute("ROLLBACK")
    assert await store.add_key(a_key())
    await store.close()


async def test_a_closed_store_answers_nothing(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailableError, match="not open"):
        await store.key(KeyId("k1"))


async def test_a_record_of_another_version_is_refused(store: Store, file: Path) -> None:
    await store.add_key(a_key())
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE keys SET record = ?", (b'{"id":"k1","mood":"good"}',))
    with pytest.raises(StoreUnavailableError, match="cannot read"):
        await store.find_key([a_key().digest])


async def test_a_failed_change_leaves_no_trace(store: Store, file: Path) -> None:
    await store.add_key(a_key())
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON changes BEGIN SELECT raise(ABORT, 'no'); END"
        )
    with pytest.raises(StoreUnavailableError):
        await store.replace_key(changed(a_key(), label="new"))
    assert await store.key(KeyId("k1")) == a_key()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "full.db")) as raw:
        raw.execute("CREATE TABLE t (x)")
        raw.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.Error) as caught:
            raw.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert "is full" in unavailable(caught.value).reason


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    name = tmp_path / "read-only.db"
    with closing(sqlite3.connect(name)) as raw:
        raw.execute("CREATE TABLE t (x)")
    with (
        closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True)) as raw,
        pytest.raises(sqlite3.Error) as caught,
    ):
        raw.execute("INSERT INTO t VALUES (1)")
    assert "cannot be written" in unavailable(caught.value).reason


def test_an_error_without_a_code_is_named_by_its_class() -> None:
    assert "ProgrammingError" in unavailable(sqlite3.ProgrammingError("secret")).reason
    assert "secret" not in unavailable(sqlite3.ProgrammingError("secret")).reason
