"""Bodies that are kept until rules have read them: in memory while small, else in a file.

What all of them hold at a time is bounded, in memory and in files alike: the folder for temporary
files may well be memory. A body that goes beyond the bound is refused (503), not held back: callers
who send slowly would otherwise occupy the room for everybody.
"""

import os
import tempfile
from typing import Final

from sidecar.model.body import NO_FILE, Collected

PIECE_BYTES: Final = 65_536
"""How much of a body goes on at a time."""


class Room:
    """What bodies may hold at a time, of all requests of the process.

    Attributes:
        memory: bytes of each that stay in memory.
        total: bytes of all, in memory and in files.
        used: bytes that are held now.
        refused: bodies for which there was no room.
        folder: where the files are; None for the system's folder.
    """

    __slots__ = ("folder", "memory", "refused", "total", "used")

    def __init__(self, memory: int, total: int, folder: str | None) -> None:
        self.memory = memory
        self.total = total
        self.folder = folder
        self.used = 0
        self.refused = 0

    def adopt(self, memory: int, total: int, folder: str | None) -> None:
        """Go by another policy; what is held stays."""
        self.memory = memory
        self.total = total
        self.folder = folder

    def prove(self) -> None:
        """Make sure that files can be made.

        Raises:
            OSError: they cannot.
        """
        os.close(self.file())

    def file(self) -> int:
        """Make a file that has lost its name before anybody could open it.

        Returns:
            Its descriptor.

        Raises:
            OSError: it cannot be made.
        """
        with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
            return os.dup(file.fileno())


class Spool:
    """One body: written, perhaps read by rules, then sent on.

    Attributes:
        size: its bytes so far.
    """

    __slots__ = ("_descriptor", "_memory", "_room", "_sent", "size")

    def __init__(self, room: Room) -> None:
        self._room = room
        # One object, whatever the pieces: those of two bytes would take forty each.
        self._memory = bytearray()
        self._descriptor = NO_FILE
        self._sent = 0
        self.size = 0

    def put(self, received: bytes) -> bool:
        """Keep further bytes, which are kept in any case.

        Returns:
            Whether there was room for them.

        Raises:
            OSError: the file cannot be made or written.
        """
        room = self._room
        self.size += len(received)
        room.used += len(received)
        self._memory += received
        if self._descriptor != NO_FILE or self.size > room.memory:
            self._write()
        if room.used > room.total:
            room.refused += 1
            return False
        return True

    def replace(self, content: bytes) -> None:
        """Let go of what is kept, and keep something else in its place."""
        self.close()
        self._memory += content
        self._room.used += len(content)
        self.size = len(content)

    def collected(self, at: float) -> Collected:
        """Hand out the whole, for reading alone.

        Args:
            at: Unix seconds now.
        """
        if self._descriptor != NO_FILE:
            return Collected(self.size, None, self._descriptor, at)
        return Collected(self.size, bytes(self._memory), NO_FILE, at)

    def take(self) -> bytes:
        """Return the next bytes to send; empty at the end.

        Raises:
            OSError: the file cannot be read.
        """
        start = self._sent
        if self._descriptor != NO_FILE:
            piece = os.pread(self._descriptor, PIECE_BYTES, start)
        else:
            piece = bytes(self._memory[start : start + PIECE_BYTES])
        self._sent += len(piece)
        return piece

    @property
    def is_sent(self) -> bool:
        """Whether all of it was taken."""
        return self._sent == self.size

    def close(self) -> None:
        """Let go of everything; may be called again."""
        self._room.used -= self.size
        self.size = self._sent = 0
        self._memory = bytearray()
        descriptor, self._descriptor = self._descriptor, NO_FILE
        if descriptor != NO_FILE:
            os.close(descriptor)

    def _write(self) -> None:
        """Move what is in memory to the file."""
        if self._descriptor == NO_FILE:
            self._descriptor = self._room.file()
        waiting = memoryview(self._memory)
        while waiting:
            waiting = waiting[os.write(self._descriptor, waiting) :]
        self._memory = bytearray()
