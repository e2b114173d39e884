"""Where audit records go: standard output or a file, each a descriptor that takes whole lines.

A sink chains records when it writes them (AU-6), so that what was not written has no place in its
chain, and one that must be written again simply gets its place then. The workers of one sidecar
append to the same file or pipe: each write is made under a lock that the system takes back from a
worker that dies. A write that fails in the middle of a line leaves a fragment; whoever writes next
ends it, vouches for it, and says the record again.
"""

import fcntl
import logging
import os
import select
import stat
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from sidecar.adapters.audit.heads import Heads, Slot, heads_of
from sidecar.adapters.audit.lines import Lines
from sidecar.adapters.audit.scribe import Scribe
from sidecar.knowledge.audit.chain import Link, link_of
from sidecar.policy.schema.audit import FileSink, HttpSink, RedisSink, StdoutSink, SyslogSink
from sidecar.policy.schema.audit import Sink as SinkSection

if TYPE_CHECKING:
    from sidecar.adapters.audit.remote import Carrier
    from sidecar.adapters.audit.rotation import Rotation

STDOUT: Final = 1
FILE_MODE: Final = 0o600
_POLL_MILLISECONDS: Final = 1000
# A line is far shorter: path, reason, host and user agent are cut. What was torn is read back.
_TAIL_BYTES: Final = 1 << 16
# O_NONBLOCK: opening a FIFO that nobody reads would wait for a reader, at start, for ever.
_FLAGS: Final = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_ANEW: Final = "each start begins a new chain"

_LOG: Final = logging.getLogger("sidecar.audit")


class WaitError(OSError):
    """A sink that asks to be left alone for a while.

    Attributes:
        seconds: how long.
    """

    def __init__(self, reason: str, name: str, seconds: float) -> None:
        super().__init__(0, reason, name)
        self.seconds = seconds


class Sink(Protocol):
    """One place for records.

    Attributes:
        name: `stdout` or the name of the file, as metrics and logs call it.
    """

    name: str

    def open(self) -> None:
        """Open it, or open it again; if that fails, what was open stays open.

        Raises:
            OSError: it cannot be written; `filename` names it, `strerror` says why.
        """

    def write(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Write records and wait until they are taken.

        Args:
            records: open records; without any, a checkpoint that is due is written alone.

        Returns:
            How many of the first ones were taken, and why not all; None when all were.
        """

    def close(self) -> None:
        """Close it; a sink that is not open stays so."""


def unusable(error: OSError, name: str) -> OSError:
    """Say of a sink that it cannot be opened, and why."""
    reason = f"the audit sink cannot be opened: {error.strerror or error}"
    return OSError(error.errno, reason, name)


def open_sink(section: SinkSection, scribe: Scribe, standard: int = STDOUT) -> Sink:
    """Make the sink that a section asks for; it is opened by `open`.

    Args:
        section: a sink of the policy.
        scribe: writes the records about its chain.
        standard: descriptor that stands for standard output.
    """
    if isinstance(section, FileSink):
        return FileOfLines(section.file, scribe, _rotation(section))
    if isinstance(section, StdoutSink):
        return StandardOutput(standard, scribe)
    # Who writes to no other machine pays no memory for what does.
    from sidecar.adapters.audit.remote import RemoteSink

    return RemoteSink(_carrier(section), scribe)


def _rotation(section: FileSink) -> "Rotation | None":
    if section.rotate is None:
        return None
    from sidecar.adapters.audit.rotation import Rotation

    return Rotation(section.file, section.rotate)


def _carrier(section: SyslogSink | HttpSink | RedisSink) -> "Carrier":
    if isinstance(section, SyslogSink):
        from sidecar.adapters.audit.syslog import SyslogCarrier

        return SyslogCarrier(section)
    if isinstance(section, HttpSink):
        from sidecar.adapters.audit.http_batch import HttpCarrier

        return HttpCarrier(section)
    from sidecar.adapters.stores.redis.stream import RedisCarrier

    return RedisCarrier(section)


class StreamOfLines:
    """A descriptor of which nothing can be read again: its chain begins with each start.

    Args:
        name: `stdout` or the name of the file.
        scribe: writes the records about its chain.
        descriptor: what is written to, which the stream closes.
    """

    def __init__(self, name: str, scribe: Scribe, descriptor: int = -1) -> None:
        self.name = name
        self._descriptor = descriptor
        # A command on standard output says what it did, and nothing of itself.
        self._lines = Lines(scribe, has_start=not scribe.is_passing)
        self._fragment = b""

    def open(self) -> None:
        """Leave it open: it has no name to be opened by."""

    def move(self, descriptor: int) -> None:
        """Write to another descriptor from now on."""
        before = self._descriptor
        if before >= 0 and not os.path.sameopenfile(before, descriptor):
            self._fragment = b""
            self._lines.forget()
        self._descriptor = descriptor
        _close(before)

    def write(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Write records and wait until they are taken."""
        batch = self._lines.next(records)
        if not batch.payload:
            return 0, None
        start = b"\n" if self._fragment else b""
        payload = start + batch.payload
        with _locked(self._descriptor):
            taken, error = _push(self._descriptor, payload)
        if not taken:
            return 0, error
        written = self._lines.keep(batch, taken - len(start))
        self._fragment = payload[payload.rfind(b"\n", 0, taken) + 1 : taken]
        self._lines.owe(self._fragment)
        return written, error

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        _close(descriptor)


class StandardOutput(StreamOfLines):
    """Standard output, or what stands for it.

    Args:
        standard: its descriptor, which stays open when the sink is closed.
        scribe: writes the records about its chain.
    """

    def __init__(self, standard: int, scribe: Scribe) -> None:
        super().__init__("stdout", scribe)
        self._standard = standard

    def open(self) -> None:
        """Open it; opened again it stays what it was.

        Raises:
            OSError: it is closed.
        """
        try:
            self.move(os.dup(self._standard))
        except OSError as error:
            raise unusable(error, self.name) from error


class FileOfLines:
    """A file: its chains go on after a restart and a rotation.

    What is no regular file (a FIFO, a device) is a stream.

    Args:
        file: its name.
        scribe: writes the records about its chain.
        rotation: rotates it; None where others do, and say so by SIGHUP.
    """

    def __init__(self, file: str, scribe: Scribe, rotation: "Rotation | None" = None) -> None:
        self.name = file
        self._rotation = rotation
        self._scribe = scribe
        self._descriptor = -1
        self._heads = Heads(file)
        self._is_stream = True
        self._stream = StreamOfLines(file, scribe)
        self._lines = Lines(scribe, has_start=True)
        self._slot_at = -1
        self._slot = b""

    def open(self) -> None:
        """Open the file, or open it again after its rotation.

        Raises:
            OSError: it cannot be written; `filename` names it, `strerror` says why.
        """
        try:
            fresh = _opened(self.name)
        except OSError as error:
            raise unusable(error, self.name) from error
        os.set_blocking(fresh, True)
        self._is_stream = not (stat.S_ISREG(os.fstat(fresh).st_mode) and self._has_heads())
        if self._is_stream:
            self._stream.move(fresh)
            return
        descriptor, self._descriptor = self._descriptor, fresh
        _close(descriptor)

    def _has_heads(self) -> bool:
        try:
            self._heads.open()
        except OSError as error:
            _LOG.warning("%s cannot be kept (%s): %s", heads_of(self.name), error.strerror, _ANEW)
            return False
        return True

    def write(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Write records and wait until they are taken."""
        if self._is_stream:
            return self._stream.write(records)
        with self._heads.locked():
            written, error = self._write_part(records)
            while error is None and written < len(records):
                more, error = self._write_part(records[written:])
                written += more
            return written, error

    def _write_part(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        try:
            return self._append(self._part(records))
        except OSError as error:
            return 0, error

    def _part(self, records: Sequence[bytes]) -> Sequence[bytes]:
        """Give the first records, as many as the file may take; it is rotated if it is time."""
        rotation = self._rotation
        if rotation is None:
            return records
        if rotation.has_moved(self._descriptor):
            # Another process rotated it: go on in the one that took its place.
            self._move()
        self._look()
        sizes = self._lines.sizes(records)
        if rotation.is_due(self._descriptor, sizes[min(1, len(records))]):
            # What a process wrote to a file is signed before it leaves it.
            self._scribe.sign_now()
            self._append(())
            if not rotation.rotate():
                return records
            self._move()
        # A record that is larger than a file has one of its own.
        fitting = bisect_right(sizes, rotation.room(self._descriptor)) - 1
        return records[: max(fitting, 1)]

    def _move(self) -> None:
        fresh = _opened(self.name)
        os.set_blocking(fresh, True)
        descriptor, self._descriptor = self._descriptor, fresh
        _close(descriptor)

    def _append(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        heads, role = self._heads, self._scribe.role
        found, tail = self._look()
        before, _, fragment = tail.rpartition(b"\n")
        batch = self._lines.next(records, link_of(fragment) or _last_link(before))
        if not batch.payload:
            return 0, None
        start = b"\n" if fragment else b""
        payload = start + batch.payload
        slot = Slot(batch.head, batch.end, found.st_ino, found.st_size, len(payload))
        # Without the slot nothing is written: a kill amid the write would end the chain.
        heads.put(self._slot_at, role, slot)
        taken, error = _push(self._descriptor, payload)
        size = max(taken - len(start), 0)
        written, end = self._lines.keep(batch, size), batch.end_after(size)
        self._slot = heads.put(self._slot_at, role, Slot(end, end, found.st_ino))
        return written, error

    def _look(self) -> tuple[os.stat_result, bytes]:
        """Find the end of the chain, and what stands at the end of the file."""
        if self._slot_at < 0 or self._heads.at(self._slot_at) != self._slot:
            self._slot_at, self._lines.head = self._heads.find(self._scribe.role)
        found = os.fstat(self._descriptor)
        tail = self._tail(found.st_size)
        self._lines.owe(tail[tail.rfind(b"\n") + 1 :])
        return found, tail

    def _tail(self, size: int) -> bytes:
        """Read the end of the file: its last byte, or as much as has to be looked at."""
        last = os.pread(self._descriptor, 1, size - 1) if size else b"\n"
        if last == b"\n" and self._lines.head is not None:
            return last
        start = max(size - _TAIL_BYTES, 0)
        return os.pread(self._descriptor, size - start, start)

    def close(self) -> None:
        """Close the descriptors."""
        descriptor, self._descriptor = self._descriptor, -1
        _close(descriptor)
        self._stream.close()
        self._heads.close()


def _last_link(tail: bytes) -> Link | None:
    return link_of(tail[tail.rfind(b"\n") + 1 :])


def _opened(name: str) -> int:
    """Open a file to append to, and to read its end where it is one that has an end."""
    try:
        is_regular = stat.S_ISREG(Path(name).stat().st_mode)
    except FileNotFoundError:
        is_regular = True
    return os.open(name, _FLAGS | (os.O_RDWR if is_regular else os.O_WRONLY), FILE_MODE)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):  # what the system took is written; nobody can be told more
            os.close(descriptor)


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    # Where a lock is not to be had (some network file systems), O_APPEND and PIPE_BUF remain.
    with suppress(OSError):
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _push(descriptor: int, payload: bytes) -> tuple[int, OSError | None]:
    taken = 0
    while taken < len(payload):
        try:
            taken += os.write(descriptor, memoryview(payload)[taken:])
        except BlockingIOError:
            # Whoever gave us standard output made it so; another process may rely on it.
            _wait_for_room(descriptor)
        except OSError as error:
            return taken, error
    return taken, None


def _wait_for_room(descriptor: int) -> None:
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    room.poll(_POLL_MILLISECONDS)
