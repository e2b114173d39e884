"""Steps for a caller who is only described: no credential stands in the request."""

from typing import ClassVar

from sidecar.decision.steps.authenticate import Authenticate
from sidecar.decision.steps.caller_csrf import CallerCsrf
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Principal
from sidecar.model.outcome import PASS, Ask, Outcome
from sidecar.model.route import Step


class Assumed:
    """Stands for `authenticate` where it is said who the caller is.

    Args:
        step: the step of the route, which still says which methods it accepts.
        principal: the caller.
    """

    name: ClassVar[str] = Authenticate.name
    reads: ClassVar[frozenset[str]] = Authenticate.reads
    writes: ClassVar[frozenset[str]] = Authenticate.writes
    can_shadow: ClassVar[bool] = Authenticate.can_shadow

    def __init__(self, step: Authenticate, principal: Principal) -> None:
        self._step = step
        self._principal = principal

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Write the principal; a credential that comes along still does not go on."""
        _ = self._step.decide(exchange)
        method = self._principal.method
        if not self._step.accepts(method):
            return unauthorized(f"{method.value} is not accepted here")
        exchange.principal = self._principal
        return PASS


class AssumedCsrf:
    """Stands for `csrf` where it is said who the caller is, and the request does not say how.

    A key or a token is taken to stand in a header field, which no other site can have sent; a
    request that carries a credential says itself where it stands.

    Args:
        step: the step of the route.
    """

    name: ClassVar[str] = CallerCsrf.name
    reads: ClassVar[frozenset[str]] = CallerCsrf.reads
    writes: ClassVar[frozenset[str]] = CallerCsrf.writes
    can_shadow: ClassVar[bool] = CallerCsrf.can_shadow

    def __init__(self, step: CallerCsrf) -> None:
        self._step = step

    def decide(self, exchange: Exchange) -> Outcome:
        """Judge what another site may have caused."""
        head = exchange.head
        is_judged = head is not None and self._step.carries_credential(head)
        return self._step.decide(exchange) if is_judged else PASS


def assumed_step(step: Step, principal: Principal) -> Step:
    """Put in the place of a step what goes by the caller who is assumed."""
    if type(step) is Authenticate:
        return Assumed(step, principal)
    return AssumedCsrf(step) if type(step) is CallerCsrf else step
