"""One exchange from its head to its audit record.

    decide    run the steps (`admission`)
    start     hand the request to an upstream connection, idle or new
    body      bytes of the request pass on, counted against the limit
    response  head and bytes of the answer pass back
    finish    audit and metrics, once, whatever happened

A flight is called by its downstream (request side) and its upstream connection (response side); it
never touches a socket itself.
"""

import logging
from typing import TYPE_CHECKING, Final

from sidecar.fronts.proxy.answering import (
    SWITCHING_PROTOCOLS,
    answer_head,
    interim,
    own_answer,
    own_parts,
    switch_head,
)
from sidecar.fronts.proxy.flow import NOT_CONNECTED
from sidecar.fronts.proxy.pool import may_repeat
from sidecar.fronts.proxy.request_side import RequestSide
from sidecar.fronts.proxy.tunnel import Tunnel, is_accepted
from sidecar.knowledge.http1.framing import LAST_CHUNK, encode_chunk
from sidecar.knowledge.http1.write import write_head
from sidecar.model.errors import ProtocolError, UpstreamError
from sidecar.model.mcp import Rewriting
from sidecar.model.message import RequestHead, ResponseHead
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import CLIENT_LEFT, Ending, Verdict

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.upstream import UpstreamConnection

_LOG: Final = logging.getLogger("sidecar.proxy")

_BROKEN: Final = Refuse(RefusalCode.INTERNAL, "internal error")
# Access to a member through its class costs 0.16 µs.
_ADMITTED: Final = Ending.ADMITTED
_FAILED: Final = Ending.FAILED
_ABANDONED: Final = Ending.ABANDONED


class Flight(RequestSide):
    """One exchange between a downstream and an upstream connection.

    Attributes:
        keeps_alive: whether the client's connection goes on after the answer.
        tunnel: the WebSocket that it has become.
    """

    __slots__ = (
        "_answered_in", "_connects_at", "_encodes", "_ends_by_close", "_handed_over",
        "_is_upgraded", "_out", "_retried", "_rewriting", "_sent", "_streams_at",
        "is_response_begun", "keeps_alive", "tunnel",
    )  # fmt: skip

    def __init__(
        self, context: "Context", downstream: "Downstream", head: RequestHead | None
    ) -> None:
        super().__init__(context, downstream, head)
        self.tunnel: Tunnel | None = None
        self._out = b""
        self._sent = 0
        self._connects_at = 0.0
        self._handed_over = 0.0
        self._streams_at = 0.0
        self._answered_in: float | None = None
        self._encodes = False
        self._ends_by_close = False
        self._retried = False
        self._rewriting: Rewriting | None = None
        self._is_upgraded = False
        self.keeps_alive = head is not None and head.keeps_alive
        self.is_response_begun = False

    # --- the request side

    def start(self) -> None:
        """Hand the request to an idle upstream connection, or have one opened."""
        connection = self._context.pools.of(self.exchange.target).take()
        if connection is not None:
            self._hand_over(connection)
            if self._received and self._kept is None:
                # What came with the head may have been more than may wait for a connection.
                self._downstream.release(NOT_CONNECTED)
        else:
            self._open()

    def _open(self) -> None:
        pool = self._context.pools.of(self.exchange.target)
        # What a connection took that failed is the upstream's too.
        self._connects_at = self._handed_over or self._context.monotonic()
        self._opening = self._context.spawn(pool.open(self._context, self))

    def _hand_over(self, connection: "UpstreamConnection") -> None:
        exchange = self.exchange
        head = exchange.head
        if head is None:
            return
        self._upstream = connection
        start = head.method + b" " + exchange.upstream_path + b" HTTP/1.1"
        first = write_head(start, exchange.upstream_lines)
        if head.length != 0:
            first += self._first()
        self._handed_over = self._context.monotonic()
        if self._connects_at:
            self.waited += self._handed_over - self._connects_at
        connection.begin(self, head.method, first)
        if self._kept is not None:
            self._send_on()
        elif self.is_request_complete:
            connection.await_head(self.timeouts.response)

    def client_drained(self) -> None:
        """Read the upstream's answer on: the client takes it."""
        if self._upstream is not None:
            self._upstream.release()

    def client_full(self) -> None:
        """Stop reading the upstream's answer: the client does not take it."""
        if self._upstream is not None:
            self._upstream.hold()

    def client_left(self, reason: str = "client closed the connection") -> None:
        """End the exchange: nobody waits for the answer, or may any more."""
        self._drop_upstream()
        status = self.exchange.status if self.is_response_begun else CLIENT_LEFT
        self._finish(Ending.ABANDONED, status, None, reason, "")

    def client_failed(self, error: ProtocolError) -> None:
        """End the exchange: the client broke the protocol, or was too slow, inside its body."""
        self._drop_upstream()
        self.keeps_alive = False
        step = "declared_body" if error.code is RefusalCode.PAYLOAD_TOO_LARGE else "framing"
        if self.is_response_begun:
            self._downstream.abort(resets=self._ends_by_close)
            self._finish(Ending.REFUSED, self.exchange.status, error.code, error.reason, step)
        else:
            self._refuse(Refuse(error.code, error.reason), Ending.REFUSED, step)

    def refuse_unread(self, error: ProtocolError) -> None:
        """Refuse a request whose head could not be read."""
        self.keeps_alive = False
        self._refuse(Refuse(error.code, error.reason), Ending.REFUSED, "framing")

    # --- the response side

    def upstream_connected(self, connection: "UpstreamConnection") -> None:
        """Take a new connection, unless the exchange ended while it was opened."""
        self._opening = None
        self._hand_over(connection)
        self._downstream.release(NOT_CONNECTED)

    def interim(self, head: ResponseHead) -> None:
        """Pass an interim response on, if the client can use it."""
        request = self.exchange.head
        if request is not None:
            awaits = request.expects_continue and not self.is_request_complete
            if data := interim(request, head, awaits_continue=awaits):
                self._downstream.write(data)

    def response_began(self, head: ResponseHead) -> None:
        """Take the response head; that of an answer which is filtered whole waits for its body.

        Raises:
            UpstreamError: what comes must be filtered and cannot be (RQ-6).
        """
        rpc = self.exchange.rpc
        if rpc is None or rpc.filter is None:
            self._begin_answer(head)
            return
        rewriting = self._rewriting = rpc.filter.begin(head)
        if rewriting is None or not rewriting.is_whole:
            self._begin_answer(head if rewriting is None else rewriting.head)

    def _begin_answer(self, head: ResponseHead) -> None:
        """Write the response head: the RESPONSE steps, then the framing."""
        exchange = self.exchange
        request = exchange.head
        if request is None:
            return
        context = self._context
        self._answered_in = context.monotonic() - self._handed_over
        self.is_response_begun = True
        # An answer that comes before the end of the request leaves bytes of unknown number.
        keeps_alive = self.keeps_alive and self.is_request_complete and not context.live.is_draining
        encodes = False
        if head.length < 0:
            encodes = request.minor == 1
            keeps_alive = keeps_alive and encodes
            self._ends_by_close = not encodes
        self._encodes = encodes
        self.keeps_alive = keeps_alive
        self._out += answer_head(
            self.plan, exchange, head, encodes=encodes, keeps_alive=keeps_alive
        )

    def response_data(self, data: bytes) -> None:
        """Take bytes of the response's body; `flush` sends them.

        Raises:
            UpstreamError: they must be filtered and cannot be (RQ-6).
        """
        if self._rewriting is not None:
            data = self._rewriting.feed(data)
            if not data:
                return
        self._sent += len(data)
        self._out += encode_chunk(data) if self._encodes else data

    def flush(self) -> None:
        """Send what was taken, in one write; more is to come."""
        if self._out:
            self._downstream.write(self._out)
            self._out = b""
            if not self._streams_at:
                self._streams_at = self._context.monotonic()

    def response_ended(self) -> None:
        """Finish: the response is whole."""
        self._upstream = None
        if self._rewriting is not None and not self._end_rewriting(self._rewriting):
            return
        if self._encodes:
            self._out += LAST_CHUNK
        if self._out:
            self._downstream.write(self._out)
        self._finish(_ADMITTED, self.exchange.status, None, "", "")
        self._downstream.exchange_over(self)

    def _end_rewriting(self, rewriting: Rewriting) -> bool:
        """Take the rest of an answer that is filtered; refuse one that cannot be."""
        self._rewriting = None
        try:
            rest = rewriting.end()
        except UpstreamError as error:
            self.upstream_failed(error)
            return False
        if rewriting.is_whole:
            self._begin_answer(rewriting.head)
        if rest:
            self.response_data(rest)
        return True

    def upgraded(self, head: ResponseHead) -> None:
        """Become a tunnel, if the client asked for it and the upstream understood."""
        connection = self._upstream
        request = self.exchange.head
        if connection is None or request is None:
            return
        if not is_accepted(request, head):
            connection.abandon()
            self.upstream_failed(
                UpstreamError(RefusalCode.BAD_GATEWAY, "upgrade that was not asked for or is wrong")
            )
            return
        # Others may have been accepted since the steps ran.
        if cause := self._context.websocket_overload():
            self._drop_upstream()
            self._refuse(cause, Ending.REFUSED, "overload")
            return
        self._answered_in = self._context.monotonic() - self._handed_over
        self.is_response_begun = True
        self._is_upgraded = True
        self._downstream.write(switch_head(self.plan, self.exchange, head))
        self._upstream = None
        # The WebSocket leaves the bound on requests and comes under its own.
        self.leave_count()
        section = self._generation.policy.websockets
        tunnel = self.tunnel = Tunnel(self._context, self, section.idle, section.life)
        self._downstream.become_tunnel(tunnel, connection)

    def tunnel_ended(self, received: int, sent: int, reason: str) -> None:
        """Finish: both sides of the WebSocket are closed."""
        self.tunnel = None
        self._received, self._sent = received, sent
        self._finish(_ADMITTED, SWITCHING_PROTOCOLS, None, reason, "")

    def upstream_failed(self, error: UpstreamError) -> None:
        """Try again on a new connection where that is safe, else refuse, else break off."""
        self._opening = None
        if self.is_over:
            return
        connection, self._upstream = self._upstream, None
        if connection is not None and self._may_retry(connection, error):
            self._retried = True
            self._open()
        elif self.is_response_begun:
            # The client must not take what it has for the whole: the connection is broken off.
            self.flush()
            self._finish(Ending.FAILED, self.exchange.status, error.code, error.reason, "upstream")
            self._downstream.abort(resets=self._ends_by_close)
        else:
            self._refuse(Refuse(error.code, error.reason), Ending.FAILED, "upstream")

    def _may_retry(self, connection: "UpstreamConnection", error: UpstreamError) -> bool:
        head = self.exchange.head
        return not self._retried and head is not None and may_repeat(head, connection, error)

    def revoked(self, cause: Refuse, step: str) -> None:
        """End the exchange: whoever opened it would not be admitted any more (AN-10)."""
        if self.tunnel is not None:
            self.tunnel.revoked(cause.reason)
        elif not self.is_over:
            self._drop_upstream()
            self.keeps_alive = False
            if self.is_response_begun:
                status = self.exchange.status
                self._finish(Ending.REFUSED, status, cause.code, cause.reason, step)
                self._downstream.abort(resets=True)
            else:
                self._refuse(cause, Ending.REFUSED, step)

    def broke(self) -> None:
        """End the exchange after a bug of ours: an opaque 500."""
        _LOG.exception("exchange failed", extra={"request_id": self.exchange.own_id.decode()})
        self._drop_upstream()
        self.keeps_alive = False
        if self.is_over or self.is_response_begun:
            status = getattr(self.exchange, "status", CLIENT_LEFT)
            self._finish(Ending.FAILED, status, _BROKEN.code, _BROKEN.reason, "internal")
            self._downstream.abort(resets=self._ends_by_close)
        else:
            self._refuse(_BROKEN, Ending.FAILED, "internal")

    # --- the end

    def _answer(
        self, own: Refuse | Respond, ending: Ending, code: RefusalCode | None, step: str
    ) -> None:
        exchange, downstream = self.exchange, self._downstream
        self.is_response_begun = True
        self._let_go()
        lines, body = own_parts(self._generation, self.plan, exchange, own, self._context.date())
        if not downstream.can_follow() or self._context.live.is_draining:
            self.keeps_alive = False
        self._sent = len(body)
        downstream.write(own_answer(exchange, lines, body, keeps_alive=self.keeps_alive))
        self._finish(ending, exchange.status, code, own.reason, step)
        downstream.exchange_over(self)

    def _drop_upstream(self) -> None:
        connection, self._upstream = self._upstream, None
        opening, self._opening = self._opening, None
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()
        if connection is not None:
            connection.abandon()
        elif opening is not None:
            # Whoever asks and leaves, again and again, would pile up connections half made.
            opening.cancel()
            self.waited += self._context.monotonic() - self._connects_at

    def _finish(
        self, ending: Ending, status: int, code: RefusalCode | None, reason: str, step: str
    ) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._kept is not None:
            self._let_go()
        context = self._context
        self.leave_count()
        now = context.monotonic()
        handed_over = self._handed_over
        verdict = Verdict(
            ending, status, code, reason, step, now - self.started, self._answered_in,
            self._received, self._sent, self._is_upgraded, self._own_seconds(ending, now),
            handed_over - self.started if handed_over else None,
        )  # fmt: skip
        exchange = self.exchange
        for slot in exchange.slots:
            slot.release()
        for ledger in context.ledgers:
            ledger.note(exchange, verdict)

    def _own_seconds(self, ending: Ending, now: float) -> float | None:
        """Tell what of the exchange the sidecar took itself: no clock is read for it.

        Until the request is handed over, and from the answer's head to what is first written of
        the answer: what follows is the upstream's pace. Who gave up on whom is told by neither.
        """
        if self._is_upgraded or ending is _FAILED or ending is _ABANDONED:
            return None
        own = (self._streams_at or now) - self.started - self.waited
        if self._handed_over:
            if self._answered_in is None:
                return None
            own -= self._answered_in
        return own
