"""The runner, watched: the same decisions, and an observer who is told of every step.

Each step is run by `runner` itself, as a list of one. Nothing of what an outcome means is written
a second time, so that what is watched cannot differ from what is served.
"""

from collections.abc import Sequence
from typing import Protocol

from sidecar.decision import runner
from sidecar.decision.runner import Waiting
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.questions import Question
from sidecar.model.route import Step


class Observer(Protocol):
    """Is told what steps do, in order; it must not change the exchange.

    For each step `begins`, then `asked` and `answered` as often as it asks, then `ended`.
    """

    def begins(self, step: Step, exchange: Exchange) -> None:
        """Hear that a step is about to decide."""

    def asked(self, step: Step, question: Question) -> None:
        """Hear that it waits for the answer to a question."""

    def answered(self, step: Step, exchange: Exchange, answer: object) -> None:
        """Hear that it is about to go on with an answer."""

    def ended(
        self,
        step: Step,
        exchange: Exchange,
        outcome: Refuse | Respond | None,
        shadowed: Sequence[Refuse],
    ) -> None:
        """Hear what came of it.

        Args:
            step: the step.
            exchange: the exchange, with the facts that the step wrote.
            outcome: what ends the exchange; None when it goes on.
            shadowed: refusals that shadow mode let pass here.
        """


def decide(
    steps: Sequence[Step], exchange: Exchange, *, shadow: bool, observer: Observer
) -> Refuse | Respond | Waiting | None:
    """Run steps as `runner.decide` does.

    Returns:
        What that returns. A `Waiting` may be given to `resume` of either.
    """
    return _run(steps, 0, exchange, shadow=shadow, observer=observer)


def resume(
    waiting: Waiting, answer: object, exchange: Exchange, observer: Observer
) -> Refuse | Respond | Waiting | None:
    """Go on as `runner.resume` does, where an exchange waited."""
    steps, at, shadow = waiting.steps, waiting.at, waiting.shadow
    step = steps[at]
    noted = len(exchange.shadow)
    observer.answered(step, exchange, answer)
    alone = Waiting((step,), 0, waiting.question, shadow)
    outcome = runner.resume(alone, answer, exchange)
    if isinstance(outcome, Waiting):
        observer.asked(step, outcome.question)
        return Waiting(steps, at, outcome.question, shadow)
    observer.ended(step, exchange, outcome, exchange.shadow[noted:])
    if outcome is not None:
        return outcome
    return _run(steps, at + 1, exchange, shadow=shadow, observer=observer)


def refuse_unanswered(
    waiting: Waiting, refusal: Refuse, exchange: Exchange, observer: Observer
) -> Refuse:
    """Refuse as `runner.refuse_unanswered` does."""
    outcome = runner.refuse_unanswered(waiting, refusal, exchange)
    observer.ended(waiting.steps[waiting.at], exchange, outcome, ())
    return outcome


def _run(
    steps: Sequence[Step], first: int, exchange: Exchange, *, shadow: bool, observer: Observer
) -> Refuse | Respond | Waiting | None:
    for at in range(first, len(steps)):
        step = steps[at]
        noted = len(exchange.shadow)
        observer.begins(step, exchange)
        outcome = runner.decide((step,), exchange, shadow=shadow)
        if isinstance(outcome, Waiting):
            observer.asked(step, outcome.question)
            return Waiting(steps, at, outcome.question, shadow)
        observer.ended(step, exchange, outcome, exchange.shadow[noted:])
        if outcome is not None:
            return outcome
    return None
