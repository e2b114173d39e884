"""An exchange that waits between its steps and its upstream.

It waits for the answer to what a step asks, and then, where authentication has a floor, until the
floor has passed: the time of an answer must not tell what was wrong (AN-5). An exchange that is
held back does not count as in flight: bad credentials must not use up the bound that good ones
need; the bound on connections holds for them all the same.
"""

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Final

from sidecar.decision.runner import Waiting, refuse_unanswered
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import let_go
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.questions import ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan

if TYPE_CHECKING:
    from sidecar.fronts.proxy.admission import Admission
    from sidecar.fronts.proxy.alarm import Ring
    from sidecar.fronts.proxy.context import Context


SLOW_SECONDS: Final = 2.0
"""How long all wait as long as one had to whose look-up took longer than the floor."""
RAISED_SECONDS: Final = 0.5
"""Look-ups that took longer than this raise nobody else's wait."""


class Floor:
    """The time floor of authentication (AN-5).

    Attributes:
        seconds: least time until an outcome shows; 0 for none.
        applies_to_all: whether successes wait too.
    """

    __slots__ = ("_multiple", "_until", "applies_to_all", "seconds")

    def __init__(self, seconds: float, *, applies_to_all: bool) -> None:
        self.seconds = seconds
        self.applies_to_all = applies_to_all
        self._multiple = 1
        self._until = 0.0

    def holds(self, refusal: Refuse, plan: RoutePlan) -> bool:
        """Tell whether a refusal waits for the floor."""
        if not self.seconds:
            return False
        return refusal.has_floor or (self.applies_to_all and bool(plan.identity))

    def left(self, elapsed: float, now: float) -> float:
        """Say how long to wait: until a whole multiple of the floor.

        A store that took longer than the floor would otherwise show by how much. And if only those
        waited longer who had to ask it, that would tell who had to: for a while all do.

        Args:
            elapsed: seconds since the head was complete.
            now: monotonic seconds.
        """
        needed = max(math.ceil(elapsed / self.seconds), 1)
        if now >= self._until:
            self._multiple = 1
        if 1 < needed <= RAISED_SECONDS / self.seconds and needed >= self._multiple:
            self._multiple = needed
            self._until = now + SLOW_SECONDS
        return max(needed, self._multiple) * self.seconds - elapsed


class Pause:
    """Waits for a flight, and calls it back.

    Attributes:
        answers: answers what its steps ask; those of the policy that the exchange began with.
        is_refused: whether it is decided that the exchange is refused.
    """

    __slots__ = (
        "_context", "_flight", "_held_at", "_task", "_timer", "_waiting", "answers", "is_refused",
    )  # fmt: skip

    def __init__(
        self, context: "Context", flight: "Admission", outcome: Refuse | Waiting | None
    ) -> None:
        self._context = context
        self._flight = flight
        self.answers = context.answers
        self._task: asyncio.Task[None] | None = None
        self._timer: Ring | None = None
        self._held_at = 0.0
        self.is_refused = False
        self._waiting: Waiting | None = None
        if isinstance(outcome, Waiting):
            self._wait(outcome)
        else:
            self._hold_back(outcome)

    def cancel(self) -> None:
        """Wait no longer: the exchange ended otherwise."""
        self._waiting = None
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, waiting: Waiting) -> None:
        """Have a question answered without a task if that can be done."""
        self._waiting = waiting
        if isinstance(waiting.question, ReadBody):
            self._flight.collect(waiting.question, self._answered_soon)
        elif not self.answers.find_soon(waiting.question, self._answered_soon):
            self._task = self._context.spawn(self._ask(waiting))

    def _answered_soon(self, answer: object) -> None:
        waiting = self._waiting
        if waiting is None:
            let_go(answer)
            return
        try:
            if isinstance(answer, StoreUnavailableError):
                outcome: Refuse | Respond | Waiting | None = self._unanswered(waiting, answer)
            else:
                outcome = self._resumed(waiting, answer)
            if isinstance(outcome, Waiting):
                self._wait(outcome)
            else:
                self._conclude(outcome)
        except Exception:  # noqa: BLE001 -- the driver's last resort: log, an opaque 500
            self._flight.broke()

    async def _ask(self, waiting: Waiting) -> None:
        """Find the answer that a step asks for, and go on."""
        try:
            outcome = await self._answered(waiting)
        except Exception:  # noqa: BLE001 -- the driver's last resort: log, an opaque 500
            self._task = None
            self._flight.broke()
            return
        self._task = None
        if isinstance(outcome, Waiting):
            self._wait(outcome)
        else:
            self._conclude(outcome)

    async def _answered(self, waiting: Waiting) -> Refuse | Respond | Waiting | None:
        try:
            answer = await self.answers.find(waiting.question)
        except StoreUnavailableError as error:
            return self._unanswered(waiting, error)
        return self._resumed(waiting, answer)

    def _unanswered(self, waiting: Waiting, error: StoreUnavailableError) -> Refuse:
        refusal = Refuse(RefusalCode.STORE_UNAVAILABLE, error.reason, has_floor=True)
        return refuse_unanswered(waiting, refusal, self._flight.exchange)

    def _resumed(self, waiting: Waiting, answer: object) -> Refuse | Respond | Waiting | None:
        outcome = self._flight.resume(waiting, answer)
        if outcome is None and waiting.steps is self._flight.edge:
            return self._flight.decide_route()
        return outcome

    def _conclude(self, outcome: Refuse | Respond | None) -> None:
        floor = self._context.floor
        if isinstance(outcome, Respond):
            # It says nothing of a credential: a preflight has none.
            self._flight.respond(outcome)
            return
        if outcome is None:
            # More may have come, while no route was known, than the route accepts.
            outcome = self._flight.overrun()
        if outcome is None:
            if floor.applies_to_all and self._flight.plan.identity:
                self._hold_back(None)
            else:
                self._flight.go_on()
        elif floor.holds(outcome, self._flight.plan):
            self._hold_back(outcome)
        else:
            self._flight.refuse(outcome)

    def _hold_back(self, cause: Refuse | None) -> None:
        context = self._context
        if cause is not None:
            self.is_refused = True
            self._flight.drop_body()
        self._flight.leave_count()
        now = context.monotonic()
        seconds = context.floor.left(now - self._flight.started, now)
        self._held_at = now
        self._timer = context.alarm.set(seconds, partial(self._release, cause))

    def _release(self, cause: Refuse | None) -> None:
        self._timer = None
        self._flight.waited += self._context.monotonic() - self._held_at
        if cause is not None:
            self._flight.refuse(cause)
            return
        self._flight.enter_count()
        self._flight.go_on()
