"""From exchanges to spans: noted on the event loop, made and sent by a thread of their own.

A collector that is slow or gone holds up its thread, never a request. What waits for it is bounded;
beyond the bound the newest are dropped and counted.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, Protocol

from sidecar.model.exchange import Exchange
from sidecar.model.ports import Ledger
from sidecar.model.refusals import RefusalCode
from sidecar.model.trace import Trace
from sidecar.model.verdict import Ending, Verdict

BATCH: Final = 64
"""Exchanges of a batch: a few milliseconds of the thread, and the event loop goes on between."""
QUEUE: Final = 2048
FLUSH_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 5.0

_PATH_BYTES: Final = 1024
_HOST_BYTES: Final = 255
_METHOD_BYTES: Final = 32
_UNROUTED: Final = "-"

_LOG: Final = logging.getLogger("sidecar.tracing")


class Noted:
    """What spans say of an exchange: nothing of its query, its other fields or its bodies.

    Attributes:
        trace: its part in a trace.
        started: Unix seconds when the head was complete.
        seconds: from then to the last byte of the answer.
        handed_over: from then to the hand-over to the upstream; None without one.
        upstream_seconds: from the hand-over to the head of the upstream's answer; None without one.
        method: as sent, cut short.
        path: as received, cut short, without the query.
        host: value of Host in lower case, cut short; None for none.
        is_secure: whether the client's side came over TLS.
        minor: 0 or 1, of HTTP/1.x.
        route: template of the route; `-` for none.
        status: status that the client got.
        code: refusal code; None for what the upstream answered.
        step: step that refused or answered; empty when none did.
        ending: how it ended.
        request_id: as in X-Request-Id.
        upstream: authority of the upstream; empty where none was chosen.
    """

    __slots__ = (
        "code", "ending", "handed_over", "host", "is_secure", "method", "minor", "path",
        "request_id", "route", "seconds", "started", "status", "step", "trace", "upstream",
        "upstream_seconds",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, verdict: Verdict, trace: Trace) -> None:
        """Copy the facts: an exchange with its head may be a hundred times as large."""
        self.trace = trace
        self.started = exchange.now
        self.seconds = verdict.seconds
        self.handed_over: float | None = verdict.handed_over
        self.upstream_seconds: float | None = verdict.upstream_seconds
        self.status = verdict.status
        self.code: RefusalCode | None = verdict.code
        self.step = verdict.step
        self.ending: Ending = verdict.ending
        self.request_id = exchange.request_id
        self.is_secure = exchange.is_secure
        self.route = _UNROUTED
        self.upstream = b""
        self.method = self.path = b""
        self.host: bytes | None = None
        self.minor = 1
        head = exchange.head
        if head is not None:
            self.method = head.method[:_METHOD_BYTES]
            self.path = head.path[:_PATH_BYTES]
            self.host = None if head.host is None else head.host[:_HOST_BYTES]
            self.minor = head.minor
        # In the order in which the steps write them: what follows an unset one is unset too.
        try:
            self.route = exchange.route.name
            self.upstream = exchange.target.authority
        except AttributeError:
            pass


class Exporter(Protocol):
    """Makes spans and sends them; called by one thread alone, but for `close`."""

    def export(self, batch: Sequence[Noted]) -> bool:
        """Send a batch; False when the collector did not take it. It may wait."""

    def close(self) -> None:
        """Give up whatever is waited for."""


class SpanLedger(Ledger):
    """Takes note of exchanges that are recorded in a trace.

    The event loop owns `dropped`, the thread the other numbers: none has two writers.

    Attributes:
        dropped: exchanges for which there was no room.
        exported: exchanges that the collector took.
        failed: exchanges that it did not take.
    """

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._queue: deque[Noted] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._sending = threading.Thread(target=self._run, name="spans", daemon=True)
        self._ended: Future[None] = Future()
        self._closed = False
        self.dropped = 0
        self.exported = 0
        self.failed = 0

    @property
    def waiting(self) -> int:
        """Exchanges that wait to be sent."""
        return len(self._queue)

    def start(self) -> None:
        """Begin to send."""
        self._sending.start()

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of an exchange, if its trace is recorded and there is room."""
        trace = exchange.trace
        if trace is None or not trace.is_sampled:
            return
        queue = self._queue
        if len(queue) >= QUEUE:
            self.dropped += 1
            return
        queue.append(Noted(exchange, verdict, trace))
        if len(queue) == BATCH:
            self._wake.set()

    @property
    def is_over(self) -> bool:
        """Whether no number will change any more."""
        return self._closed and not self._sending.is_alive()

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what waits, for so many seconds at most; what is left then is dropped."""
        self._closing.set()
        self._wake.set()
        if self._sending.is_alive():
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=seconds)
        self._exporter.close()
        if left := len(self._queue):
            self.dropped += left
            self._queue.clear()
            _LOG.error("%d requests have no spans: the collector did not take them", left)
        self._closed = True

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self._send()
        self._send()
        self._ended.set_result(None)

    def _send(self) -> None:
        """Send what waits, batch by batch."""
        queue = self._queue
        while queue:
            batch = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
            if self._is_taken(batch):
                self.exported += len(batch)
            else:
                self.failed += len(batch)

    def _is_taken(self, batch: Sequence[Noted]) -> bool:
        try:
            return self._exporter.export(batch)
        except Exception:  # noqa: BLE001 -- the top of a thread: log, and go on
            _LOG.exception("spans could not be sent")
            return False


class SpanTotals:
    """The numbers of a process: each policy has a ledger of its own, and counters never fall."""

    def __init__(self) -> None:
        self._ledgers: list[SpanLedger] = []
        self._dropped = 0
        self._exported = 0
        self._failed = 0

    def add(self, ledger: SpanLedger) -> None:
        """Count what a ledger does, until it is over and for good."""
        self._fold()
        self._ledgers.append(ledger)

    @property
    def waiting(self) -> int:
        """Exchanges that wait to be sent."""
        return sum(ledger.waiting for ledger in self._ledgers)

    @property
    def dropped(self) -> int:
        """Exchanges for which there was no room, or no time at the end."""
        return self._dropped + sum(ledger.dropped for ledger in self._ledgers)

    @property
    def exported(self) -> int:
        """Exchanges that a collector took."""
        return self._exported + sum(ledger.exported for ledger in self._ledgers)

    @property
    def failed(self) -> int:
        """Exchanges that a collector did not take."""
        return self._failed + sum(ledger.failed for ledger in self._ledgers)

    def _fold(self) -> None:
        """Keep the numbers alone of ledgers that are over."""
        over = [ledger for ledger in self._ledgers if ledger.is_over]
        self._ledgers = [ledger for ledger in self._ledgers if ledger not in over]
        self._dropped += sum(ledger.dropped for ledger in over)
        self._exported += sum(ledger.exported for ledger in over)
        self._failed += sum(ledger.failed for ledger in over)
