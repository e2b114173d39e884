"""Where the chains of a file end, kept beside the file so that they go on after a restart (AU-6).

`audit.jsonl` has `.audit.jsonl.heads`: one slot of 512 bytes for each process that writes, found by
its name (`web-1/0`), and the lock under which all of them append, rotate and remove. A slot is
written before lines are appended, with the end of the chain before and after them and the place
where they will stand, and once more when they are there. Whoever is killed in between leaves a
slot that says where to look; the file then says what was written. No order of kills makes a chain
that does not hold: where the end cannot be told any more (the file is gone, or a power failure lost
a part of it), a new chain begins.

A slot lies within one block of the file and is written by one call, which a kill does not tear.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sidecar.knowledge.audit.chain import Head, last_head

SLOT_BYTES: Final = 512
_MODE: Final = 0o600
_FIELDS: Final = 9


@dataclass(frozen=True, slots=True)
class Slot:
    """What is known of the chain of one process.

    Attributes:
        head: its end before the lines that are being written.
        after: its end after them.
        inode: file that they are written to.
        offset: where in it they begin, in bytes.
        length: their bytes; 0 when nothing is being written, and `after` is the end.
    """

    head: Head
    after: Head
    inode: int = 0
    offset: int = 0
    length: int = 0


def heads_of(file: str) -> str:
    """Name the file that keeps the ends of a file's chains."""
    path = Path(file)
    return str(path.with_name(f".{path.name}.heads"))


def written_heads(file: str) -> dict[str, int]:
    """Say up to which seq each chain is known to have been written to a file; empty if unknown."""
    try:
        content = Path(heads_of(file)).read_bytes()
    except OSError:
        return {}
    found = [_read(content[at : at + SLOT_BYTES]) for at in range(0, len(content), SLOT_BYTES)]
    slots = [one[1] for one in found if one is not None]
    return {slot.head.writer.decode(): slot.head.seq for slot in slots if slot.head.seq}


class Heads:
    """The ends of the chains of one file, and the lock over it.

    Args:
        file: name of the audit file.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._descriptor = -1

    def open(self) -> None:
        """Open or create it; one that is open stays so.

        Raises:
            OSError: the folder cannot be written.
        """
        if self._descriptor >= 0:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(heads_of(self._file), flags, _MODE)

    def close(self) -> None:
        """Close it; one that is not open stays so."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @contextmanager
    def locked(self, *, must: bool = False) -> Iterator[None]:
        """Keep every other process from appending to the file, from rotating and removing it.

        Args:
            must: whether nothing may be done without the lock.

        Raises:
            OSError: it must, and there is none.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError:
            # Where a lock is not to be had (some network file systems), O_APPEND remains.
            if must:
                raise
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def find(self, role: str) -> tuple[int, Head | None]:
        """Find where the chain of a process ends; only under the lock.

        Args:
            role: name of the process.

        Returns:
            Where its slot is, in bytes, and the end of the chain; None where it is not known, or
            the process never wrote.
        """
        size = os.fstat(self._descriptor).st_size
        for at in range(0, size - size % SLOT_BYTES, SLOT_BYTES):
            found = _read(os.pread(self._descriptor, SLOT_BYTES, at))
            if found is not None and found[0] == role:
                return at, self._end(found[1])
        return size - size % SLOT_BYTES, None

    def at(self, at: int) -> bytes:
        """Read a slot as it stands; only under the lock."""
        return os.pread(self._descriptor, SLOT_BYTES, at)

    def put(self, at: int, role: str, slot: Slot) -> bytes:
        """Write a slot; only under the lock.

        Returns:
            The slot as it stands.

        Raises:
            OSError: the disk is full.
        """
        content = _write(role, slot)
        # A slot cut short by a full disk is unreadable, which is a chain that begins anew.
        os.pwrite(self._descriptor, content, at)
        return content

    def _end(self, slot: Slot) -> Head | None:
        if not slot.length:
            return slot.after
        for path in self._paths():
            with suppress(OSError), path.open("rb") as file:
                if os.fstat(file.fileno()).st_ino == slot.inode:
                    return _end_in(file.fileno(), slot)
        return None

    def _paths(self) -> list[Path]:
        """Name the file, and those beside it that it may have become by rotation."""
        path = Path(self._file)
        with suppress(OSError):
            return sorted(one for one in path.parent.iterdir() if one.name.startswith(path.name))
        return []


def _end_in(descriptor: int, slot: Slot) -> Head | None:
    if os.fstat(descriptor).st_size < slot.offset:
        return None
    return last_head(os.pread(descriptor, slot.length, slot.offset), slot.head)


def _write(role: str, slot: Slot) -> bytes:
    head, after = slot.head, slot.after
    words = (
        role,
        head.writer.decode(),
        head.seq,
        head.hash.decode(),
        after.seq,
        after.hash.decode(),
        slot.inode,
        slot.offset,
        slot.length,
    )
    return " ".join(map(str, words)).encode().ljust(SLOT_BYTES - 1) + b"\n"


def _read(content: bytes) -> tuple[str, Slot] | None:
    words = content.decode("ascii", "replace").split()
    if len(content) != SLOT_BYTES or len(words) != _FIELDS:
        return None
    writer = words[1].encode()
    try:
        seq, after_seq, inode, offset, length = (int(words[at]) for at in (2, 4, 6, 7, 8))
    except ValueError:
        return None
    head = Head(writer, seq, words[3].encode())
    after = replace(head, seq=after_seq, hash=words[5].encode())
    return words[0], Slot(head, after, inode, offset, length)
