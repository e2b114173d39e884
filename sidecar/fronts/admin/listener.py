"""The admin and health listeners: start, stop, and bounds on those who connect."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web, web_app
from aiohttp.web_request import BaseRequest

from sidecar.adapters.sockets import open_socket
from sidecar.fronts.admin.answers import problem

CONNECTIONS: Final = 256
HANDLER_SECONDS: Final = 10.0
# A reload decodes for a minute at most, then builds; whoever asked is to hear what became of it.
PATIENCE: Final = {"/v1/reload": 100.0}
"""Seconds by path for what may take longer; less than `LIFE_SECONDS`."""
# From the connection or the last answer to the end of the next head: slow heads end here.
HEAD_SECONDS: Final = 15.0
# Whatever a client does or leaves undone, such as reading: no connection is older.
LIFE_SECONDS: Final = 120.0
LINGER_SECONDS: Final = 1.0
STOP_SECONDS: Final = 2.0
LINE_BYTES: Final = 4096
FIELD_BYTES: Final = 8192
FIELDS: Final = 64

_LOG: Final = logging.getLogger("sidecar.admin")

_Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """One address on which an application is served.

    Args:
        app: from `applications.py`.
        host: address to bind.
        port: TCP port, 0 for any free one.
        connections: clients that may be connected at a time; more are cut off.
    """

    def __init__(
        self, app: web.Application, host: str, port: int, connections: int = CONNECTIONS
    ) -> None:
        self._host = host
        self._port = port
        self._connections = connections
        self._application = web.AppRunner(app, access_log=None)
        self._server: _Server | None = None
        self._serving: web.ServerRunner | None = None

    @property
    def port(self) -> int:
        """The port that was bound; 0 before the start."""
        return int(self._serving.addresses[0][1]) if self._serving else 0

    async def start(self) -> None:
        """Bind the address and serve.

        Raises:
            OSError: the address cannot be bound.
        """
        server = self._server = _Server(await _set_up(self._application), self._connections)
        self._serving = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await self._serving.setup()
        try:
            await web.SockSite(self._serving, open_socket(self._host, self._port)).start()
        except OSError:
            await self.close()
            raise

    async def stage(self, app: web.Application) -> Callable[[], None]:
        """Prepare to serve another application.

        Args:
            app: from `applications.py`.

        Returns:
            What puts it in the place of the one before, for the next request of each connection.
        """
        runner = web.AppRunner(app, access_log=None)
        inner = await _set_up(runner)

        def change() -> None:
            self._application = runner
            if self._server is not None:
                self._server.inner = inner
            # aiohttp remembers the last 1,024 handlers, and with each its application, which has
            # the policy that it was made for.
            web_app._cached_build_middleware.cache_clear()  # noqa: SLF001 -- no other way to say so

        return change

    async def close(self) -> None:
        """Stop, after answers that are under way."""
        if self._serving is not None:
            await self._serving.cleanup()
            self._serving = None
        await self._application.cleanup()


async def _set_up(runner: web.AppRunner) -> web.Server:
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp set up no server")
    return runner.server


class _Server(web.Server):
    """A server whose clients are bounded in number and time, and see one face for every error.

    Attributes:
        inner: the server of the application, which another one may take the place of: connections
            that are open ask it anew for each request.
    """

    def __init__(self, inner: web.Server, limit: int) -> None:
        self.inner = inner
        super().__init__(
            _with_one_face(lambda request: self.inner.request_handler(request)),  # noqa: PLW0108 -- anew each time
            request_factory=lambda *words: self.inner.request_factory(*words),  # noqa: PLW0108 -- likewise
            access_log=None,
            keepalive_timeout=HEAD_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=LINE_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS,
        )
        self._limit = limit
        self._ends: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._ends) >= self._limit:
            transport.abort()
        else:
            self._ends[handler] = self._loop.call_later(LIFE_SECONDS, transport.abort)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        if end := self._ends.pop(handler, None):
            end.cancel()


class _Protocol(web.RequestHandler):
    """A connection on which a malformed request is answered like any other refusal."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused; it is not logged, since anybody can send it."""
        del request, exc, message
        answer = problem(status)
        answer.force_close()
        return answer


def _with_one_face(handler: _Handler) -> _Handler:
    async def answer(request: BaseRequest) -> web.StreamResponse:
        seconds = PATIENCE.get(request.path, HANDLER_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await handler(request)
        except web.HTTPException as error:
            allowed = error.headers.get("Allow")
            return problem(error.status, () if allowed is None else (("Allow", allowed),))
        except TimeoutError:
            _LOG.warning("%s took longer than %d s", request.path, seconds)
            return problem(503)
        except Exception:  # noqa: BLE001 -- the top of a task: log, an opaque 500
            _LOG.exception("%s failed", request.path)
            return problem(500)

    return answer
