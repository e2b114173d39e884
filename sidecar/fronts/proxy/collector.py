"""The collector of reports: it stands where an upstream does, and answers from the process itself.

An exchange with it is decided, timed, recorded and counted like any other; only its request goes
no further than here.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.decision.steps.reports import COLLECTOR
from sidecar.fronts.proxy.pool import Pool
from sidecar.fronts.proxy.upstream import UpstreamConnection
from sidecar.knowledge.http1.framing import BodyDecoder, ChunkedDecoder, LengthDecoder
from sidecar.knowledge.http1.request import HEAD_END
from sidecar.knowledge.reports import Report, read_reports
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.driver import Flight

Taken = Callable[[Report, str], None]
"""Is told each report, and the address that sent it."""

_TAKEN: Final = Respond(204, "reports")
_NO_REPORT: Final = Refuse(RefusalCode.BAD_REQUEST, "body is no report")
_STEP: Final = "reports"


class Collector(Pool):
    """Gives a fresh collecting end to each exchange."""

    __slots__ = ("_context", "_taken")

    def __init__(self, context: "Context", taken: Taken) -> None:
        super().__init__(COLLECTOR)
        self._context = context
        self._taken = taken

    def take(self) -> UpstreamConnection | None:
        """Make an end for one exchange."""
        return Collecting(self._context, self, self._taken)


class Collecting(UpstreamConnection):
    """Takes the body of one request, bounded by the driver, and answers once it is whole."""

    __slots__ = ("_body", "_framing", "_taken")

    def __init__(self, context: "Context", pool: Pool, taken: Taken) -> None:
        super().__init__(context, pool)
        self._taken = taken
        self._body = b""
        self._framing: BodyDecoder = LengthDecoder(0)

    def begin(self, flight: "Flight", method: bytes, first: bytes) -> None:
        """Take the head, which says nothing new, and what of the body is at hand."""
        del method
        self._flight = flight
        head = flight.exchange.head
        length = 0 if head is None else head.length
        self._framing = ChunkedDecoder() if length == CHUNKED else LengthDecoder(length)
        self.write(first.partition(HEAD_END)[2])

    def write(self, data: bytes) -> None:
        """Take bytes of the body, framed as an upstream would get them."""
        if data:
            self._body += self._framing.feed(data)

    def await_head(self, seconds: float) -> None:
        """Answer in the next turn: the request is complete."""
        del seconds
        asyncio.get_running_loop().call_soon(self._answer)

    def hold(self) -> None:
        """Nothing is read that could be held."""

    def release(self) -> None:
        """Likewise."""

    def abandon(self) -> None:
        """Forget the exchange: it ended otherwise."""
        self._flight = None

    def _answer(self) -> None:
        flight, self._flight = self._flight, None
        if flight is None:
            return
        flight.exchange.refused_by = _STEP
        reports = read_reports(self._body)
        if reports is None:
            flight.refuse(_NO_REPORT)
            return
        for report in reports:
            self._taken(report, flight.exchange.client)
        flight.respond(_TAKEN)
