"""The obvious proxy in Python: an aiohttp application that asks through a client session.

It enforces nothing. Started as `python aiohttp_proxy.py PORT UPSTREAM_PORT`; uvloop as in the
sidecar, so that what differs is the way bytes go.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Final

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_SESSION: Final = web.AppKey("session", ClientSession)
_UPSTREAM: Final = web.AppKey("upstream", str)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((n, v) for n, v in headers.items() if n.lower() not in _HOP_BY_HOP)


async def _pass_on(request: web.Request) -> web.StreamResponse:
    asked = request.app[_SESSION].request(
        request.method,
        request.app[_UPSTREAM] + request.raw_path,
        headers=_end_to_end(request.headers),
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    )
    async with asked as answer:
        response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _session(app: web.Application) -> AsyncIterator[None]:
    session = ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
    )
    async with session:
        app[_SESSION] = session
        yield


def _application(upstream: str) -> web.Application:
    app = web.Application(client_max_size=0)
    app[_UPSTREAM] = upstream
    app.cleanup_ctx.append(_session)
    app.router.add_route("*", "/{path:.*}", _pass_on)
    return app


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(
        _application(f"http://127.0.0.1:{sys.argv[2]}"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
    )
