"""What an operator may ask of decisions that were made: why a request was refused."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from sidecar.lifecycle.errors import BadValueError, NotFoundError, audited
from sidecar.lifecycle.operations import Call, Operation
from sidecar.model.ports import Event, Events

EXPLAIN: Final = "/v1/explain/{id}"
# As the step `request_id` takes them from trusted proxies; ours are UUIDs.
_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}\Z")

Explained = Callable[[str], Awaitable[Mapping[str, object] | None]]


def is_request_id(text: str) -> bool:
    """Tell whether a text can be the id of a request."""
    return _ID.match(text) is not None


def tenant_of(found: Mapping[str, object]) -> str | None:
    """Name the tenant whose caller a decision is about; None where nobody is known."""
    facts = found.get("facts")
    tenant = facts.get("tenant") if isinstance(facts, Mapping) else None
    name = tenant.get("id") if isinstance(tenant, Mapping) else None
    return name if isinstance(name, str) else None


def is_of_a_caller(found: Mapping[str, object]) -> bool:
    """Tell whether a decision says anything of somebody who is known."""
    facts = found.get("facts")
    caller = facts.get("principal") if isinstance(facts, Mapping) else None
    return tenant_of(found) is not None or (isinstance(caller, Mapping) and "nobody" not in caller)


def chosen(found: Sequence[Mapping[str, object]], request_id: str) -> Mapping[str, object] | None:
    """Choose of the decisions that several processes tell, as one of them chooses of its own.

    Args:
        found: what they tell of a request id, which they may all have seen: proxies try again.
        request_id: that id.
    """
    if not found:
        return None
    newest = sorted(found, key=lambda one: str(one["at"]), reverse=True)
    told = next((one for one in newest if one["id"] == request_id), newest[0])
    others = [str(one["id"]) for one in newest if one is not told]
    for one in newest:
        named = one.get("others")
        others += map(str, named) if isinstance(named, list) else ()
    return {**told, "others": others}


class ExplainDesk:
    """Explains decisions.

    Args:
        find: finds a kept decision by its request id.
        events: the audit: what a caller did is read by somebody else.
    """

    def __init__(self, find: Explained, events: Events) -> None:
        self._find = find
        self._events = events

    def operations(self) -> tuple[Operation, ...]:
        """List what can be done."""
        return (Operation("GET", EXPLAIN, self.explain),)

    async def explain(self, call: Call) -> Mapping[str, object]:
        """Explain one decision.

        Raises:
            LifecycleError: it is not kept, or the id is none.
        """
        name = call.ids["id"]
        if not is_request_id(name):
            raise BadValueError("this is no id of a request", "the value of X-Request-Id")
        found = await self._find(name)
        tenant = None if found is None else tenant_of(found)
        with audited(self._events, Event("explain.read", call.actor, tenant, "request", name)):
            if found is None:
                raise NotFoundError(
                    "no decision with this id is kept",
                    "explain.last says how many are, explain.requests which",
                )
            return found
