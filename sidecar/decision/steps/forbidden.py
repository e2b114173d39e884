"""Refuse requests with parameters that no client may send (TN-7)."""

from typing import ClassVar, Self

from sidecar.knowledge.http1.query import Parameter, UndecodableError, pairs
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.routes import Route


class Forbidden(Step):
    """Refuse a query that has a forbidden parameter, in whatever spelling, on public routes too."""

    name: ClassVar[str] = "forbidden"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, names: tuple[str, ...]) -> None:
        self._parameters = tuple((name, Parameter.of(name)) for name in names)

    @classmethod
    def compile(cls, route: Route) -> Self | None:
        """Be absent from routes that forbid nothing."""
        return cls(route.forbid.query) if route.forbid.query else None

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse if a name in the query is a spelling of a forbidden one.

        Controls: TN-7.
        """
        head = exchange.head
        if head is None or not head.query:
            return PASS
        try:
            found = pairs(head.query)
        except UndecodableError as error:
            return Refuse(RefusalCode.FORBIDDEN, str(error))
        for name, parameter in self._parameters:
            if any(parameter.is_spelt(sent) for sent, _ in found):
                return Refuse(RefusalCode.FORBIDDEN, f"the query has the parameter {name}")
        return PASS
