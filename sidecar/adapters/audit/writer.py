"""From what happened to records, and to the sinks of the policy in batches.

Records are written on the event loop, a batch at a time; each sink has a thread that waits for it
(`sink_writer`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sidecar.adapters.audit.exchanges import Composer, Timestamps
from sidecar.adapters.audit.plain import PlainRecords
from sidecar.adapters.audit.record import (
    Asked,
    Record,
    of_admin,
    of_event,
    open_record,
)
from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sink_writer import SinkWriter
from sidecar.adapters.audit.sinks import STDOUT, open_sink
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.knowledge.audit.statements import Run, purge_text
from sidecar.model.events import ALERTS
from sidecar.model.exchange import Exchange
from sidecar.model.ports import Event, Events, Ledger, RequestIds
from sidecar.model.verdict import Ending, Verdict
from sidecar.policy.schema.audit import Audit, Sink

# What a batch costs by itself is then a tenth of what its records do; chaining them holds up the
# event loop for a millisecond or two.
BATCH_RECORDS: Final = 1024
BATCH_BYTES: Final = 1 << 20
# So many exchanges are kept until their records are written: one after the other these take less
# than amid a request, when nothing of theirs is in the processor's caches.
_COMPOSED: Final = 16
CLOSE_SECONDS: Final = 5.0

_LOG: Final = logging.getLogger("sidecar.audit")

if TYPE_CHECKING:
    from sidecar.adapters.audit.disguise import Disguise
    from sidecar.adapters.clients.alert_webhook import AlertSender

_UNREFUSED: Final = frozenset({Ending.ADMITTED, Ending.ANSWERED})


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
        self._standard = standard
        self._timestamps = Timestamps()
        self._flush_seconds = section.flush
        self._only_refused = section.requests == "refused"
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._noted: list[tuple[Exchange, Verdict]] = []
        self._compose_by(section)
        self.alarm = _alarm_of(section, self, clock)
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._role = role
        # These hold for the life of the process: the sinks that stay have them.
        key = section.signing_key
        self._signer = None if key is None else StatementSigner(key)
        self._checkpoint_seconds = section.checkpoint
        self.sinks = tuple(self._writer(sink) for sink in section.sinks)
        self._ending: set[asyncio.Task[None]] = set()

    def _compose_by(self, section: Audit) -> None:
        # A batch that fills a queue by itself would leave no room for those under way.
        self._most_bytes = min([BATCH_BYTES, *(sink.queue // 4 for sink in section.sinks)])
        self._record: Callable[[Exchange, Verdict], Record] = Composer().record
        self._plain: PlainRecords | None = PlainRecords()
        self._disguise = _disguise_of(section)
        if self._disguise is not None:
            self._record = self._disguise.over(self._record)
            self._plain = None

    def _writer(self, section: Sink) -> SinkWriter:
        signer, every = self._signer, self._checkpoint_seconds
        scribe = Scribe(self._role, self._clock, signer=signer, every=every)
        return SinkWriter(open_sink(section, scribe, self._standard), section, scribe)

    async def start(self) -> None:
        """Open every sink; a sink that cannot be used is fatal.

        Raises:
            OSError: a sink cannot be opened; `filename` names it, `strerror` says why.
        """
        self._loop = asyncio.get_running_loop()
        try:
            for sink in self.sinks:
                await sink.start()
        except OSError:
            await self.close()
            raise

    async def stage(self, section: Audit) -> tuple[SinkWriter, ...]:
        """Open the sinks of another policy, those that stay as they are already left out of it.

        Returns:
            All sinks of that policy, for `renew` or `unstage`.

        Raises:
            OSError: a sink cannot be opened.
        """
        known = {sink.name: sink for sink in self.sinks}
        staged: list[SinkWriter] = []
        try:
            for one in section.sinks:
                staged.append(await self._staged(one, known.get(one.name)))  # noqa: PERF401  a failure must know them
        except BaseException:
            self.unstage(staged)
            raise
        return tuple(staged)

    async def _staged(self, section: Sink, known: SinkWriter | None) -> SinkWriter:
        if known is not None and known.section == section:
            return known
        writer = self._writer(section)
        await writer.start()
        return writer

    def unstage(self, staged: Iterable[SinkWriter]) -> None:
        """Let go of sinks that were opened for a policy which is not taken."""
        for sink in staged:
            if sink not in self.sinks:
                self._end(sink, 0.0)

    def _end(self, sink: SinkWriter, seconds: float) -> None:
        task = self._loop.create_task(sink.close(seconds))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def renew(self, section: Audit, staged: tuple[SinkWriter, ...]) -> "AlertSender | None":
        """Go by another policy; what was noted before goes to the sinks of the one before.

        Returns:
            What sent alerts for the policy before, to be closed.
        """
        self.flush()
        former_alarm, self.alarm = self.alarm, _alarm_of(section, self, self._clock)
        self._compose_by(section)
        former, self.sinks = self.sinks, staged
        self._flush_seconds = section.flush
        self._only_refused = section.requests == "refused"
        for sink in former:
            if sink not in staged:
                self._end(sink, CLOSE_SECONDS)
        return former_alarm

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of an exchange; under `requests: refused` only if it was, or would have been.

        Controls: AU-1.
        """
        if self._only_refused and verdict.ending in _UNREFUSED and not exchange.shadow:
            return
        self._noted.append((exchange, verdict))
        if len(self._noted) >= _COMPOSED:
            self._compose()
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

    def note_removal(self, event: Event, runs: Sequence[Run]) -> str:
        """Take note of lines that are about to be removed, signed where there is a key (AU-4).

        Args:
            event: by whom, and why.
            runs: the lines, at most `MAX_RUNS`.

        Returns:
            The record's id.
        """
        record_id = self._ids().decode()
        timestamp = self._timestamps.text(self._clock())
        said = [run.text for run in runs]
        details: dict[str, object] = {**(event.details or {}), "runs": said}
        if self._signer is not None:
            details["key_id"] = self._signer.key_id
            details["signature"] = self._signer.sign(purge_text(said, timestamp))
        stated = replace(event, details=details)
        self._add(of_event(stated, record_id=record_id, timestamp=timestamp))
        return record_id

    def full_sink(self) -> str:
        """Name a sink that is full and has new requests refused until it is not; empty for none."""
        for sink in self.sinks:
            if sink.rule == "block" and sink.is_full:
                return sink.name
        return ""

    @property
    def blocks(self) -> bool:
        """Whether a sink that is full has new requests refused."""
        return any(sink.rule == "block" for sink in self.sinks)

    def flush(self) -> None:
        """Hand what was noted to the sinks' threads."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._compose()
        records, size = self._batch, self._batch_bytes
        if records:
            self._batch, self._batch_bytes = [], 0
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
        await asyncio.gather(*self._ending, *(sink.close(seconds) for sink in self.sinks))

    def _compose(self) -> None:
        # Taken first: one that could not be written would be tried again with each that follows.
        noted, self._noted = self._noted, []
        for exchange, verdict in noted:
            try:
                self._take(self._written(exchange, verdict))
            except Exception:  # noqa: BLE001 -- the trail goes on, and its gap is told
                self._miss(exchange)

    def _miss(self, exchange: Exchange) -> None:
        _LOG.exception("the record of %s cannot be written", exchange.own_id.decode())
        for sink in self.sinks:
            sink.miss(1)

    def _written(self, exchange: Exchange, verdict: Verdict) -> bytes:
        plain = self._plain
        written = None if plain is None else plain.record(exchange, verdict)
        return open_record(self._record(exchange, verdict)) if written is None else written

    def _take(self, written: bytes) -> None:
        self._batch_bytes += len(written)
        self._batch.append(written)

    def _add(self, record: Record) -> None:
        """Take a record in, after those of the exchanges before it."""
        self._compose()
        shown = record if self._disguise is None else self._disguise.put_on(record)
        self._take(open_record(shown))
        self._arm()

    def _arm(self) -> None:
        waiting = len(self._noted) + len(self._batch)
        if waiting >= BATCH_RECORDS or self._batch_bytes >= self._most_bytes:
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
