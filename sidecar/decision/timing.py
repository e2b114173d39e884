"""How long each step takes, of a sample of the requests: the others pay for one comparison."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.decision.traced import Observer
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.questions import Question
from sidecar.model.route import Step


class Note(Protocol):
    """Takes note of what a step took."""

    def __call__(self, step: str, seconds: float) -> None:
        """Note it."""


class StepTimer(Observer):
    """Times the steps of one request; what a step waits for an answer is not its time."""

    __slots__ = ("_began", "_clock", "_note", "_seconds")

    def __init__(self, clock: Callable[[], float], note: Note) -> None:
        self._clock = clock
        self._note = note
        self._began = 0.0
        self._seconds = 0.0

    def begins(self, step: Step, exchange: Exchange) -> None:
        """Begin with a step."""
        del step, exchange
        self._seconds = 0.0
        self._began = self._clock()

    def asked(self, step: Step, question: Question) -> None:
        """Stop, while it waits."""
        del step, question
        self._seconds += self._clock() - self._began

    def answered(self, step: Step, exchange: Exchange, answer: object) -> None:
        """Go on."""
        del step, exchange, answer
        self._began = self._clock()

    def ended(
        self,
        step: Step,
        exchange: Exchange,
        outcome: Refuse | Respond | None,
        shadowed: Sequence[Refuse],
    ) -> None:
        """Note what it took."""
        del exchange, outcome, shadowed
        self._note(step.name, self._seconds + self._clock() - self._began)


class Sampling:
    """Says which requests are timed.

    Args:
        one_in: one request in so many is timed, 1 at least.
        clock: monotonic seconds.
        random: gives a number from 0 up to 1.
        note: takes note of what a step took.
    """

    def __init__(
        self,
        one_in: int,
        clock: Callable[[], float],
        random: Callable[[], float],
        note: Note,
    ) -> None:
        self._one_in = one_in
        self._clock = clock
        self._random = random
        self._note = note

    def gap(self) -> int:
        """Draw how many requests further the next one is: clients may go in step with a count."""
        return 1 + int(self._random() * (2 * self._one_in - 1))

    def timer(self) -> StepTimer:
        """Make what times the steps of one request."""
        return StepTimer(self._clock, self._note)
