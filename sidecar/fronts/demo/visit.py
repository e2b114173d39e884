"""One request of the tour and the answer it got: plain HTTP, raw bytes, or a WebSocket."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

from aiohttp import ClientSession, ClientTimeout, TraceConfig, TraceRequestEndParams, WSMsgType
from yarl import URL

# No stop of the tour takes longer than this; it is what keeps a broken demo from hanging.
STOP_SECONDS: Final = 10.0
_SHOWN_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Plain:
    """An ordinary request.

    Attributes:
        method: the method.
        target: path and query, sent byte for byte.
        fields: header fields to send beside those that every client sends.
        body: the body; none is sent when it is empty.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that no honest client would send, written to the socket as they are."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Echo:
    """A WebSocket handshake, one message, and the wait for its echo."""

    target: str
    text: str


Request = Plain | Raw | Echo


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status code, 0 if there was no answer.
        reason: the reason phrase.
        fields: header fields in order, as received.
        body: the body as text, at most 64 KiB of it.
        pieces: how many times bytes of the body arrived; more than one means it was streamed.
        is_closed: whether the sidecar ended the connection; known for raw requests only.
    """

    status: int = 0
    reason: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    pieces: int = 0
    is_closed: bool = False

    def get(self, name: str) -> str | None:
        """Look up the first value of a header field; the name's case does not matter."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), None)


async def send(origin: tuple[str, int], request: Request) -> Answer:
    """Send one request over a connection of its own and read the answer.

    Args:
        origin: host and port of the sidecar's proxy listener.
        request: what to send.

    Raises:
        OSError: the connection failed, or there was no answer in time.
        aiohttp.ClientError: the answer was not HTTP, or ended early.
    """
    async with asyncio.timeout(STOP_SECONDS):
        match request:
            case Plain():
                return await _send_plain(origin, request)
            case Raw():
                return await _send_raw(origin, request)
            case Echo():
                return await _send_echo(origin, request)


def _url(origin: tuple[str, int], target: str) -> URL:
    # Encoded already: yarl must not tidy up what the tour wants to be refused.
    return URL(f"http://{origin[0]}:{origin[1]}{target}", encoded=True)


async def _send_plain(origin: tuple[str, int], request: Plain) -> Answer:
    timeout = ClientTimeout(total=STOP_SECONDS)
    async with (
        ClientSession(timeout=timeout) as session,
        session.request(
            request.method,
            _url(origin, request.target),
            headers=request.fields,
            data=request.body or None,
            allow_redirects=False,
        ) as response,
    ):
        answer = Answer(response.status, response.reason or "", list(response.headers.items()))
        body = bytearray()
        async for piece in response.content.iter_any():
            answer.pieces += 1
            body += piece[: _SHOWN_BYTES - len(body)]
        answer.body = body.decode("utf-8", "replace")
        return answer


async def _send_raw(origin: tuple[str, int], request: Raw) -> Answer:
    reader, writer = await asyncio.open_connection(*origin)
    try:
        writer.write(request.message)
        await writer.drain()
        # The end of the connection is part of the expected answer, so it is waited for.
        reply = bytearray()
        with suppress(ConnectionResetError):
            while len(reply) < _SHOWN_BYTES and (piece := await reader.read(4096)):
                reply += piece
        return _parse(bytes(reply), is_closed=len(reply) < _SHOWN_BYTES)
    finally:
        writer.close()


def _parse(reply: bytes, *, is_closed: bool) -> Answer:
    """Split one answer into its parts; whatever follows it stays visible in the body."""
    head, _, body = reply.decode("utf-8", "replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    _, status, reason = (*start.split(" ", 2), "", "")[:3]
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    number = int(status) if status.isdecimal() else 0
    return Answer(number, reason, fields, body, pieces=1, is_closed=is_closed)


async def _send_echo(origin: tuple[str, int], request: Echo) -> Answer:
    answer = Answer()

    async def keep_head(_: ClientSession, __: SimpleNamespace, seen: TraceRequestEndParams) -> None:
        answer.status, answer.reason = seen.response.status, seen.response.reason or ""
        answer.fields = list(seen.response.headers.items())

    # aiohttp shows the head of a handshake's answer to a trace only.
    trace = TraceConfig()
    trace.on_request_end.append(keep_head)
    async with (
        ClientSession(trace_configs=[trace]) as session,
        session.ws_connect(_url(origin, request.target), protocols=("echo",)) as socket,
    ):
        await socket.send_str(request.text)
        message = await socket.receive(STOP_SECONDS)
        answer.body = message.data if message.type is WSMsgType.TEXT else message.type.name
        answer.pieces = 1
    return answer
