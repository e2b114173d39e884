"""Collectors that answer anything but that they took a batch, and an environment that meddles."""

import asyncio
import logging
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from sidecar.adapters.telemetry.otlp import OtlpExporter, authorities_of
from sidecar.adapters.telemetry.spans import SpanLedger
from sidecar.model.trace import SAMPLED, Trace
from sidecar.policy.schema.tracing import Tracing
from tests.adapters.exchanges import admitted, an_exchange
from tests.adapters.telemetry.test_spans import TRACE, traced

LARGE = 300_000_000
PARTIAL = ExportTraceServiceResponse(
    partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too many")
).SerializeToString()


@asynccontextmanager
async def answering(*pieces: bytes, repeat: int = 1, pause: float = 0.0) -> AsyncIterator[str]:
    """Run a collector that answers each request with some bytes; gives its URL.

    Args:
        pieces: what it answers; all but the first as often as `repeat` says.
        repeat: how often.
        pause: seconds between two of them.
    """
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            for piece in (pieces[0], *pieces[1:] * repeat):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}/v1/traces?token=t0ken"
    finally:
        server.close()
        await asyncio.gather(*(task for task in serving if task is not None))


def a_section(url: str, timeout: str = "20s") -> Tracing:
    return Tracing.model_validate({"otlp": url, "timeout": timeout})


async def sent(section: Tracing) -> SpanLedger:
    ledger = SpanLedger(OtlpExporter(section, "instance"))
    ledger.start()
    ledger.note(traced(), admitted())
    await ledger.close(20)
    return ledger


def whole(status: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(whole(b"302 Found\r\nLocation: https://login/"), "it answered 302", id="302"),
        pytest.param(whole(b"400 \x1b[31mred"), "it answered 400", id="400"),
        pytest.param(whole(b"200 OK", PARTIAL), "it rejected 2 spans: too many", id="partly"),
        pytest.param(b"nonsense\r\n\r\n", "BadStatusLine", id="no HTTP"),
    ],
)
async def test_what_was_not_taken_is_counted_and_said_why(
    answer: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering(answer) as url:
        ledger = await sent(a_section(url, "500ms"))
    assert (ledger.exported, ledger.failed) == (0, 1)
    assert said in caplog.text
    assert "t0ken" not in caplog.text
    assert "\x1b" not in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "body", [pytest.param(b"", id="nothing"), pytest.param(b"\xff", id="nothing that is known")]
)
async def test_whoever_says_200_has_taken_it(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with answering(whole(b"200 OK", body)) as url:
        ledger = await sent(a_section(url))
    assert (ledger.exported, ledger.failed) == (1, 0)
    assert caplog.records == []


async def test_an_answer_takes_no_memory_however_long_it_is() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE
    piece = b"x" * 1_000_000
    async with answering(head, piece, repeat=LARGE // len(piece)) as url:
        tracemalloc.start()
        try:
            ledger = await sent(a_section(url))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert ledger.exported == 1
    assert most < LARGE / 10


async def test_an_answer_that_drips_is_given_up_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"
    async with answering(head, b"x", repeat=10_000, pause=0.02) as url:
        # `sent` waits for 20 seconds; all of it would take 200.
        ledger = await sent(a_section(url, "200ms"))
    assert ledger.exported == 1


# --- who is trusted, and what the environment may say


@pytest.mark.parametrize("is_file", [True, False])
def test_the_authorities_are_the_systems_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_file: bool
) -> None:
    paths = ssl.get_default_verify_paths()
    file = str(tmp_path / "file") if is_file else None
    monkeypatch.setattr(
        ssl,
        "get_default_verify_paths",
        lambda: paths._replace(cafile=file or "", capath=str(tmp_path)),
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/environment")
    section = Tracing(otlp="https://127.0.0.1:1/")
    assert authorities_of(section) == (file or str(tmp_path))
    assert authorities_of(section.model_copy(update={"ca": "own"})) == "own"


async def test_a_certificate_of_the_environment_is_not_shown() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nowhere")
        async with answering(whole(b"200 OK")) as url:
            ledger = await sent(a_section(url))
    assert ledger.exported == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2"),
    ],
)
async def test_limits_of_the_environment_neither_stop_us_nor_fill_the_log(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, value)
    async with answering(whole(b"200 OK")) as url:
        ledger = await sent(a_section(url))
    assert ledger.exported == 1
    assert caplog.records == []


async def test_what_a_client_writes_into_tracestate_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange = an_exchange()
    exchange.is_secure = False
    state = b"0digit=written-by-a-client,a@b@c=1,good=1"
    exchange.trace = Trace(TRACE, b"1" * 16, b"2" * 16, flags=SAMPLED, state=state)
    async with answering(whole(b"200 OK")) as url:
        ledger = SpanLedger(OtlpExporter(a_section(url), "instance"))
        ledger.start()
        ledger.note(exchange, admitted())
        await ledger.close(20)
    assert ledger.exported == 1
    assert "written-by-a-client" not in caplog.text
    assert "a@b@c" not in caplog.text
