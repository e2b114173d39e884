"""The first part of an exchange: from its head until it may go to an upstream.

The steps run at once; where one asks, or a failure is held back, the exchange waits (`pause`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sidecar.decision import traced
from sidecar.decision.pipeline import Generation
from sidecar.decision.runner import Waiting, decide, resume
from sidecar.decision.timing import StepTimer
from sidecar.fronts.proxy.pause import Pause
from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.ports import Answers
from sidecar.model.questions import ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Step
from sidecar.model.verdict import Ending

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.downstream import Downstream


class Admission:
    """Decides an exchange; whoever extends it starts what is admitted, and ends what is not.

    Attributes:
        exchange: its notebook.
        started: monotonic seconds when the head was complete.
        waited: seconds in which others kept it waiting: the client with its body, an upstream
            that was connected to, the time floor.
    """

    __slots__ = (
        "_context", "_downstream", "_generation", "_is_counted", "_pause", "_received", "_timer",
        "exchange", "started", "waited",
    )  # fmt: skip

    def __init__(
        self, context: "Context", downstream: "Downstream", head: RequestHead | None
    ) -> None:
        self._context = context
        self._downstream = downstream
        self._generation = context.generation
        self._pause: Pause | None = None
        self._is_counted = True
        self._timer: StepTimer | None = None
        self._received = 0
        self.started = context.monotonic()
        self.waited = 0.0
        self.exchange = Exchange(downstream.connection, head, context.clock(), context.new_id())
        context.live.requests += 1

    @property
    def plan(self) -> RoutePlan:
        """The plan of the route, or the one for exchanges without a route."""
        try:
            return self.exchange.route
        except AttributeError:
            return self._generation.unrouted

    def decide(self) -> bool:
        """Run the steps; refuse, wait for what a step asks, or say that the request may go on."""
        exchange = self.exchange
        generation = self._generation
        context = self._context
        exchange.refused_by = "overload"
        cause = context.overload(exchange.head)
        if cause is not None:
            self.refuse(cause)
            return False
        timer = context.timer()
        if timer is not None:
            outcome = self._decide_timed(timer)
        else:
            outcome = decide(generation.edge, exchange, shadow=generation.shadow)
            if outcome is None:
                plan = exchange.route
                outcome = decide(plan.steps, exchange, shadow=plan.shadow)
        if outcome is None and not (context.floor.applies_to_all and exchange.route.identity):
            return True
        if isinstance(outcome, Refuse) and not context.floor.holds(outcome, self.plan):
            self.refuse(outcome)
        elif isinstance(outcome, Respond):
            self.respond(outcome)
        else:
            self._pause = Pause(context, self, outcome)
        return False

    def _decide_timed(self, timer: StepTimer) -> Refuse | Respond | Waiting | None:
        """Run the same steps, watched."""
        self._timer = timer
        generation, exchange = self._generation, self.exchange
        shadow = generation.shadow
        outcome = traced.decide(generation.edge, exchange, shadow=shadow, observer=timer)
        return self.decide_route() if outcome is None else outcome

    @property
    def generation(self) -> Generation:
        """The policy that it began with."""
        return self._generation

    def adopt(self, generation: Generation, again: Exchange) -> None:
        """Go on under another policy, which admits it.

        Args:
            generation: that policy.
            again: what its steps found out.
        """
        exchange = self.exchange
        self._generation = generation
        exchange.route = again.route
        if hasattr(again, "principal") and hasattr(again, "tenant"):
            exchange.principal, exchange.tenant = again.principal, again.tenant
        # What it would refuse is noted, as of a request that begins.
        exchange.shadow.extend(one for one in again.shadow if one not in exchange.shadow)

    def outlive(self) -> None:
        """Go on for long from now: the policy in force judges it, if it began on another."""
        context = self._context
        if self._generation is not context.generation and context.outlived is not None:
            context.outlived(self)

    def asks(self, answers: Answers) -> bool:
        """Tell whether it may still ask these."""
        pause = self._pause
        return pause is not None and pause.answers is answers

    @property
    def edge(self) -> Sequence[Step]:
        """The EDGE steps that it runs."""
        return self._generation.edge

    def decide_route(self) -> Refuse | Respond | Waiting | None:
        """Run the steps of the route, after EDGE steps that had to wait."""
        plan, exchange, timer = self.exchange.route, self.exchange, self._timer
        if timer is not None:
            return traced.decide(plan.steps, exchange, shadow=plan.shadow, observer=timer)
        return decide(plan.steps, exchange, shadow=plan.shadow)

    def resume(self, waiting: Waiting, answer: object) -> Refuse | Respond | Waiting | None:
        """Go on with the steps where one asked."""
        if self._timer is not None:
            return traced.resume(waiting, answer, self.exchange, self._timer)
        return resume(waiting, answer, self.exchange)

    def refuse(self, cause: Refuse) -> None:
        """End the exchange: a step refused."""
        self._pause = None
        self._refuse(cause, Ending.REFUSED, self.exchange.refused_by)

    def respond(self, answer: Respond) -> None:
        """End the exchange: a step answered."""
        self._pause = None
        self._answer(answer, Ending.ANSWERED, None, self.exchange.refused_by)

    def go_on(self) -> None:
        """Start, once nothing is waited for any more."""
        self._pause = None
        try:
            self.start()
        except Exception:  # noqa: BLE001 -- the driver's last resort: log, an opaque 500
            self.broke()

    def start(self) -> None:
        """Hand the request to an upstream connection."""
        raise NotImplementedError

    def overrun(self) -> Refuse | None:
        """Refuse a body of which more came than the route accepts; shadow mode notes it once."""
        exchange = self.exchange
        if self._received <= exchange.body_limit:
            return None
        cause = Refuse(RefusalCode.PAYLOAD_TOO_LARGE, "body above the limit while streaming")
        if not self.plan.shadow:
            exchange.refused_by = "declared_body"
            return cause
        if all(noted.code is not cause.code for noted in exchange.shadow):
            exchange.shadow.append(cause)
        return None

    def collect(self, question: ReadBody, then: Callable[[object], None]) -> None:
        """Keep the body until it is whole, then call back with it."""
        raise NotImplementedError

    def drop_body(self) -> None:
        """Let go of what was kept of the body, and take the rest in only to drop it."""
        raise NotImplementedError

    def broke(self) -> None:
        """End the exchange after a bug of ours."""
        raise NotImplementedError

    def _refuse(self, cause: Refuse, ending: Ending, step: str) -> None:
        """Answer with a refusal, and end."""
        self._answer(cause, ending, cause.code, step)

    def _answer(
        self, own: Refuse | Respond, ending: Ending, code: RefusalCode | None, step: str
    ) -> None:
        """Give an answer of ours, and end."""
        raise NotImplementedError

    def leave_count(self) -> None:
        """Stop counting as in flight: it is held back, over, or has become a WebSocket."""
        if self._is_counted:
            self._is_counted = False
            self._context.live.requests -= 1

    def enter_count(self) -> None:
        """Count as in flight again."""
        if not self._is_counted:
            self._is_counted = True
            self._context.live.requests += 1
