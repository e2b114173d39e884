"""A state file and a store on it, for one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.adapters.stores.sqlite.store import SqliteStore
from sidecar.model.ports import Store
from tests.conftest import ManualClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
async def store(file: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = SqliteStore(file, clock, timeout=5)
    await store.open()
    yield store
    await store.close()
