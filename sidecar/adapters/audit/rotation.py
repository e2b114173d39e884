"""Rotation of an audit file by size and age: `audit.jsonl` becomes `audit.jsonl.1` (AU-1).

It takes place under the lock of the file, by whichever process comes first; the others find that
the name leads to another file when they have the lock, and open that one.
"""

import logging
import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from sidecar.policy.schema.audit import Rotate

COMPLAINT_SECONDS: Final = 60.0
# The timestamp is the second member of a line.
_FIRST_BYTES: Final = 256
_KEY: Final = b'"timestamp":"'

_LOG: Final = logging.getLogger("sidecar.audit")


class Rotation:
    """Rotates one file.

    Args:
        name: name of the file.
        section: when, and how many old files are kept.
    """

    def __init__(self, name: str, section: Rotate) -> None:
        self._name = name
        self._section = section
        self._inode = -1
        self._began: float | None = None
        self._next_complaint = 0.0

    def has_moved(self, descriptor: int) -> bool:
        """Tell whether the name leads to another file by now, or to none."""
        try:
            named = Path(self._name).stat()
        except OSError:
            return True
        return not os.path.samestat(named, os.fstat(descriptor))

    def is_due(self, descriptor: int, more: int) -> bool:
        """Tell whether the file is to be rotated before so many bytes more."""
        found = os.fstat(descriptor)
        if not found.st_size:
            return False
        if found.st_size + more > self._section.size:
            return True
        if self._section.age is None:
            return False
        if found.st_ino != self._inode:
            self._inode, self._began = found.st_ino, _began(descriptor)
        return self._began is not None and time.time() - self._began >= self._section.age

    def room(self, descriptor: int) -> int:
        """Say how many bytes more the file may get."""
        return self._section.size - os.fstat(descriptor).st_size

    def rotate(self) -> bool:
        """Give the file its next name; under its lock. False if that cannot be done."""
        try:
            self._shift()
        except OSError as error:
            now = time.monotonic()
            if now >= self._next_complaint:
                self._next_complaint = now + COMPLAINT_SECONDS
                _LOG.error("%s cannot be rotated: %s", self._name, error.strerror)
            return False
        return True

    def _shift(self) -> None:
        for number in range(self._section.keep, 1, -1):
            with suppress(FileNotFoundError):
                Path(f"{self._name}.{number - 1}").replace(f"{self._name}.{number}")
        Path(self._name).replace(f"{self._name}.1")


def _began(descriptor: int) -> float | None:
    """Read when the first record of a file was written; None if that cannot be read."""
    _, found, rest = os.pread(descriptor, _FIRST_BYTES, 0).partition(_KEY)
    text = rest.partition(b'"')[0].decode("ascii", "replace")
    if not found:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
