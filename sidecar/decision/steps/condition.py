"""Refuse a request for which the condition of its route is not true (AZ-6)."""

from typing import ClassVar, Self

from sidecar.knowledge.conditions.compile import Condition as Compiled
from sidecar.knowledge.conditions.compile import compile_condition
from sidecar.knowledge.conditions.facts import UnfitError, facts_of
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.routes import Route


class Condition(Step):
    """Evaluate the route's condition; what cannot be evaluated refuses."""

    name: ClassVar[str] = "condition"
    reads: ClassVar[frozenset[str]] = frozenset(
        {"head", "now", "segments", "client", "principal", "tenant", "roles", "tier"}
    )
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, condition: Compiled) -> None:
        self._condition = condition

    @classmethod
    def compile(cls, route: Route) -> Self | None:
        """Be absent from routes without a condition.

        Raises:
            ConditionError: the condition cannot be used; loading a policy has found that before.
        """
        return None if route.condition is None else cls(compile_condition(route.condition))

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse unless the condition is true.

        Controls: AZ-6.
        """
        try:
            facts = facts_of(exchange, self._condition.needs)
        except UnfitError as error:
            return Refuse(RefusalCode.FORBIDDEN, f"the condition was given {error}")
        objection = self._condition.objection(facts)
        return PASS if objection is None else Refuse(RefusalCode.FORBIDDEN, objection)
