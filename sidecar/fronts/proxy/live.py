"""Exchanges under way end when the credential that opened them is revoked, or blocked (AN-10).

Nothing is registered for a request: a change is rare, and looks at every open connection. Whether
an exchange may go on is judged by the very steps that admitted it, asked again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.decision.runner import Waiting, decide, refuse_unanswered, resume
from sidecar.fronts.proxy.context import Context
from sidecar.fronts.proxy.driver import Flight
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import Refuse
from sidecar.model.ports import ChangeKind, Changes
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step

_TOKENS: Final = frozenset((Method.JWT, Method.INTROSPECTION))
_BLOCKING: Final = frozenset(("blocked_address", "blocked_caller"))
_AGAIN_SECONDS: Final = 0.5
_AGAIN_LONGEST_SECONDS: Final = 8.0
"""When who did not answer about an exchange under way is asked again: soon, then less often."""

_DOUBT_SECONDS: Final = 3.0
"""How long an exchange goes on whose credential is known to be changed, nobody can tell how."""

_UNANSWERED: Final = Refuse(RefusalCode.STORE_UNAVAILABLE, "the store does not answer")


class Revoker:
    """Ends exchanges whose caller would not be admitted any more."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def blocked(self) -> None:
        """End the exchanges of those who are blocked now; shadow mode lets none of them go on."""
        edge = _blocking(self._context.generation.edge)
        for connection in tuple(self._context.live.connections):
            flight = connection.flight
            if flight is None or flight.is_over or not hasattr(flight.exchange, "client"):
                continue
            again = self._again(flight.exchange)
            # A webhook has a tenant, and no principal.
            if hasattr(flight.exchange, "principal") and hasattr(flight.exchange, "tenant"):
                again.principal, again.tenant = flight.exchange.principal, flight.exchange.tenant
                again.shadow = flight.exchange.shadow
                steps = (*edge, *_blocking(flight.exchange.route.identity))
            else:
                steps = edge
            outcome = decide(steps, again, shadow=False)
            if isinstance(outcome, Refuse) and outcome.code is not RefusalCode.STORE_UNAVAILABLE:
                flight.revoked(outcome, again.refused_by)

    def changed(self, changes: Changes) -> None:
        """Judge again the exchanges that changes may be about."""
        if any(_concerns(changes, principal) for _, principal in self._identified()):
            _ = self._context.spawn(self._judge_all(changes))

    async def _judge_all(self, changes: Changes) -> None:
        flights = [one for one, principal in self._identified() if _concerns(changes, principal)]
        began, wait = self._context.monotonic(), _AGAIN_SECONDS
        while flights := [one for one in flights if not await self._is_settled(one)]:
            if self._context.monotonic() - began > _DOUBT_SECONDS:
                flights = _less_doubtful(flights, changes)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _AGAIN_LONGEST_SECONDS)

    async def _is_settled(self, flight: Flight) -> bool:
        """Judge an exchange again; False while nobody can tell."""
        if flight.is_over:
            return True
        exchange = flight.exchange
        again = self._again(exchange)
        again.segments = exchange.segments
        refusal = await self._judge(exchange.route.identity, again)
        if refusal is None:
            # It goes on under what the credential has become, a WebSocket until that ends.
            exchange.principal = again.principal
            if flight.tunnel is not None:
                flight.tunnel.bound()
        elif refusal.code is RefusalCode.UNAUTHORIZED:
            _end(flight, refusal)
        return refusal is None or refusal.code is RefusalCode.UNAUTHORIZED

    def _again(self, exchange: Exchange) -> Exchange:
        """Begin the same exchange anew, at the time that it is now."""
        now = self._context.clock()
        again = Exchange(exchange.connection, exchange.head, now, exchange.own_id)
        again.client = exchange.client
        return again

    async def _judge(self, steps: Sequence[Step], again: Exchange) -> Refuse | None:
        outcome = decide(steps, again, shadow=False)
        while isinstance(outcome, Waiting):
            try:
                answer = await self._context.answers.find(outcome.question)
            except StoreUnavailableError:
                return refuse_unanswered(outcome, _UNANSWERED, again)
            outcome = resume(outcome, answer, again)
        return outcome if isinstance(outcome, Refuse) else None

    def _identified(self) -> Iterator[tuple[Flight, Principal]]:
        # A copy: ending an exchange closes connections.
        for connection in tuple(self._context.live.connections):
            flight = connection.flight
            principal = None if flight is None else getattr(flight.exchange, "principal", None)
            if flight is not None and principal is not None and principal.credential_id:
                yield flight, principal


def _blocking(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.name in _BLOCKING)


def _end(flight: Flight, refusal: Refuse) -> None:
    if flight.exchange.route.shadow:
        flight.exchange.shadow.append(refusal)
    else:
        flight.revoked(unauthorized(refusal.reason), "authenticate")


def _less_doubtful(flights: Sequence[Flight], changes: Changes) -> list[Flight]:
    """End those that changes name; return the others.

    A store that lost track of its changes names nobody, and one revoked token says nothing of the
    others, whose issuer may be silent: these go on until there is an answer.
    """
    others = []
    for flight in flights:
        if changes.is_complete and _names(changes, flight.exchange.principal):
            _end(flight, _UNANSWERED)
        else:
            others.append(flight)
    return others


def _concerns(changes: Changes, principal: Principal) -> bool:
    """Tell whether changes may be about a caller."""
    if not changes.is_complete or _names(changes, principal):
        return True
    is_token = principal.method in _TOKENS
    return is_token and any(one.kind is ChangeKind.REVOCATION for one in changes.items)


def _names(changes: Changes, principal: Principal) -> bool:
    """Tell whether the key or a tenant of a caller was changed."""
    return any(
        change.id == principal.credential_id
        if change.kind is ChangeKind.KEY
        else change.kind is ChangeKind.TENANT and change.id in principal.memberships
        for change in changes.items
    )
