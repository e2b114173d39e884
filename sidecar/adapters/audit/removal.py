"""Taking lines out of the files of a trail (AU-4, AU-7).

The files are opened together, under the lock of the trail, so that no rotation comes in between;
then they are read by descriptor, whatever their names become meanwhile. What is left of one goes
into a new file beside it, which takes its place at once and under the lock again, wherever it is by
then. Nobody waits for more than that. A kill leaves the old file or the new one, whole.
"""

import fcntl
import gzip
import os
import shutil
import signal
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from sidecar.adapters.audit.files import (
    LINE_BYTES,
    UnreadableFileError,
    is_packed,
    opened,
    trail_files,
    with_rotated,
)
from sidecar.adapters.audit.heads import Heads, written_heads

_MODE: Final = 0o600
_QUIET_SECONDS: Final = 3600.0
_NEWEST_BYTES: Final = 16 << 20
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class BusyTrailError(Exception):
    """Another command is taking lines out of the same trail."""


class ChangedFileError(Exception):
    """A file holds something else than when it was found whole."""


class Left(StrEnum):
    """Why a file was left as it is."""

    WRITTEN = "it is being written (rotate it, then run this again)"
    OPEN = "a process still has it open to write (have it reopen its files, then run this again)"
    GONE = "it was packed or removed meanwhile (run this again)"
    LINK = "it is a link, and what it leads to is somebody else's"
    NAMED = "it has another name (a hard link), which would keep all of it (remove that, run again)"


class Cutter(Protocol):
    """Knows the lines that go."""

    def takes(self, line: bytes) -> bool:
        """Whether a line goes; it has no line feed."""


@dataclass(slots=True)
class HeldFile:
    """A file of a trail, open.

    Attributes:
        path: its name when it was opened.
        file: its bytes.
        found: what the system knew of it then.
        size: bytes that are read; in the file that is written up to its last whole line, since
            whoever writes next goes on from there.
        is_written: whether it is the one that is written.
        is_packed: whether it is packed with gzip.
        digest: of its lines, once they were read.
    """

    path: Path
    file: BinaryIO
    found: os.stat_result
    size: int
    is_written: bool
    is_packed: bool
    digest: bytes = b""

    def lines(self) -> Iterator[bytes]:
        """Read its lines with their ends; what was verified, planned and copied is the same.

        Whoever changed a line after it was verified would else have a signed statement vouch for
        it, since a statement names the lines on both sides of what goes.

        Raises:
            ChangedFileError: it is another one than when it was read before.
            UnreadableFileError: it cannot be unpacked.
        """
        read = blake2b()
        for line in self._lines():
            read.update(line)
            yield line
        if self.digest not in {b"", read.digest()}:
            raise ChangedFileError(str(self.path))
        self.digest = read.digest()

    def _lines(self) -> Iterator[bytes]:
        self.file.seek(0)
        if not self.is_packed:
            left = self.size
            while left > 0 and (line := self.file.readline(min(LINE_BYTES, left))):
                left -= len(line)
                yield line
            return
        try:
            with gzip.GzipFile(fileobj=self.file) as unpacked:
                while line := unpacked.readline(LINE_BYTES):
                    yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFileError(f"{self.path} cannot be unpacked: {error}") from error


@dataclass(slots=True)
class HeldTrail:
    """The files of a trail, open; nobody else takes lines out of them meanwhile.

    Attributes:
        name: name of the file that is written.
        rotates: whether those who write it look, each time and under its lock, where its name
            leads: then it can be replaced too.
        files: the files, the oldest first.
        written: by chain, up to which seq it was known to be written by then.
    """

    name: str
    rotates: bool
    heads: Heads
    files: list[HeldFile] = field(default_factory=list)
    written: Mapping[str, int] = field(default_factory=dict)

    def forbids(self, held: HeldFile) -> Left | None:
        """Say why no line may be taken out of a file; None where it may."""
        if held.path.is_symlink():
            return Left.LINK
        if _has_names(held):
            return Left.NAMED
        return Left.WRITTEN if held.is_written and not self.rotates else None

    def cut(self, held: HeldFile, cutter: Cutter) -> Left | None:
        """Take lines out of a file.

        Returns:
            Why not; None when it was done.

        Raises:
            ChangedFileError: it is another one than when it was verified.
            OSError: the disk is full, or a file cannot be written.
            UnreadableFileError: it cannot be unpacked.
        """
        fresh = _beside(self.name, "purge")
        fresh.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(fresh, _FLAGS, _MODE), "wb") as target:
                is_empty = _copy(held, target, cutter)
                with self.heads.locked(must=True):
                    return self._replace(held, fresh, target, is_empty=is_empty)
        finally:
            fresh.unlink(missing_ok=True)

    def _replace(
        self, held: HeldFile, fresh: Path, target: BinaryIO, *, is_empty: bool
    ) -> Left | None:
        """Put what is left in the place of a file, wherever that is by now; under the lock."""
        place = self._place_of(held)
        if place is None:
            return Left.GONE
        if _has_names(held):
            return Left.NAMED
        if not self.rotates and _may_be_written(place, held):
            return Left.OPEN
        is_longer = os.fstat(held.file.fileno()).st_size > held.size
        if is_longer and not held.is_packed:
            _append_rest(held, target)
        if not os.path.samestat(fresh.lstat(), os.fstat(target.fileno())):
            raise OSError(0, "somebody put another file in its place", str(fresh))
        if is_empty and not is_longer and place != Path(self.name):
            place.unlink()
        else:
            fresh.replace(place)
        sync_folder(place.parent)
        return None

    def _place_of(self, held: HeldFile) -> Path | None:
        for path in with_rotated(self.name):
            with suppress(FileNotFoundError):
                if os.path.samestat(path.lstat(), held.found):
                    return path
        return None


@contextmanager
def held_trail(name: str, *, rotates: bool) -> Iterator[HeldTrail]:
    """Open the files of a trail, and keep other commands from taking lines out of it.

    Args:
        name: the file that is written.
        rotates: whether those who write it rotate it themselves.

    Raises:
        BusyTrailError: another command does.
        OSError: a file cannot be read, or the folder not be written.
    """
    with ExitStack() as stack:
        stack.enter_context(_exclusive(_beside(name, "removal")))
        heads = Heads(name)
        heads.open()
        stack.callback(heads.close)
        trail = HeldTrail(name, rotates, heads)
        with heads.locked(must=True):
            trail.written = written_heads(name)
            for path in trail_files(name):
                trail.files.append(_held(path, name, stack))
        yield trail


def _held(path: Path, name: str, stack: ExitStack) -> HeldFile:
    # A FIFO that somebody put there would be waited for, under the lock that all writers need.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = stack.enter_context(os.fdopen(descriptor, "rb"))
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no regular file", str(path))
    is_written = path == Path(name)
    size = _whole(file, found.st_size) if is_written else found.st_size
    return HeldFile(path, file, found, size, is_written, is_packed(file))


def _has_names(held: HeldFile) -> bool:
    """Whether a file has further names: another file in its place would leave them what goes."""
    return os.fstat(held.file.fileno()).st_nlink > 1


def _whole(file: BinaryIO, size: int) -> int:
    """Find the end of the last whole line."""
    tail = os.pread(file.fileno(), min(size, LINE_BYTES), max(size - LINE_BYTES, 0))
    return size - len(tail) + tail.rfind(b"\n") + 1


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyTrailError from None
        yield
    finally:
        os.close(descriptor)


def _beside(name: str, kind: str) -> Path:
    path = Path(name)
    return path.with_name(f".{path.name}.{kind}")


def _copy(held: HeldFile, target: BinaryIO, cutter: Cutter) -> bool:
    """Write what is left of a file; returns whether nothing is.

    All goes through the descriptor: a link that somebody puts in the place of the name is no way
    to have other files written.
    """
    is_empty = True
    with ExitStack() as stack:
        out: BinaryIO = target
        if held.is_packed:
            moment = held.found.st_mtime
            packed = gzip.GzipFile("", "wb", fileobj=target, mtime=moment)
            out = stack.enter_context(packed)  # type: ignore[assignment]  # written as any file
        for line in held.lines():
            if not cutter.takes(line.removesuffix(b"\n")):
                out.write(line)
                is_empty = False
    _take_over(held, target)
    _sync(target)
    # Readers tell by the time which file is older.
    os.utime(target.fileno(), ns=(held.found.st_atime_ns, held.found.st_mtime_ns))
    return is_empty


def _take_over(held: HeldFile, target: BinaryIO) -> None:
    """Give a file the owner and the mode of the one that it replaces."""
    descriptor, found = target.fileno(), held.found
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))


def _append_rest(held: HeldFile, target: BinaryIO) -> None:
    """Copy what was written since the file was opened."""
    held.file.seek(held.size)
    shutil.copyfileobj(held.file, target)
    _sync(target)


def _may_be_written(place: Path, held: HeldFile) -> bool:
    """Whether a process may still append to a file, which others gave its name.

    A lease for reading is granted where nobody has the file open to write.
    """
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Who opens it in this moment has the system send a signal, which is to do nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        # No leases on this file system, or for this user: what was just written may go on.
        return time.time() - held.found.st_mtime < _QUIET_SECONDS
    finally:
        os.close(descriptor)
    return False


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_newest(name: str) -> None:
    """Have what was just written to a trail on the disk; it may have been rotated since."""
    for path in trail_files(name)[-2:]:
        with suppress(FileNotFoundError), path.open("rb") as file:
            os.fsync(file.fileno())


def has_record(name: str, record_id: str) -> bool:
    """Whether what was just written to a trail has a record; it may have been rotated since."""
    for path in trail_files(name)[-2:]:
        with suppress(FileNotFoundError), opened(path) as file:
            if not path.name.endswith(".gz"):
                file.seek(max(path.stat().st_size - _NEWEST_BYTES, 0))
            if record_id.encode() in file.read():
                return True
    return False
