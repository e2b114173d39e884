"""Give the request its id: a trusted proxy's, or the sidecar's own UUIDv7."""

import re
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import ResponseStep, Step

_ACCEPTABLE: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}\Z")


class RequestId(Step):
    """Write the id; a stranger's is not taken, since it could repeat another request's."""

    name: ClassVar[str] = "request_id"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "own_id", "is_from_proxy"})
    writes: ClassVar[frozenset[str]] = frozenset({"request_id"})
    can_shadow: ClassVar[bool] = False

    def decide(self, exchange: Exchange) -> Outcome:
        """Take a trusted proxy's id if it is one well-formed value, else our own."""
        exchange.request_id = exchange.own_id
        if exchange.is_from_proxy and exchange.head is not None:
            given = exchange.head.values(b"x-request-id")
            if len(given) == 1 and _ACCEPTABLE.match(given[0]):
                exchange.request_id = given[0]
        return PASS


class ShowRequestId(ResponseStep):
    """Tell the client the request's id; the upstream's own gives way."""

    name: ClassVar[str] = "request_id"
    may_read: ClassVar[frozenset[str]] = frozenset({"request_id", "own_id"})

    def apply(self, exchange: Exchange) -> None:
        """Append the field; the step that filters the upstream's fields took its own out."""
        try:
            request_id = exchange.request_id
        except AttributeError:
            # The head could not be read: no step ran.
            request_id = exchange.own_id
        exchange.response_lines.append(b"X-Request-Id: " + request_id)
