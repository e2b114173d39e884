"""So many in each day or month of the calendar, in UTC.

Promise: in each period at most `amount` units are charged. Around the turn of a period a caller may
use two: that is what a quota is.
"""

from calendar import monthrange
from datetime import UTC, datetime
from typing import Final

from sidecar.knowledge.limits.counter import Counter
from sidecar.model.limits import SECOND, Calendar, Limit

_DAY: Final = 86_400 * SECOND


class Quota(Counter):
    """One caller's use of the period.

    Args:
        limit: a limit with a calendar.
    """

    __slots__ = ("_amount", "_calendar", "_ends", "_limit", "_used")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._amount = limit.amount
        self._calendar = limit.calendar or Calendar.DAY
        self._ends = 0
        self._used = 0

    def wait(self, now: int, cost: int) -> int:
        """Say when there is room for a charge.

        Args:
            now: microseconds of Unix time. A clock that is set back goes on with the later period.
            cost: units.

        Returns:
            Microseconds from now; 0 when there is room. A charge above the amount never has any.
        """
        self._turn(now)
        return 0 if self._used + cost <= self._amount else self._ends - now

    def charge(self, now: int, cost: int) -> None:
        """Count a charge, up to the amount."""
        self._turn(now)
        self._used = min(self._used + cost, self._amount)

    def left(self, now: int) -> int:
        """Return the units that there is room for."""
        self._turn(now)
        return self._amount - self._used

    def next(self, now: int) -> int:
        """Return the microseconds until the period ends; 0 when nothing is used."""
        self._turn(now)
        return self._ends - now if self._used else 0

    def ends(self) -> int:
        """Return the moment from which it says no more than a new one."""
        return self._ends if self._used else 0

    def copy(self) -> "Quota":
        """Return one that counts on apart."""
        copy = Quota(self._limit)
        copy._ends, copy._used = self._ends, self._used
        return copy

    def _turn(self, now: int) -> None:
        if now >= self._ends:
            self._used = 0
            self._ends = end_of_period(self._calendar, now)


def end_of_period(calendar: Calendar, now: int) -> int:
    """Return the end of the period that a moment lies in.

    Args:
        calendar: day or month.
        now: microseconds of Unix time.
    """
    if calendar is Calendar.DAY:
        return now - now % _DAY + _DAY
    moment = datetime.fromtimestamp(now // SECOND, UTC)
    days = monthrange(moment.year, moment.month)[1] - moment.day + 1
    return now - now % _DAY + days * _DAY
