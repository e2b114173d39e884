"""Redis that is gone, slow, read-only, full or emptied: no wrong answer, and no hang."""

import asyncio
import time

import pytest
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
)

from sidecar.adapters.stores.redis.errors import is_deposed
from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.model.errors import StoreUnavailableError, UnreadableRecordError
from sidecar.model.identity import KeyId
from tests.stores.delays import delaying
from tests.stores.redis.served import follow, opened, run
from tests.stores.rows import a_digest, a_key, a_state
from tests.stores.servers import Valkey, valkey, wait_until

PASSWORD = "correct-horse"  # noqa: S105 -- of a server that lives for one test


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
        await run(server, "REPLICAOF", "127.0.0.1", str(other.port))
        assert await _reason(store) == "the server is a read-only replica"
        with pytest.raises(StoreUnavailableError, match="replica"):
            await store.changes(None)
        with pytest.raises(StoreUnavailableError, match="replica"):
            await store.add_key(a_key("k2"))
        await run(server, "REPLICAOF", "NO", "ONE")
    assert await store.find_key([a_digest("other")]) is None


async def test_a_master_without_its_replicas_is_not_believed(
    server: Valkey, store: RedisStore
) -> None:
    await run(server, "CONFIG", "SET", "min-replicas-to-write", "1")
    assert await _reason(store) == "the master has lost its replicas"


async def test_a_full_server_takes_no_changes_but_answers(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await run(server, "CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        await store.add_key(a_key("k2"))
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        await store.put_secret("", "token", b"sealed")
    assert await store.find_key([a_digest("k1")]) == a_key()
    await run(server, "CONFIG", "SET", "maxmemory", "0")
    assert (await store.changes(None)).revision == 1
    assert await store.key(KeyId("k2")) is None


async def test_a_server_that_cannot_save_takes_no_changes_but_answers(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await run(server, "CONFIG", "SET", "save", "3600 1")
    await _break_saving(server)
    with pytest.raises(StoreUnavailableError, match="cannot save"):
        await store.add_key(a_key("k2"))
    assert await store.find_key([a_digest("k1")]) == a_key()


async def test_a_server_that_cannot_save_is_read_though_its_log_has_no_beginning(
    server: Valkey, store: RedisStore
) -> None:
    await store.add_key(a_key())
    await run(server, "CONFIG", "SET", "save", "3600 1")
    await _break_saving(server)
    seen = await store.changes(None)
    assert (await store.changes(seen.revision, seen.mark)).is_complete


async def _break_saving(server: Valkey) -> None:
    (server.folder / "dump.rdb").mkdir()
    await run(server, "BGSAVE")

    def has_failed() -> bool:
        found = server.command("INFO", "persistence")
        return "'rdb_last_bgsave_status': 'err'" in str(found)

    await asyncio.to_thread(wait_until, has_failed, "saving fails")


async def test_a_name_that_leads_to_another_master_is_followed(server: Valkey) -> None:
    """A service or an entry of DNS: connections to the master from before stand."""
    with valkey() as other:
        async with (
            delaying(server.port) as name,
            opened(a_state(f"redis://127.0.0.1:{name.port}/0")) as store,
        ):
            await asyncio.gather(*(store.add_key(a_key(str(n))) for n in range(9)))
            await follow(other, server)
            await run(other, "REPLICAOF", "NO", "ONE")
            await run(server, "REPLICAOF", "127.0.0.1", str(other.port))
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
        (ClusterDownError("Hash slot not served"), True),
        (MovedError("1 127.0.0.1:6379"), True),
        (ResponseError("OOM command not allowed"), False),
        (AskError("1 127.0.0.1:6379"), False),
    ],
)
def test_a_master_that_was_deposed_is_told_by_what_it_says(
    error: ResponseError, *, is_so: bool
) -> None:
    assert is_deposed(error) is is_so


@pytest.mark.parametrize("record", ["garbage", "1|soon|acme|{}", "1||acme|{"])
async def test_a_record_that_cannot_be_read_is_nobody_s(
    server: Valkey, store: RedisStore, record: str
) -> None:
    await store.add_key(a_key())
    await run(server, "HSET", "{sidecar}:keys", a_digest("k1"), record)
    with pytest.raises(UnreadableRecordError):
        await store.find_key([a_digest("k1")])


async def test_a_record_that_cannot_be_read_keeps_no_use_of_another_key_back(
    server: Valkey, store: RedisStore
) -> None:
    for name in ("k1", "k2", "k3"):
        await store.add_key(a_key(name))
    await run(server, "HSET", "{sidecar}:keys", a_digest("k1"), "garbage")
    await run(server, "HDEL", "{sidecar}:keys", a_digest("k2"))
    await store.note_uses({KeyId("k1"): 5.0, KeyId("k2"): 5.0, KeyId("k3"): 5.0})
    assert await store.key(KeyId("k3")) == a_key("k3", last_used_at=5.0)


async def test_a_store_of_another_version_is_left_alone(server: Valkey, store: RedisStore) -> None:
    await store.add_key(a_key())
    await run(server, "HSET", "{sidecar}:store", "version", "2")
    assert "another version" in await _reason(store)
    with pytest.raises(StoreUnavailableError, match="another version"):
        await store.add_key(a_key("k2"))
    with pytest.raises(StoreUnavailableError, match="another version"):
        async with opened(a_state(server.url)):
            pass


async def test_a_server_that_may_evict_keys_is_refused(server: Valkey) -> None:
    await run(server, "CONFIG", "SET", "maxmemory", "100mb")
    await run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    store = RedisStore(a_state(server.url))
    with pytest.raises(StoreUnavailableError, match="noeviction"):
        await store.open()
    await store.close()


async def test_a_server_without_a_bound_evicts_nothing_whatever_its_policy(server: Valkey) -> None:
    await run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with opened(a_state(server.url)):
        assert await run(server, "HGETALL", "{sidecar}:store") == {"version": "1"}


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
    await run(server, "ACL", "SETUSER", "sidecar", *RIGHTS)
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
    await run(server, "ACL", "SETUSER", "sidecar", *RIGHTS, "-info")
    async with opened(a_state(server.url, user="sidecar", password=PASSWORD)) as store:
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "+info" in record.getMessage()
        first = await store.changes(None)
        assert await store.add_key(a_key())
        await run(server, "FLUSHALL")
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
    await run(server, "ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+eval",
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
    await run(server, "CONFIG", "RESETSTAT")  # whoever started it has asked too
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
    count = len(str(await run(server, "CLIENT", "LIST")).split("name=sidecar")) - 1
    assert count <= 16
