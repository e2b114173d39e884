"""Choose the route by host and path, then by method; what no route names is refused (AZ-4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from sidecar.decision.matcher import Matcher
from sidecar.knowledge.origins import asked_method
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Step
from sidecar.model.template import Template

_PERCENT: Final = 0x25


@dataclass(slots=True)
class _Choice:
    """The plans of one template by method; `every` serves the methods that none names."""

    by_method: dict[bytes, RoutePlan]
    every: RoutePlan | None = None

    def admit(self, methods: tuple[bytes, ...] | None, plan: RoutePlan) -> None:
        """Have a plan serve some methods, or all that no other plan names."""
        if methods is None:
            self.every = plan
            return
        if b"GET" in methods:
            self.by_method.setdefault(b"HEAD", plan)
        self.by_method.update(dict.fromkeys(methods, plan))

    def answering(self) -> RoutePlan | None:
        """Choose one of the plans that answer preflights; None if there is none."""
        plans = (*self.by_method.values(), *(() if self.every is None else (self.every,)))
        return next((plan for plan in plans if plan.answers_preflights), None)

    def enforces(self, method: bytes) -> bool:
        """Tell whether a plan that is not in shadow mode serves a method."""
        plan = self.by_method.get(method, self.every)
        return plan is not None and not plan.shadow

    def allow(self) -> bytes:
        """List the methods for `Allow` (RFC 9110 §10.2.1)."""
        return b", ".join(sorted(self.by_method))


class Route(Step):
    """Find the plan of the request; the default is to deny."""

    name: ClassVar[str] = "route"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset({"route"})
    can_shadow: ClassVar[bool] = True

    def __init__(
        self,
        entries: Iterable[tuple[Template, tuple[bytes, ...] | None, RoutePlan]],
        *,
        fallback: RoutePlan,
    ) -> None:
        """Build the matcher.

        Args:
            entries: template, methods (None: all) and plan of every route.
            fallback: plan that shadow mode goes on with when no route matches.
        """
        choices: dict[object, tuple[Template, _Choice]] = {}
        for template, methods, plan in entries:
            _, choice = choices.setdefault(template.shape, (template, _Choice({})))
            choice.admit(methods, plan)
        self._matcher = Matcher(choices.values())
        self._fallback = fallback

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the plan.

        Controls: AZ-4.
        """
        exchange.route = self._fallback
        head = exchange.head
        if head is None:
            return Refuse(RefusalCode.NOT_FOUND, "no route matches")
        # One look at the bytes spares one at each segment: 0.3 µs. An escape could be a capital.
        is_lower = head.path.islower() and _PERCENT not in head.path
        choice = self._matcher.find(head.host, exchange.segments, is_lower=is_lower)
        if choice is None:
            return Refuse(RefusalCode.NOT_FOUND, "no route matches")
        plan = choice.by_method.get(head.method, choice.every)
        if plan is None:
            exchange.route = next(iter(choice.by_method.values()))
            return _not_listed(choice)
        exchange.route = plan
        return PASS


class PreflightRoute(Route):
    """The same where some route answers CORS preflights: they go by the method they ask for."""

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the plan; a preflight for a route that answers none is an ordinary request.

        Controls: AZ-4, RS-4.
        """
        head = exchange.head
        asked = None if head is None else asked_method(head)
        if head is None or asked is None:
            return super().decide(exchange)
        choice = self._matcher.find(head.host, exchange.segments)
        answering = None if choice is None else choice.answering()
        if choice is None or answering is None:
            return super().decide(exchange)
        # Nothing is to be asked for: who answers such a thing also says what is wrong with it.
        plan = choice.by_method.get(asked, choice.every) if asked else answering
        if plan is None:
            exchange.route = answering
            return _not_listed(choice)
        if not plan.answers_preflights or (plan.shadow and choice.enforces(head.method)):
            # What shadow mode lets pass goes on as OPTIONS, which another route may forbid.
            return super().decide(exchange)
        exchange.route = plan
        return PASS


def _not_listed(choice: _Choice) -> Refuse:
    return Refuse(
        RefusalCode.METHOD_NOT_ALLOWED,
        "the route does not list the method",
        (b"Allow: " + choice.allow(),),
    )
