"""A state file that is restored, replaced or removed under a running sidecar."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Store
from tests.stores.rows import a_key, a_revocation


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as former, closing(sqlite3.connect(target)) as copy:
        former.backup(copy)


async def test_a_file_that_was_restored_does_not_pass_for_complete(
    store: Store, file: Path, tmp_path: Path
) -> None:
    await store.add_key(a_key("k1"))
    first = await store.changes(None)
    _copy(file, tmp_path / "backup")
    await store.add_key(a_key("k2"))
    await store.revoke(a_revocation("lost"))
    seen = await store.changes(first.revision, first.mark)
    assert (seen.revision, seen.is_complete) == (3, True)
    _copy(tmp_path / "backup", file)
    await store.revoke(a_revocation("new"))
    await store.add_key(a_key("k3"))
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.items, told.is_complete) == (3, (), False)
    assert (await store.changes(told.revision, told.mark)).is_complete


def _move(source: Path, target: Path) -> None:
    source.rename(target)


def _is_there(file: Path) -> bool:
    return file.exists()


@pytest.mark.control("AN-10")
@pytest.mark.parametrize("is_replaced", [True, False])
async def test_a_file_that_is_not_there_any_more_is_not_believed(
    store: Store, file: Path, tmp_path: Path, *, is_replaced: bool
) -> None:
    """Whoever revokes a key there changes another file."""
    await store.add_key(a_key())
    seen = await store.changes(None)
    _copy(file, tmp_path / "backup")
    _move(file, tmp_path / "former")
    if is_replaced:
        _move(tmp_path / "backup", file)
    reason = "was replaced" if is_replaced else "is not where it was"
    with pytest.raises(StoreUnavailableError, match=reason):
        await store.find_key([a_key().digest])
    with pytest.raises(StoreUnavailableError, match=reason):
        await store.changes(seen.revision, seen.mark)
    with pytest.raises(StoreUnavailableError, match=reason):
        await store.add_key(a_key("k2"))
    assert _is_there(file) == is_replaced  # none was made in its place
    _move(tmp_path / "former", file)
    assert await store.find_key([a_key().digest]) == a_key()


async def test_an_entry_of_the_log_that_cannot_be_read_may_be_about_anything(
    store: Store, file: Path
) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("INSERT INTO changes (kind, id, at) VALUES ('mood', 'k1', 1.0)")
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.items, told.is_complete) == (2, (), False)
    assert (await store.changes(told.revision, told.mark)).is_complete
