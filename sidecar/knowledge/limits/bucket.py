"""A bucket that is filled at a rate (GCRA): a caller may save up, but no more than the bucket.

Promise: in any window of length T at most `burst + amount * T / period` units are charged. One
number is kept: when the bucket will be full again. A unit takes a whole number of microseconds,
rounded up, so the rate is never above the policy's.
"""

from sidecar.knowledge.limits.counter import Counter
from sidecar.model.limits import Limit


class Bucket(Counter):
    """One caller's bucket.

    Args:
        limit: a limit with a burst.
    """

    __slots__ = ("_burst", "_full_at", "_limit", "_unit")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._burst = limit.burst
        self._unit = unit_of(limit)
        self._full_at = 0

    def wait(self, now: int, cost: int) -> int:
        """Say when there is room for a charge.

        Args:
            now: microseconds, never less than at the call before.
            cost: units.

        Returns:
            Microseconds from now; 0 when there is room, the time to fill a bucket when there never
            is.
        """
        if cost > self._burst:
            return self._burst * self._unit
        missing = max(self._full_at, now) + (cost - self._burst) * self._unit - now
        return max(missing, 0)

    def charge(self, now: int, cost: int) -> None:
        """Take a charge out, to the ground of the bucket if there is no room."""
        full_at = max(self._full_at, now) + cost * self._unit
        self._full_at = min(full_at, now + self._burst * self._unit)

    def left(self, now: int) -> int:
        """Return the whole units that are in the bucket."""
        return self._burst - -(-max(self._full_at - now, 0) // self._unit)

    def next(self, now: int) -> int:
        """Return the microseconds until there is a whole unit more than now; 0 when it is full."""
        lacking = max(self._full_at - now, 0)
        return (lacking - 1) % self._unit + 1 if lacking else 0

    def ends(self) -> int:
        """Return the moment from which it says no more than a new one."""
        return self._full_at

    def copy(self) -> "Bucket":
        """Return one that counts on apart."""
        copy = Bucket(self._limit)
        copy._full_at = self._full_at
        return copy


def unit_of(limit: Limit) -> int:
    """Return the microseconds that a unit takes to come back, rounded up."""
    return -(-limit.period // limit.amount)
