"""Exchanges under way end when the credential that opened them is revoked, or blocked (AN-10).

And when another policy comes into force that would not admit them (ADR 24): WebSockets and event
streams are judged by all of it, others by who is calling alone, since they end on the policy that
they began with.

Nothing is registered for a request: a change is rare, and looks at every open connection. Whether
an exchange may go on is judged by the very steps that admitted it, asked again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.decision.pipeline import Generation
from sidecar.decision.runner import Waiting, decide, refuse_unanswered, resume
from sidecar.fronts.proxy.admission import Admission
from sidecar.fronts.proxy.context import Context
from sidecar.fronts.proxy.driver import Flight
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import Refuse
from sidecar.model.ports import ChangeKind, Changes
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Step

_TOKENS: Final = frozenset((Method.JWT, Method.INTROSPECTION))
_BLOCKING: Final = frozenset(("blocked_address", "blocked_caller"))
_COUNTING: Final = frozenset(("address_limit",))
_STANDING: Final = frozenset(
    (
        "addresses", "authenticate", "authorize", "blocked_caller", "condition", "csrf",
        "domain_lock", "forbidden", "origin", "preflight", "tenant", "tenant_binding", "tier",
    )
)  # fmt: skip
"""Steps that say who may go on: they count nothing and wait for no body."""

_TOGETHER: Final = 64
"""Exchanges that are judged before others have their turn."""

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
        context.outlived = self.outlived

    def blocked(self) -> None:
        """End the exchanges of those who are blocked now; shadow mode lets none of them go on."""
        generation = self._context.generation
        edge = _blocking(generation.edge)
        # All routes share them; those of a former policy may have lost touch with the list.
        callers = next(filter(None, (_blocking(plan.identity) for plan in generation.plans)), ())
        for connection in tuple(self._context.live.connections):
            flight = connection.flight
            if flight is None or flight.is_over or not hasattr(flight.exchange, "client"):
                continue
            again = self._again(flight.exchange)
            # A webhook has a tenant, and no principal.
            if hasattr(flight.exchange, "principal") and hasattr(flight.exchange, "tenant"):
                again.principal, again.tenant = flight.exchange.principal, flight.exchange.tenant
                again.shadow = flight.exchange.shadow
                steps = (*edge, *callers)
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
        if _is_over(flight):
            return True
        exchange = flight.exchange
        again = self._again(exchange)
        refusal = await self._judge(await self._identity(flight, again), again)
        # What ended meanwhile is not written yet: it is to be recorded as it was.
        if _is_over(flight):
            return True
        if refusal is None:
            # It goes on under what the credential has become, a WebSocket until that ends.
            exchange.principal = again.principal
            if flight.tunnel is not None:
                flight.tunnel.bound()
        elif refusal.code is RefusalCode.UNAUTHORIZED:
            _end(flight, refusal)
        return refusal is None or refusal.code is RefusalCode.UNAUTHORIZED

    async def _identity(self, flight: Flight, again: Exchange) -> Sequence[Step]:
        """Find the steps that say who is calling, those of the policy in force if it has some."""
        exchange, generation = flight.exchange, self._context.generation
        steps: Sequence[Step] = ()
        if flight.generation is not generation and not await self._judge(_edge(generation), again):
            steps = again.route.identity
        again.segments = exchange.segments
        return steps or exchange.route.identity

    def renewed(self) -> None:
        """Judge again what is under way: another policy is in force."""
        self._renew(self._routed())

    def outlived(self, exchange: Admission) -> None:
        """Judge an exchange that only now goes on for long; its policy is not in force any more."""
        self._renew([exchange] if isinstance(exchange, Flight) else [])

    def _renew(self, flights: list[Flight]) -> None:
        generation = self._context.generation
        former = [flight for flight in flights if flight.generation is not generation]
        if former:
            _ = self._context.spawn(self._judge_anew(former, generation))

    async def _judge_anew(self, flights: list[Flight], generation: Generation) -> None:
        wait = _AGAIN_SECONDS
        while flights and self._context.generation is generation:
            late = []
            for start in range(0, len(flights), _TOGETHER):
                some = flights[start : start + _TOGETHER]
                late += [one for one in some if not await self._is_judged(one, generation)]
                await asyncio.sleep(0)
            flights = late
            await asyncio.sleep(wait if late else 0)
            wait = min(wait * 2, _AGAIN_LONGEST_SECONDS)

    async def _is_judged(self, flight: Flight, generation: Generation) -> bool:
        """Judge an exchange by another policy; False while nobody can tell."""
        if self._is_past(flight, generation):
            return True
        exchange = flight.exchange
        if flight.tunnel is None and not flight.is_streaming:
            principal = getattr(exchange, "principal", None)
            if principal is None or not principal.credential_id:
                return True
            return await self._is_settled(flight)
        again = self._again(exchange)
        refusal = await self._refusal(generation, again)
        if self._is_past(flight, generation):
            return True
        if refusal is None:
            flight.adopt(generation, again)
            if flight.tunnel is not None:
                flight.tunnel.bound()
        elif refusal.code is not RefusalCode.STORE_UNAVAILABLE:
            flight.revoked(refusal, again.refused_by)
        return refusal is None or refusal.code is not RefusalCode.STORE_UNAVAILABLE

    async def _refusal(self, generation: Generation, again: Exchange) -> Refuse | None:
        refusal = await self._judge(_edge(generation), again, shadow=generation.shadow)
        if refusal is None:
            plan = again.route
            refusal = await self._judge(_standing(plan), again, shadow=plan.shadow)
        return refusal

    def _is_past(self, flight: Flight, generation: Generation) -> bool:
        """Tell whether there is nothing left to judge, as others may have seen to meanwhile.

        What is over is not written yet, and is to be recorded as it was. What another policy has
        judged must not fall back to one before it.
        """
        return flight.is_over or self._context.generation is not generation

    def _routed(self) -> list[Flight]:
        flights = [connection.flight for connection in self._context.live.connections]
        return [one for one in flights if one is not None and hasattr(one.exchange, "route")]

    def _again(self, exchange: Exchange) -> Exchange:
        """Begin the same exchange anew, at the time that it is now."""
        now = self._context.clock()
        again = Exchange(exchange.connection, exchange.head, now, exchange.own_id)
        again.client = exchange.client
        return again

    async def _judge(
        self, steps: Sequence[Step], again: Exchange, *, shadow: bool = False
    ) -> Refuse | None:
        outcome = decide(steps, again, shadow=shadow)
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


def _edge(generation: Generation) -> tuple[Step, ...]:
    return tuple(step for step in generation.edge if step.name not in _COUNTING)


def _standing(plan: RoutePlan) -> tuple[Step, ...]:
    # Those that say who is calling count no failure when they are asked again.
    again = {step.name: step for step in plan.identity}
    return tuple(again.get(step.name, step) for step in plan.steps if step.name in _STANDING)


def _is_over(flight: Flight) -> bool:
    # To be asked again after each wait: mypy would take the attribute for what it was before.
    return flight.is_over


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
