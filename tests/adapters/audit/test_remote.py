"""Sinks on other machines, with real ones: slow, gone and back, refusing, wrongly certified."""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme

from sidecar.adapters.audit.sink_writer import SinkWriter
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.policy.schema.audit import Audit
from sidecar.policy.schema.state import State
from sidecar.policy.written import Sources
from tests.adapters.audit.receivers import Line, http, missing, routes, syslog
from tests.adapters.audit.test_full import note, settled
from tests.adapters.audit.test_writer import until
from tests.ports import HOST, free_port
from tests.stores.servers import Valkey, valkey

Section = dict[str, object]
Start = Callable[[Section], Awaitable[AuditLedger]]

pytestmark = pytest.mark.control("AU-1")


def a_ledger(sink: Section, state: str = "memory") -> AuditLedger:
    sources = Sources(lambda name: Path(name).read_bytes(), {})
    section = Audit.model_validate({"sinks": [sink], "flush": "20ms"}, context=sources)
    on = section.on(State.model_validate(state))
    return AuditLedger(on, time.time, UuidV7(time.time, os.urandom), role="0")


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start ledgers; they are closed at the end of the test."""
    started: list[AuditLedger] = []

    async def start_one(sink: Section) -> AuditLedger:
        ledger = a_ledger(sink)
        started.append(ledger)
        await ledger.start()
        return ledger

    yield start_one
    for ledger in started:
        await ledger.close(0.1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    name = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(name))
    return str(name)


def context(authority: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


def numbers(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def all_of(lines: list[Line], sink: SinkWriter, sent: int) -> bool:
    """Whether each record came, or stands in a gap that was told."""
    return len(routes(lines)) + missing(lines) == sent and missing(lines) == sink.dropped


# --- syslog


@pytest.mark.parametrize("is_secure", [True, False])
async def test_records_are_messages_of_syslog(
    start: Start, authority: trustme.CA, ca: str, *, is_secure: bool
) -> None:
    async with syslog(context(authority) if is_secure else None) as server:
        scheme = "tls" if is_secure else "tcp"
        section: Section = {"syslog": f"{scheme}://{HOST}:{server.port}"}
        ledger = await start({**section, "ca": ca} if is_secure else section)
        await note(ledger, range(300))
        await until(lambda: len(routes(server.lines)) == 300)
        assert routes(server.lines) == numbers(300)
        assert [line["action"] for line in server.lines[:2]] == ["audit.start", "request"]
        for head, line in zip(server.heads, server.lines, strict=True):
            assert head[0].decode() == line["timestamp"]
            assert int(head[2]) == os.getpid()
            assert head[3].decode() == line["action"]


async def test_a_syslog_server_that_does_not_read_holds_up_its_thread_alone(
    start: Start, authority: trustme.CA, ca: str
) -> None:
    async with syslog(context(authority)) as server:
        server.reads.clear()
        section = {"syslog": f"tls://{HOST}:{server.port}", "ca": ca, "queue": "64KiB"}
        ledger = await start({**section, "on_full": "drop"})
        (sink,) = ledger.sinks
        sent = 0
        while not sink.dropped:
            await note(ledger, range(sent, sent + 500))
            sent += 500
            await asyncio.sleep(0.01)
        server.reads.set()
        await until(lambda: sink.waiting == 0, 20)
        await note(ledger, range(sent, sent + 1))
        await until(lambda: str(sent) in routes(server.lines), 20)
        assert all_of(server.lines, sink, sent + 1)


async def test_a_syslog_server_that_goes_and_comes_back_loses_nothing(
    start: Start, authority: trustme.CA, ca: str
) -> None:
    async with syslog(context(authority)) as server:
        ledger = await start({"syslog": f"tls://{HOST}:{server.port}", "ca": ca})
        (sink,) = ledger.sinks
        await note(ledger, range(100))
        await until(lambda: len(routes(server.lines)) == 100)
        await server.stop()
        await note(ledger, range(100, 200))
        await until(lambda: sink.errors > 0)
        assert sink.is_failing
        await server.start()
        await until(lambda: len(routes(server.lines)) == 200, 20)
        assert routes(server.lines) == numbers(200)
        await until(lambda: sink.waiting == 0)
        assert sink.dropped == 0


async def test_what_only_our_own_system_holds_does_not_count_as_taken(start: Start) -> None:
    async with syslog(room=4096) as server:
        server.reads.clear()
        ledger = await start({"syslog": f"tcp://{HOST}:{server.port}"})
        (sink,) = ledger.sinks
        # Little enough for the buffer of whoever sends.
        await note(ledger, range(1, 60))
        await until(lambda: sink.errors > 0)
        assert sink.waiting == 59
        await server.stop()
        server.lines.clear()
        server.reads.set()
        await server.start()
        await until(lambda: sink.waiting == 0, 20)
        await until(lambda: routes(server.lines) == numbers(59, 1))


@pytest.mark.parametrize("trouble", ["gone", "stranger", "other name"])
async def test_a_syslog_server_that_cannot_be_used_is_fatal_at_start(
    start: Start, authority: trustme.CA, ca: str, trouble: str
) -> None:
    stranger = trustme.CA(key_type=trustme.KeyType.ECDSA)
    made = context(stranger) if trouble == "stranger" else context(authority, "other.example")
    async with syslog(made) as server:
        port = free_port() if trouble == "gone" else server.port
        with pytest.raises(OSError, match="the audit sink cannot be opened: ") as caught:
            await start({"syslog": f"tls://{HOST}:{port}", "ca": ca})
        assert caught.value.filename == f"tls://{HOST}:{port}"
        expected = "refused" if trouble == "gone" else "CERTIFICATE_VERIFY_FAILED"
        assert expected in str(caught.value)


# --- HTTP


async def test_records_are_posted_packed_and_with_the_fields_of_the_policy(
    start: Start, authority: trustme.CA, ca: str
) -> None:
    async with http(context(authority)) as server:
        url = f"https://{HOST}:{server.port}/ingest"
        headers = {"Authorization": "Bearer of the bad news"}
        ledger = await start({"http": url + "?token=hush", "ca": ca, "headers": headers})
        await note(ledger, range(300))
        await until(lambda: len(routes(server.lines)) == 300)
        assert routes(server.lines) == numbers(300)
        sent = server.headers[0]
        assert sent["Authorization"] == "Bearer of the bad news"
        assert sent["Content-Type"] == "application/x-ndjson"
        assert sent["Content-Encoding"] == "gzip"
        # What metrics and logs say has no query.
        assert ledger.sinks[0].name == url


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_passes_is_tried_again_until_it_has(start: Start, status: int) -> None:
    async with http() as server:
        server.answers = [(status, {}), (status, {})]
        ledger = await start({"http": f"http://{HOST}:{server.port}/ingest"})
        await note(ledger, range(10))
        await until(lambda: len(routes(server.lines)) == 10)
        (sink,) = ledger.sinks
        assert (sink.errors, sink.dropped) == (2, 0)


async def test_retry_after_is_waited_for(start: Start) -> None:
    async with http() as server:
        server.answers = [(429, {"Retry-After": "2"})]
        ledger = await start({"http": f"http://{HOST}:{server.port}/ingest"})
        began = time.monotonic()
        await note(ledger, range(10))
        await until(lambda: len(routes(server.lines)) == 10)
        assert time.monotonic() - began >= 2


async def test_what_will_not_pass_is_complained_about_and_not_tried_at_once(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with http() as server:
        server.answers = [(403, {})] * 9
        ledger = await start({"http": f"http://{HOST}:{server.port}/ingest"})
        (sink,) = ledger.sinks
        await note(ledger, range(10))
        await until(lambda: sink.errors == 1)
        await asyncio.sleep(0.3)
        assert (sink.errors, len(server.sizes)) == (1, 1)
        assert "the receiver answers 403" in caplog.text
        assert (sink.waiting, sink.dropped) == (10, 0)


async def test_batches_that_are_too_large_become_smaller(start: Start) -> None:
    async with http() as server:
        server.most = 20
        ledger = await start({"http": f"http://{HOST}:{server.port}/ingest"})
        await note(ledger, range(300))
        await until(lambda: len(routes(server.lines)) == 300)
        assert routes(server.lines) == numbers(300)
        assert max(server.sizes) > 20


async def test_an_http_server_that_goes_and_comes_back_loses_nothing(start: Start) -> None:
    async with http() as server:
        ledger = await start({"http": f"http://{HOST}:{server.port}/ingest"})
        await note(ledger, range(100))
        await until(lambda: len(routes(server.lines)) == 100)
    (sink,) = ledger.sinks
    await note(ledger, range(100, 200))
    await until(lambda: sink.errors > 0)
    async with http(port=server.port) as again:
        await until(lambda: len(routes(again.lines)) == 100, 20)
        assert routes(again.lines) == numbers(100, 100)
        assert sink.dropped == 0


async def test_what_a_silent_server_has_not_taken_is_spilled_at_the_end(
    start: Start, tmp_path: Path
) -> None:
    async with http() as server:
        server.hangs = True
        spill = {"file": str(tmp_path / "spill")}
        section: Section = {"http": f"http://{HOST}:{server.port}/ingest", "queue": "64KiB"}
        section |= {"on_full": "spill", "spill": spill}
        ledger = await start(section)
        (sink,) = ledger.sinks
        for first in range(0, 1000, 100):
            await note(ledger, range(first, first + 100))
            await settled(sink, first + 100)
        began = time.monotonic()
        await ledger.close(0.2)
        assert time.monotonic() - began < 3
        assert (sink.spilled, sink.dropped) == (1000, 0)
    async with http(port=server.port) as again:
        await start(section)
        await until(lambda: len(routes(again.lines)) == 1000)
        assert routes(again.lines) == numbers(1000)


# --- Redis streams


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


def entries(server: Valkey, stream: str) -> list[Line]:
    answer = server.command("XRANGE", stream, "-", "+")
    assert isinstance(answer, list)
    return [
        json.loads(fields[1] if isinstance(fields, list) else fields["record"])
        for _, fields in answer
    ]


async def test_records_are_entries_of_a_stream(start: Start, server: Valkey) -> None:
    ledger = await start({"redis_stream": "s1", "server": server.url})
    await note(ledger, range(300))
    await until(lambda: ledger.sinks[0].written == 300)
    assert routes(entries(server, "s1")) == numbers(300)


async def test_a_stream_is_on_the_state_store_and_keeps_about_so_many(server: Valkey) -> None:
    ledger = a_ledger({"redis_stream": "s2", "maxlen": 200}, server.url)
    await ledger.start()
    await note(ledger, range(2000))
    await ledger.close()
    kept = routes(entries(server, "s2"))
    assert kept == numbers(2000)[-len(kept) :]
    assert 200 <= len(kept) < 600


async def test_a_stream_that_goes_and_comes_back_loses_nothing(start: Start) -> None:
    with valkey() as own:
        ledger = await start({"redis_stream": "s3", "server": own.url})
        (sink,) = ledger.sinks
        await note(ledger, range(100))
        await until(lambda: sink.written == 100)
        await asyncio.to_thread(own.kill)
        await note(ledger, range(100, 200))
        await until(lambda: sink.errors > 0)
        await asyncio.to_thread(own.start)
        await until(lambda: sink.written == 200, 20)
        # A restart empties the server.
        assert routes(entries(own, "s3")) == numbers(100, 100)


async def test_a_stream_without_a_server_is_fatal_at_start(start: Start) -> None:
    with pytest.raises(OSError, match="the audit sink cannot be opened: ") as caught:
        await start({"redis_stream": "s", "server": f"redis://{HOST}:{free_port()}/0"})
    assert caught.value.filename == "redis:s"


async def test_a_key_that_is_no_stream_is_fatal_at_start(start: Start, server: Valkey) -> None:
    server.command("SET", "taken", "x")
    with pytest.raises(OSError, match="WRONGTYPE"):
        await start({"redis_stream": "taken", "server": server.url})
