"""One thread that waits for a sink, so that a stalled disk stalls it and never the event loop.

What waits for a sink is bounded; when the bound is reached the newest records are dropped and
counted, and a record of the gap takes their place as soon as there is room.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import Sink

QUEUE_BYTES: Final = 8 << 20
COMPLAINT_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 5.0
_CLOSING_RETRY_SECONDS: Final = 0.05
_LEAST_CHECKPOINT_SECONDS: Final = 1.0

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
        self.end(seconds)
        if self._writing.is_alive():
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=seconds)
        if self.waiting:
            self.dropped += self.waiting
            _LOG.error("%d audit records were not written to %s", self.waiting, self.name)

    def end(self, seconds: float) -> None:
        """Have the thread write what waits, for so many seconds at most, and close the sink."""
        if self._missing:
            self._enqueue_gap()
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._queue.put(None)

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
