"""Records that wait on disk for a sink whose queue is full (AU-1).

The file belongs to one sink and is shared by all processes of a sidecar: each appends to it, and
one at a time, whichever gets to it, takes records from its front. It begins with a line that says
where the front is; then comes a hole, which costs no disk. What a process still holds when it ends
is older than all that it spilled, and goes into the hole, before the front. A kill leaves at most
the fragment of one record at the end, which the next one to append cuts off.

Records are taken off after a sink has them: whoever is killed in between has them written twice,
with the same id. Nothing is flushed to the platter: a power failure may lose what is newest.
"""

import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MODE: Final = 0o600
_MARK: Final = b"sidecar-spill "
_DIGITS: Final = 20
_HEAD_BYTES: Final = len(_MARK) + _DIGITS + 1
_HOLE_BYTES: Final = 64 << 20
_START: Final = _HEAD_BYTES + _HOLE_BYTES
_READ_BYTES: Final = 256 << 10
_TAIL_BYTES: Final = 1 << 20
_LOOK_SECONDS: Final = 0.05
# Bytes of the file that are locked: one for its content, one for taking from its front.
_CONTENT: Final = 0
_FRONT: Final = 1
# struct flock of Linux on 64 bits: type, whence, start, length, process; padded.
_FLOCK: Final = "hhqqi0q"


class SpillFile:
    """Records of one sink on disk, in order.

    Args:
        name: name of the file.
        size: bytes that it may hold; what was taken counts until all is.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self._size = size
        self._descriptor = -1
        # The system's locks are for other descriptors; threads that share this one need their own.
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Open or create the file.

        Raises:
            OSError: it cannot be written; `filename` names it, `strerror` says why.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(self.name, flags, _MODE)
        except OSError as error:
            raise self._unusable(error.errno, error.strerror) from error
        if os.fstat(self._descriptor).st_size and not self._mark():
            self.close()
            raise self._unusable(errno.EINVAL, "it is no spill file of a sidecar")

    def close(self) -> None:
        """Close it; one that is not open stays so."""
        with self._mutex:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def waiting(self) -> int:
        """Bytes of records that wait."""
        with self._locked():
            return self._end() - self._front()

    def append(self, records: Sequence[bytes]) -> int:
        """Put records behind all others, or none of them.

        Returns:
            Bytes of all that wait.

        Raises:
            OSError: the disk, or the size that the file may have, is full.
        """
        payload = _lines(records)
        with self._locked():
            end = self._end()
            if end - _START + len(payload) > self._size:
                raise OSError(0, "the size that the policy gives it is reached", self.name)
            if not self._mark():
                self._put_front(_START)
            self._write(payload, end)
            return end + len(payload) - self._front()

    def prepend(self, records: Sequence[bytes]) -> None:
        """Put records before all others; behind them where there is no room before.

        Raises:
            OSError: the disk, or the size that the file may have, is full.
        """
        payload = _lines(records)
        with self._locked():
            front = self._front()
            is_roomy = self._mark() > 0 and front - len(payload) >= _HEAD_BYTES
            if is_roomy:
                self._write(payload, front - len(payload))
                self._put_front(front - len(payload))
        if not is_roomy:
            self.append(records)

    def first(self) -> list[bytes]:
        """Read some of the first records; none when no record waits."""
        with self._locked():
            front, end = self._front(), self._end()
            wanted = min(end - front, _READ_BYTES)
            content = os.pread(self._descriptor, wanted, front)
            while content and b"\n" not in content and len(content) < end - front:
                wanted *= 2
                content = os.pread(self._descriptor, wanted, front)
        return content.split(b"\n")[:-1]

    def lines(self) -> Iterator[bytes]:
        """Read all records that wait, and take none off."""
        with self._locked():
            at, end, rest = self._front(), self._end(), b""
            while at < end:
                content = os.pread(self._descriptor, min(end - at, _READ_BYTES), at)
                at += len(content)
                *whole, rest = (rest + content).split(b"\n")
                yield from whole

    def take(self, records: Sequence[bytes]) -> None:
        """Take the first records off; with the last one goes what they took of the disk."""
        with self._locked():
            front = self._front() + len(_lines(records))
            if front >= self._end():
                os.ftruncate(self._descriptor, 0)
            else:
                self._put_front(front)

    def erase(self, takes: Callable[[bytes], bool]) -> None:
        """Take records off wherever they stand; only while `replaying`.

        What stays is written before the front, then the front is moved, then what stood behind is
        cut off: a kill in between leaves what stays twice, and what goes where it was. Records
        that were taken off still stand before the front, where nobody reads: they are overwritten.

        Args:
            takes: whether a record goes.

        Raises:
            OSError: the disk is full, or there is no room before the front.
        """
        with self._locked():
            front, end = self._front(), self._end()
            content = os.pread(self._descriptor, end - front, front)
            kept = [line for line in content.split(b"\n")[:-1] if not takes(line)]
            payload = _lines(kept)
            if not kept:
                os.ftruncate(self._descriptor, 0)
                return
            if len(payload) < len(content):
                self._put_anew(payload, front)
                front -= len(payload)
            self._wipe(front)

    def _put_anew(self, payload: bytes, front: int) -> None:
        if front - len(payload) < _HEAD_BYTES:
            raise OSError(0, "more records wait than can be written anew", self.name)
        self._write(payload, front - len(payload))
        os.fsync(self._descriptor)
        self._put_front(front - len(payload))
        os.fsync(self._descriptor)
        os.ftruncate(self._descriptor, front)

    def _wipe(self, front: int) -> None:
        """Overwrite what stands before the front; holes stay holes."""
        for start, end in self._data(_HEAD_BYTES, front):
            for at in range(start, end, _READ_BYTES):
                self._write(bytes(min(end - at, _READ_BYTES)), at)
        os.fsync(self._descriptor)

    def _data(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """List what of a part of the file is no hole."""
        while (at := self._next_data(start, end)) < end:
            start = min(os.lseek(self._descriptor, at, os.SEEK_HOLE), end)
            yield at, start

    def _next_data(self, at: int, end: int) -> int:
        if at >= end:
            return end
        try:
            return os.lseek(self._descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole is left
                raise
        return end

    def _unusable(self, number: int | None, reason: str | None) -> OSError:
        return OSError(number, f"the spill file cannot be used: {reason}", self.name)

    @contextmanager
    def replaying(self) -> Iterator[bool]:
        """Be the one process that takes from the front, or find out that another is."""
        if self._descriptor < 0:
            yield False
            return
        try:
            _lock(self._descriptor, fcntl.F_WRLCK, _FRONT, waits=False)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            _lock(self._descriptor, fcntl.F_UNLCK, _FRONT)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._mutex:
            if self._descriptor < 0:
                raise OSError(errno.EBADF, "it is closed", self.name)
            _lock(self._descriptor, fcntl.F_WRLCK, _CONTENT)
            try:
                yield
            finally:
                _lock(self._descriptor, fcntl.F_UNLCK, _CONTENT)

    def _mark(self) -> int:
        """Read where the front is; 0 in a file that is empty, or no spill file."""
        head = os.pread(self._descriptor, _HEAD_BYTES, 0)
        digits = head.removeprefix(_MARK).strip()
        return int(digits) if head.startswith(_MARK) and digits.isdigit() else 0

    def _front(self) -> int:
        return self._mark() or _START

    def _put_front(self, at: int) -> None:
        os.pwrite(self._descriptor, _MARK + f"{at:0{_DIGITS}}\n".encode(), 0)

    def _end(self) -> int:
        """Find the end of the last whole record; a fragment behind it is cut off."""
        size = os.fstat(self._descriptor).st_size
        front = self._front()
        if size <= front:
            return front
        tail = os.pread(
            self._descriptor, min(_TAIL_BYTES, size - front), max(front, size - _TAIL_BYTES)
        )
        whole = size - len(tail) + tail.rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(self._descriptor, whole)
        return whole

    def _write(self, payload: bytes, at: int) -> None:
        taken = 0
        try:
            while taken < len(payload):
                taken += os.pwrite(self._descriptor, memoryview(payload)[taken:], at + taken)
        except OSError:
            # Behind the end nothing may stand; before the front nothing is read.
            if os.fstat(self._descriptor).st_size == at + taken:
                os.ftruncate(self._descriptor, at)
            raise


@contextmanager
def opened_spill(name: str) -> Iterator[SpillFile | None]:
    """Open a file that is there; None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    if not Path(name).exists():
        yield None
        return
    file = SpillFile(name, 0)
    file.open()
    try:
        yield file
    finally:
        file.close()


def erase_waiting(name: str, takes: Callable[[bytes], bool], patience: float) -> bool:
    """Take records off that wait in a file, if it is there.

    Args:
        name: name of the file.
        takes: whether a record goes.
        patience: seconds for which another process may be at its front.

    Returns:
        Whether it could be done; not while a process goes on writing what waits.

    Raises:
        OSError: it cannot be read or written.
    """
    with opened_spill(name) as file:
        if file is None:
            return True
        deadline = time.monotonic() + patience
        while True:
            with file.replaying() as is_ours:
                if is_ours:
                    file.erase(takes)
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)


def _lock(descriptor: int, kind: int, at: int, *, waits: bool = True) -> None:
    """Lock one byte, or unlock it, for the open descriptor (OFD): not for the whole process.

    After a change of the policy a process may have the file open twice for a moment.
    """
    command = fcntl.F_OFD_SETLKW if waits else fcntl.F_OFD_SETLK
    fcntl.fcntl(descriptor, command, struct.pack(_FLOCK, kind, os.SEEK_SET, at, 1, 0))


def _lines(records: Sequence[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)
