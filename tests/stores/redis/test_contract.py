"""The store in Redis keeps the contract: on one server and on a Cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from sidecar.adapters.stores.redis.store import PAGE, RedisStore
from sidecar.model.blocks import BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId
from sidecar.model.ports import Store
from tests.stores.contract import StoreContract
from tests.stores.rows import a_block, a_key, a_revocation, a_state
from tests.stores.servers import Valkey, valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
async def store(server: Valkey) -> AsyncIterator[Store]:
    await asyncio.to_thread(server.command, "FLUSHALL")
    store = RedisStore(a_state(server.url))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def elapse() -> Callable[[float], Awaitable[None]]:
    return asyncio.sleep  # the server's clock is real


class TestRedisStore(StoreContract):
    """The suite of all stores."""


async def test_more_revocations_than_a_page_are_all_returned(store: Store) -> None:
    for first in range(0, PAGE + 1, 100):
        rows = [a_revocation(str(n)) for n in range(first, min(first + 100, PAGE + 1))]
        await asyncio.gather(*map(store.revoke, rows))
    number, found = await store.revocations(0)
    assert number == PAGE + 1
    assert {one.value for one in found} == {str(n) for n in range(PAGE + 1)}


async def test_more_uses_than_a_page_are_all_noted(store: Store) -> None:
    await store.add_key(a_key("last"))
    uses = {KeyId(str(n)): 1.0 for n in range(PAGE)} | {KeyId("last"): 2.0}
    await store.note_uses(uses)
    assert await store.key(KeyId("last")) == a_key("last", last_used_at=2.0)


async def test_expired_revocations_leave_the_server(store: Store, server: Valkey) -> None:
    await store.revoke(a_revocation("old", expires_at=1.0))
    await store.revoke(a_revocation("new"))
    for name in ("{sidecar}:revocations", "{sidecar}:revocation-ends"):
        assert await asyncio.to_thread(server.command, "ZCARD", name) == 1


async def test_blocks_that_are_over_leave_the_server(store: Store, server: Valkey) -> None:
    for number in range(3):
        await store.put_block(a_block(f"id-{number}", BlockKind.KEY, until=1.0), 9)
    await store.put_block(a_block(), 9)
    assert await asyncio.to_thread(server.command, "ZCARD", "{sidecar}:block-ids") == 1
    assert await asyncio.to_thread(server.command, "HLEN", "{sidecar}:blocks") == 1
    assert await asyncio.to_thread(server.command, "ZCARD", "{sidecar}:block-ends") == 0


async def test_more_blocks_than_a_page_are_all_returned(store: Store) -> None:
    values = [f"id-{number:04}" for number in range(PAGE + 9)]
    for first in range(0, len(values), 100):
        rows = [a_block(value, BlockKind.KEY) for value in values[first : first + 100]]
        await asyncio.gather(*(store.put_block(one, 2 * PAGE) for one in rows))
    assert [one.value for one in await store.blocks("", 2 * PAGE)] == values


async def test_a_block_that_cannot_be_read_is_never_left_out(store: Store, server: Valkey) -> None:
    await store.put_block(a_block(), 9)
    for garbage in ('{"kind":"address"}', "", "[]"):
        name = "{sidecar}:blocks"
        await asyncio.to_thread(server.command, "HSET", name, a_block().id, garbage)
        with pytest.raises(StoreUnavailableError):
            await store.blocks("", 9)
    await asyncio.to_thread(server.command, "DEL", "{sidecar}:blocks")
    with pytest.raises(StoreUnavailableError):
        await store.blocks("", 9)


async def test_stores_of_two_prefixes_do_not_meet(store: Store, server: Valkey) -> None:
    other = RedisStore(a_state(server.url, prefix="other"))
    await other.open()
    await store.add_key(a_key())
    assert await other.key(KeyId("k1")) is None
    assert (await other.changes(None)).revision == 0
    await other.close()
