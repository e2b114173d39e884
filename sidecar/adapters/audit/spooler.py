"""The way to the spill file: a thread of its own, since the sink's own may be stuck in the sink."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final

from sidecar.adapters.audit.record import closed
from sidecar.adapters.audit.spill import SpillFile

COMPLAINT_SECONDS: Final = 60.0

_LOG: Final = logging.getLogger("sidecar.audit")


class Spooler:
    """Spills records of one process.

    The event loop owns what was accepted, the thread what became of it.

    Args:
        file: where they go.
        bound: bytes that may be on their way to it.
        gap: writes the record of so many records that are missing.

    Attributes:
        file: where they go.
        spilled: records that were spilled.
        dropped: records that the file could not take.
        on_disk: bytes that waited when the file was last looked at.
    """

    def __init__(self, file: SpillFile, bound: int, gap: Callable[[int], bytes]) -> None:
        self.file = file
        self.spilled = 0
        self.dropped = 0
        self.on_disk = 0
        self._bound = bound
        self._gap = gap
        self._queue: SimpleQueue[tuple[list[bytes], int, int] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"spill {file.name}", daemon=True)
        self._ended: Future[None] = Future()
        self._accepted_bytes = self._settled_bytes = 0
        self._missing = 0
        self._next_complaint = 0.0
        self._is_drained = True
        # Whether it is empty is told by one thread while the other fills it.
        self._looking = threading.Lock()

    def start(self) -> None:
        """Open the file and begin to write.

        Raises:
            OSError: the file cannot be used.
        """
        self.file.open()
        self.look()
        self._thread.start()

    @property
    def is_in_use(self) -> bool:
        """Whether older records wait here, or a gap is to be told, before newer ones."""
        if self._accepted_bytes != self._settled_bytes:
            return True
        return not self._is_drained or self._missing > 0

    def put(self, records: list[bytes], size: int, missing: int) -> bool:
        """Hand records over; False when too many are on their way already; never waits.

        Args:
            records: open records.
            size: their bytes.
            missing: records before them that were given up, which becomes the file's to tell.
        """
        waiting_bytes = self._accepted_bytes - self._settled_bytes
        if waiting_bytes and waiting_bytes + size > self._bound:
            return False
        self._accepted_bytes += size
        self._queue.put((records, size, missing))
        return True

    def look(self) -> None:
        """Find out whether the file is empty; not on the event loop."""
        with self._looking:
            self.on_disk = self.file.waiting()
            self._is_drained = not self.on_disk

    def end(self) -> Future[None]:
        """Spill what waits, then end; the file stays open."""
        self._queue.put(None)
        return self._ended

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            records, size, missing = item
            self._missing += missing
            self._spill(records)
            self._settled_bytes += size
        if self._missing:
            self._spill([])
        self._ended.set_result(None)

    def _spill(self, records: list[bytes]) -> None:
        told = [self._gap(self._missing), *records] if self._missing else records
        try:
            with self._looking:
                self._is_drained = False
                self.on_disk = self.file.append(closed(told))
        except OSError as error:
            self.dropped += len(records)
            self._missing += len(records)
            self._complain(error)
            return
        self._missing = 0
        self.spilled += len(records)

    def _complain(self, error: OSError) -> None:
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + COMPLAINT_SECONDS
            _LOG.error("audit records cannot be spilled to %s: %s", self.file.name, error.strerror)
