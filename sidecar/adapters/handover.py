"""A policy on its way from the process that decodes it to those that serve it.

It travels as bytes in a file without a name, whose descriptor is inherited: nobody else can open
it, and nothing reaches a disk where the system has files in memory. All workers of a sidecar get
the same bytes, so one that is started again serves what the others serve, whatever the policy file
has become. The bytes are Python's own (pickle), which is why they are never read from a name.
"""

import os
import pickle
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sidecar.policy.schema.declaring import be_plain

if TYPE_CHECKING:
    from sidecar.policy.loaded import Loaded

_WHOLE: Final = b"w"
_PLAIN: Final = b"p"
_NAME: Final = "sidecar-policy"


def hand_over(loaded: "Loaded", *, is_whole: bool) -> int:
    """Write a policy for another process.

    Args:
        loaded: the policy.
        is_whole: whether who gets it decodes sections itself.

    Returns:
        A descriptor that processes started from this one inherit.
    """
    descriptor = blank()
    put(descriptor, written(loaded, is_whole=is_whole))
    os.set_inheritable(descriptor, True)  # noqa: FBT003 -- positional only
    return descriptor


def written(loaded: "Loaded", *, is_whole: bool) -> bytes:
    """Write a policy down, as `hand_over` does."""
    return (_WHOLE if is_whole else _PLAIN) + pickle.dumps(loaded)


def put(descriptor: int, content: bytes) -> None:
    """Write what `written` gave."""
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)


def blank() -> int:
    """Make a file without a name for a policy; processes get it that it is passed to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(_NAME)
    # macOS; the file has lost its name when this returns.
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


@dataclass(frozen=True, slots=True)
class Handover:
    """A policy that came over, not opened yet.

    Attributes:
        content: what `written` gave.
    """

    content: bytes

    @classmethod
    def of(cls, descriptor: int) -> "Handover":
        """Read what was written; the descriptor can be read again.

        Raises:
            OSError: there is no such descriptor.
            ValueError: it holds no policy.
        """
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, size, 0)
        if content[:1] not in {_WHOLE, _PLAIN}:
            raise ValueError("no policy was handed over")
        return cls(content)

    @property
    def is_whole(self) -> bool:
        """Whether sections are to be decoded here."""
        return self.content[:1] == _WHOLE

    def open(self) -> "Loaded":
        """Return the policy; sections of this process are plain from now on unless whole."""
        if not self.is_whole:
            be_plain()
        return self.reopen()

    def reopen(self) -> "Loaded":
        """Return the policy in a process whose sections are what they are."""
        found: Loaded = pickle.loads(memoryview(self.content)[1:])  # noqa: S301 -- our own process
        return found
