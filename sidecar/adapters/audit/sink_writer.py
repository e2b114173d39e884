"""The queue of each sink, the thread that empties it, and what happens when it is full (AU-1).

A stalled sink stalls its thread, never the event loop. What waits for a sink is bounded. When the
bound is reached the policy's rule holds: `drop` gives up the newest records, `spill` puts them on
disk, `block` has new requests refused while what is under way, and the refusals themselves, have
as much room again, and some at any rate. Whatever is given up is counted, and a record of the gap
takes its place as soon as there is room.
"""

import asyncio
import logging
import random
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from sidecar.adapters.audit.record import closed, opened
from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import Sink, WaitError
from sidecar.adapters.audit.spill import SpillFile
from sidecar.adapters.audit.spooler import Spooler
from sidecar.policy.schema.audit import Queued

COMPLAINT_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 5.0
_CLOSING_RETRY_SECONDS: Final = 0.05
# What others spilled, and what an earlier process left, is looked for this often.
_LOOK_SECONDS: Final = 0.5
_LEAST_CHECKPOINT_SECONDS: Final = 1.0
_WRITE_BYTES: Final = 256 << 10
# Dozens of records; those of the exchanges that end together are handed over together.
_LEAST_ROOM_BYTES: Final = 64 << 10

_LOG: Final = logging.getLogger("sidecar.audit")


class SinkWriter:
    """The queue of one sink and the thread that empties it.

    The event loop owns what was accepted and given up, the thread owns `errors` and what was
    written: no number has two writers, so none needs a lock.

    Args:
        sink: the sink.
        section: how much may wait for it, and what happens then.
        scribe: writes the records of gaps.

    Attributes:
        name: name of the sink.
        section: how much may wait for it, and what happens then.
        rule: what happens when the queue is full.
        errors: attempts to write that failed.
        is_failing: whether the last attempt failed.
    """

    def __init__(self, sink: Sink, section: Queued, scribe: Scribe) -> None:
        self._sink = sink
        self._scribe = scribe
        self.section: Final = section
        self._bound = self._ceiling = section.queue
        self._spooler: Spooler | None = None
        if section.on_full == "spill" and section.spill is not None:
            file = SpillFile(section.spill.file, section.spill.size)
            self._spooler = Spooler(file, section.queue, scribe.gap)
        self._queue: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._writing = threading.Thread(target=self._run, name=f"audit {sink.name}", daemon=True)
        self._ended: Future[None] = Future()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._wants_reopening = False
        self._is_last = self._is_over = False
        self._next_complaint = 0.0
        self._missing = 0
        self._given_up = 0
        self._left: list[bytes] = []
        self._accepted_records = self._accepted_bytes = 0
        self._written_records = self._written_bytes = 0
        self._replayed_records = 0
        self.name = sink.name
        self.rule: Final = section.on_full
        self.errors = 0
        self.is_failing = False

    @property
    def waiting(self) -> int:
        """Records that wait in memory."""
        return self._accepted_records - self._written_records

    @property
    def written(self) -> int:
        """Records that the sink took."""
        return self._written_records + self._replayed_records

    @property
    def dropped(self) -> int:
        """Records that were given up."""
        return self._given_up + (0 if self._spooler is None else self._spooler.dropped)

    @property
    def spilled(self) -> int:
        """Records that were put on disk."""
        return 0 if self._spooler is None else self._spooler.spilled

    @property
    def on_disk(self) -> int:
        """Bytes of records that were on disk when they were last looked at, of all processes."""
        return 0 if self._spooler is None else self._spooler.on_disk

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return self._accepted_bytes - self._written_bytes >= self._bound

    async def start(self) -> None:
        """Open the sink and begin to write.

        Raises:
            OSError: the sink, or the file to spill to, cannot be opened.
        """
        # Another machine, or a disk, may be slow to answer.
        await asyncio.to_thread(self._sink.open)
        if self._spooler is not None:
            await asyncio.to_thread(self._spooler.start)
        self._writing.start()

    def put(self, records: list[bytes], size: int) -> None:
        """Hand records over, or do with them what the rule says; never waits.

        Args:
            records: open records, in a list that the sink may share with others.
            size: their bytes.
        """
        if self._closing.is_set():
            self.miss(len(records))
        elif self._spooler is not None and self._spooler.is_in_use:
            self._spill(self._spooler, records, size)
        elif self._has_room(size):
            if self._missing:
                self._enqueue_gap()
            self._enqueue(records, size)
        elif self._spooler is not None:
            self._spill(self._spooler, records, size)
        else:
            self.miss(len(records))

    def miss(self, number: int) -> None:
        """Count records that are given up; the record of a gap will tell of them."""
        self._given_up += number
        self._missing += number

    def reopen(self) -> None:
        """Open the sink again, after what is being written."""
        self._wants_reopening = True
        self._queue.put([])

    async def close(self, seconds: float) -> None:
        """Write what waits, for so many seconds at most; spill or drop what is left then."""
        if self._missing:
            self._enqueue_gap()
        self._deadline = time.monotonic() + seconds
        is_first = not self._closing.is_set()
        self._closing.set()
        self._queue.put(None)
        if self._writing.is_alive():
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=seconds)
        if self._spooler is not None and self._spooler.is_running:
            await asyncio.wait([asyncio.wrap_future(self._spooler.end())], timeout=seconds)
        # A thread that is stuck in its sink until now has nothing more to do there.
        self._is_over = True
        if is_first and self.waiting:
            await self._save(self._unwritten())
        if self._spooler is not None:
            self._spooler.file.close()

    def _unwritten(self) -> list[bytes]:
        """Take what waits from the thread, which may be stuck in the sink."""
        left = list(self._left)
        while not self._queue.empty():
            left += self._queue.get_nowait() or ()
        return left

    async def _save(self, left: list[bytes]) -> None:
        if self._spooler is not None:
            try:
                await asyncio.to_thread(self._spooler.file.prepend, closed(left))
            except OSError as error:
                _LOG.error("audit records cannot be spilled: %s", error.strerror)
            else:
                self._spooler.spilled += len(left)
                return
        self._given_up += len(left)
        _LOG.error("%d audit records were not written to %s", len(left), self.name)

    def _has_room(self, size: int) -> bool:
        waiting_bytes = self._accepted_bytes - self._written_bytes
        if self.rule != "block":
            # Where nothing waits, a batch that is larger than the bound is taken all the same.
            return not waiting_bytes or waiting_bytes + size <= self._bound
        if waiting_bytes < self._bound:
            # Taken whole, however large: nobody was refused yet. What is under way when requests
            # begin to be refused, and the refusals, need room behind it.
            self._ceiling = waiting_bytes + size + max(self._bound, _LEAST_ROOM_BYTES)
            return True
        return waiting_bytes + size <= self._ceiling

    def _spill(self, spooler: Spooler, records: list[bytes], size: int) -> None:
        if spooler.put(records, size, self._missing):
            self._missing = 0
        else:
            self.miss(len(records))

    def _enqueue_gap(self) -> None:
        gap = self._scribe.gap(self._missing)
        self._missing = 0
        self._enqueue([gap], len(gap))

    def _enqueue(self, records: list[bytes], size: int) -> None:
        self._accepted_records += len(records)
        self._accepted_bytes += size
        self._queue.put(records)

    # --- the thread

    def _run(self) -> None:
        while is_well := self._write(self._next()):
            if self._is_last or self._is_over:
                break
            if self._spooler is not None and self._queue.empty():
                self._replay(self._spooler)
        if is_well and not self._is_over:
            self._seal()
        self._sink.close()
        self._ended.set_result(None)

    def _next(self) -> list[bytes]:
        """Wait for records, or for the next checkpoint; take what else waits, up to a bound."""
        try:
            found = self._queue.get(timeout=self._patience())
        except Empty:
            return []
        records: list[bytes] = []
        size = 0
        while found is not None:
            records += found
            size += sum(map(len, found))
            if size >= _WRITE_BYTES or self._queue.empty():
                return records
            found = self._queue.get()
        self._is_last = True
        return records

    def _patience(self) -> float | None:
        until = self._scribe.until_due()
        patience = None if until is None else max(until, _LEAST_CHECKPOINT_SECONDS)
        if self._spooler is None:
            return patience
        return _LOOK_SECONDS if patience is None else min(patience, _LOOK_SECONDS)

    def _seal(self) -> None:
        """Sign what was written so far: it may be the end, or the end of a file."""
        self._scribe.sign_now()
        _, error = self._sink.write(())
        if error is not None:
            self._complain(error)

    def _write(self, records: list[bytes]) -> bool:
        """Write records, again and again until they are taken or the deadline has passed."""
        self._left = records
        delay = FIRST_RETRY_SECONDS
        while True:
            if self._wants_reopening:
                self._reopen()
            taken, error = self._try(self._left)
            self._written_records += taken
            self._written_bytes += sum(map(len, self._left[:taken]))
            self._left = self._left[taken:]
            if error is None:
                return True
            delay = FIRST_RETRY_SECONDS if taken else delay
            if not self._may_retry(error, delay):
                return False
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _replay(self, spooler: Spooler) -> None:
        """Write what was spilled, until records wait in memory or the end has come."""
        try:
            with spooler.file.replaying() as is_mine:
                if is_mine:
                    self._replay_all(spooler.file)
            spooler.look()
        except OSError as error:
            self._complain(error)

    def _replay_all(self, file: SpillFile) -> None:
        delay = FIRST_RETRY_SECONDS
        while self._queue.empty() and (records := file.first()):
            taken, error = self._try(opened(records))
            file.take(records[:taken])
            self._replayed_records += taken
            if error is not None and not self._may_retry(error, delay):
                return
            delay = FIRST_RETRY_SECONDS if taken else min(2 * delay, LAST_RETRY_SECONDS)

    def _try(self, records: list[bytes]) -> tuple[int, OSError | None]:
        is_wanted = records or self._scribe.is_due()
        taken, error = self._sink.write(records) if is_wanted else (0, None)
        self.is_failing = error is not None
        if error is not None:
            self._complain(error)
        return taken, error

    def _may_retry(self, error: OSError, delay: float) -> bool:
        """Wait until it is time to try again; False when there is no time left for that."""
        # Several sidecars that lost the same sink shall not come back as one.
        wait = delay * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        if isinstance(error, WaitError):
            wait = max(wait, error.seconds)
        if not self._closing.wait(wait):
            return True
        if time.monotonic() >= self._deadline:
            return False
        time.sleep(_CLOSING_RETRY_SECONDS)
        return True

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
