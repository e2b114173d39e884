"""Exchanges under way end when the credential that opened them is revoked (AN-10).

Nothing is registered for a request: a change is rare, and looks at every open connection. Whether
an exchange may go on is judged by the very steps that admitted it, asked again.
"""

from collections.abc import Iterator
from typing import Final

from sidecar.decision.runner import Waiting, decide, refuse_unanswered, resume
from sidecar.fronts.proxy.context import Context
from sidecar.fronts.proxy.driver import Flight
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import Refuse
from sidecar.model.ports import ChangeKind, Changes
from sidecar.model.refusals import RefusalCode

_TOKENS: Final = frozenset((Method.JWT, Method.INTROSPECTION))
_UNANSWERED: Final = Refuse(RefusalCode.STORE_UNAVAILABLE, "the store does not answer")


class Revoker:
    """Ends exchanges whose caller would not be admitted any more."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def changed(self, changes: Changes) -> None:
        """Judge again the exchanges that changes may be about."""
        if any(_concerns(changes, principal) for _, principal in self._identified()):
            _ = self._context.spawn(self._judge_all(changes))

    async def _judge_all(self, changes: Changes) -> None:
        for flight, principal in list(self._identified()):
            if flight.is_over or not _concerns(changes, principal):
                continue
            refusal = await self._judge(flight.exchange)
            # A store that does not answer now ends nothing: the exchange was admitted, and the
            # bound on staleness is about those who come.
            if refusal is None or refusal.code is not RefusalCode.UNAUTHORIZED:
                continue
            if flight.exchange.route.shadow:
                flight.exchange.shadow.append(refusal)
            else:
                flight.revoked(refusal.reason)

    async def _judge(self, exchange: Exchange) -> Refuse | None:
        steps = exchange.route.identity
        again = Exchange(exchange.connection, exchange.head, self._context.clock(), exchange.own_id)
        again.client = exchange.client
        again.segments = exchange.segments
        outcome = decide(steps, again, shadow=False)
        while isinstance(outcome, Waiting):
            try:
                answer = await self._context.answers.find(outcome.question)
            except StoreUnavailableError:
                return refuse_unanswered(steps, outcome, _UNANSWERED, again)
            outcome = resume(steps, outcome, answer, again, shadow=False)
        return outcome

    def _identified(self) -> Iterator[tuple[Flight, Principal]]:
        # A copy: ending an exchange closes connections.
        for connection in tuple(self._context.live.connections):
            flight = connection.flight
            principal = None if flight is None else getattr(flight.exchange, "principal", None)
            if flight is not None and principal is not None and principal.credential_id:
                yield flight, principal


def _concerns(changes: Changes, principal: Principal) -> bool:
    """Tell whether changes may be about a caller."""
    if not changes.is_complete:
        return True
    return any(
        change.id == principal.credential_id
        if change.kind is ChangeKind.KEY
        else change.id in principal.memberships
        if change.kind is ChangeKind.TENANT
        else change.kind is ChangeKind.REVOCATION and principal.method in _TOKENS
        for change in changes.items
    )
