"""Redis that lost changes, by a restart, a failover or a hand in it, passes for no other."""

import asyncio
import re
import time
from collections.abc import Callable

import pytest

from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.adapters.stores.uses import KeyUses
from sidecar.model.ports import UNKNOWN
from tests.stores.redis.served import follow, run
from tests.stores.rows import a_digest, a_key
from tests.stores.servers import Valkey, valkey


async def test_a_server_that_came_back_empty_does_not_pass_for_complete(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key("k1"))
    await store.add_key(a_key("k2"))
    seen = await store.changes(None)
    await asyncio.to_thread(server.restart)
    assert not (await store.changes(seen.revision, seen.mark)).is_complete


async def test_lost_changes_are_noticed_although_the_numbers_fit(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key("k1"))
    await store.add_key(a_key("k2"))
    seen = await store.changes(None)
    await asyncio.to_thread(server.restart)
    for name in ("k3", "k4", "k5"):
        await store.add_key(a_key(name))
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.items, told.is_complete) == (3, (), False)
    assert (await store.changes(told.revision, told.mark)).is_complete


def _flush(server: Valkey) -> None:
    server.command("FLUSHALL")


@pytest.mark.parametrize("lose", [Valkey.restart, _flush], ids=["restarted", "flushed"])
async def test_a_server_that_is_empty_again_is_told_from_one_that_was_empty_before(
    server: Valkey, store: RedisStore, lose: Callable[[Valkey], None]
) -> None:
    first = await store.changes(None)
    await store.add_key(a_key())
    await asyncio.to_thread(lose, server)
    told = await store.changes(first.revision, first.mark)
    assert (first.revision, told.revision, told.is_complete) == (0, 0, False)
    assert (await store.changes(told.revision, told.mark)).is_complete


async def test_a_server_that_lost_a_change_nobody_had_read_of_is_noticed(
    server: Valkey, store: RedisStore
) -> None:
    # What was looked up between two readings may never have been, as after a failover.
    await store.add_key(a_key("k1"))
    first = await store.changes(None)
    await run(server, "SAVE")
    await store.add_key(a_key("k2"))
    assert await store.find_key([a_digest("k2")]) == a_key("k2")
    await asyncio.to_thread(server.restart)
    assert await store.find_key([a_digest("k1")]) == a_key("k1")
    assert await store.find_key([a_digest("k2")]) is None
    told = await store.changes(first.revision, first.mark)
    assert (told.revision, told.items, told.is_complete) == (1, (), False)


async def test_changes_that_a_restarted_server_kept_are_told_beside_the_loss(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key("k1"))
    first = await store.changes(None)
    await store.add_key(a_key("k2"))
    await run(server, "SAVE")
    await asyncio.to_thread(server.restart)
    told = await store.changes(first.revision, first.mark)
    assert ([one.id for one in told.items], told.is_complete) == (["k2"], False)


async def test_every_reader_hears_that_changes_were_lost(server: Valkey, store: RedisStore) -> None:
    # A reload reads for the policy that may come into force, the one in force goes on reading.
    (known, in_force), (_, staged) = _feed(store), _feed(store)
    await in_force.read()
    await store.add_key(a_key())
    known.keys.put(a_digest("k1"), await store.find_key([a_digest("k1")]), known.keys.forgotten)
    await asyncio.to_thread(server.restart)
    await staged.read()
    await in_force.read()
    assert known.keys.at_hand(a_digest("k1")) is UNKNOWN


def _feed(store: RedisStore) -> tuple[Memories, Feed]:
    freshness = Freshness(time.monotonic, 4.0)
    memories = Memories(freshness, RememberedTenants({}, freshness))
    return memories, Feed(store, memories, KeyUses(), Rhythm(1.0, time.time, lambda _: None))


async def test_a_master_that_was_a_replica_meanwhile_is_not_the_one_from_before(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key("k1"))
    first = await store.changes(None)
    with valkey() as other:
        await follow(other, server)
        await run(other, "REPLICAOF", "NO", "ONE")
        await store.add_key(a_key("k2"))
        assert await store.find_key([a_digest("k2")]) == a_key("k2")
        await follow(server, other)
        await run(server, "REPLICAOF", "NO", "ONE")
    assert await store.find_key([a_digest("k2")]) is None
    told = await store.changes(first.revision, first.mark)
    assert (told.revision, told.items, told.is_complete) == (1, (), False)


async def test_a_full_server_does_not_pass_for_another(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    await run(server, "CONFIG", "SET", "maxmemory", "1")
    seen = await store.changes(None)
    assert (await store.changes(seen.revision, seen.mark)).is_complete


async def test_a_log_that_does_not_reach_back_says_so(server: Valkey, store: RedisStore) -> None:
    for number in range(5):
        await store.put_secret("", str(number), b"sealed")
    await run(server, "ZREMRANGEBYRANK", "{sidecar}:log", "0", "1")
    assert not (await store.changes(0)).is_complete
    assert not (await store.changes(2)).is_complete
    assert [one.revision for one in (await store.changes(3)).items] == [4, 5]


async def test_a_log_that_is_gone_is_said_once(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    await run(server, "DEL", "{sidecar}:log")
    told = await store.changes(seen.revision, seen.mark)
    assert not told.is_complete
    assert (await store.changes(told.revision, told.mark)).is_complete
    await store.add_key(a_key("k2"))
    told = await store.changes(told.revision, told.mark)
    assert (told.revision, told.is_complete) == (2, False)
    await store.add_key(a_key("k3"))
    assert [one.id for one in (await store.changes(2, told.mark)).items] == ["k3"]


async def test_numbers_that_are_gone_are_said_once(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    await run(server, "HDEL", "{sidecar}:store", "revision")
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.is_complete) == (0, False)
    assert (await store.changes(told.revision, told.mark)).is_complete


async def test_a_mark_names_the_run_of_a_server_and_the_history_that_it_follows(
    server: Valkey, store: RedisStore
) -> None:
    mark = (await store.changes(None)).mark.decode()
    told = str(await run(server, "INFO"))
    names = re.findall(r"'(?:run_id|master_replid)': '([0-9a-f]{40})'", told)
    assert len(names) == 2
    assert all(name in mark for name in names)


@pytest.mark.parametrize("entry", ["2|1.5|mood|k1", "garbage", b"\xff|1.5|key|k1"])
async def test_an_entry_of_the_log_that_cannot_be_read_may_be_about_anything(
    server: Valkey, store: RedisStore, entry: str | bytes
) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    await run(server, "HSET", "{sidecar}:store", "revision", "2")
    await run(server, "ZADD", "{sidecar}:log", "2", entry)
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.items, told.is_complete) == (2, (), False)
    assert (await store.changes(told.revision, told.mark)).is_complete


async def test_the_log_is_bounded(server: Valkey, store: RedisStore) -> None:
    fill = "for n = 1, ARGV[1] do redis.call('ZADD', KEYS[1], n, n .. '|1.5|secret|/x') end"
    await run(server, "EVAL", fill, "1", "{sidecar}:log", str(LOG_ENTRIES))
    await run(server, "HSET", "{sidecar}:store", "revision", str(LOG_ENTRIES))
    assert (await store.changes(0)).is_complete
    await store.add_key(a_key())
    assert not (await store.changes(0)).is_complete
    assert await run(server, "ZCARD", "{sidecar}:log") == LOG_ENTRIES
