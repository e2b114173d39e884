"""One connection to an upstream: bytes, response heads, framing, back-pressure, nothing else.

IDLE -> HEAD          a flight takes it
HEAD -> BODY          the final response head was read
HEAD -> TUNNEL        a WebSocket handshake was accepted
BODY -> IDLE | CLOSED the response is whole
any  -> CLOSED        the connection ends, a time-out passes, or the upstream breaks RFC 9112
"""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from sidecar.fronts.proxy.answering import FIRST_FINAL, SWITCHING_PROTOCOLS
from sidecar.fronts.proxy.deadlines import Deadline
from sidecar.fronts.proxy.flow import HIGH_WATER, PEER_FULL, Flow
from sidecar.knowledge.http1.framing import (
    BodyDecoder,
    ChunkedDecoder,
    FramingError,
    LengthDecoder,
    UntilCloseDecoder,
)
from sidecar.knowledge.http1.request import HEAD_END
from sidecar.knowledge.http1.response import check_partial, parse_response
from sidecar.model.errors import UpstreamError
from sidecar.model.message import CHUNKED, UNTIL_CLOSE, ResponseHead
from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.driver import Flight
    from sidecar.fronts.proxy.pool import Pool
    from sidecar.fronts.proxy.tunnel import Tunnel

INTERIM_RESPONSES: Final = 16
"""Most 1xx responses before a final one; real services send one or two."""


class State(Enum):
    """What the connection is doing."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    TUNNEL = 3
    CLOSED = 4


# Access to a member through its class costs 0.16 µs, through a name that is not final half of it.
_IDLE: Final[State] = State.IDLE
_HEAD: Final[State] = State.HEAD
_BODY: Final[State] = State.BODY
_TUNNEL: Final[State] = State.TUNNEL
_CLOSED: Final[State] = State.CLOSED


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream.

    Attributes:
        is_reused: whether it served a request before the present one.
        has_answered: whether any byte came for the present request.
    """

    __slots__ = (
        "_buffer", "_context", "_deadline", "_decoder", "_flight", "_flow", "_head", "_interims",
        "_method", "_pool", "_state", "_transport", "_tunnel", "_wait", "has_answered",
        "is_reused",
    )  # fmt: skip

    def __init__(self, context: "Context", pool: "Pool") -> None:
        self._context = context
        self._pool = pool
        self._state = _IDLE
        self._flight: Flight | None = None
        self._tunnel: Tunnel | None = None
        self._buffer = b""
        self._interims = 0
        self._wait = 0.0
        self._deadline = Deadline(context.wheel, self._expire)
        self.is_reused = False
        self.has_answered = False

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._flow = Flow(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the upstream."""
        state = self._state
        self.has_answered = True
        flight = self._flight
        if flight is not None:
            try:
                self._read(data)
            except Exception:  # noqa: BLE001 -- the driver's last resort: log, an opaque 500
                flight.broke()
        elif state is _TUNNEL and self._tunnel is not None:
            self._tunnel.from_upstream(data)
        else:
            # Bytes on an idle connection answer nobody; the next caller must not get them.
            self.close()

    def eof_received(self) -> bool:
        """Let the connection end: a half-closed upstream has nothing more to say."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the flight, unless the end of the connection is the end of its body."""
        state = self._state
        self._state = _CLOSED
        self._deadline.end()
        flight, self._flight = self._flight, None
        self._pool.forget(self, was_busy=flight is not None or state is _TUNNEL)
        tunnel, self._tunnel = self._tunnel, None
        if state is _TUNNEL and tunnel is not None:
            tunnel.upstream_lost()
        elif flight is None:
            return
        elif state is _BODY and exc is None and self._decoder.end():
            flight.response_ended()
        else:
            what = "reset" if exc is not None else "closed"
            when = "in its body" if state is _BODY else "before its head"
            flight.upstream_failed(
                UpstreamError(RefusalCode.BAD_GATEWAY, f"upstream {what} the connection {when}")
            )

    def pause_writing(self) -> None:
        """Have the client no longer read: the upstream does not take its body."""
        if self._tunnel is not None:
            self._tunnel.upstream_full()
        elif self._flight is not None:
            self._flight.upstream_full()
            self._deadline.arm(self._flight.timeouts.idle)

    def resume_writing(self) -> None:
        """Have the client read on."""
        if self._tunnel is not None:
            self._tunnel.upstream_drained()
        elif self._flight is not None:
            self._deadline.disarm()
            self._await_body()
            self._flight.upstream_drained()

    # --- what a flight calls

    @property
    def is_usable(self) -> bool:
        """Whether a flight may take the connection."""
        return self._state is _IDLE and not self._transport.is_closing()

    @property
    def is_streaming(self) -> bool:
        """Whether an event stream is under way."""
        return self._state is _BODY and self._head.is_event_stream

    def begin(self, flight: "Flight", method: bytes, first: bytes) -> None:
        """Serve a flight: write its head, and what of its body is at hand, in one piece."""
        self._flight = flight
        self._method = method
        self._state = _HEAD
        self._interims = 0
        self.has_answered = False
        self._deadline.disarm()
        self._transport.write(first)

    def write(self, data: bytes) -> None:
        """Write bytes of the request's body or of the tunnel."""
        self._transport.write(data)

    def await_head(self, seconds: float) -> None:
        """Start the wait for the response head: the request is complete."""
        if self._state is _HEAD:
            self._deadline.arm(seconds)

    def hold(self) -> None:
        """Stop reading: the client does not take the response."""
        self._flow.hold(PEER_FULL)
        self._deadline.disarm()

    def release(self) -> None:
        """Read on."""
        self._flow.release(PEER_FULL)
        self._await_body()
        if self._state is _HEAD and self._flight is not None and self._flight.is_sent:
            self._deadline.arm(self._flight.timeouts.response)

    def _await_body(self) -> None:
        if self._state is _BODY and not self._flow.is_held:
            self._deadline.arm(self._wait)

    def rest(self, seconds: float) -> None:
        """Wait for the next flight, at most so long."""
        self.is_reused = True
        self._deadline.arm(seconds)

    def become_tunnel(self, tunnel: "Tunnel") -> bytes:
        """Pass bytes untouched from now on; return what came behind the handshake."""
        self._state = _TUNNEL
        self._tunnel = tunnel
        self._flight = None
        self._deadline.disarm()
        rest, self._buffer = self._buffer, b""
        return rest

    def close(self) -> None:
        """Close the connection once what was written has left."""
        if self._state is not _CLOSED:
            self._transport.close()

    def cut(self) -> None:
        """Close the connection now; what an upstream does not read would keep it open for ever."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def abandon(self) -> None:
        """Break the connection: its exchange cannot end cleanly."""
        flight, self._flight = self._flight, None
        if self._state is not _CLOSED:
            if flight is not None:
                self._pool.busy -= 1
            self._state = _CLOSED
            self._deadline.disarm()
            self._transport.abort()

    # --- reading

    def _read(self, data: bytes) -> None:
        if self._state is _HEAD:
            self._read_head(self._buffer + data if self._buffer else data)
        else:
            self._read_body(data)

    def _read_head(self, data: bytes) -> None:
        while self._state is _HEAD and self._flight is not None:
            try:
                head, data = self._take_head(data)
            except UpstreamError as error:
                self._fail(error)
                return
            if head is None:
                self._buffer = data
                return
            self._buffer = b""
            if head.status >= FIRST_FINAL:
                # By its end the connection may serve another flight: these bytes are not for it.
                self._take_final(head, data)
                return
            self._take_interim(head, data)

    def _take_head(self, data: bytes) -> tuple[ResponseHead | None, bytes]:
        end = data.find(HEAD_END)
        if end < 0:
            check_partial(data)
            return None, data
        split = end + len(HEAD_END)
        context = self._context
        head = parse_response(data[:split], self._method, context.response_lines, context.statuses)
        return head, data[split:]

    def _take_interim(self, head: ResponseHead, rest: bytes) -> None:
        flight = self._flight
        if flight is None:
            return
        self._interims += 1
        if head.status == SWITCHING_PROTOCOLS:
            self._buffer = rest
            flight.upgraded(head)
        elif self._interims > INTERIM_RESPONSES:
            self._fail(UpstreamError(RefusalCode.BAD_GATEWAY, "too many interim responses"))
        else:
            flight.interim(head)

    def _take_final(self, head: ResponseHead, data: bytes) -> None:
        flight = self._flight
        if flight is None:
            return
        self._head = head
        self._state = _BODY
        if head.length == CHUNKED:
            self._decoder: BodyDecoder = ChunkedDecoder()
        elif head.length == UNTIL_CLOSE:
            self._decoder = UntilCloseDecoder()
        else:
            self._decoder = LengthDecoder(head.length)
        timeouts = flight.timeouts
        self._wait = timeouts.idle
        if head.is_event_stream:
            self._wait = timeouts.event_stream
            flight.outlive()
        try:
            flight.response_began(head)
        except UpstreamError as error:
            self._fail(error)
            return
        self._read_body(data)

    def _read_body(self, data: bytes) -> None:
        flight = self._flight
        if flight is None:
            return
        decoder = self._decoder
        if decoder.done:
            payload, rest = b"", data
        else:
            try:
                payload = decoder.feed(data) if data else b""
            except FramingError as broken:
                # A name of its own: compiled, it would be of this type for the other error too.
                self._fail(UpstreamError(RefusalCode.BAD_GATEWAY, str(broken)))
                return
            rest = decoder.rest
        if payload:
            try:
                flight.response_data(payload)
            except UpstreamError as error:
                self._fail(error)
                return
        if not decoder.done:
            self._await_body()
            flight.flush()
            return
        self._end(flight, is_clean=not rest and self._head.keeps_alive)

    def _end(self, flight: "Flight", *, is_clean: bool) -> None:
        """Give the connection back, or close it, before the client learns of the end."""
        self._flight = None
        self._deadline.disarm()
        self._flow.release(PEER_FULL)
        if is_clean and flight.is_sent and not self._transport.is_closing():
            self._state = _IDLE
            self._pool.give_back(self)
        else:
            self._pool.busy -= 1
            self._state = _CLOSED
            self.cut()
        flight.response_ended()

    def _fail(self, error: UpstreamError) -> None:
        flight = self._flight
        self.abandon()
        if flight is not None:
            flight.upstream_failed(error)

    def _expire(self) -> None:
        if self._flight is None:
            self.close()
            return
        what = "its head" if self._state is _HEAD else "its body"
        self._fail(
            UpstreamError(RefusalCode.UPSTREAM_TIMEOUT, f"upstream took too long over {what}")
        )
