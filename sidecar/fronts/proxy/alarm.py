"""Timers to the microsecond, for answers whose time must not tell anything (AN-5).

The timers of an event loop count in milliseconds from the moment in which they are set: what was
done before that moment, a look-up or none, shows in the fractions: over 2,000 answers each, keys
that were looked up stood out from malformed ones by a Welch's t of 8, and answers came too early.
A timer of the kernel is set for a point of time.
"""

import asyncio
import contextlib
import ctypes
import heapq
import os
import time
from collections.abc import Callable
from typing import Final

_MONOTONIC: Final = 1
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE: Final = 1
_COUNT_BYTES: Final = 8
_SECOND: Final = 1_000_000_000
_TICK_SECONDS: Final = 0.001


class _Times(ctypes.Structure):
    """What timerfd_settime(2) takes: `struct itimerspec`."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def _unset(*_: object) -> int:
    """Stand for the system's call before there is a timer."""
    return 0


class Ring:
    """One call that is to come.

    Attributes:
        due: monotonic nanoseconds.
        call: what is called; None once it was or will not be.
    """

    __slots__ = ("call", "due")

    def __init__(self, due: int, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def __lt__(self, other: "Ring") -> bool:
        """Order by time."""
        return self.due < other.due

    def cancel(self) -> None:
        """Call nobody."""
        self.call = None

    def fire(self) -> None:
        """Call, unless nobody is to be called any more."""
        call, self.call = self.call, None
        if call is not None:
            call()


class Alarm:
    """Calls back at points of time, by one timer of the kernel for all of them."""

    def __init__(self) -> None:
        self._rings: list[Ring] = []
        self._descriptor = -1
        self._set_for = 0
        self._set_time: Callable[..., int] = _unset
        # Elsewhere, where sidecars are tried and not deployed, the loop's timers must do.
        self._has_kernel_timer = os.uname().sysname == "Linux"

    def set(self, seconds: float, call: Callable[[], None]) -> Ring:
        """Call back after some seconds, never earlier.

        Args:
            seconds: from now.
            call: what is called, in the event loop.
        """
        ring = Ring(time.monotonic_ns() + int(seconds * _SECOND) + 1, call)
        if not self._has_kernel_timer:
            asyncio.get_running_loop().call_later(seconds + _TICK_SECONDS, ring.fire)
            return ring
        heapq.heappush(self._rings, ring)
        if self._descriptor < 0:
            self._open()
        self._wind()
        return ring

    def close(self) -> None:
        """Call nobody any more."""
        self._rings.clear()
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.timerfd_create(_MONOTONIC, _FLAGS)
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._set_time = libc.timerfd_settime
        asyncio.get_running_loop().add_reader(self._descriptor, self._ring)

    def _wind(self) -> None:
        due = self._rings[0].due if self._rings else self._set_for
        if due == self._set_for:
            return
        self._set_for = due
        times = _Times(0, 0, *divmod(due, _SECOND))
        self._set_time(self._descriptor, _ABSOLUTE, ctypes.byref(times), None)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, _COUNT_BYTES)
        now = time.monotonic_ns()
        while self._rings and self._rings[0].due <= now:
            heapq.heappop(self._rings).fire()
        if self._descriptor >= 0:
            self._wind()
