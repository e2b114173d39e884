"""The door of a listener: how many may be inside, how long they may wait, and who must leave.

Anybody in a cluster may connect to a webhook, and while it serves nobody, no pod is made. So there
is a bound on connections, and where it is reached the address that has most of them loses one.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.web_request import BaseRequest

HEAD_BYTES: Final = 8192
FIELDS: Final = 64
BACKLOG: Final = 256
LINGER_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.5
"""After a failure to accept: descriptors are short."""

_LOG: Final = logging.getLogger("sidecar.webhook")

_Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of each a listener has.

    Attributes:
        connections: clients at a time, those that shake hands too.
        handshake: seconds for TLS.
        head: seconds from there, or from the connection, to the first request.
        idle: seconds between an answer and the next request. An API server gives a connection up
            after 90 (Go's net/http). If it ended here first, it could end on a review that is being
            sent; a POST is not sent again, and the pod would be refused.
        room: bytes for what large bodies have above 64 KiB each, of all together.
    """

    connections: int = 256
    handshake: float = 5.0
    head: float = 10.0
    idle: float = 120.0
    room: int = 32 << 20


@dataclass(slots=True, eq=False)
class _Guest:
    """A client that is connected.

    Attributes:
        address: whence.
        since: when it last did something, in seconds of the loop's clock.
        is_asking: whether a request of its is under way.
        leave: ends it.
        left: whether it is gone.
    """

    address: str
    since: float
    is_asking: bool = False
    leave: Callable[[], object] = lambda: None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    end: asyncio.TimerHandle | None = None


class Door:
    """A listener with bounds.

    Args:
        inner: the server of an application.
        listener: a bound socket.
        context: for TLS; None for none.
        bounds: of it.

    Attributes:
        cut: how many connections were cut, by why: `full`, `handshake`, `silent`.
    """

    def __init__(
        self,
        inner: web.Server,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        bounds: Bounds,
    ) -> None:
        self._server = _Server(inner, self)
        self._listener = listener
        self._context = context
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._guests: dict[asyncio.Task[None], _Guest] = {}
        self._known: dict[web.RequestHandler, _Guest] = {}
        self._accepting: asyncio.Task[None] | None = None
        self.cut: Counter[str] = Counter({"full": 0, "handshake": 0, "silent": 0})

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._guests)

    def open(self) -> None:
        """Let clients in."""
        self._listener.listen(BACKLOG)
        self._accepting = asyncio.create_task(self._accept())

    async def close(self, seconds: float) -> None:
        """Let nobody in any more, and those inside go, after answers that are under way.

        Args:
            seconds: for those answers.
        """
        if self._accepting is not None:
            self._accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._accepting
        self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(seconds)
        for task in tuple(self._guests):
            task.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                sock, peer = await self._loop.sock_accept(self._listener)
            except OSError as error:
                _LOG.error("no connection can be accepted: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            guest = _Guest(str(peer[0]), self._loop.time())
            if self._has_room_for(guest):
                task = asyncio.create_task(self._serve(sock, guest))
                self._guests[task] = guest
                task.add_done_callback(self._guests.pop)
            else:
                self.cut["full"] += 1
                sock.close()

    def _has_room_for(self, newcomer: _Guest) -> bool:
        """Make room if there is none: whose address has most connections loses the idlest.

        A newcomer of that address does not cost another its answer.
        """
        if len(self._guests) < self._bounds.connections:
            return True
        inside = [guest for guest in self._guests.values() if not guest.left.is_set()]
        if len(inside) < self._bounds.connections:
            return True
        counted = Counter(guest.address for guest in inside)
        most = max(counted.values())
        is_one_of_many = counted[newcomer.address] == most
        crowd = newcomer.address if is_one_of_many else max(counted, key=lambda one: counted[one])
        candidates = [guest for guest in inside if guest.address == crowd]
        last = min(candidates, key=lambda guest: (guest.is_asking, guest.since))
        if last.is_asking and is_one_of_many:
            return False
        self._cut(last, "full")
        return True

    async def _serve(self, sock: socket.socket, guest: _Guest) -> None:
        """Shake hands, and stay until the client is gone."""
        task = asyncio.current_task()
        if task is not None:
            guest.leave = task.cancel
        tls = None if self._context is None else self._bounds.handshake
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._bound(guest), sock, ssl=self._context, ssl_handshake_timeout=tls
            )
        except OSError as error:
            self.cut["handshake"] += 1
            _LOG.debug("%s did not shake hands: %s", guest.address, error)
            return
        await guest.left.wait()

    def _bound(self, guest: _Guest) -> web.RequestHandler:
        handler = self._server()
        self._known[handler] = guest
        return handler

    def _cut(self, guest: _Guest, why: str) -> None:
        self.cut[why] += 1
        guest.leave()
        guest.left.set()

    def came(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Note that a client may ask now."""
        guest = self._known[handler]
        guest.leave = transport.abort
        self._wait(guest, self._bounds.head)

    def asks(self, handler: web.RequestHandler) -> None:
        """Note that a request is under way."""
        guest = self._known[handler]
        guest.is_asking, guest.since = True, self._loop.time()
        if guest.end is not None:
            guest.end.cancel()

    def is_answered(self, handler: web.RequestHandler) -> None:
        """Note that nothing but the answer is to be sent: who does not read it is silent too."""
        guest = self._known.get(handler)
        if guest is not None:
            guest.is_asking = False
            self._wait(guest, self._bounds.idle)

    def left(self, handler: web.RequestHandler) -> None:
        """Note that a client is gone."""
        guest = self._known.pop(handler)
        if guest.end is not None:
            guest.end.cancel()
        guest.left.set()

    def _wait(self, guest: _Guest, seconds: float) -> None:
        guest.since = self._loop.time()
        guest.end = self._loop.call_later(seconds, self._cut, guest, "silent")


class _Server(web.Server):
    """A server that tells the door who comes, asks and leaves."""

    def __init__(self, inner: web.Server, door: Door) -> None:
        super().__init__(
            _told(inner.request_handler, door),
            request_factory=inner.request_factory,
            handler_cancellation=True,
            access_log=None,
            lingering_time=LINGER_SECONDS,
            # A body that unfolds is no review of an API server.
            auto_decompress=False,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            max_headers=FIELDS,
        )
        self._door = door

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._door.came(handler, transport)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._door.left(handler)


def _told(handler: _Handler, door: Door) -> _Handler:
    async def answer(request: BaseRequest) -> web.StreamResponse:
        door.asks(request.protocol)
        try:
            return await handler(request)
        finally:
            door.is_answered(request.protocol)

    return answer
