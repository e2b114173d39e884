"""Redis behind TLS, watched by Sentinels, and as a Cluster."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from redis.crc import key_slot

from sidecar.adapters.stores.redis.connect import Place, place_of
from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId, TenantId
from tests.builders import a_tenant
from tests.ports import HOST, free_port
from tests.stores.relay import tls_relay
from tests.stores.rows import a_block, a_digest, a_key, a_revocation, a_state, changed
from tests.stores.servers import (
    Cluster,
    Valkey,
    Watched,
    valkey,
    valkey_cluster,
    wait_until,
    watched_valkey,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://redis", Place((("redis", 6379),), 0, is_secure=False)),
        ("redis://redis:7000/3", Place((("redis", 7000),), 3, is_secure=False)),
        ("rediss://[::1]:7000", Place((("::1", 7000),), 0, is_secure=True)),
        ("redis://[::1]", Place((("::1", 6379),), 0, is_secure=False)),
        ("redis://a,b:1,", Place((("a", 6379), ("b", 1)), 0, is_secure=False)),
    ],
)
def test_a_url_says_where_the_servers_are(url: str, place: Place) -> None:
    assert place_of(url) == place


@asynccontextmanager
async def _opened(store: str, **keys: object) -> "AsyncIterator[RedisStore]":
    made = RedisStore(a_state(store, **keys))
    try:
        await made.open()
        yield made
    finally:
        await made.close()


async def _changes_everything(store: RedisStore) -> None:
    assert await store.add_key(a_key())
    assert await store.replace_key(changed(a_key(), label="new"))
    assert await store.find_key([a_digest("k1")]) == changed(a_key(), label="new")
    assert [one.id for one in await store.keys(TenantId("acme"), "", 9)] == ["k1"]
    await store.note_uses({KeyId("k1"): 5.0})
    assert await store.put_tenant(a_tenant("acme"))
    assert [one.id for one in await store.tenants("", 9)] == ["acme"]
    assert await store.admit_domain(TenantId("acme"), "shop", "a.b", cap=1, window_seconds=60)
    await store.revoke(a_revocation())
    assert await store.revocations(0) == (1, [a_revocation()])
    await store.put_secret("acme", "token", b"sealed")
    assert await store.sealed_secret("acme", "token") == b"sealed"
    assert await store.secret_names("acme") == ["token"]
    assert await store.delete_secret("acme", "token")
    assert [one.revision for one in (await store.changes(0)).items] == [1, 2, 3, 4, 5, 6]


async def _hears_a_change(store: RedisStore) -> None:
    woken = asyncio.Event()
    watching = asyncio.create_task(store.watch(woken.set))
    async with asyncio.timeout(10):
        await woken.wait()  # the subscription stands
        woken.clear()
        await store.put_secret("", "heard", b"sealed")
        await woken.wait()
    watching.cancel()
    await asyncio.wait([watching])


# --- TLS


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return authority, str(file)


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_a_server_behind_tls_is_used(
    server: Valkey, authority: tuple[trustme.CA, str]
) -> None:
    async with tls_relay(server.port, _context(authority[0], "127.0.0.1")) as port:
        url = f"rediss://127.0.0.1:{port}/0"
        async with _opened(url, ca=authority[1]) as store:
            await _changes_everything(store)
            await _hears_a_change(store)


async def test_a_certificate_of_a_stranger_is_refused(
    server: Valkey, authority: tuple[trustme.CA, str]
) -> None:
    async with tls_relay(server.port, _context(trustme.CA(), "127.0.0.1")) as port:
        url = f"rediss://127.0.0.1:{port}/0"
        with pytest.raises(StoreUnavailableError, match="certificate is not trusted"):
            async with _opened(url, ca=authority[1]):
                pass


async def test_a_certificate_for_another_name_is_refused(
    server: Valkey, authority: tuple[trustme.CA, str]
) -> None:
    async with tls_relay(server.port, _context(authority[0], "other.example")) as port:
        url = f"rediss://127.0.0.1:{port}/0"
        with pytest.raises(StoreUnavailableError, match="certificate is not trusted"):
            async with _opened(url, ca=authority[1]):
                pass


async def test_an_authority_of_the_system_does_not_do(
    server: Valkey, authority: tuple[trustme.CA, str]
) -> None:
    async with tls_relay(server.port, _context(authority[0], "127.0.0.1")) as port:
        with pytest.raises(StoreUnavailableError, match="certificate is not trusted"):
            async with _opened(f"rediss://127.0.0.1:{port}/0"):
                pass


async def test_a_server_that_speaks_no_tls_is_refused(server: Valkey) -> None:
    with pytest.raises(StoreUnavailableError):
        async with _opened(server.url.replace("redis:", "rediss:"), timeout="500ms"):
            pass


# --- Sentinel


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watched_valkey() as watched:
        yield watched


async def test_a_failover_needs_no_restart(watched: Watched) -> None:
    keys = {"topology": "sentinel", "timeout": "1s"}
    async with _opened(watched.url, **keys) as store:
        await _changes_everything(store)
        await _hears_a_change(store)
        seen = await store.changes(None)
        await asyncio.to_thread(
            wait_until, lambda: watched.replica.command("HLEN", "{sidecar}:keys") == 1, "in step"
        )
        await asyncio.to_thread(watched.master.kill)
        with pytest.raises(StoreUnavailableError):
            await store.find_key([a_digest("k1")])
        await asyncio.to_thread(wait_until, watched.has_failed_over, "the replica is promoted")
        found = await store.find_key([a_digest("k1")])
        assert found is not None
        assert found.label == "new"
        # It has everything, which nobody can know of a server that was another's copy.
        told = await store.changes(seen.revision, seen.mark)
        assert (told.revision, told.is_complete) == (seen.revision, False)
        assert (await store.changes(told.revision, told.mark)).is_complete
        assert await store.add_key(a_key("k2"))
        await _hears_a_change(store)


async def test_a_master_that_goes_on_without_its_replicas_is_warned_of(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"topology": "sentinel", "timeout": "1s"}
    async with _opened(watched.url, **keys):
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert "min-replicas-to-write" in record.getMessage()
    caplog.clear()
    option = ("CONFIG", "SET", "min-replicas-to-write", "1")
    await asyncio.to_thread(watched.master.command, *option)
    async with _opened(watched.url, **keys) as store:
        assert await store.add_key(a_key())
    async with _opened(watched.master.url):
        pass
    assert not caplog.records


async def test_sentinels_that_know_no_master_say_so(watched: Watched) -> None:
    keys = {"topology": "sentinel", "master": "other", "timeout": "1s"}
    with pytest.raises(StoreUnavailableError, match="know no master"):
        async with _opened(watched.url, **keys):
            pass


# --- Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as cluster:
        yield cluster


async def test_a_cluster_holds_the_whole_store(cluster: Cluster) -> None:
    async with _opened(cluster.url, topology="cluster") as store:
        await _changes_everything(store)
        await _hears_a_change(store)
        assert await store.put_block(a_block(), 9)
        assert await store.blocks("", 9) == [a_block()]
        assert await store.remove_block(a_block().kind, a_block().value)


async def test_a_cluster_is_found_by_any_of_its_hosts(cluster: Cluster) -> None:
    url = f"redis://{cluster.servers[-1].address}"
    async with _opened(url, topology="cluster", prefix="found") as store:
        assert await store.add_key(a_key())
        assert await store.find_key([a_digest("k1")]) == a_key()


async def test_prefixes_lie_in_slots_of_their_own(cluster: Cluster) -> None:
    for prefix in ("a", "b", "c", "d"):  # on different nodes
        async with _opened(cluster.url, topology="cluster", prefix=prefix) as store:
            assert await store.add_key(a_key())
            assert await store.key(KeyId("k1")) == a_key()


async def test_a_node_that_is_cut_off_and_still_claims_the_slot_is_left(cluster: Cluster) -> None:
    words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with valkey(*words) as alone:
        slot = str(key_slot(b"claimed"))
        await _run(alone, "CLUSTER", "ADDSLOTS", slot)
        url = f"redis://{alone.address},{cluster.servers[0].address}"
        async with _opened(url, topology="cluster", prefix="claimed") as store:
            assert await store.add_key(a_key())
            assert await store.find_key([a_digest("k1")]) == a_key()
        with pytest.raises(StoreUnavailableError, match="the cluster is down"):
            async with _opened(f"redis://{alone.address}", topology="cluster", prefix="claimed"):
                pass


async def test_a_slot_on_its_way_to_another_node_admits_nobody_and_is_followed(
    cluster: Cluster,
) -> None:
    async with _opened(cluster.url, topology="cluster", prefix="moving") as store:
        await store.add_key(a_key())
        seen = await store.changes(None)
        slot = str(key_slot(b"moving"))
        source = await asyncio.to_thread(_owner_of, cluster, "{moving}:store")
        target = next(one for one in cluster.servers if _is_master(one) and one is not source)
        for server, way, other in ((target, "IMPORTING", source), (source, "MIGRATING", target)):
            await _run(server, "CLUSTER", "SETSLOT", slot, way, str(await _name_of(other)))
        names = ("{moving}:keys", "{moving}:key-ids", "{moving}:log", "{moving}:store")
        for name in (*names, "{moving}:key-ids:acme"):
            await _run(source, "MIGRATE", HOST, str(target.port), name, "0", "5000")
            with pytest.raises(StoreUnavailableError, match="is moving the keys"):
                await store.find_key([a_digest("k1")])
        for server in (target, source):
            await _run(server, "CLUSTER", "SETSLOT", slot, "NODE", str(await _name_of(target)))
        assert await store.find_key([a_digest("k1")]) == a_key()
        # Its new node is another server: what was looked up before is looked up anew.
        told = await store.changes(seen.revision, seen.mark)
        assert (told.revision, told.is_complete) == (seen.revision, False)
        assert await store.add_key(a_key("k2"))


async def _run(server: Valkey, *words: str) -> object:
    return await asyncio.to_thread(server.command, *words)


async def _name_of(server: Valkey) -> object:
    return await _run(server, "CLUSTER", "MYID")


async def test_a_cluster_that_lost_a_node_fails_over(cluster: Cluster) -> None:
    keys = {"topology": "cluster", "timeout": "1s", "prefix": "failover"}
    async with _opened(cluster.url, **keys) as store:
        await store.add_key(a_key())
        owner = await asyncio.to_thread(_owner_of, cluster, "{failover}:store")
        await asyncio.to_thread(wait_until, lambda: _is_in_step(cluster, owner), "in step")
        await asyncio.to_thread(owner.kill)
        with pytest.raises(StoreUnavailableError):
            await store.find_key([a_digest("k1")])
        await asyncio.to_thread(wait_until, lambda: _is_whole(cluster, owner), "it is whole again")
        assert await store.find_key([a_digest("k1")]) == a_key()
        assert await store.add_key(a_key("k2"))


def _is_whole(cluster: Cluster, gone: Valkey) -> bool:
    others = [one for one in cluster.servers if one is not gone]
    if sum(map(_is_master, others)) < 3:
        return False
    return all("cluster_state:ok" in str(one.command("CLUSTER", "INFO")) for one in others)


def _owner_of(cluster: Cluster, key: str) -> Valkey:
    slot = cluster.servers[0].command("CLUSTER", "KEYSLOT", key)
    for server in cluster.servers:
        if server.command("CLUSTER", "COUNTKEYSINSLOT", str(slot)) and _is_master(server):
            return server
    raise LookupError(key)


def _is_master(server: Valkey) -> bool:
    role = server.command("ROLE")
    return isinstance(role, list) and role[0] == "master"


def _is_in_step(cluster: Cluster, owner: Valkey) -> bool:
    count = owner.command("DBSIZE")
    replicas = (one for one in cluster.servers if not _is_master(one))
    found = [one for one in replicas if str(owner.port) in str(one.command("ROLE"))]
    return bool(found) and all(one.command("DBSIZE") == count for one in found)
