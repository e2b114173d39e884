"""What an operator may ask of decisions that were made: why a request was refused."""

import re
from collections.abc import Awaitable, Callable, Mapping
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
        with audited(self._events, Event("explain.read", call.actor, None, "request", name)):
            found = await self._find(name)
            if found is None:
                raise NotFoundError(
                    "no decision with this id is kept",
                    "explain.last says how many are, explain.requests which",
                )
            return found
