"""Drive steps: the one place that calls them, for every front."""

from collections.abc import Sequence

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Refuse
from sidecar.model.route import ResponseStep, Step


def decide(steps: Sequence[Step], exchange: Exchange, *, shadow: bool) -> Refuse | None:
    """Run steps until one refuses.

    Args:
        steps: steps in order.
        exchange: the notebook that they read and write.
        shadow: whether refusals of steps that can be shadowed are only recorded.

    Returns:
        The refusal, or None when every step passed. A PASS leaves no trace: the hot path pays for
        nothing else.
    """
    for step in steps:
        outcome = step.decide(exchange)
        if outcome is PASS:
            continue
        if not (shadow and step.can_shadow):
            exchange.refused_by = step.name
            return outcome
        exchange.shadow.append(outcome)
    return None


def respond(steps: Sequence[ResponseStep], exchange: Exchange) -> None:
    """Run RESPONSE steps; they cannot refuse."""
    for step in steps:
        step.apply(exchange)
