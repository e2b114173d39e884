"""At most so many in any window: a log of charges, those that lie close together as one.

Promise: whatever the moments of the calls, in no window (t - period, t] are more than `amount`
units charged. An entry of the log counts until the last of its charges is a whole period old, so
none counts too short; an entry spans 1/64 of the period at most, so none counts longer than that.
"""

from array import array
from typing import Final

from sidecar.knowledge.limits.counter import Counter
from sidecar.model.limits import Limit

PARTS: Final = 64
"""Entries that a log has at most: parts of the period."""


class Window(Counter):
    """One caller's log.

    Args:
        limit: a limit without burst and calendar.
    """

    __slots__ = ("_amount", "_limit", "_log", "_period", "_total")

    # Three numbers for each entry: moments of the first and the last charge, and units.
    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._amount = limit.amount
        self._period = limit.period
        self._log = array("q")
        self._total = 0

    def wait(self, now: int, cost: int) -> int:
        """Say when there is room for a charge.

        Args:
            now: microseconds, never less than at the call before.
            cost: units.

        Returns:
            Microseconds from now; 0 when there is room, the period when there never is.
        """
        self._forget(now)
        excess = self._total + cost - self._amount
        if excess <= 0:
            return 0
        log = self._log
        for at in range(0, len(log), 3):
            excess -= log[at + 2]
            if excess <= 0:
                return log[at + 1] + self._period - now
        return self._period

    def charge(self, now: int, cost: int) -> None:
        """Count a charge, whether there is room or not."""
        log = self._log
        self._total += cost
        if log and now - log[-3] < self._period // PARTS:
            log[-2] = now
            log[-1] += cost
        else:
            log.extend((now, now, cost))
        self._drop_surplus()

    def _drop_surplus(self) -> None:
        """Forget what lies before the last `amount` units: those alone are too many already."""
        log = self._log
        while self._total > self._amount:
            surplus = min(self._total - self._amount, log[2])
            self._total -= surplus
            log[2] -= surplus
            if not log[2]:
                del log[:3]

    def left(self, now: int) -> int:
        """Return the units that there is room for."""
        self._forget(now)
        return self._amount - self._total

    def next(self, now: int) -> int:
        """Return the microseconds until there is room for more than now; 0 when all is free."""
        self._forget(now)
        return self._log[1] + self._period - now if self._log else 0

    def ends(self) -> int:
        """Return the moment from which the log says no more than a new one."""
        return self._log[-2] + self._period if self._log else 0

    def copy(self) -> "Window":
        """Return one that counts on apart."""
        copy = Window(self._limit)
        copy._total = self._total
        copy._log = self._log[:]
        return copy

    def _forget(self, now: int) -> None:
        log = self._log
        gone = 0
        while gone < len(log) and log[gone + 1] + self._period <= now:
            self._total -= log[gone + 2]
            gone += 3
        if gone:
            del log[:gone]
