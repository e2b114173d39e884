"""Time-outs by the thousand: arming one on the hot path costs an assignment.

A timer of the event loop costs microseconds and every request would need several. Here a deadline
is a number; a wheel of coarse slots looks at it when its slot comes round, and puts it into a later
slot if it was moved meanwhile. No deadline fires early, and none later than two ticks.
"""

import math
from collections.abc import Callable
from typing import Final

TICK: Final = 0.1
"""Seconds between two looks at the wheel."""

_NEVER: Final = math.inf
_NO_SLOT: Final = 1 << 62


class Wheel:
    """Slots of deadlines, and the time as of the last tick.

    Attributes:
        now: monotonic seconds as of the last `advance`.
    """

    __slots__ = ("_next", "_slots", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self._slots: dict[int, list[Deadline]] = {}
        self._next = int(now / TICK)

    def advance(self, now: float) -> None:
        """Move the time on and fire what is due.

        Args:
            now: monotonic seconds.
        """
        self.now = now
        last = int(now / TICK)
        if last - self._next > len(self._slots):
            # After a long sleep of the machine most slots are empty: visit those that are not.
            passed = sorted(slot for slot in self._slots if slot <= last)
        else:
            passed = [slot for slot in range(self._next, last + 1) if slot in self._slots]
        self._next = last + 1
        for slot in passed:
            for deadline in self._slots.pop(slot):
                deadline.visit(slot)

    def place(self, deadline: "Deadline", slot: int) -> None:
        """Have a deadline visited when the slot comes round, at the next tick at the earliest."""
        self._slots.setdefault(max(slot, self._next), []).append(deadline)


class Deadline:
    """One time-out that can be moved as often as you like; it calls back once when it is due."""

    __slots__ = ("_due", "_on_expiry", "_slot", "_wheel")

    def __init__(self, wheel: Wheel, on_expiry: Callable[[], None]) -> None:
        self._wheel = wheel
        self._on_expiry = on_expiry
        self._due = _NEVER
        self._slot = _NO_SLOT

    def arm(self, seconds: float) -> None:
        """Set the deadline, from now; an earlier setting is forgotten."""
        # The wheel's time may be a tick old: a tick is added so that nothing fires early.
        due = self._due = self._wheel.now + seconds + TICK
        slot = int(due / TICK) + 1
        if slot < self._slot:
            self._slot = slot
            self._wheel.place(self, slot)

    def disarm(self) -> None:
        """Forget the deadline."""
        self._due = _NEVER

    def visit(self, slot: int) -> None:
        """Fire, move on to a later slot, or leave the wheel; the wheel calls this."""
        if slot < self._slot:
            return
        self._slot = _NO_SLOT
        if self._due is _NEVER:
            return
        if self._due <= self._wheel.now:
            self._due = _NEVER
            self._on_expiry()
            return
        self._slot = int(self._due / TICK) + 1
        self._wheel.place(self, self._slot)
