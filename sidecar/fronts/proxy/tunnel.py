"""An accepted WebSocket: bytes pass both ways untouched until one side ends or time is up."""

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from sidecar.fronts.proxy.deadlines import Deadline
from sidecar.fronts.proxy.flow import PEER_FULL
from sidecar.knowledge.http1.lines import split_line
from sidecar.model.message import RequestHead, ResponseHead

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.driver import Flight
    from sidecar.fronts.proxy.upstream import UpstreamConnection

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIFE_OVER: Final = "life limit reached"
CREDENTIAL_OVER: Final = "credential expired"
_FLUSH_SECONDS: Final = 5.0
"""How long the rest of what one side wrote may take to reach the other."""


def is_accepted(request: RequestHead, response: ResponseHead) -> bool:
    """Judge a 101 against the handshake that it must answer (RFC 6455 §4.1, §4.2.2)."""
    if not request.is_websocket:
        return False
    key = request.values(b"sec-websocket-key")[0]
    # SHA-1 is what RFC 6455 §1.3 prescribes: proof of understanding, not of identity.
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    accepts = [
        value for name, value in map(split_line, response.lines)
        if name.lower() == b"sec-websocket-accept"
    ]  # fmt: skip
    return response.upgrades == (b"websocket",) and accepts == [base64.b64encode(digest)]


class Tunnel:
    """Joins a downstream and an upstream connection.

    Attributes:
        flight: the exchange that opened it.
        received: bytes from the client.
        sent: bytes to the client.
    """

    __slots__ = (
        "_context", "_downstream", "_ends_at", "_idle", "_idle_seconds", "_is_over", "_life",
        "_outlives", "_upstream", "flight", "received", "sent",
    )  # fmt: skip

    def __init__(
        self, context: "Context", flight: "Flight", idle_seconds: float, life_seconds: float
    ) -> None:
        self._context = context
        self.flight = flight
        self._idle_seconds = idle_seconds
        self._idle = Deadline(context.wheel, self._idled)
        self._life = Deadline(context.wheel, self._outlived)
        self._outlives = LIFE_OVER
        self._ends_at = context.monotonic() + life_seconds
        self._is_over = False
        self.bound()
        self.received = 0
        self.sent = 0

    def bound(self) -> None:
        """End when the credential does, or after the policy's longest life (AN-14)."""
        context = self._context
        left, self._outlives = self._ends_at - context.monotonic(), LIFE_OVER
        principal = getattr(self.flight.exchange, "principal", None)
        if principal is not None and principal.expires_at is not None:
            lasts = max(principal.expires_at - context.clock(), 0.0)
            if lasts < left:
                left, self._outlives = lasts, CREDENTIAL_OVER
        self._life.arm(left)

    def join(self, downstream: "Downstream", upstream: "UpstreamConnection") -> None:
        """Start to pass bytes."""
        self._downstream = downstream
        self._upstream = upstream
        self._context.live.websockets += 1
        self._idle.arm(self._idle_seconds)
        rest = upstream.become_tunnel(self)
        if rest:
            self.from_upstream(rest)
        self.flight.outlive()

    def from_client(self, data: bytes) -> None:
        """Pass bytes to the upstream."""
        if self._is_over:
            return
        self.received += len(data)
        self._idle.arm(self._idle_seconds)
        self._upstream.write(data)

    def from_upstream(self, data: bytes) -> None:
        """Pass bytes to the client."""
        if self._is_over:
            return
        self.sent += len(data)
        self._idle.arm(self._idle_seconds)
        self._downstream.write(data)

    def client_full(self) -> None:
        """Stop reading the upstream."""
        self._upstream.hold()

    def client_drained(self) -> None:
        """Read the upstream on."""
        self._upstream.release()

    def upstream_full(self) -> None:
        """Stop reading the client."""
        self._downstream.hold(PEER_FULL)

    def upstream_drained(self) -> None:
        """Read the client on."""
        self._downstream.release(PEER_FULL)

    def client_lost(self) -> None:
        """End: the client closed."""
        self._end("client closed")

    def upstream_lost(self) -> None:
        """End: the upstream closed."""
        self._end("upstream closed")

    def revoked(self, reason: str) -> None:
        """End: the credential that opened it does not hold any more (AN-10)."""
        self._end(reason)

    def drain(self) -> None:
        """End: the listener shuts down."""
        self._end("sidecar is shutting down")

    def _idled(self) -> None:
        self._end("idle for too long")

    def _outlived(self) -> None:
        self._end(self._outlives)

    def _end(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._idle.end()
        self._life.end()
        self._context.live.websockets -= 1
        self._upstream.close()
        self._downstream.close_soon(_FLUSH_SECONDS)
        upstream = self._upstream
        Deadline(self._context.wheel, upstream.cut).arm(_FLUSH_SECONDS)
        self.flight.tunnel_ended(self.received, self.sent, reason)
