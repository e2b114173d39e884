"""One connection of a client: bytes, heads, framing, back-pressure, nothing else.

HEAD   -> BUSY | BODY   a head was read; the request has no body, or one that follows
BODY   -> BUSY          the body is complete
BUSY   -> HEAD          the answer is written; the next request may begin
any    -> LINGER        the answer is written, bytes of unknown number follow: they are dropped
BUSY   -> TUNNEL        the connection became a WebSocket
any    -> CLOSED
"""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from sidecar.fronts.proxy.context import REFUSED_CONNECTIONS
from sidecar.fronts.proxy.deadlines import Deadline
from sidecar.fronts.proxy.driver import Flight
from sidecar.fronts.proxy.flow import BUFFER_FULL, HIGH_WATER, NOT_CONNECTED, PEER_FULL, Flow
from sidecar.fronts.proxy.intake import Intake, take_head
from sidecar.model.errors import ProtocolError
from sidecar.model.message import RequestHead
from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.tunnel import Tunnel
    from sidecar.fronts.proxy.upstream import UpstreamConnection

_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 1_048_576
"""What a client may still send after a refusal before the connection is cut (RFC 9112 §9.6)."""
_HEADS_A_TURN: Final = 32  # pipelined refusals before other connections have their turn


class State(Enum):
    """What the connection is doing."""

    HEAD = 0
    BODY = 1
    BUSY = 2
    LINGER = 3
    TUNNEL = 4
    CLOSED = 5


# Access to a member through its class costs 0.16 µs, through a name that is not final half of it.
_HEAD: Final[State] = State.HEAD
_BODY: Final[State] = State.BODY
_BUSY: Final[State] = State.BUSY
_LINGER: Final[State] = State.LINGER
_TUNNEL: Final[State] = State.TUNNEL
_CLOSED: Final[State] = State.CLOSED


class Downstream(asyncio.Protocol):
    """One connection of a client.

    Attributes:
        connection: what steps may know of it.
    """

    __slots__ = (
        "_advancing", "_buffer", "_context", "_deadline", "_eof", "_flight", "_flow",
        "_held_since", "_intake", "_is_full", "_is_head_begun", "_lingered", "_parser", "_port",
        "_state", "_transport", "_tunnel", "_unsent", "_yields", "connection",
    )  # fmt: skip

    def __init__(self, context: "Context", port: int) -> None:
        self._context = context
        self._port = port
        self._state = _HEAD
        self._buffer = b""
        self._eof = self._advancing = self._yields = self._is_full = self._is_head_begun = False
        self._lingered = self._unsent = 0
        self._flight: Flight | None = None
        self._tunnel: Tunnel | None = None
        self._intake: Intake | None = None
        self._held_since = 0.0
        self._deadline = Deadline(context.wheel, self._expire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or refuse it if there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._flow = Flow(self._transport)
        self.connection = self._flow.connection(self._port)
        context = self._context
        self.renew()
        context.live.connections.add(self)
        self._deadline.arm(context.timeouts.idle)
        excess = len(context.live.connections) - context.limits.connections
        if excess > REFUSED_CONNECTIONS:
            self.abort()
        elif excess > 0:
            self._refuse(ProtocolError(RefusalCode.OVERLOADED, "too many connections"))

    def renew(self) -> None:
        """Read heads by the policy in force from now on, a begun one included."""
        self._parser = self._context.head_parser(is_tls=self.connection.is_tls)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        state = self._state
        if state is _HEAD and not self._is_full and not self._yields:
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()
        elif state is _BODY:
            self._read_body(data)
        elif state is _TUNNEL and self._tunnel is not None:
            self._tunnel.from_client(data)
        elif state is _BUSY or state is _HEAD:
            # The next request waits for its turn; what it may occupy is bounded.
            self._buffer += data
            if len(self._buffer) > HIGH_WATER:
                self._flow.hold(BUFFER_FULL)
        elif state is _LINGER:
            self._lingered += len(data)
            if self._lingered > _LINGER_BYTES:
                self.abort()

    def eof_received(self) -> bool:
        """Answer what was asked before the client closed its side; then close ours."""
        self._eof = True
        state = self._state
        if state is _BODY:
            self._fail_body(ProtocolError(RefusalCode.BAD_REQUEST, "the body was cut short"))
        elif state is _TUNNEL and self._tunnel is not None:
            self._tunnel.client_lost()
        elif state is _HEAD and not self._is_full and not self._yields:
            self._end_heads()
        # TLS knows no half-closed connection: asyncio closes it, and logs whoever says otherwise.
        return state is not _LINGER and not self.connection.is_tls

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever uses the connection."""
        self._state = _CLOSED
        self._deadline.end()
        self._context.live.leave(self)
        flight, self._flight = self._flight, None
        # Side and tunnel name each other: who lives long in a cycle is collected late.
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.client_lost()
        elif flight is not None:
            flight.client_left()

    def pause_writing(self) -> None:
        """Stop reading the upstream: the client does not take its answer."""
        self._is_full = True
        self._unsent = self._transport.get_write_buffer_size()
        if self._tunnel is not None:
            self._tunnel.client_full()
        elif self._flight is not None:
            self._flight.client_full()
        self._deadline.arm(self._context.timeouts.write)

    def resume_writing(self) -> None:
        """Read the upstream on."""
        self._is_full = False
        if self._state is _HEAD:
            self._go_on()
        elif self._tunnel is not None:
            self._deadline.disarm()
            self._tunnel.client_drained()
        elif self._flight is not None:
            self._deadline.disarm()
            if self._state is _BODY:
                self._await_body()
            self._flight.client_drained()

    def write(self, data: bytes) -> None:
        """Write to the client."""
        if self._state is not _CLOSED:
            self._transport.write(data)

    def hold(self, holder: int) -> None:
        """Stop reading, for a reason of `flow`."""
        if not self._flow.is_held:
            self._held_since = self._context.wheel.now
        self._flow.hold(holder)
        if self._tunnel is None:
            self._deadline.disarm()

    def release(self, holder: int) -> None:
        """Read on, unless there are other reasons not to."""
        self._flow.release(holder)
        if self._state is _BODY and self._intake is not None and not self._flow.is_held:
            now = self._context.wheel.now
            self._intake.resume(now, now - self._held_since)
            self._await_body()

    def can_follow(self) -> bool:
        """Say whether another request can follow a refusal: nothing unread stands between."""
        if self._eof:
            return False
        if self._state is not _BODY:
            return True
        if self._intake is not None and (rest := self._intake.skip(self._buffer)) is not None:
            self._buffer = rest
            return True
        return False

    def become_tunnel(self, tunnel: "Tunnel", upstream: "UpstreamConnection") -> None:
        """Pass bytes untouched from now on."""
        self._state = _TUNNEL
        self._tunnel = tunnel
        self._flight = None
        self._deadline.disarm()
        self._flow.release(BUFFER_FULL)
        tunnel.join(self, upstream)
        rest, self._buffer = self._buffer, b""
        if rest:
            tunnel.from_client(rest)
        if self._eof:
            tunnel.client_lost()

    def exchange_over(self, flight: Flight) -> None:
        """Go on with the next request, or close."""
        if self._state is _CLOSED:
            return
        self._flight = None
        if self._flow.is_held:
            self._flow.release(PEER_FULL | NOT_CONNECTED)
        if not flight.keeps_alive:
            self._finish(flight)
        elif (self._eof or self._context.live.is_draining) and not self._buffer:
            self._close()
        else:
            self._state = _HEAD
            if not self._is_full:
                self._go_on()

    @property
    def flight(self) -> Flight | None:
        """The exchange under way, or the one that opened the WebSocket."""
        return self._flight if self._tunnel is None else self._tunnel.flight

    def drain(self) -> None:
        """Close if idle; a tunnel ends; an exchange under way ends first."""
        if self._tunnel is not None:
            self._tunnel.drain()
        elif self._state is _HEAD and not self._buffer.strip(b"\r\n"):
            self._close()

    def close_soon(self, seconds: float) -> None:
        """Close once what was written has left, at the latest after some seconds."""
        if self._state is not _CLOSED:
            self._state = _LINGER
            self._unsent = self._transport.get_write_buffer_size()
            self._transport.close()
            self._deadline.arm(seconds)

    def abort(self, *, resets: bool = False) -> None:
        """Break the connection; `resets` where its end in order would be the end of its answer."""
        if self._state is not _CLOSED:
            self._state = _CLOSED
            self._flow.abort(resets=resets)

    def _go_on(self) -> None:
        """Turn to the next request, as the client takes the answers to those before."""
        self._deadline.arm(self._context.idle_seconds)
        if (self._buffer or self._eof) and not self._advancing:
            self._advance()

    def _advance(self) -> None:
        """Read heads until one must wait for its answer; refusals are answered at once."""
        self._advancing = True
        try:
            self._read_heads()
        except ProtocolError as error:
            self._refuse(error)
        finally:
            self._advancing = False
        if self._flow.is_held and not self._is_full and len(self._buffer) <= HIGH_WATER:
            self._flow.release(BUFFER_FULL)
        if self._state is _HEAD and self._eof and not self._is_full and not self._yields:
            self._end_heads()

    def _end_heads(self) -> None:
        if self._buffer.strip(b"\r\n"):
            self._refuse(ProtocolError(RefusalCode.BAD_REQUEST, "the head was cut short"))
        else:
            self._close()

    def _read_heads(self) -> None:
        for _ in range(_HEADS_A_TURN):
            if not self._read_head():
                return
        self._yields = True
        asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._yields = False
        if self._state is _HEAD and not self._is_full:
            self._go_on()

    def _read_head(self) -> bool:
        if self._state is not _HEAD or not self._buffer or self._is_full:
            return False
        head, self._buffer = take_head(self._parser, self._buffer)
        if head is not None:
            self._is_head_begun = False
            flight = self._flight = Flight(self._context, self, head)
            try:
                self._begin(flight, head)
            except Exception:  # noqa: BLE001 -- the driver's last resort: log, an opaque 500
                flight.broke()
            return True
        # The clock starts with the first bytes; more do not wind it back (slow-loris).
        if self._buffer.strip(b"\r\n") and not self._is_head_begun:
            self._is_head_begun = True
            self._deadline.arm(self._context.timeouts.head)
        return False

    def _begin(self, flight: Flight, head: RequestHead) -> None:
        if head.length == 0:
            self._state = _BUSY
            self._deadline.disarm()
            if flight.decide():
                flight.start()
            return
        self._state = _BODY
        self._intake = Intake(head.length, self._context.wheel.now)
        may_start = flight.decide()
        if flight.is_over:
            return
        self._await_body()
        rest, self._buffer = self._buffer, b""
        if rest:
            self._read_body(rest)
        if may_start and not flight.is_over:
            flight.start()

    def _refuse(self, error: ProtocolError) -> None:
        flight = self._flight = Flight(self._context, self, None)
        self._buffer = b""
        flight.refuse_unread(error)

    def _read_body(self, data: bytes) -> None:
        intake, flight = self._intake, self._flight
        if intake is None or flight is None:
            return
        try:
            if payload := intake.feed(data):
                flight.body(payload)
        except ProtocolError as error:
            self._fail_body(error)
            return
        if intake.decoder.done:
            self._state = _BUSY
            self._buffer = intake.decoder.rest
            self._deadline.disarm()
            flight.body_ended()
        elif not self._flow.is_held:
            self._await_body()

    def _await_body(self) -> None:
        if self._intake is not None:
            context = self._context
            silence, rate = context.timeouts.body, context.limits.body_rate
            self._deadline.arm(self._intake.patience(context.wheel.now, silence, rate))

    def _fail_body(self, error: ProtocolError) -> None:
        self._intake, self._buffer = None, b""
        if self._flight is not None:
            self._flight.client_failed(error)

    def _expire(self) -> None:
        state = self._state
        if self._is_full or state is _LINGER:
            unsent = self._transport.get_write_buffer_size()
            if 0 < unsent < self._unsent:
                self._unsent = unsent
                self._deadline.arm(self._context.timeouts.write)
            else:
                self._flow.abort(resets=self._flight is not None)
        elif state is _HEAD and self._is_head_begun:
            self._refuse(ProtocolError(RefusalCode.REQUEST_TIMEOUT, "the head took too long"))
        elif state is _BODY:
            self._fail_body(ProtocolError(RefusalCode.REQUEST_TIMEOUT, "the body took too long"))
        else:
            self._close()

    def _finish(self, flight: Flight) -> None:
        """Close after an answer; while the client may still send, let it read first."""
        is_whole = flight.exchange.head is not None and flight.is_request_complete
        if (is_whole and not self._buffer) or self._eof:
            self._close()
            return
        self._state = _LINGER
        self._unsent = self._transport.get_write_buffer_size()
        self._buffer = b""
        self._flow.release(BUFFER_FULL)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._deadline.arm(_LINGER_SECONDS)

    def _close(self) -> None:
        # A client that does not read would keep the rest, and so the connection, for ever.
        self.close_soon(self._context.timeouts.write)
