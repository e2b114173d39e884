"""Time-outs by the thousand: arming one on the hot path costs an assignment.

A timer of the event loop costs microseconds and every request would need several. Here a deadline
is a number; a wheel of coarse slots looks at it when its slot comes round, and puts it into a later
slot if it was moved meanwhile. No deadline fires early, and none later than two ticks.
"""

import logging
import math
from collections.abc import Callable
from typing import Final

TICK: Final = 0.1
"""Seconds between two looks at the wheel."""

_LOG: Final = logging.getLogger("sidecar.proxy")
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
        # A dict without values: a set that keeps the order.
        self._slots: dict[int, dict[Deadline, None]] = {}
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
            # One that fires may end the others of a slot, and so the slot.
            for deadline in self._slots.pop(slot, {}):
                self._visit(deadline)

    @staticmethod
    def _visit(deadline: "Deadline") -> None:
        try:
            deadline.visit()
        except Exception:  # noqa: BLE001 -- the top of a timer's call
            # One owner's bug must not end the time-outs of all the others.
            _LOG.exception("a time-out failed")

    def place(self, deadline: "Deadline", slot: int) -> int:
        """Have a deadline visited when the slot comes round, at the next tick at the earliest.

        Returns:
            The slot that it was put into.
        """
        slot = max(slot, self._next)
        self._slots.setdefault(slot, {})[deadline] = None
        return slot

    def take_out(self, deadline: "Deadline", slot: int) -> None:
        """Never visit a deadline in a slot, where the slot has not come round yet."""
        deadlines = self._slots.get(slot)
        if deadlines is not None:
            deadlines.pop(deadline, None)
            if not deadlines:
                del self._slots[slot]


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
            if self._slot != _NO_SLOT:
                self._wheel.take_out(self, self._slot)
            self._slot = self._wheel.place(self, slot)

    def disarm(self) -> None:
        """Forget the deadline."""
        self._due = _NEVER

    def end(self) -> None:
        """Forget the deadline for good, when what it watches over is gone.

        The wheel would hold a closed connection until its slot comes round, which for a WebSocket's
        life is a day; and whoever opens and closes connections fast would fill the memory.
        """
        self._due = _NEVER
        self._on_expiry = _nobody
        if self._slot != _NO_SLOT:
            self._wheel.take_out(self, self._slot)
            self._slot = _NO_SLOT

    def visit(self) -> None:
        """Fire, move on to a later slot, or leave the wheel; the wheel calls this."""
        self._slot = _NO_SLOT
        if self._due is _NEVER:
            return
        if self._due <= self._wheel.now:
            self._due = _NEVER
            self._on_expiry()
            return
        self._slot = self._wheel.place(self, int(self._due / TICK) + 1)


def _nobody() -> None:
    """Be called instead of an owner that is gone."""
