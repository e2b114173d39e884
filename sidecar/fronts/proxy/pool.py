"""Connections to the upstreams: kept while idle, opened when needed, not shared by targets."""

import asyncio
import socket
import ssl
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from sidecar.fronts.proxy.tls import upstream_context
from sidecar.fronts.proxy.upstream import UpstreamConnection
from sidecar.model.errors import UpstreamError
from sidecar.model.message import RequestHead
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import UpstreamTarget

if TYPE_CHECKING:
    from sidecar.fronts.proxy.context import Context
    from sidecar.fronts.proxy.driver import Flight


# RFC 9110 §9.2.2; a request with a body is never sent twice, whatever its method.
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))


def may_repeat(request: RequestHead, connection: UpstreamConnection, error: UpstreamError) -> bool:
    """Judge whether a failure is a stale connection's, and sending again is harmless."""
    return (
        connection.is_reused
        and not connection.has_answered
        # A connection that closed; an upstream that is slow is not asked twice.
        and error.code is RefusalCode.BAD_GATEWAY
        and request.length == 0
        and not request.is_websocket
        and request.method in _IDEMPOTENT
    )


class Pool:
    """Connections to one target.

    Attributes:
        busy: number of connections that serve a request.
    """

    __slots__ = ("_idle", "_is_retired", "_target", "_tls", "busy")

    def __init__(self, target: UpstreamTarget) -> None:
        self._target = target
        self._idle: list[UpstreamConnection] = []
        self._tls: ssl.SSLContext | None = None
        self._is_retired = False
        self.busy = 0

    @property
    def idle(self) -> int:
        """Number of idle connections."""
        return len(self._idle)

    def take(self) -> UpstreamConnection | None:
        """Hand out the connection that was idle for the shortest time, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                self.busy += 1
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose exchange ended cleanly."""
        self.busy -= 1
        if self._is_retired:
            connection.close()
            return
        if len(self._idle) >= self._target.idle_connections:
            # The oldest goes: the upstream is the likeliest to close it first.
            self._idle.pop(0).close()
        self._idle.append(connection)
        connection.rest(self._target.idle_seconds)

    def forget(self, connection: UpstreamConnection, *, was_busy: bool) -> None:
        """Drop a connection that closed."""
        if was_busy:
            self.busy -= 1
        elif connection in self._idle:
            self._idle.remove(connection)

    async def open(self, context: "Context", flight: "Flight") -> None:
        """Open a connection for a flight and hand it over, or tell the flight why not."""
        self.busy += 1
        try:
            connection = await self._opened(context)
        except UpstreamError as error:
            self.busy -= 1
            flight.upstream_failed(error)
        except asyncio.CancelledError:
            self.busy -= 1
            raise
        except Exception:  # noqa: BLE001 -- the top of a task: log, an opaque 500
            self.busy -= 1
            flight.broke()
        else:
            try:
                flight.upstream_connected(connection)
            except Exception:  # noqa: BLE001 -- likewise
                flight.broke()

    async def _opened(self, context: "Context") -> UpstreamConnection:
        try:
            async with asyncio.timeout(self._target.connect_timeout):
                connection = await self._connect(context)
        except TimeoutError as error:
            reason = "connecting took too long"
            raise UpstreamError(RefusalCode.UPSTREAM_TIMEOUT, reason) from error
        except ssl.SSLError as error:
            raise _unavailable(f"TLS failed: {error.reason or 'handshake'}") from error
        except OSError as error:
            raise _unavailable(f"cannot connect: {error.strerror or 'failed'}") from error
        if not connection.is_usable:
            # It closed, or spoke unasked, between its making and this turn of the loop.
            reason = "upstream closed the connection before its head"
            raise UpstreamError(RefusalCode.BAD_GATEWAY, reason)
        return connection

    async def _connect(self, context: "Context") -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        target = self._target

        def new() -> UpstreamConnection:
            return UpstreamConnection(context, self)

        if target.socket_path:
            _, connection = await loop.create_unix_connection(new, target.socket_path)
            return connection
        if target.tls is None:
            transport, connection = await loop.create_connection(new, target.host, target.port)
        else:
            if self._tls is None:
                self._tls = upstream_context(target.tls)
            transport, connection = await loop.create_connection(
                new, target.host, target.port, ssl=self._tls, server_hostname=target.tls.server_name
            )
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    @property
    def files(self) -> frozenset[str]:
        """Names of the files that its connections are verified by."""
        tls = self._target.tls
        named = () if tls is None else (tls.ca, tls.certificate, tls.key)
        return frozenset([name for name in named if name is not None])

    def retire(self) -> None:
        """Keep no connection any more: those under way end with their exchanges."""
        self._is_retired = True
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


TARGETS: Final = 4096
"""Targets that are remembered: tenants come and go, and so do their upstreams."""


class Pools:
    """The pools of all targets; one that serves nobody may be forgotten and made again."""

    __slots__ = ("_by_key", "_by_target", "_own")

    def __init__(self) -> None:
        self._by_key: dict[tuple[object, ...], Pool] = {}
        self._by_target: dict[UpstreamTarget, Pool] = {}
        self._own: dict[UpstreamTarget, Pool] = {}

    def adopt(self, target: UpstreamTarget, pool: Pool) -> None:
        """Have a pool that is made elsewhere serve a target, for good."""
        self._own[target] = self._by_target[target] = pool

    def of(self, target: UpstreamTarget) -> Pool:
        """Return the pool of a target."""
        pool = self._by_target.get(target)
        if pool is None:
            if len(self._by_target) >= TARGETS:
                self._forget_unused()
            pool = self._by_key.setdefault(target.key, Pool(target))
            self._by_target[target] = pool
        return pool

    def _forget_unused(self) -> None:
        self._by_target = dict(self._own)
        self._by_key = {key: pool for key, pool in self._by_key.items() if pool.idle or pool.busy}

    def renew(self, gone: Collection[tuple[object, ...]], changed: Collection[str]) -> None:
        """Drain the pools that a change of the policy leaves without use, or with other files.

        Args:
            gone: keys of targets that no route has any more.
            changed: names of files whose content is another now.
        """
        self._by_target = dict(self._own)
        for key, pool in tuple(self._by_key.items()):
            is_unused = not (pool.idle or pool.busy)
            if key in gone or is_unused or not pool.files.isdisjoint(changed):
                del self._by_key[key]
                pool.retire()

    def counts(self) -> tuple[int, int]:
        """Return the numbers of idle and busy connections."""
        pools = self._by_key.values()
        return sum(pool.idle for pool in pools), sum(pool.busy for pool in pools)

    def close(self) -> None:
        """Close all idle connections."""
        for pool in self._by_key.values():
            pool.close()


def _unavailable(reason: str) -> UpstreamError:
    return UpstreamError(RefusalCode.UPSTREAM_UNAVAILABLE, reason)
