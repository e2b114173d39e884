"""The service that the demo protects: ordinary, talkative, and without any defence of its own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

from aiohttp import WSMsgType, web

ITEMS: Final = {
    "1": {"id": "1", "name": "anvil", "price": 120},
    "2": {"id": "2", "name": "bellows", "price": 80},
    "3": {"id": "3", "name": "chisel", "price": 15},
}
# Bounds on what a query may ask for: the demo is a target, not a load generator.
MAX_LINES: Final = 100_000
MAX_SECONDS: Final = 60.0
MAX_DOWNLOAD_BYTES: Final = 4 << 30

_SLOWEST: Final = web.AppKey("slowest", float)

_PAGES: Final = files("sidecar.fronts.demo") / "pages"
_PAGE_TYPES: Final = {
    "index.html": "text/html",
    "demo.css": "text/css",
    "demo.js": "text/javascript",
}
_BLOCK: Final = bytes(range(256)) * 256


def application(slowest: float = MAX_SECONDS) -> web.Application:
    """Build the service: every kind of answer that a proxy has to carry, and some it must mend.

    Args:
        slowest: seconds that `/slow` takes at most, whatever is asked for.
    """
    app = web.Application()
    app[_SLOWEST] = slowest
    app.add_routes(
        [
            web.get("/", _index),
            web.get("/assets/{name}", _asset),
            web.get("/api/items", _list_items),
            web.post("/api/items", _create_item),
            web.get("/api/items/{id}", _show_item),
            web.route("*", "/echo/{tail:.*}", _echo),
            web.route("*", "/upload", _upload),
            web.get("/download", _download),
            web.get("/stream", _stream),
            web.get("/events", _events),
            web.get("/ws", _websocket),
            web.get("/leaky", _leaky),
            web.get("/internal/report", _internal_report),
            web.get("/slow", _slow),
            web.get("/crash", _crash),
        ]
    )
    return app


@asynccontextmanager
async def serving(
    host: str = "127.0.0.1", port: int = 0, slowest: float = MAX_SECONDS
) -> AsyncIterator[int]:
    """Serve the application while the block runs.

    Args:
        host: loopback address to bind; nothing but the sidecar should reach the service.
        port: TCP port, 0 for any free one.
        slowest: as of `application`; for whoever asks without a sidecar, which would not wait.

    Yields:
        The port that was bound.

    Raises:
        OSError: the port cannot be bound.
    """
    # The default of 60 s would let one open event stream hold up the end of the demo.
    runner = web.AppRunner(application(slowest), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _page(name: str) -> web.Response:
    return web.Response(
        body=(_PAGES / name).read_bytes(), content_type=_PAGE_TYPES[name], charset="utf-8"
    )


async def _index(_: web.Request) -> web.Response:
    return _page("index.html")


async def _asset(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in _PAGE_TYPES:
        raise web.HTTPNotFound
    return _page(name)


async def _list_items(_: web.Request) -> web.Response:
    return web.json_response({"items": list(ITEMS.values())})


async def _create_item(request: web.Request) -> web.Response:
    try:
        item = await request.json()
    except ValueError:
        return web.json_response({"error": "not JSON"}, status=400)
    return web.json_response({"created": item}, status=201)


async def _show_item(request: web.Request) -> web.Response:
    item = ITEMS.get(request.match_info["id"])
    if item is None:
        return web.json_response({"error": "no such item"}, status=404)
    return web.json_response(item)


async def _echo(request: web.Request) -> web.Response:
    """Tell what arrived, byte for byte, so that one sees what the sidecar removed and added."""
    fields = [
        [name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers
    ]
    return web.json_response(
        {"method": request.method, "target": request.raw_path, "headers": fields}
    )


async def _upload(request: web.Request) -> web.Response:
    digest, size_bytes = hashlib.sha256(), 0
    async for block in request.content.iter_any():
        digest.update(block)
        size_bytes += len(block)
    return web.json_response({"bytes": size_bytes, "sha256": digest.hexdigest()})


async def _download(request: web.Request) -> web.StreamResponse:
    left = int(_number(request, "bytes", 1 << 20, MAX_DOWNLOAD_BYTES))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    await response.prepare(request)
    while left:
        block = _BLOCK[:left]
        await response.write(block)
        left -= len(block)
    return response


async def _stream(request: web.Request) -> web.StreamResponse:
    lines = int(_number(request, "lines", 5, MAX_LINES))
    pause = _number(request, "seconds", 0.2, MAX_SECONDS)
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    for line in range(lines):
        await response.write(f"line {line + 1}\n".encode())
        await asyncio.sleep(pause)
    return response


async def _events(request: web.Request) -> web.StreamResponse:
    count = int(_number(request, "count", 5, MAX_LINES))
    pause = _number(request, "seconds", 0.2, MAX_SECONDS)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    for event in range(count):
        await response.write(f"id: {event + 1}\ndata: event {event + 1}\n\n".encode())
        await asyncio.sleep(pause)
    return response


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("echo",))
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def _leaky(_: web.Request) -> web.Response:
    """Answer like a service that was set up in a hurry."""
    return web.Response(
        text="look at my response header fields\n",
        headers={
            "Server": "Apache/2.4.1 (Unix) OpenSSL/1.0.2k",
            "X-Powered-By": "PHP/5.4.0",
            "X-AspNet-Version": "4.0.30319",
            "X-Frame-Options": "ALLOWALL",
        },
    )


async def _internal_report(_: web.Request) -> web.Response:
    return web.json_response({"secret": "quarterly figures"})


async def _slow(request: web.Request) -> web.Response:
    seconds = _number(request, "seconds", 5, MAX_SECONDS)
    await asyncio.sleep(min(seconds, request.app[_SLOWEST]))
    return web.Response(text=f"after {seconds:g} s\n")


async def _crash(request: web.Request) -> web.Response:
    """Hang up in the middle of the exchange, as a process does that dies."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _number(request: web.Request, name: str, default: float, most: float) -> float:
    try:
        number = float(request.query.get(name, default))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} is not a number\n") from None
    if not 0 <= number <= most:
        raise web.HTTPBadRequest(text=f"{name} is not between 0 and {most:g}\n")
    return number
