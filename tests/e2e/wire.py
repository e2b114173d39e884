"""Both ends of the wire: clients and services that say exactly the bytes that a test wants."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Self

from tests.corpora.reader import Message, read_request, read_response

PATIENCE_SECONDS: Final = 15.0
"""Longest wait for anything that must happen; every time-out of `a_policy` is shorter."""

_RESET: Final = struct.pack("ii", 1, 0)
_QUICK: Final[Mapping[str, object]] = {
    "version": 1,
    "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "drain": "2s"},
    "audit": {"flush": "10ms"},
    "routes": [{"path": "/**", "public": True}],
}


class EndedError(AssertionError):
    """The other side closed the connection where more was to come."""


@dataclass(slots=True)
class Peer:
    """One end of a connection, read message by message.

    Attributes:
        waiting: bytes that were read ahead.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    waiting: bytes = b""

    async def send(self, *pieces: bytes) -> None:
        """Write, and wait until the system took it."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def more(self) -> bool:
        """Read ahead; False at the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            chunk = await self.reader.read(1 << 18)
        self.waiting += chunk
        return bool(chunk)

    async def until(self, end: bytes) -> bytes:
        """Read up to and with some bytes."""
        while end not in self.waiting:
            if not await self.more():
                raise EndedError(f"the connection ended at {self.waiting[:200]!r}")
        wanted, _, self.waiting = self.waiting.partition(end)
        return wanted + end

    async def head(self) -> bytes:
        """Read a message head."""
        return await self.until(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self.waiting) < size:
            if not await self.more():
                raise EndedError(f"the connection ended {size - len(self.waiting)} bytes early")
        wanted, self.waiting = self.waiting[:size], self.waiting[size:]
        return wanted

    async def request(self) -> Message:
        """Read a whole request, strictly."""
        while True:
            message, rest = read_request(self.waiting)
            if message is not None and message.is_complete:
                self.waiting = rest
                return message
            if not await self.more():
                raise EndedError("the connection ended inside a request")

    async def response(self, method: bytes = b"GET") -> Message:
        """Read a whole response, strictly; interim ones are responses too."""
        while True:
            message, rest = read_response(self.waiting, method, has_ended=self.reader.at_eof())
            if message is not None and message.is_complete:
                self.waiting = rest
                return message
            if not await self.more() and not self._is_ended_by_close(method):
                raise EndedError(f"the connection ended inside {self.waiting[:200]!r}")

    def _is_ended_by_close(self, method: bytes) -> bool:
        message, _ = read_response(self.waiting, method, has_ended=True)
        return message is not None and message.is_complete

    async def ask(self, request: bytes) -> Message:
        """Send a request and read its final response."""
        await self.send(request)
        return await self.response(request.partition(b" ")[0])

    async def ended(self) -> bytes:
        """Wait until the other side closed or broke the connection; return what came before."""
        with suppress(ConnectionError):
            while await self.more():
                pass
        return self.waiting

    def finish(self) -> None:
        """Close our half of the connection."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection: the other side sees a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


Serve = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Service:
    """A service behind the sidecar.

    Attributes:
        port: where it listens, 0 for a Unix socket.
        connections: how many it accepted.
        gone: how many of them ended.
    """

    serve: Serve
    port: int = 0
    connections: int = 0
    gone: int = 0
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; the sidecar may break it off at any time."""
        self.connections += 1
        peer = Peer(reader, writer)
        try:
            await self.serve(peer)
        except (ConnectionError, EndedError, TimeoutError):
            pass
        finally:
            peer.close()
            self.gone += 1
            self._ended.set()
            self._ended = asyncio.Event()

    async def lost(self, connections: int) -> None:
        """Wait until so many connections ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.gone < connections:
                await self._ended.wait()

    @property
    def url(self) -> str:
        """Its URL for a policy."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def a_service(
    serve: Serve, *, tls: ssl.SSLContext | None = None, path: str = ""
) -> AsyncIterator[Service]:
    """Run a service for the length of a test; `serve` gets every connection."""
    service = Service(serve)
    if path:
        server = await asyncio.start_unix_server(service.accept, path)
    else:
        server = await asyncio.start_server(service.accept, "127.0.0.1", 0, ssl=tls)
        service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()


@contextmanager
def a_full_backlog() -> Iterator[str]:
    """Give the URL of a service to which no further connection can be made."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@asynccontextmanager
async def a_client(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Open a connection to the sidecar for the length of a test."""
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    peer = Peer(reader, writer)
    try:
        yield peer
    finally:
        peer.close()


@dataclass(slots=True)
class Echo:
    """Answers every request with its target; remembers what it was asked.

    Attributes:
        requests: every request, in order.
    """

    requests: list[Message] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while peer.waiting or await peer.more():
            request = await peer.request()
            self.requests.append(request)
            body = b"" if request.start[0] == b"HEAD" else request.start[1]
            await peer.send(ok(len(request.start[1])) + body)

    @classmethod
    def new(cls) -> Self:
        """Make one."""
        return cls()


def answers(*responses: bytes) -> Serve:
    """Make a service that answers the requests of a connection with these bytes, then closes."""

    async def serve(peer: Peer) -> None:
        for response in responses:
            await peer.request()
            await peer.send(response)

    return serve


def ok(length: int) -> bytes:
    """Write the head of a plain 200."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % length


def get(target: bytes = b"/", *lines: bytes, method: bytes = b"GET") -> bytes:
    """Write a request without a body."""
    return b"".join((method, b" ", target, b" HTTP/1.1\r\nHost: a.example\r\n", *_ended(lines)))


def post(body: bytes, target: bytes = b"/", *lines: bytes) -> bytes:
    """Write a request with a body of declared length."""
    return get(target, b"Content-Length: %d" % len(body), *lines, method=b"POST") + body


def _ended(lines: Sequence[bytes]) -> list[bytes]:
    return [*(line + b"\r\n" for line in lines), b"\r\n"]


def a_policy(upstream: object, **sections: object) -> str:
    """Write a policy with quick time-outs; sections are laid over it, mapping by mapping."""
    policy = _merged({**_QUICK, "upstream": upstream}, sections)
    return json.dumps(policy)


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(known, value)
        else:
            merged[key] = value
    return merged
