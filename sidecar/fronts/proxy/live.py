"""Exchanges under way, by the credential that opened them: they end when it is revoked (AN-10).

Nothing is registered for a request: a revocation is rare and looks at every open connection, which
costs a request nothing.
"""

from collections.abc import Callable, Iterator

from sidecar.fronts.proxy.context import Live
from sidecar.fronts.proxy.driver import Flight
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Principal

Judgement = Callable[[Principal, Exchange], str | None]
"""Says why an exchange must end, or None when it may go on."""


def callers(live: Live) -> list[Principal]:
    """List who has an exchange under way, each once."""
    return list({id(principal): principal for _, principal in _identified(live)}.values())


def end_revoked(live: Live, judge: Judgement) -> int:
    """End the exchanges whose caller does not hold any more, and return how many there were.

    An exchange that has no answer yet gets the 401 of every failed authentication; of one that has,
    and of a WebSocket, both sides are closed.
    """
    ended = 0
    for flight, principal in _identified(live):
        reason = judge(principal, flight.exchange)
        if reason is not None:
            flight.revoked(reason)
            ended += 1
    return ended


def _identified(live: Live) -> Iterator[tuple[Flight, Principal]]:
    # A copy: ending an exchange closes connections.
    for connection in tuple(live.connections):
        flight = connection.flight
        principal = None if flight is None else getattr(flight.exchange, "principal", None)
        if flight is not None and principal is not None and principal.credential_id:
            yield flight, principal
