"""Spans: what is noted, what is dropped, and a thread that nothing holds up."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sidecar.adapters.telemetry.otlp import OtlpExporter
from sidecar.adapters.telemetry.spans import BATCH, QUEUE, Noted, SpanLedger, SpanTotals
from sidecar.model.exchange import Exchange
from sidecar.model.trace import SAMPLED, Trace
from sidecar.model.verdict import CLIENT_LEFT, Ending, Verdict
from sidecar.policy.schema.tracing import Tracing
from tests.adapters.exchanges import a_head, admitted, an_exchange, refused
from tests.builders import a_target
from tests.e2e.collector import CLIENT, SERVER, a_collector, attributes_of

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


class Gate:
    """Takes batches while it is open."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.batches: list[int] = []
        self.closed = False
        self.entered = threading.Event()
        self._open = threading.Event()
        if is_open:
            self._open.set()

    def export(self, batch: Sequence[Noted]) -> bool:
        self.entered.set()
        self._open.wait(20)
        self.batches.append(len(batch))
        return True

    def close(self) -> None:
        self.closed = True
        self._open.set()


class Broken(Gate):
    """Fails as no exporter may."""

    def export(self, batch: Sequence[Noted]) -> bool:
        super().export(batch)
        raise RuntimeError("a bug")


def traced(flags: int = SAMPLED, exchange: Exchange | None = None) -> Exchange:
    exchange = exchange or an_exchange()
    exchange.is_secure = False
    exchange.trace = Trace(TRACE, None, b"00f067aa0ba902b7", flags=flags, state=b"")
    return exchange


async def test_only_what_is_recorded_is_noted() -> None:
    ledger = SpanLedger(Gate())
    ledger.note(an_exchange(), admitted())
    ledger.note(traced(0), admitted())
    assert ledger.waiting == 0
    ledger.note(traced(), admitted())
    assert ledger.waiting == 1
    await ledger.close()


async def test_beyond_the_bound_the_newest_are_dropped_and_counted() -> None:
    gate = Gate(is_open=False)
    ledger = SpanLedger(gate)
    for _ in range(QUEUE + 3):
        ledger.note(traced(), admitted())
    assert (ledger.waiting, ledger.dropped) == (QUEUE, 3)
    await ledger.close()
    assert (ledger.waiting, ledger.dropped) == (0, QUEUE + 3)


async def test_a_full_batch_wakes_the_thread() -> None:
    gate = Gate()
    ledger = SpanLedger(gate)
    ledger.start()
    for _ in range(BATCH):
        ledger.note(traced(), admitted())
    assert await asyncio.to_thread(gate.entered.wait, 20)
    await ledger.close()
    assert (sum(gate.batches), ledger.exported) == (BATCH, BATCH)
    assert gate.closed


async def test_what_is_noted_is_sent_before_the_end_in_batches() -> None:
    gate = Gate()
    ledger = SpanLedger(gate)
    for _ in range(2 * BATCH + 1):
        ledger.note(traced(), admitted())
    ledger.start()
    await ledger.close()
    assert gate.batches == [BATCH, BATCH, 1]
    assert (ledger.exported, ledger.failed, ledger.dropped) == (2 * BATCH + 1, 0, 0)


async def test_the_end_waits_for_a_collector_no_longer_than_it_may(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(is_open=False)
    ledger = SpanLedger(gate)
    for _ in range(BATCH + 5):
        ledger.note(traced(), admitted())
    ledger.start()
    assert await asyncio.to_thread(gate.entered.wait, 20)
    await ledger.close(0.05)
    assert (ledger.dropped, ledger.waiting) == (5, 0)
    assert "5 requests have no spans" in caplog.text


async def test_numbers_outlive_their_ledger_and_never_fall() -> None:
    totals = SpanTotals()
    gates = [Gate(is_open=False), Gate(), Broken()]
    ledgers = [SpanLedger(gate) for gate in gates]
    hung, taking, broken = ledgers
    totals.add(hung)
    for _ in range(BATCH + 5):
        hung.note(traced(), admitted())
    hung.start()
    assert await asyncio.to_thread(gates[0].entered.wait, 20)
    for ledger in (taking, broken):
        ledger.start()
        ledger.note(traced(), admitted())
        totals.add(ledger)
    assert totals.waiting + totals.exported + totals.failed == 7
    await hung.close(0)
    for ledger in (taking, broken):
        await ledger.close()
    while not hung.is_over:  # noqa: ASYNC110 -- a thread counts
        await asyncio.sleep(0.001)
    numbers = (totals.waiting, totals.dropped, totals.exported, totals.failed)
    assert numbers == (0, 5, BATCH + 1, 1)
    totals.add(SpanLedger(Gate()))
    assert (totals.waiting, totals.dropped, totals.exported, totals.failed) == numbers


async def test_a_bug_of_the_exporter_ends_a_batch_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "sidecar.tracing"):
        ledger = SpanLedger(Broken())
        for _ in range(BATCH + 1):
            ledger.note(traced(), admitted())
        ledger.start()
        await ledger.close()
    assert ledger.failed == BATCH + 1
    assert caplog.text.count("spans could not be sent") == 2


def test_a_note_holds_no_more_of_a_request_than_it_shows() -> None:
    path = b"/" + b"p" * 5000
    head = a_head(b"GET", path, query=b"secret", host=b"h" * 300)
    noted = Noted(
        traced(exchange=an_exchange(head)),
        admitted(),
        Trace(TRACE, None, b"1" * 16, flags=1, state=b""),
    )
    assert (len(noted.path), len(noted.host or b"")) == (1024, 255)


def test_a_note_is_made_of_a_request_that_was_refused_before_its_route() -> None:
    exchange = Exchange(an_exchange().connection, a_head(), 1.0, b"id")
    exchange.request_id = b"id"
    noted = Noted(
        traced(exchange=exchange), refused(), Trace(TRACE, None, b"1" * 16, flags=1, state=b"")
    )
    assert (noted.route, noted.upstream) == ("-", b"")


# --- what becomes of odd ones


def waited(exchange: Exchange, **facts: object) -> Verdict:
    exchange.target = replace(a_target(), authority=b"[::1]:3000")
    verdict = admitted()
    verdict.handed_over = 0.001
    for name, value in facts.items():
        setattr(verdict, name, value)
    return verdict


async def spans_of(exchange: Exchange, verdict: Verdict) -> dict[int, dict[str, object]]:
    async with a_collector() as collector:
        ledger = SpanLedger(OtlpExporter(Tracing(otlp=collector.url), "instance"))
        ledger.start()
        ledger.note(exchange, verdict)
        await ledger.close()
        return {
            span.kind: {"name": span.name, **attributes_of(span.attributes)}
            for span in collector.spans
        }


async def test_a_method_that_nobody_knows_is_no_name_of_a_span() -> None:
    exchange = traced(exchange=an_exchange(a_head(b"PROPFIND")))
    spans = await spans_of(exchange, waited(exchange))
    assert spans[SERVER]["name"] == "HTTP /orders/{id}"
    assert spans[CLIENT]["name"] == "HTTP"
    assert spans[SERVER]["http.request.method"] == "_OTHER"


async def test_addresses_have_their_port_apart_and_no_brackets() -> None:
    exchange = traced(exchange=an_exchange(a_head(host=b"[2001:db8::1]")))
    spans = await spans_of(exchange, waited(exchange))
    assert spans[SERVER]["server.address"] == "2001:db8::1"
    assert "server.port" not in spans[SERVER]
    assert (spans[CLIENT]["server.address"], spans[CLIENT]["server.port"]) == ("::1", 3000)


async def test_a_client_that_left_got_no_status() -> None:
    exchange = traced(exchange=an_exchange(a_head(host=None)))
    verdict = waited(exchange, ending=Ending.ABANDONED, status=CLIENT_LEFT, upstream_seconds=None)
    spans = await spans_of(exchange, verdict)
    assert "http.response.status_code" not in spans[SERVER]
    assert "server.address" not in spans[SERVER]
    assert spans[CLIENT]["error.type"] == "abandoned"


async def test_a_library_that_was_switched_off_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with a_collector() as collector:
        ledger = SpanLedger(OtlpExporter(Tracing(otlp=collector.url), "instance"))
        ledger.start()
        ledger.note(traced(), admitted())
        await ledger.close()
        assert (ledger.failed, ledger.exported, collector.bodies) == (1, 0, [])


def test_without_the_extra_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None;import sidecar.adapters.telemetry.otlp"
    )
    ended = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", program], capture_output=True, check=False, timeout=30, text=True
    )
    assert ended.returncode == 1
    assert "InstallationError: spans cannot be sent" in ended.stderr
    assert "pip install 'tenant-sidecar[otel]'" in ended.stderr
