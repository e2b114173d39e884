"""Files that others name, read whole: bounded, and never waited for without end.

What is named may be anything: a device without end, a pipe to which nobody writes, a folder. A
file is read; a pipe only where somebody gave it on a command line, since what a policy names is
read again and again.
"""

import errno
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

MOST_BYTES: Final = 16 * 2**20
"""Largest file that is read; each kind of document has a smaller bound of its own."""
PIPE_SECONDS: Final = 10.0
"""How long a pipe may take to be written and closed."""
_CHUNK_BYTES: Final = 1 << 20


def reading(*given: str) -> Callable[[str], bytes]:
    """Make what reads files by name.

    Args:
        given: names that somebody gave on a command line; these may be pipes.
    """
    return lambda name: read_file(name, seconds=PIPE_SECONDS if name in given else 0.0)


def read_file(name: str, most_bytes: int = MOST_BYTES, *, seconds: float = 0.0) -> bytes:
    """Read a file whole.

    Args:
        name: its name.
        most_bytes: largest one that is read.
        seconds: how long a pipe is waited for until it ends; 0 if it must be none.

    Raises:
        OSError: it cannot be read, is something else than a file, has more bytes, or does not end.
        ValueError: it is no name.
    """
    return b"".join(chunks_of(name, most_bytes, seconds=seconds))


def opened_file(name: str) -> BinaryIO:
    """Open a file that may be of any size, to read it.

    Raises:
        OSError: it cannot be opened, or is something else than a file.
    """
    descriptor = _opened(name)
    try:
        _check(name, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def chunks_of(name: str, most_bytes: int = MOST_BYTES, *, seconds: float = 0.0) -> Iterator[bytes]:
    """Read a file part by part, as `read_file` does."""
    descriptor = _opened(name)
    try:
        yield from _chunks(name, descriptor, most_bytes, seconds)
    finally:
        os.close(descriptor)


def _opened(name: str) -> int:
    # Not blocking: without it, opening a pipe waits until somebody opens its other end.
    return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def _check(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}, not a file", name)


def _chunks(name: str, descriptor: int, most_bytes: int, seconds: float) -> Iterator[bytes]:
    mode = os.fstat(descriptor).st_mode
    is_pipe = seconds > 0 and stat.S_ISFIFO(mode)
    if not is_pipe:
        _check(name, mode)
    end = time.monotonic() + seconds
    left = most_bytes
    while True:
        if is_pipe:
            _wait(name, descriptor, seconds, end)
        chunk = os.read(descriptor, min(left + 1, _CHUNK_BYTES))
        if not chunk:
            return
        left -= len(chunk)
        if left < 0:
            raise OSError(errno.EFBIG, f"it has more than {most_bytes >> 20} MiB", name)
        yield chunk


def _wait(name: str, descriptor: int, seconds: float, end: float) -> None:
    """Wait until a pipe has more, or was closed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
        words = f"it is a pipe that nobody closed within {seconds:g} seconds"
        raise OSError(errno.ETIMEDOUT, words, name)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"
