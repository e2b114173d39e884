"""Drive steps: the one place that calls them, for every front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse, Respond
from sidecar.model.questions import Question
from sidecar.model.route import AskingStep, ResponseStep, Step


@dataclass(init=False, slots=True)
class Waiting:
    """Where an exchange waits for an answer.

    Attributes:
        steps: the steps that were run.
        at: index of the step that asked.
        question: what it asked.
        shadow: whether refusals of steps that can be shadowed are only recorded.
    """

    steps: Sequence[Step]
    at: int
    question: Question
    shadow: bool

    # Written out: the constructor that `dataclass` makes stays interpreted.
    def __init__(
        self,
        steps: Sequence[Step],
        at: int,
        question: Question,
        shadow: bool,  # noqa: FBT001 -- as the runner has it
    ) -> None:
        self.steps = steps
        self.at = at
        self.question = question
        self.shadow = shadow


def decide(
    steps: Sequence[Step], exchange: Exchange, *, shadow: bool
) -> Refuse | Respond | Waiting | None:
    """Run steps until one refuses, answers or asks.

    Args:
        steps: steps in order.
        exchange: the notebook that they read and write.
        shadow: whether refusals of steps that can be shadowed are only recorded.

    Returns:
        The refusal; the answer, if a step answers itself; where it waits, for `resume`; or None
        when every step passed. A PASS leaves no trace: the hot path pays for nothing else.
    """
    return _run(steps, 0, exchange, shadow=shadow)


def resume(
    waiting: Waiting, answer: object, exchange: Exchange
) -> Refuse | Respond | Waiting | None:
    """Go on where an exchange waited.

    Args:
        waiting: what `decide` or `resume` returned.
        answer: the answer to its question.
        exchange: the same exchange.
    """
    steps, shadow = waiting.steps, waiting.shadow
    step = steps[waiting.at]
    # Only a step that asked is resumed, and whoever asks can go on.
    outcome = cast("AskingStep", step).resume(exchange, waiting.question, answer)
    if isinstance(outcome, Ask):
        return Waiting(steps, waiting.at, outcome.question, shadow)
    if ended := _judged(step, outcome, exchange, shadow=shadow):
        return ended
    return _run(steps, waiting.at + 1, exchange, shadow=shadow)


def refuse_unanswered(waiting: Waiting, refusal: Refuse, exchange: Exchange) -> Refuse:
    """Refuse because a question cannot be answered; shadow mode changes nothing about that."""
    exchange.refused_by = waiting.steps[waiting.at].name
    return refusal


def _run(
    steps: Sequence[Step], first: int, exchange: Exchange, *, shadow: bool
) -> Refuse | Respond | Waiting | None:
    for at in range(first, len(steps)):
        step = steps[at]
        outcome = step.decide(exchange)
        if outcome is PASS:
            continue
        if isinstance(outcome, Ask):
            return Waiting(steps, at, outcome.question, shadow)
        if ended := _judged(step, outcome, exchange, shadow=shadow):
            return ended
    return None


def _judged(
    step: Step, outcome: Outcome, exchange: Exchange, *, shadow: bool
) -> Refuse | Respond | None:
    if outcome is PASS:
        return None
    if isinstance(outcome, Respond) or not (shadow and step.can_shadow):
        exchange.refused_by = step.name
        return outcome
    exchange.shadow.append(outcome)
    return None


def respond(steps: Sequence[ResponseStep], exchange: Exchange) -> None:
    """Run RESPONSE steps; they cannot refuse."""
    for step in steps:
        step.apply(exchange)
