"""How many go on at the same time: what is taken is given back."""

from typing import Final

from sidecar.knowledge.limits.counter import Counter
from sidecar.model.limits import SECOND, Limit

RETRY: Final = SECOND
"""Who is refused may come again so soon: nobody can know when somebody else is through."""
_NEVER: Final = 1 << 62


class Occupancy(Counter):
    """Counts units that are held.

    Args:
        limit: the limit.

    Attributes:
        held: units that are held.
    """

    __slots__ = ("_limit", "held")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.held = 0

    def wait(self, now: int, cost: int) -> int:
        """Say whether there is room: 0, else the time after which to ask again."""
        del now
        return 0 if self.held + cost <= self._limit.amount else RETRY

    def charge(self, now: int, cost: int) -> None:
        """Hold units."""
        del now
        self.held += cost

    def left(self, now: int) -> int:
        """Return the units that there is room for."""
        del now
        return max(self._limit.amount - self.held, 0)

    def next(self, now: int) -> int:
        """Return 0: it is not known when somebody gives one back."""
        del now
        return 0

    def ends(self) -> int:
        """Return a moment that never comes while something is held."""
        return _NEVER if self.held else 0

    def copy(self) -> "Occupancy":
        """Return one of which as much is held."""
        other = Occupancy(self._limit)
        other.held = self.held
        return other
