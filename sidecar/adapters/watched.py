"""The files that a policy was read from, looked at again and again: has their content changed?

Content is what counts. It is read anew when what the system says of a file has changed, and while
that is so recent that two writes could share a time; so a rename over it, a symbolic link that
leads elsewhere (`..data` of Kubernetes) and a write in place are all seen, and a `touch` is none.
"""

import hashlib
import os
import time
from collections.abc import Iterable
from typing import Final

from sidecar.adapters.reading import chunks_of

_RECENT_SECONDS: Final = 5.0
"""A file system may give two writes within this time the same time."""

Files = dict[str, str]
"""By name, the hex digest (SHA-256) of the content; empty for a file that cannot be read."""


class Watched:
    """Files that are looked at.

    Args:
        names: their names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def look(self) -> Files:
        """Return what the files hold now; may wait for a disk."""
        return {name: self._digest(name) for name in self._names}

    def _digest(self, name: str) -> str:
        try:
            said = os.stat(name)  # noqa: PTH116 -- the link is followed, as opening it does
            sign = (said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns)
            known = self._known.get(name)
            if known is not None and known[0] == sign:
                return known[1]
            digest = _digest_of(name)
        except OSError:
            self._known.pop(name, None)
            return ""
        if time.time() - said.st_ctime > _RECENT_SECONDS:
            self._known[name] = (sign, digest)
        return digest


def _digest_of(name: str) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(name):
        digest.update(chunk)
    return digest.hexdigest()
