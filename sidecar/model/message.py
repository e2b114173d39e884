"""Heads of HTTP/1.1 messages, parsed and judged, as values."""

from dataclasses import dataclass
from typing import Final

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


@dataclass(slots=True)
class RequestHead:
    """A request head that passed every rule of RFC 9112.

    Attributes:
        method: upper-case token.
        target: the request target as received.
        path: path of the target, origin form, as received.
        query: query of the target without `?`, as received; None when there is none.
        minor: 0 or 1, of HTTP/1.x.
        lines: all field lines in order, as received.
        host: value of Host in lower case, None when an HTTP/1.0 client sent none.
        length: body length in bytes, or CHUNKED.
        keeps_alive: whether the client means to keep the connection.
        expects_continue: whether the client waits for 100 (Continue).
        is_websocket: whether it is a WebSocket handshake.
        connection_options: names that `Connection` lists, in lower case.
    """

    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    minor: int
    lines: list[bytes]
    host: bytes | None
    length: int
    keeps_alive: bool
    expects_continue: bool
    is_websocket: bool
    connection_options: frozenset[bytes]

    def values(self, name: bytes) -> list[bytes]:
        """Collect the values of all lines of one field, in order.

        Args:
            name: field name in lower case.
        """
        start = name + b":"
        size = len(start)
        return [line[size:].strip(b" \t") for line in self.lines if line[:size].lower() == start]


@dataclass(slots=True)
class ResponseHead:
    """A response head of the upstream that passed every rule of RFC 9112.

    Attributes:
        status: 100 to 599.
        start: the status line as it goes on, with the version that we speak.
        lines: the field lines in order, as received, less those of the connection
            (RFC 9110 §7.6.1).
        length: body length in bytes, CHUNKED, or UNTIL_CLOSE.
        keeps_alive: whether the connection can serve another request.
        is_event_stream: whether the content type is text/event-stream.
        upgrades: protocols that the connection is switched to, in lower case.
    """

    status: int
    start: bytes
    lines: list[bytes]
    length: int
    keeps_alive: bool
    is_event_stream: bool
    upgrades: tuple[bytes, ...]
