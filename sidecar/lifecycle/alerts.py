"""Alerts on operators: who read keys, tenants, names of secrets or what callers did (AU-5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sidecar.lifecycle.explain_operations import EXPLAIN, is_of_a_caller, tenant_of
from sidecar.lifecycle.operations import Call, Operation, Run
from sidecar.model.events import ADMIN_ACCESS
from sidecar.model.ports import Event, Events

_ALL: Final = "*"
_REQUEST: Final = "request"
_READ: Final[Mapping[str, str]] = {
    "/v1/keys": "key",
    "/v1/keys/{id}": "key",
    "/v1/tenants": "tenant",
    "/v1/tenants/{id}": "tenant",
    "/v1/secrets": "secret",
    EXPLAIN: _REQUEST,
}
"""By path of an operation with GET, what of a tenant it tells."""


def alerting(operations: Iterable[Operation], events: Events) -> tuple[Operation, ...]:
    """Have each operation that reads what belongs to tenants raise an alert once it has.

    Args:
        operations: the rows of the table.
        events: the audit.
    """
    return tuple(
        replace(one, run=_Watched(one.run, one.path, _READ[one.path], events))
        if one.method == "GET" and one.path in _READ
        else one
        for one in operations
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    run: Run
    path: str
    kind: str
    events: Events

    async def __call__(self, call: Call) -> Mapping[str, object]:
        document = await self.run(call)
        if self.kind == _REQUEST and not is_of_a_caller(document):
            return document
        named = call.ids.get("id", _ALL)
        tenant = call.query.get("tenant") or document.get("tenant")
        if self.kind == _REQUEST:
            tenant = tenant_of(document)
        if self.kind == "tenant" and named != _ALL:
            tenant = named
        owner = tenant if isinstance(tenant, str) else None
        details = {"operation": f"GET {self.path}"}
        event = Event(ADMIN_ACCESS, call.actor, owner, self.kind, named, details=details)
        self.events.note_event(event)
        return document
