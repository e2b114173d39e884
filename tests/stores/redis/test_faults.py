"""Redis that is gone, slow, read-only, full or emptied: no wrong answer, and no hang."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.redis.errors import is_deposed
from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.adapters.stores.uses import KeyUses
from sidecar.model.errors import StoreUnavailableError, UnreadableRecordError
from sidecar.model.identity import KeyId
from sidecar.model.ports import UNKNOWN
from sidecar.policy.schema.state import State
from tests.stores.delays import delaying
from tests.stores.rows import a_digest, a_key, a_state
from tests.stores.servers import Valkey, valkey, wait_until

PASSWORD = "correct-horse"  # noqa: S105 -- of a server that lives for one test


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@asynccontextmanager
async def opened(state: State) -> AsyncIterator[RedisStore]:
    store = RedisStore(state)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(server: Valkey) -> AsyncIterator[RedisStore]:
    async with opened(a_state(server.url, timeout="500ms")) as store:
        yield store


async def _run(server: Valkey, *words: str | bytes) -> object:
    return await asyncio.to_thread(server.command, *words)


async def _reason(store: RedisStore) -> str:
    with pytest.raises(StoreUnavailableError) as caught:
        await store.find_key([a_digest("k1")])
    return caught.value.reason


async def test_a_server_that_is_gone_is_said_and_its_return_needs_no_restart(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await asyncio.to_thread(server.kill)
    assert await _reason(store) == "the server cannot be reached"
    await asyncio.to_thread(server.start)
    assert await store.add_key(a_key("k2"))
    assert await store.find_key([a_digest("k2")]) == a_key("k2")


async def test_connections_that_broke_in_the_pool_do_not_fail_a_read(
    server: Valkey, store: RedisStore
) -> None:
    await asyncio.gather(*(store.key(KeyId(str(n))) for n in range(16)))
    await asyncio.to_thread(server.restart)
    assert await asyncio.gather(*(store.key(KeyId(str(n))) for n in range(16))) == [None] * 16


async def test_a_server_that_hangs_costs_one_deadline(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    server.pause()
    began = time.monotonic()
    calls = (store.find_key([a_digest("k1")]) for _ in range(40))
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - began < 3
    assert {str(one) for one in found} == {"the store did not answer in time"}
    server.resume()
    assert await store.find_key([a_digest("k1")]) == a_key()


async def test_a_call_that_was_given_up_does_not_answer_the_next(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key("k1"))
    await store.add_key(a_key("k2"))
    server.pause()
    await _reason(store)
    server.resume()
    assert await store.find_key([a_digest("k2")]) == a_key("k2")
    assert await store.find_key([a_digest("k3")]) is None


async def test_a_replica_is_not_believed(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    with valkey() as other:
        await _run(server, "REPLICAOF", "127.0.0.1", str(other.port))
        assert await _reason(store) == "the server is a read-only replica"
        with pytest.raises(StoreUnavailableError, match="replica"):
            await store.changes(None)
        with pytest.raises(StoreUnavailableError, match="replica"):
            await store.add_key(a_key("k2"))
        await _run(server, "REPLICAOF", "NO", "ONE")
    assert await store.find_key([a_digest("other")]) is None


async def test_a_master_without_its_replicas_is_not_believed(
    server: Valkey, store: RedisStore
) -> None:
    await _run(server, "CONFIG", "SET", "min-replicas-to-write", "1")
    assert await _reason(store) == "the master has lost its replicas"


async def test_a_full_server_takes_no_changes_but_answers(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await _run(server, "CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        await store.add_key(a_key("k2"))
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        await store.put_secret("", "token", b"sealed")
    assert await store.find_key([a_digest("k1")]) == a_key()
    await _run(server, "CONFIG", "SET", "maxmemory", "0")
    assert (await store.changes(None)).revision == 1
    assert await store.key(KeyId("k2")) is None


async def test_a_server_that_cannot_save_takes_no_changes_but_answers(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await _run(server, "CONFIG", "SET", "save", "3600 1")
    await _break_saving(server)
    with pytest.raises(StoreUnavailableError, match="cannot save"):
        await store.add_key(a_key("k2"))
    assert await store.find_key([a_digest("k1")]) == a_key()


async def test_a_server_that_cannot_save_is_read_though_its_log_has_no_beginning(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await _run(server, "CONFIG", "SET", "save", "3600 1")
    await _break_saving(server)
    seen = await store.changes(None)
    assert (await store.changes(seen.revision, seen.mark)).is_complete


async def _break_saving(server: Valkey) -> None:
    (server.folder / "dump.rdb").mkdir()
    await _run(server, "BGSAVE")

    def has_failed() -> bool:
        found = server.command("INFO", "persistence")
        return "'rdb_last_bgsave_status': 'err'" in str(found)

    await asyncio.to_thread(wait_until, has_failed, "saving fails")


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


async def test_a_server_that_is_empty_again_is_told_from_one_that_was_empty_before(
    server: Valkey, store: RedisStore
) -> None:
    first = await store.changes(None)
    await store.add_key(a_key())
    await asyncio.to_thread(server.restart)
    told = await store.changes(first.revision, first.mark)
    assert (first.revision, told.revision, told.is_complete) == (0, 0, False)
    assert (await store.changes(told.revision, told.mark)).is_complete


async def test_a_store_that_was_flushed_is_told_from_one_that_was_empty_before(
    server: Valkey, store: RedisStore
) -> None:
    first = await store.changes(None)
    await store.add_key(a_key())
    await _run(server, "FLUSHALL")
    assert not (await store.changes(first.revision, first.mark)).is_complete


async def test_a_server_that_lost_a_change_nobody_had_read_of_is_noticed(
    server: Valkey, store: RedisStore
) -> None:
    # What was looked up between two readings may never have been, as after a failover.
    await store.add_key(a_key("k1"))
    first = await store.changes(None)
    await _run(server, "SAVE")
    await store.add_key(a_key("k2"))
    assert await store.find_key([a_digest("k2")]) == a_key("k2")
    await asyncio.to_thread(server.restart)
    assert await store.find_key([a_digest("k1")]) == a_key("k1")
    assert await store.find_key([a_digest("k2")]) is None
    told = await store.changes(first.revision, first.mark)
    assert (told.revision, told.items, told.is_complete) == (1, (), False)


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
        await _follow(other, server)
        await _run(other, "REPLICAOF", "NO", "ONE")
        await store.add_key(a_key("k2"))
        assert await store.find_key([a_digest("k2")]) == a_key("k2")
        await _follow(server, other)
        await _run(server, "REPLICAOF", "NO", "ONE")
    assert await store.find_key([a_digest("k2")]) is None
    told = await store.changes(first.revision, first.mark)
    assert (told.revision, told.items, told.is_complete) == (1, (), False)


async def _follow(server: Valkey, master: Valkey) -> None:
    await _run(master, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
    await _run(server, "REPLICAOF", "127.0.0.1", str(master.port))

    def is_linked() -> bool:
        return "'master_link_status': 'up'" in str(server.command("INFO", "replication"))

    await asyncio.to_thread(wait_until, is_linked, "the replica is in step")


async def test_a_name_that_leads_to_another_master_is_followed(server: Valkey) -> None:
    """A service or an entry of DNS: connections to the master from before stand."""
    with valkey() as other:
        async with (
            delaying(server.port) as name,
            opened(a_state(f"redis://127.0.0.1:{name.port}/0")) as store,
        ):
            await asyncio.gather(*(store.add_key(a_key(str(n))) for n in range(9)))
            await _follow(other, server)
            await _run(other, "REPLICAOF", "NO", "ONE")
            await _run(server, "REPLICAOF", "127.0.0.1", str(other.port))
            name.server = other.port
            assert await store.find_key([a_digest("1")]) == a_key("1")
            assert await store.add_key(a_key("k2"))


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        # What Redis 6.2, and what Redis 7 and Valkey say of a script.
        (ResponseError("@user_script: 8: -READONLY You can't write"), True),
        (ReadOnlyError("You can't write against a read only replica."), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (ResponseError("OOM command not allowed"), False),
    ],
)
def test_a_master_that_was_deposed_is_told_by_what_it_says(
    error: ResponseError, *, is_so: bool
) -> None:
    assert is_deposed(error) is is_so


async def test_a_full_server_does_not_pass_for_another(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    await _run(server, "CONFIG", "SET", "maxmemory", "1")
    seen = await store.changes(None)
    assert (await store.changes(seen.revision, seen.mark)).is_complete


async def test_a_log_that_does_not_reach_back_says_so(server: Valkey, store: RedisStore) -> None:
    for number in range(5):
        await store.put_secret("", str(number), b"sealed")
    await _run(server, "ZREMRANGEBYRANK", "{sidecar}:log", "0", "1")
    assert not (await store.changes(0)).is_complete
    assert not (await store.changes(2)).is_complete
    assert [one.revision for one in (await store.changes(3)).items] == [4, 5]


async def test_a_log_that_is_gone_is_said_once(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    await _run(server, "DEL", "{sidecar}:log")
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
    await _run(server, "HDEL", "{sidecar}:store", "revision")
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.is_complete) == (0, False)
    assert (await store.changes(told.revision, told.mark)).is_complete


async def test_a_mark_names_the_run_of_a_server_and_the_history_that_it_follows(
    server: Valkey, store: RedisStore
) -> None:
    mark = (await store.changes(None)).mark.decode()
    told = str(await _run(server, "INFO"))
    names = re.findall(r"'(?:run_id|master_replid)': '([0-9a-f]{40})'", told)
    assert len(names) == 2
    assert all(name in mark for name in names)


@pytest.mark.parametrize("entry", ["2|1.5|mood|k1", "garbage", b"\xff|1.5|key|k1"])
async def test_an_entry_of_the_log_that_cannot_be_read_may_be_about_anything(
    server: Valkey, store: RedisStore, entry: str | bytes
) -> None:
    await store.add_key(a_key())
    seen = await store.changes(None)
    await _run(server, "HSET", "{sidecar}:store", "revision", "2")
    await _run(server, "ZADD", "{sidecar}:log", "2", entry)
    told = await store.changes(seen.revision, seen.mark)
    assert (told.revision, told.items, told.is_complete) == (2, (), False)
    assert (await store.changes(told.revision, told.mark)).is_complete


@pytest.mark.parametrize("record", ["garbage", "1|soon|acme|{}", "1||acme|{"])
async def test_a_record_that_cannot_be_read_is_nobody_s(
    server: Valkey, store: RedisStore, record: str
) -> None:
    await store.add_key(a_key())
    await _run(server, "HSET", "{sidecar}:keys", a_digest("k1"), record)
    with pytest.raises(UnreadableRecordError):
        await store.find_key([a_digest("k1")])


async def test_a_record_that_cannot_be_read_keeps_no_use_of_another_key_back(
    server: Valkey, store: RedisStore
) -> None:
    for name in ("k1", "k2", "k3"):
        await store.add_key(a_key(name))
    await _run(server, "HSET", "{sidecar}:keys", a_digest("k1"), "garbage")
    await _run(server, "HDEL", "{sidecar}:keys", a_digest("k2"))
    await store.note_uses({KeyId("k1"): 5.0, KeyId("k2"): 5.0, KeyId("k3"): 5.0})
    assert await store.key(KeyId("k3")) == a_key("k3", last_used_at=5.0)


async def test_a_store_of_another_version_is_left_alone(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    await _run(server, "HSET", "{sidecar}:store", "version", "2")
    assert "another version" in await _reason(store)
    with pytest.raises(StoreUnavailableError, match="another version"):
        await store.add_key(a_key("k2"))
    with pytest.raises(StoreUnavailableError, match="another version"):
        async with opened(a_state(server.url)):
            pass


async def test_a_server_that_may_evict_keys_is_refused(server: Valkey) -> None:
    await _run(server, "CONFIG", "SET", "maxmemory", "100mb")
    await _run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    store = RedisStore(a_state(server.url))
    with pytest.raises(StoreUnavailableError, match="noeviction"):
        await store.open()
    await store.close()


async def test_a_server_without_a_bound_evicts_nothing_whatever_its_policy(server: Valkey) -> None:
    await _run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with opened(a_state(server.url)):
        assert await _run(server, "HGETALL", "{sidecar}:store") == {"version": "1"}


async def test_the_log_is_bounded(server: Valkey, store: RedisStore) -> None:
    fill = "for n = 1, ARGV[1] do redis.call('ZADD', KEYS[1], n, n .. '|1.5|secret|/x') end"
    await _run(server, "EVAL", fill, "1", "{sidecar}:log", str(LOG_ENTRIES))
    await _run(server, "HSET", "{sidecar}:store", "revision", str(LOG_ENTRIES))
    assert (await store.changes(0)).is_complete
    await store.add_key(a_key())
    assert not (await store.changes(0)).is_complete
    assert await _run(server, "ZCARD", "{sidecar}:log") == LOG_ENTRIES


async def test_a_connection_that_breaks_under_a_call_fails_no_read(server: Valkey) -> None:
    async with (
        delaying(server.port) as name,
        opened(a_state(f"redis://127.0.0.1:{name.port}/0")) as store,
    ):
        await store.add_key(a_key())

        def broken_once(request: bytes) -> float:
            name.seconds_of = lambda _: 0.0
            raise ConnectionResetError(len(request))

        name.seconds_of = broken_once
        assert await store.find_key([a_digest("k1")]) == a_key()
        name.seconds_of = broken_once
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            await store.add_key(a_key("k2"))  # it may have been done


RIGHTS = (
    "on", f">{PASSWORD}", "resetkeys", "resetchannels", "~{sidecar}:*", "&{sidecar}:*", "-@all",
    "+@read", "+@write", "+@scripting", "+@connection", "+@pubsub", "+time", "+info",
)  # fmt: skip


async def test_a_user_with_just_the_rights_that_the_manual_names_can_do_everything(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    await _run(server, "ACL", "SETUSER", "sidecar", *RIGHTS)
    async with opened(a_state(server.url, user="sidecar", password=PASSWORD)) as store:
        assert await store.add_key(a_key())
        assert await store.find_key([a_digest("k1")]) == a_key()
        woken = asyncio.Event()
        watching = asyncio.create_task(store.watch(woken.set))
        async with asyncio.timeout(5):
            await woken.wait()
        watching.cancel()
        await asyncio.wait([watching])
    assert not caplog.records


async def test_a_server_that_does_not_say_what_it_is_is_warned_of(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    await _run(server, "ACL", "SETUSER", "sidecar", *RIGHTS, "-info")
    async with opened(a_state(server.url, user="sidecar", password=PASSWORD)) as store:
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "+info" in record.getMessage()
        first = await store.changes(None)
        assert await store.add_key(a_key())
        await _run(server, "FLUSHALL")
        assert not (await store.changes(first.revision, first.mark)).is_complete


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        pytest.param("reader", PASSWORD, "may not do what", id="too few rights"),
        pytest.param("reader", "wrong", "or refuses those", id="wrong password"),
        pytest.param("nobody", PASSWORD, "or refuses those", id="unknown user"),
    ],
)
async def test_a_user_who_may_not_is_told_why(
    server: Valkey, user: str, password: str, reason: str
) -> None:
    await _run(server, "ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+eval",
               "+evalsha")  # fmt: skip
    store = RedisStore(a_state(server.url, user=user, password=password))
    with pytest.raises(StoreUnavailableError, match=reason) as caught:
        await store.open()
    assert password not in caught.value.reason
    await store.close()


async def test_a_server_that_wants_a_password_is_told_apart() -> None:
    with valkey("--requirepass", PASSWORD) as server:
        store = RedisStore(a_state(server.url))
        with pytest.raises(StoreUnavailableError, match="wants a user and a password"):
            await store.open()
        await store.close()


async def test_a_subscription_that_breaks_is_said(server: Valkey, store: RedisStore) -> None:
    watching, woken = await _watching(store)
    await asyncio.to_thread(server.kill)
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        await watching
    assert woken.is_set()


async def test_a_subscription_that_falls_silent_is_said(server: Valkey, store: RedisStore) -> None:
    watching, _ = await _watching(store)
    server.pause()
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailableError):
            await watching
    server.resume()


async def test_a_subscription_without_changes_goes_on(server: Valkey, store: RedisStore) -> None:
    await _run(server, "CONFIG", "RESETSTAT")  # whoever started it has asked too
    watching, woken = await _watching(store)
    woken.clear()
    asked = "cmdstat_ping"
    await asyncio.to_thread(
        wait_until, lambda: asked in str(server.command("INFO", "commandstats")), "it asks"
    )
    assert not watching.done()
    assert not woken.is_set()
    await store.add_key(a_key())
    async with asyncio.timeout(5):
        await woken.wait()
    watching.cancel()
    await asyncio.wait([watching])


async def _watching(store: RedisStore) -> tuple[asyncio.Task[None], asyncio.Event]:
    woken = asyncio.Event()
    watching = asyncio.create_task(store.watch(woken.set))
    async with asyncio.timeout(5):
        await woken.wait()
    return watching, woken


async def test_a_store_that_is_not_open_answers_nothing(server: Valkey) -> None:
    store = RedisStore(a_state(server.url))
    with pytest.raises(StoreUnavailableError, match="not open"):
        await store.key(KeyId("k1"))
    with pytest.raises(StoreUnavailableError, match="not open"):
        await store.watch(lambda: None)


async def test_connections_are_bounded(server: Valkey, store: RedisStore) -> None:
    await asyncio.gather(*(store.key(KeyId(str(n))) for n in range(100)))
    count = len(str(await _run(server, "CLIENT", "LIST")).split("name=sidecar")) - 1
    assert count <= 16
