"""From records to sinks: batches on the event loop, and one thread that waits for each sink.

A stalled disk stalls its thread, never the event loop. What waits for a sink is bounded; when the
bound is reached the newest records are dropped and counted, and a record of the gap takes their
place as soon as there is room.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from sidecar.adapters.audit.exchanges import Composer, Timestamps
from sidecar.adapters.audit.record import (
    Asked,
    Record,
    encode_records,
    of_admin,
    of_event,
)
from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import STDOUT, Sink, open_sink
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.model.events import ALERTS
from sidecar.model.exchange import Exchange
from sidecar.model.ports import Event, Events, Ledger, RequestIds
from sidecar.model.verdict import Ending, Verdict
from sidecar.policy.schema.audit import Audit

BATCH_RECORDS: Final = 64
QUEUE_BYTES: Final = 8 << 20
CLOSE_SECONDS: Final = 5.0
COMPLAINT_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 5.0
_CLOSING_RETRY_SECONDS: Final = 0.05
_LEAST_CHECKPOINT_SECONDS: Final = 1.0

if TYPE_CHECKING:
    from sidecar.adapters.audit.disguise import Disguise
    from sidecar.adapters.clients.alert_webhook import AlertSender

_UNREFUSED: Final = frozenset({Ending.ADMITTED, Ending.ANSWERED})

_LOG: Final = logging.getLogger("sidecar.audit")


class SinkWriter:
    """The queue of one sink and the thread that empties it.

    The event loop owns `dropped` and what was accepted, the thread owns `errors` and what was
    written: no number has two writers, so none needs a lock.

    Attributes:
        name: name of the sink.
        dropped: records that were given up.
        errors: attempts to write that failed.
        is_failing: whether the last attempt failed.
    """

    def __init__(self, sink: Sink, scribe: Scribe) -> None:
        self._sink = sink
        self._scribe = scribe
        self._queue: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._writing = threading.Thread(target=self._run, name=f"audit {sink.name}", daemon=True)
        self._ended: Future[None] = Future()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._wants_reopening = False
        self._next_complaint = 0.0
        self._missing = 0
        self._accepted_records = self._accepted_bytes = 0
        self._written_records = self._written_bytes = 0
        self.name = sink.name
        self.dropped = 0
        self.errors = 0
        self.is_failing = False

    @property
    def waiting(self) -> int:
        """Records that the sink has not taken yet."""
        return self._accepted_records - self._written_records

    @property
    def written(self) -> int:
        """Records that the sink took."""
        return self._written_records

    def start(self) -> None:
        """Open the sink and begin to write.

        Raises:
            OSError: the sink cannot be opened.
        """
        self._sink.open()
        self._writing.start()

    def put(self, records: list[bytes], size: int) -> None:
        """Hand records over, or drop them when the queue is full; never waits.

        Args:
            records: JSON objects, which the sink may share with others.
            size: their bytes.
        """
        waiting_bytes = self._accepted_bytes - self._written_bytes
        if self._closing.is_set() or waiting_bytes + size > QUEUE_BYTES:
            self.dropped += len(records)
            self._missing += len(records)
            return
        if self._missing:
            self._enqueue_gap()
        self._enqueue(records, size)

    def reopen(self) -> None:
        """Open the sink again, after what is being written."""
        self._wants_reopening = True
        self._queue.put([])

    async def close(self, seconds: float) -> None:
        """Write what waits, for so many seconds at most; what is left then is dropped."""
        if self._missing:
            self._enqueue_gap()
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._queue.put(None)
        if self._writing.is_alive():
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=seconds)
        if self.waiting:
            self.dropped += self.waiting
            _LOG.error("%d audit records were not written to %s", self.waiting, self.name)

    def _enqueue_gap(self) -> None:
        gap = self._scribe.gap(self._missing)
        self._missing = 0
        self._enqueue([gap], len(gap))

    def _enqueue(self, records: list[bytes], size: int) -> None:
        self._accepted_records += len(records)
        self._accepted_bytes += size
        self._queue.put(records)

    def _run(self) -> None:
        while (records := self._next()) is not None:
            if not self._write(records):
                break
        else:
            self._seal()
        self._sink.close()
        self._ended.set_result(None)

    def _next(self) -> list[bytes] | None:
        """Wait for records, or for the next checkpoint; None at the end."""
        try:
            return self._queue.get(timeout=self._patience())
        except Empty:
            return []

    def _patience(self) -> float | None:
        until = self._scribe.until_due()
        return None if until is None else max(until, _LEAST_CHECKPOINT_SECONDS)

    def _seal(self) -> None:
        """Sign what was written so far: it may be the end, or the end of a file."""
        self._scribe.sign_now()
        _, error = self._sink.write(())
        if error is not None:
            self._complain(error)

    def _write(self, records: list[bytes]) -> bool:
        """Write records, again and again until they are taken or the deadline has passed."""
        delay = FIRST_RETRY_SECONDS
        while True:
            if self._wants_reopening:
                self._reopen()
            is_wanted = records or self._scribe.is_due()
            taken, error = self._sink.write(records) if is_wanted else (0, None)
            self._written_records += taken
            self._written_bytes += sum(map(len, records[:taken]))
            self.is_failing = error is not None
            if error is None:
                return True
            self._complain(error)
            delay = FIRST_RETRY_SECONDS if taken else delay
            records = records[taken:]
            if not self._closing.wait(delay):
                delay = min(2 * delay, LAST_RETRY_SECONDS)
            elif time.monotonic() >= self._deadline:
                return False
            else:
                time.sleep(_CLOSING_RETRY_SECONDS)

    def _reopen(self) -> None:
        self._wants_reopening = False
        self._seal()
        try:
            self._sink.open()
        except OSError as error:
            # Lines go on to where they went; the next SIGHUP is the next chance.
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self.errors += 1
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + COMPLAINT_SECONDS
            _LOG.error("audit records cannot be written to %s: %s", self.name, error.strerror)


class AuditLedger(Ledger):
    """Takes note of exchanges and events in the audit trail (AU-1).

    One process has one ledger; it is started on the event loop that notes.

    Args:
        section: the policy's sinks, which requests are recorded, how long records may wait.
        clock: gives Unix seconds.
        ids: makes ids for records that belong to no exchange.
        role: what the process is: the number of a worker, `supervisor` or `command`; with the name
            of the host it names the process in the chains of its records.
        standard: descriptor that stands for standard output: a command whose output is an answer
            writes its records beside it.

    Attributes:
        alarm: sends alerts to the webhook (AU-5); None without one.
    """

    def __init__(
        self,
        section: Audit,
        clock: Callable[[], float],
        ids: RequestIds,
        *,
        role: str,
        standard: int = STDOUT,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._timestamps = Timestamps()
        self._flush_seconds = section.flush
        self._only_refused = section.requests == "refused"
        self._batch: list[Record] = []
        self._noted: list[tuple[Exchange, Verdict]] = []
        self._record: Callable[[Exchange, Verdict], Record] = Composer().record
        self._disguise = _disguise_of(section)
        if self._disguise is not None:
            self._record = self._disguise.over(self._record)
        self.alarm = _alarm_of(section, self, clock)
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        key = section.signing_key
        signer = None if key is None else StatementSigner(key)
        scribes = [
            (sink, Scribe(role, clock, signer=signer, every=section.checkpoint))
            for sink in section.sinks
        ]
        self.sinks = tuple(
            SinkWriter(open_sink(sink, scribe, standard), scribe) for sink, scribe in scribes
        )

    async def start(self) -> None:
        """Open every sink; a sink that cannot be used is fatal.

        Raises:
            OSError: a sink cannot be opened; `filename` names it, `strerror` says why.
        """
        self._loop = asyncio.get_running_loop()
        try:
            for sink in self.sinks:
                sink.start()
        except OSError:
            await self.close()
            raise

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of an exchange; under `requests: refused` only if it was, or would have been.

        Controls: AU-1.
        """
        if self._only_refused and verdict.ending in _UNREFUSED and not exchange.shadow:
            return
        # Records are written together at the flush: one after the other they take a third of what
        # each takes amid a request, when nothing of theirs is in the processor's caches.
        self._noted.append((exchange, verdict))
        self._arm()

    def note_denied(self, asked: Asked, address: str | None, reason: str) -> None:
        """Take note of a call of the admin API that nobody was entitled to.

        Args:
            asked: the call.
            address: the caller's IP address.
            reason: why it was refused.
        """
        record_id, timestamp = self._ids().decode(), self._timestamps.text(self._clock())
        self._add(
            of_admin(
                asked, record_id=record_id, timestamp=timestamp, address=address, reason=reason
            )
        )

    def note_event(self, event: Event) -> None:
        """Take note of what an operator, or the sidecar itself, did (AU-2)."""
        record_id, timestamp = self._ids().decode(), self._timestamps.text(self._clock())
        record = of_event(event, record_id=record_id, timestamp=timestamp)
        self._add(record)
        if self.alarm is not None and event.action.startswith(ALERTS):
            self.alarm.put(record)

    def flush(self) -> None:
        """Hand what was noted to the sinks' threads."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._compose()
        if self._batch:
            records = encode_records(self._batch)
            size = sum(map(len, records))
            self._batch.clear()
            for sink in self.sinks:
                sink.put(records, size)

    def reopen(self) -> None:
        """Open files again after their rotation; what was noted before goes to the old ones."""
        self.flush()
        for sink in self.sinks:
            sink.reopen()

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write everything, for so many seconds at most, and close the sinks."""
        if self.alarm is not None:
            await self.alarm.close()
        self.flush()
        await asyncio.gather(*(sink.close(seconds) for sink in self.sinks))

    def _compose(self) -> None:
        record = self._record
        self._batch += [record(exchange, verdict) for exchange, verdict in self._noted]
        self._noted.clear()

    def _add(self, record: Record) -> None:
        """Take a record in, after those of the exchanges before it."""
        self._compose()
        self._batch.append(record if self._disguise is None else self._disguise.put_on(record))
        self._arm()

    def _arm(self) -> None:
        if len(self._noted) + len(self._batch) >= BATCH_RECORDS:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._flush_seconds, self.flush)


def _disguise_of(section: Audit) -> "Disguise | None":
    if section.pseudonyms is None:
        return None
    # Memory for those alone who want it.
    from sidecar.adapters.audit.disguise import Disguise

    return Disguise(section.pseudonyms)


def _alarm_of(section: Audit, events: Events, clock: Callable[[], float]) -> "AlertSender | None":
    if section.alerts is None or section.alerts.webhook is None:
        return None
    # It brings a client along.
    from sidecar.adapters.clients.alert_webhook import AlertSender

    return AlertSender(section.alerts.webhook, events, clock)
