"""The sockets of the proxy listener: opened, served, drained."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

from sidecar.adapters.sockets import open_socket
from sidecar.fronts.proxy.context import Context
from sidecar.fronts.proxy.deadlines import TICK
from sidecar.fronts.proxy.downstream import Downstream
from sidecar.fronts.proxy.tls import listener_context
from sidecar.policy.schema.listen import Listen

_BACKLOG: Final = 2048


class Listener:
    """The proxy listener of one process.

    Attributes:
        port: the port that it serves, known once it is started.
    """

    def __init__(self, context: Context, section: Listen, *, is_shared: bool) -> None:
        self._context = context
        self._section = section
        self._is_shared = is_shared
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self.port = section.proxy.port

    async def start(self) -> None:
        """Open the socket and serve.

        Raises:
            OSError: the address is taken or not ours, or TLS files cannot be used.
        """
        section = self._section
        tls = None if section.tls is None else listener_context(section.tls)
        # Alone it shares nothing: a second sidecar on the port must fail, not take half of it.
        sock = open_socket(section.proxy.host, section.proxy.port, is_shared=self._is_shared)
        self.port = sock.getsockname()[1]
        self._tick()
        self._socket = sock.dup()
        self._server = await self._served(sock, section, tls)
        await self._server.start_serving()

    async def _served(
        self, sock: socket.socket, section: Listen, tls: ssl.SSLContext | None
    ) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Downstream(self._context, self.port),
            sock=sock,
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=section.timeouts.head if tls else None,
            start_serving=False,
        )

    async def stage(self, section: Listen, *, is_changed: bool) -> asyncio.Server | None:
        """Prepare to serve by another policy, and serve nobody by it yet.

        Args:
            section: the section of that policy, its address the same.
            is_changed: whether a file of its TLS has another content.

        Returns:
            What is to serve; None where new connections are made as they were.

        Raises:
            OSError: TLS files cannot be used.
        """
        former = self._section
        is_same = former.tls == section.tls and former.timeouts.head == section.timeouts.head
        if self._socket is None or (is_same and not is_changed):
            return None
        tls = section.tls
        made = None if tls is None else await asyncio.to_thread(listener_context, tls)
        return await self._served(self._socket.dup(), section, made)

    async def renew(self, section: Listen, server: asyncio.Server | None) -> None:
        """Serve by another policy.

        The same socket is accepted from, so that no connection is lost between the two; handshakes
        that have begun go on as they began.

        Args:
            section: the section of that policy.
            server: what `stage` returned.
        """
        self._section = section
        if server is not None:
            former, self._server = self._server, server
            await server.start_serving()
            if former is not None:
                former.close()

    def _tick(self) -> None:
        context = self._context
        context.wheel.advance(context.monotonic())
        self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)

    async def drain(self) -> None:
        """Accept nothing more, let what is under way end, then cut the rest.

        An answer under way keeps its connection until it is whole; an idle connection and a
        WebSocket are closed at once. `listen.drain` bounds it all.
        """
        context = self._context
        context.live.is_draining = True
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        for connection in tuple(context.live.connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._section.drain):
                await context.live.emptied()
        for connection in tuple(context.live.connections):
            flight = connection.flight
            if flight is not None:
                flight.client_left("the sidecar shut down")
            # Without a reset HTTP/1.0 takes the end of the connection for the end of an answer.
            connection.abort(resets=flight is not None)
        # One turn of the loop, so that the aborted exchanges reach audit and metrics.
        await asyncio.sleep(0)
        for task in tuple(context.tasks):
            task.cancel()
        context.pools.close()
        if self._ticker is not None:
            self._ticker.cancel()
