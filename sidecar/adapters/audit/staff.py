"""Alerts on staff: who has a role of staff and was let at the data of a tenant (AU-5)."""

from collections.abc import Iterable

from sidecar.model.events import STAFF_ACCESS
from sidecar.model.exchange import Exchange
from sidecar.model.ports import Event, Events, Ledger
from sidecar.model.verdict import Verdict


class StaffWatch(Ledger):
    """Raises an alert for each exchange in which staff got an answer about a tenant.

    Args:
        events: the audit, which noted the exchange before.
        roles: roles of staff.
    """

    def __init__(self, events: Events, roles: Iterable[str]) -> None:
        self._events = events
        self._roles = frozenset(roles)

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of an exchange; what no step came to find out raises nothing."""
        try:
            tenant, roles = exchange.tenant, self._roles.intersection(exchange.roles)
        except AttributeError:
            return
        head = exchange.head
        # An answer of the service's, and be it an error, has been seen.
        if verdict.code is not None or tenant is None or head is None or not roles:
            return
        principal = exchange.principal
        details = {
            "roles": sorted(roles),
            "method": head.method.decode("latin-1"),
            "status": verdict.status,
        }
        event = Event(
            STAFF_ACCESS,
            principal.credential_id,
            tenant.id,
            "route",
            exchange.route.name,
            details=details,
            subject=principal.subject,
            address=exchange.client,
            request_id=exchange.request_id.decode("latin-1"),
        )
        self._events.note_event(event)
