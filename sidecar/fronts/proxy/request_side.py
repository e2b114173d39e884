"""The request's side of an exchange: its body, from the client to rules and to the upstream.

A body that no rule reads passes on as it comes. One that a rule reads is kept first (`spool`), and
goes on byte for byte as it was received once the rules let it pass.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.fronts.proxy.admission import Admission
from sidecar.fronts.proxy.flow import HIGH_WATER, NOT_CONNECTED, PEER_FULL
from sidecar.fronts.proxy.spool import PIECE_BYTES, Spool
from sidecar.knowledge.http1.framing import LAST_CHUNK, encode_chunk
from sidecar.knowledge.http1.write import CONTINUE
from sidecar.model.errors import ProtocolError
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.outcome import Refuse
from sidecar.model.questions import ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Timeouts

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.upstream import UpstreamConnection

AT_ONCE_BYTES: Final = 16_384
"""Bytes of a body that are watched as they come: a millisecond of the densest JSON."""

Answered = Callable[[object], None]

_NO_ROOM: Final = Refuse(RefusalCode.OVERLOADED, "no room for a further body that rules read")
_NO_FILE: Final = Refuse(RefusalCode.OVERLOADED, "no file can be written for the body")


class RequestSide(Admission):
    """Takes the request's body from the client; whoever extends it has the other side.

    Attributes:
        is_request_complete: whether the whole request was taken from the client.
        is_over: whether audit and metrics were told.
    """

    __slots__ = (
        "_asked_at", "_is_full", "_kept", "_objection", "_opening", "_pending", "_question",
        "_then", "_unseen", "_upstream", "is_over", "is_request_complete",
    )  # fmt: skip

    def __init__(
        self, context: "Context", downstream: "Downstream", head: RequestHead | None
    ) -> None:
        super().__init__(context, downstream, head)
        self._upstream: UpstreamConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        # What of the body waits for an upstream, as received.
        self._pending: list[bytes] = []
        # What was kept for rules, until it was sent; it comes before what is pending.
        self._kept: Spool | None = None
        self._question: ReadBody | None = None
        self._then: Answered | None = None
        self._objection: Refuse | None = None
        # What of it whoever watches has not looked at.
        self._unseen: deque[bytes] | None = None
        self._is_full = False
        self._asked_at = 0.0
        self.is_request_complete = head is None or head.length == 0
        self.is_over = False

    @property
    def timeouts(self) -> Timeouts:
        """Patience with the upstream."""
        return self.plan.timeouts

    @property
    def is_streaming(self) -> bool:
        """Whether an event stream is under way."""
        return self._upstream is not None and self._upstream.is_streaming

    @property
    def is_sent(self) -> bool:
        """Whether the upstream was given the whole request."""
        return self.is_request_complete and self._kept is None

    def body(self, received: bytes) -> None:
        """Take bytes of the request's body.

        Raises:
            ProtocolError: the body is larger than the route accepts (RQ-1).
        """
        if self._pause is not None and self._pause.is_refused:
            return
        before = self._received
        self._received += len(received)
        if before <= self.exchange.body_limit < self._received and (cause := self.overrun()):
            raise ProtocolError(cause.code, cause.reason)
        if self._question is not None:
            self._keep(received)
        else:
            self._send(received)

    def body_ended(self) -> None:
        """Note that the request is complete."""
        self.is_request_complete = True
        if self._question is not None:
            if self._objection is None and not self._unseen:
                self._give()
            return
        if self._upstream is not None and self._kept is None:
            head = self.exchange.head
            if head is not None and head.length == CHUNKED:
                self._upstream.write(LAST_CHUNK)
            self._upstream.await_head(self.timeouts.response)

    def drop_body(self) -> None:
        """Let go of what was kept of the body, and take the rest in only to drop it.

        Whoever is held back must not hold memory meanwhile, and a client that was read to the end
        of its request can use its connection for the next.
        """
        self._let_go()
        if self._received > HIGH_WATER or self._objection is not None:
            self._downstream.release(NOT_CONNECTED)

    def upstream_full(self) -> None:
        """Stop reading the client: the upstream does not take its body."""
        self._is_full = True
        self._downstream.hold(PEER_FULL)

    def upstream_drained(self) -> None:
        """Read the client on."""
        self._is_full = False
        self._downstream.release(PEER_FULL)
        if self._kept is not None:
            self._send_on()
        elif self.is_request_complete and self._upstream is not None:
            self._upstream.await_head(self.timeouts.response)

    def _send(self, received: bytes) -> None:
        if self._upstream is not None and self._kept is None:
            head = self.exchange.head
            is_chunked = head is not None and head.length == CHUNKED
            self._upstream.write(encode_chunk(received) if is_chunked else received)
        elif not self.is_over:
            self._pending.append(received)
            if self._received > HIGH_WATER:
                self._downstream.hold(NOT_CONNECTED)

    # --- what rules read

    def collect(self, question: ReadBody, then: Answered) -> None:
        """Keep the body until it is whole.

        Args:
            question: what a step asked.
            then: called with the answer, never at once.
        """
        self._question, self._then = question, then
        self._asked_at = self._context.monotonic()
        if self._kept is not None and (self.is_request_complete or self._objection is not None):
            # Another step had it kept: it is whole, or will never be.
            asyncio.get_running_loop().call_soon(self._give)
            return
        self._kept = self._kept or Spool(self._context.room)
        pending, self._pending = self._pending, []
        for received in pending:
            self._keep(received)
        head = self.exchange.head
        if self.is_request_complete:
            if not self._unseen:
                asyncio.get_running_loop().call_soon(self._give)
            return
        if head is not None and head.expects_continue and not pending:
            # RFC 9110 §10.1.1: the client may wait for our word before it sends what we wait for.
            self._downstream.write(CONTINUE)
        if self._objection is None and not self._unseen and self._received > HIGH_WATER:
            self._downstream.release(NOT_CONNECTED)

    def _keep(self, received: bytes) -> None:
        kept, question = self._kept, self._question
        if kept is None or question is None:
            return
        cause = None
        try:
            if not kept.put(received):
                cause = _NO_ROOM
        except OSError:
            cause = _NO_FILE
        watch = question.watch
        if cause is None and watch is not None:
            if len(received) <= AT_ONCE_BYTES and not self._unseen:
                cause = watch.objection(received)
            else:
                self._look_later(received)
        if cause is not None and self._objection is None:
            # Not at once: whoever reads the connection has not finished with these bytes.
            self._objection = cause
            self._downstream.hold(NOT_CONNECTED)
            asyncio.get_running_loop().call_soon(self._give)

    def _look_later(self, received: bytes) -> None:
        """Have a body watched in pieces, others served between them, and read on only then.

        The loop may hand over megabytes in one turn: 200 ms of the densest JSON, 4 ms a piece.
        """
        unseen = self._unseen
        if unseen is None:
            unseen = self._unseen = deque()
        if not unseen:
            self._downstream.hold(NOT_CONNECTED)
            asyncio.get_running_loop().call_soon(self._look_on)
        pieces = range(0, len(received), PIECE_BYTES)
        unseen.extend(received[at : at + PIECE_BYTES] for at in pieces)

    def _look_on(self) -> None:
        question, unseen = self._question, self._unseen
        if question is None or question.watch is None or not unseen or self._objection is not None:
            return
        self._objection = question.watch.objection(unseen.popleft())
        if self._objection is None and unseen:
            asyncio.get_running_loop().call_soon(self._look_on)
            return
        self._downstream.release(NOT_CONNECTED)
        if self._objection is not None or self.is_request_complete:
            self._give()

    def _give(self) -> None:
        """Give the step what it asked for, or why it cannot have it."""
        then, self._then = self._then, None
        self._question = None
        if then is None or self._kept is None:
            return
        self.waited += self._context.monotonic() - self._asked_at
        then(self._objection or self._kept.collected(self._context.clock()))

    def _first(self) -> bytes:
        """Take what goes to the upstream with the head: one write for most requests."""
        head = self.exchange.head
        is_chunked = head is not None and head.length == CHUNKED
        if self._kept is not None:
            rpc = self.exchange.rpc
            if rpc is not None and rpc.content is not None:
                self._kept.replace(rpc.content)
            return self._waiting()
        if self._pending or is_chunked:
            return self._waiting()
        return b""

    def _send_on(self) -> None:
        """Send what was kept, at the pace of the upstream."""
        upstream = self._upstream
        try:
            while upstream is not None and self._kept is not None and not self._is_full:
                upstream.write(self._waiting())
        except OSError:
            self.broke()
            return
        if upstream is not None and self._kept is None:
            # In shadow mode a body may go on of which the rules have seen the beginning.
            self._downstream.release(NOT_CONNECTED)
            if self.is_request_complete:
                upstream.await_head(self.timeouts.response)

    def _waiting(self) -> bytes:
        """Take the next bytes that wait for the upstream, in the framing of the request."""
        kept = self._kept
        if kept is not None:
            piece = kept.take()
            if not piece and not kept.is_sent:
                raise OSError("the file of a body lost its end")
            if kept.is_sent:
                kept.close()
                self._kept = None
        else:
            piece = b""
        if self._kept is None and self._pending:
            piece = b"".join((piece, *self._pending))
            self._pending.clear()
        head = self.exchange.head
        if head is None or head.length != CHUNKED:
            return piece
        framed = encode_chunk(piece) if piece else b""
        return framed + LAST_CHUNK if self.is_sent else framed

    def _let_go(self) -> None:
        """Hold nothing of the body any more."""
        self._pending.clear()
        self._unseen = None
        if self._question is not None:
            self.waited += self._context.monotonic() - self._asked_at
        self._question = self._then = None
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
