"""A stream of Redis behind TLS, watched by Sentinels, and in a Cluster."""

import asyncio
from collections.abc import Iterator

import pytest
import trustme

from tests.adapters.audit.receivers import routes
from tests.adapters.audit.test_full import note
from tests.adapters.audit.test_remote import (
    Start,
    authority,
    ca,
    context,
    entries,
    numbers,
    server,
    start,
)
from tests.adapters.audit.test_writer import until
from tests.ports import HOST
from tests.stores.relay import tls_relay
from tests.stores.servers import (
    Cluster,
    Valkey,
    Watched,
    valkey_cluster,
    wait_until,
    watched_valkey,
)

# Fixtures, which pytest finds by name.
__all__ = ["authority", "ca", "server", "start"]

pytestmark = pytest.mark.control("AU-1")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as cluster:
        yield cluster


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watched_valkey() as watched:
        yield watched


async def test_a_stream_behind_tls_gets_the_records(
    start: Start, server: Valkey, authority: trustme.CA, ca: str
) -> None:
    async with tls_relay(server.port, context(authority)) as port:
        state = {"store": f"rediss://{HOST}:{port}/0", "ca": ca}
        ledger = await start({"redis_stream": "s", "server": state})
        await note(ledger, range(100))
        await until(lambda: ledger.sinks[0].written == 100)
        assert routes(entries(server, "s")) == numbers(100)
        await ledger.close()


@pytest.mark.parametrize("name", [HOST, "other.example"])
async def test_a_stream_whose_certificate_is_of_somebody_else_is_fatal_at_start(
    start: Start, server: Valkey, authority: trustme.CA, ca: str, name: str
) -> None:
    theirs = trustme.CA(key_type=trustme.KeyType.ECDSA) if name == HOST else authority
    async with tls_relay(server.port, context(theirs, name)) as port:
        state = {"store": f"rediss://{HOST}:{port}/0", "ca": ca}
        with pytest.raises(OSError, match=r"the audit sink cannot be opened: .*certificate"):
            await start({"redis_stream": "s", "server": state})


async def test_a_stream_in_a_cluster_is_written_on_the_server_of_its_key(
    start: Start, cluster: Cluster
) -> None:
    state = {"store": cluster.url, "topology": "cluster"}
    streams = [f"s{number}" for number in range(6)]
    for stream in streams:
        ledger = await start({"redis_stream": stream, "server": state})
        await note(ledger, range(50))
        await ledger.close()
    found: dict[str, list[str]] = {}
    for master in cluster.servers[:3]:
        held = master.command("KEYS", "*")
        assert isinstance(held, list)
        found |= {str(stream): routes(entries(master, str(stream))) for stream in held}
    assert found == {stream: numbers(50) for stream in streams}


async def test_a_stream_goes_on_with_the_master_that_sentinels_name(
    start: Start, watched: Watched
) -> None:
    state = {"store": watched.url, "topology": "sentinel", "master": "mymaster"}
    ledger = await start({"redis_stream": "s", "server": state})
    (sink,) = ledger.sinks
    await note(ledger, range(50))
    await until(lambda: sink.written == 50)
    await asyncio.to_thread(
        wait_until,
        lambda: routes(entries(watched.replica, "s")) == numbers(50),
        "the replica has them",
    )
    await asyncio.to_thread(watched.master.kill)
    await note(ledger, range(50, 100))
    await until(lambda: sink.written == 100, 30)
    assert watched.has_failed_over()
    assert routes(entries(watched.replica, "s")) == numbers(100)
    assert sink.dropped == 0
