"""When a store has failed often, leave it alone for a moment: a breaker, as a table of states."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

FAILURES: Final = 5
"""Reads that fail one after the other before the breaker opens."""

OPEN_SECONDS: Final = 1.0
"""How long it stays open, half more or less: replicas must not come back all at once."""


class Circuit(Enum):
    """State of a breaker: closed lets calls pass, open none, half open a single probe."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class Happening(Enum):
    """What changes the state."""

    FAILED_OFTEN = auto()
    WAITED = auto()
    PROBE_ANSWERED = auto()
    PROBE_FAILED = auto()


TRANSITIONS: Final = {
    (Circuit.CLOSED, Happening.FAILED_OFTEN): Circuit.OPEN,
    (Circuit.OPEN, Happening.WAITED): Circuit.HALF_OPEN,
    (Circuit.HALF_OPEN, Happening.PROBE_ANSWERED): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Happening.PROBE_FAILED): Circuit.OPEN,
}
"""Every change of state; what is not in the table changes nothing."""


class Breaker:
    """Counts failures and says whether a call may be made.

    Whoever may make one says afterwards how it went, by `succeed`, `fail` or `abandon`.

    Args:
        monotonic: monotonic seconds.
        random: gives a number from 0 up to 1.

    Attributes:
        circuit: the state.
    """

    def __init__(self, monotonic: Callable[[], float], random: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._random = random
        self._failures = 0
        self._opens_at = 0.0
        self.circuit = Circuit.CLOSED

    def admits(self) -> bool:
        """Tell whether a call may be made now; half open, the first who asks makes the probe."""
        if self.circuit is Circuit.CLOSED:
            return True
        if self.circuit is Circuit.OPEN and self._monotonic() >= self._opens_at:
            self._turn(Happening.WAITED)
            return True
        return False

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, or one of them makes the probe."""
        return self.circuit is not Circuit.CLOSED

    def succeed(self) -> None:
        """Note that the store answered."""
        self._failures = 0
        self._turn(Happening.PROBE_ANSWERED)

    def fail(self) -> None:
        """Note that the store did not answer."""
        self._failures += 1
        self._turn(Happening.PROBE_FAILED)
        if self._failures >= FAILURES:
            self._turn(Happening.FAILED_OFTEN)

    def abandon(self) -> None:
        """Note that a call was given up: it says nothing, but a probe has to be made again."""
        self._turn(Happening.PROBE_FAILED)

    def _turn(self, happening: Happening) -> None:
        after = TRANSITIONS.get((self.circuit, happening))
        if after is None:
            return
        self.circuit = after
        if after is Circuit.OPEN:
            self._opens_at = self._monotonic() + OPEN_SECONDS * (0.5 + self._random())
