"""Real receivers of audit records: a syslog server over TCP or TLS, and an HTTP server."""

import asyncio
import gzip
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.ports import HOST, free_port

Line = dict[str, Any]

_MESSAGE: Final = re.compile(rb"<110>1 (\S+) (\S+) sidecar ([0-9]+) (\S{1,32}) - (\{.*\})\Z")


def whole(lines: Sequence[bytes]) -> list[Line]:
    return [json.loads(line) for line in lines]


def routes(lines: Sequence[Line]) -> list[str]:
    """Name the routes of requests, each once, in the order in which they came first."""
    return list(dict.fromkeys(r["resource_id"] for r in lines if r["action"] == "request"))


def missing(lines: Sequence[Line]) -> int:
    """Add up what the records of gaps tell."""
    gaps = {r["id"]: r["metadata"]["dropped"] for r in lines if r["action"] == "audit.gap"}
    return sum(gaps.values())


@dataclass(slots=True)
class SyslogServer:
    """A server that takes messages with octet counting, when it reads.

    Attributes:
        port: its port, the same for its whole life.
        lines: what came, without the head of syslog.
        heads: the heads: time, host, process, message id.
        reads: set while it reads.
        room: bytes that the system takes for it while it does not; 0 for the usual.
    """

    context: ssl.SSLContext | None = None
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    heads: list[tuple[bytes, ...]] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    room: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen."""
        self.port = self.port or free_port()
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.room:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.room)
        listening.bind((HOST, self.port))
        self._server = await asyncio.start_server(
            self._serve, sock=listening, ssl=self.context, limit=4096
        )

    async def stop(self) -> None:
        """Go: nobody listens, and connections are cut."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                await self.reads.wait()
                length = await reader.readuntil(b" ")
                message = await reader.readexactly(int(length))
                found = _MESSAGE.match(message)
                assert found is not None, message
                *head, line = found.groups()
                self.heads.append(tuple(head))
                self.lines.append(json.loads(line))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._writers.discard(writer)


@asynccontextmanager
async def syslog(
    context: ssl.SSLContext | None = None, room: int = 0
) -> AsyncIterator[SyslogServer]:
    server = SyslogServer(context, room=room)
    server.reads.set()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@dataclass(slots=True)
class HttpServer:
    """A server that takes batches.

    Attributes:
        answers: statuses and fields of the next answers, then 204.
        lines: what was taken.
        sizes: lines of each request.
        headers: fields of each request.
        hangs: whether it does not answer.
    """

    port: int = 0
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most: int = 10**6
    hangs: bool = False

    async def take(self, request: web.Request) -> web.Response:
        """Take a batch, or answer what comes next."""
        self.headers.append(dict(request.headers))
        body = await request.read()
        if self.hangs:
            await asyncio.sleep(3600)
        # aiohttp has unpacked it already.
        lines = whole((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).splitlines())
        self.sizes.append(len(lines))
        if len(lines) > self.most:
            return web.Response(status=413)
        if self.answers:
            status, headers = self.answers.pop(0)
            return web.Response(status=status, headers=headers)
        self.lines += lines
        return web.Response(status=204)


@asynccontextmanager
async def http(context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[HttpServer]:
    server = HttpServer(port or free_port())
    app = web.Application()
    app.router.add_post("/ingest", server.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, server.port, ssl_context=context).start()
    try:
        yield server
    finally:
        await runner.cleanup()
