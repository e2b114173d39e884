"""The store in memory keeps the contract; its log is bounded."""

from collections.abc import Awaitable, Callable

import pytest

from sidecar.adapters.stores.memory import LOG_ENTRIES, MemoryStore
from sidecar.model.ports import Store
from tests.conftest import ManualClock
from tests.stores.contract import StoreContract


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return MemoryStore(clock)


@pytest.fixture
def elapse(clock: ManualClock) -> Callable[[float], Awaitable[None]]:
    async def advance(seconds: float) -> None:
        clock.advance(seconds)

    return advance


class TestMemoryStore(StoreContract):
    """The suite of all stores."""


async def test_a_log_that_does_not_reach_back_says_so(store: Store) -> None:
    for number in range(LOG_ENTRIES + 2):
        await store.put_secret("", str(number), b"sealed")
    assert not (await store.changes(0)).is_complete
    assert not (await store.changes(2)).is_complete
    told = await store.changes(3)
    assert told.is_complete
    assert len(told.items) == LOG_ENTRIES - 1


async def test_a_log_of_one_change_reaches_back_to_the_beginning(store: Store) -> None:
    await store.put_secret("", "token", b"sealed")
    assert (await store.changes(0)).is_complete
