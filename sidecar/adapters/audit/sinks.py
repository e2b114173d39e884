"""Where audit lines go: standard output or a file, each a descriptor that takes whole lines.

The workers of one sidecar append to the same file or pipe, so each write is made under a lock
(POSIX, fcntl) that the system takes back from a worker that dies. A write that fails in the middle
of a line leaves a torn line; the next write ends it and says the line again, whole.
"""

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sidecar.policy.schema.audit import FileSink, StdoutSink

STDOUT: Final = 1
FILE_MODE: Final = 0o600
_POLL_MILLISECONDS: Final = 1000
# O_NONBLOCK: opening a FIFO that nobody reads would wait for a reader, at start, for ever.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Sink:
    """One place for lines.

    Args:
        section: a sink of the policy.
        standard: descriptor that stands for standard output.

    Attributes:
        name: `stdout` or the name of the file, as metrics and logs call it.
    """

    def __init__(self, section: StdoutSink | FileSink, standard: int = STDOUT) -> None:
        self._standard = standard
        self._file = section.file if isinstance(section, FileSink) else None
        self.name = "stdout" if self._file is None else self._file
        self._descriptor = -1
        self._is_torn = False

    def open(self) -> None:
        """Open the sink, or open it again; if that fails, what was open stays open.

        Raises:
            OSError: it cannot be written; `filename` names it, `strerror` says why.
        """
        try:
            fresh = self._opened()
        except OSError as error:
            reason = f"the audit sink cannot be opened: {error.strerror}"
            raise OSError(error.errno, reason, self.name) from error
        if self._file is not None:
            os.set_blocking(fresh, True)
        is_same = self._descriptor >= 0 and os.path.sameopenfile(self._descriptor, fresh)
        self._is_torn = self._is_torn and is_same
        self.close()
        self._descriptor = fresh

    def _opened(self) -> int:
        if self._file is None:
            return os.dup(self._standard)
        return os.open(self._file, _FLAGS, FILE_MODE)

    def write(self, lines: bytes) -> tuple[bytes, OSError | None]:
        """Write lines and wait until they are taken.

        Args:
            lines: whole lines.

        Returns:
            The lines that were not written, and why; nothing and None when all went well.
        """
        start = b"\n" if self._is_torn else b""
        with self._locked():
            taken, error = self._push(start + lines)
        if taken:
            whole = (start + lines).rfind(b"\n", 0, taken) + 1
            self._is_torn = taken > whole
            lines = lines[whole - len(start) :]
        return lines, error

    def close(self) -> None:
        """Close the descriptor; a sink that is not open stays so."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what the system took is written; nobody can be told more
                os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Where a lock is not to be had (some network file systems), O_APPEND and PIPE_BUF remain.
        with suppress(OSError):
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _push(self, payload: bytes) -> tuple[int, OSError | None]:
        taken = 0
        while taken < len(payload):
            try:
                taken += os.write(self._descriptor, memoryview(payload)[taken:])
            except BlockingIOError:
                # Whoever gave us standard output made it so; another process may rely on it.
                self._wait_for_room()
            except OSError as error:
                return taken, error
        return taken, None

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        room.poll(_POLL_MILLISECONDS)
