"""Failed authentications: count them, and look at no credential of whoever has too many."""

from typing import Final

from sidecar.decision.charges import Counted
from sidecar.decision.steps.limits import refused, settled
from sidecar.model.exchange import Exchange
from sidecar.model.limits import SECOND, Charge, Count
from sidecar.model.outcome import Ask, Outcome, Refuse
from sidecar.model.ports import UNKNOWN, KnownLimits
from sidecar.model.questions import TakeLimits

LOCKED: Final = 10_000
"""Callers that are known to be over the limit; the longest known is forgotten first."""


class Failures:
    """Counts failures and remembers who is over the limit.

    Args:
        counted: the limit.
        known: limits that can be charged without waiting.
        locked: callers that are known to be over the limit, and until when; it outlives the step.
    """

    __slots__ = ("_counted", "_known", "_locked")

    def __init__(
        self, counted: Counted, known: KnownLimits, locked: dict[bytes, float] | None = None
    ) -> None:
        self._counted = counted
        self._known = known
        self._locked: dict[bytes, float] = {} if locked is None else locked

    def locked_out(self, exchange: Exchange) -> Refuse | None:
        """Refuse who is known to be over the limit, whatever the credential."""
        if not self._locked:
            return None
        caller = self._counted.of(exchange).caller
        until = self._locked.get(caller)
        if until is None:
            return None
        if exchange.now >= until:
            del self._locked[caller]
            return None
        wait = int((until - exchange.now) * SECOND)
        return refused(self._counted.limit, wait, has_floor=True)

    def note(self, exchange: Exchange, failure: Refuse) -> Outcome | Ask:
        """Count a failure; refuse as it says, or for want of room."""
        charge = self._counted.of(exchange)
        counts = self._known.at_hand((charge,))
        if counts is UNKNOWN:
            return Ask(TakeLimits((charge,), failure))
        return self._settled(exchange, charge, counts, failure)

    def resume(self, exchange: Exchange, question: TakeLimits, answer: object) -> Outcome:
        """Go on with what the store says."""
        failure = question.because
        if not isinstance(answer, tuple) or not isinstance(failure, Refuse):
            raise TypeError("failures are counted with what they were")
        return self._settled(exchange, question.charges[0], answer, failure)

    def _settled(
        self, exchange: Exchange, charge: Charge, counts: tuple[Count, ...], failure: Refuse
    ) -> Outcome:
        [count] = counts
        outcome = settled(exchange, (charge,), counts, has_floor=True)
        if not charge.limit.is_shadow and not (count.is_admitted and count.left):
            self._lock_out(charge.caller, exchange.now + count.wait / SECOND)
        return outcome if isinstance(outcome, Refuse) else failure

    def _lock_out(self, caller: bytes, until: float) -> None:
        self._locked.pop(caller, None)
        if len(self._locked) >= LOCKED:
            del self._locked[next(iter(self._locked))]
        self._locked[caller] = until
