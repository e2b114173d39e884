"""Heads of HTTP/1.1 messages, parsed and judged, as values."""

from dataclasses import dataclass
from typing import Final

from sidecar.model.fields import NAMED, Field

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
METHOD_NAMES: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
"""Methods as text; a client may send any other token."""


@dataclass(init=False, slots=True)
class RequestHead:
    """A request head that passed every rule of RFC 9112.

    Attributes:
        method: upper-case token.
        target: the request target as received.
        path: path of the target, origin form, as received.
        query: query of the target without `?`, as received; None when there is none.
        minor: 0 or 1, of HTTP/1.x.
        lines: all field lines in order, as received.
        named: those of them that are not plain, in order.
        passing: those that go on whoever sent them, in order.
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
    named: list[Field]
    passing: list[bytes]
    host: bytes | None
    length: int
    keeps_alive: bool
    expects_continue: bool
    is_websocket: bool
    connection_options: frozenset[bytes]

    # Written out: the constructor that `dataclass` makes stays interpreted, and costs 0.4 µs more.
    def __init__(  # noqa: PLR0913, PLR0917 -- as many as there are facts
        self,
        method: bytes,
        target: bytes,
        path: bytes,
        query: bytes | None,
        minor: int,
        lines: list[bytes],
        named: list[Field],
        passing: list[bytes],
        host: bytes | None,
        length: int,
        keeps_alive: bool,  # noqa: FBT001 -- by position, as a dataclass has it
        expects_continue: bool,  # noqa: FBT001 -- by position, as a dataclass has it
        is_websocket: bool,  # noqa: FBT001 -- by position, as a dataclass has it
        connection_options: frozenset[bytes],
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.minor = minor
        self.lines = lines
        self.named = named
        self.passing = passing
        self.host = host
        self.length = length
        self.keeps_alive = keeps_alive
        self.expects_continue = expects_continue
        self.is_websocket = is_websocket
        self.connection_options = connection_options

    def values(self, name: bytes) -> list[bytes]:
        """Collect the values of all lines of one field, in order.

        Args:
            name: field name in lower case.
        """
        if name in NAMED:
            return [field.value for field in self.named if field.name == name]
        start = name + b":"
        size = len(start)
        return [line[size:].strip(b" \t") for line in self.lines if line[:size].lower() == start]


@dataclass(init=False, slots=True)
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

    # Written out, as above.
    def __init__(  # noqa: PLR0913, PLR0917 -- as many as there are facts
        self,
        status: int,
        start: bytes,
        lines: list[bytes],
        length: int,
        keeps_alive: bool,  # noqa: FBT001 -- by position, as a dataclass has it
        is_event_stream: bool,  # noqa: FBT001 -- by position, as a dataclass has it
        upgrades: tuple[bytes, ...],
    ) -> None:
        self.status = status
        self.start = start
        self.lines = lines
        self.length = length
        self.keeps_alive = keeps_alive
        self.is_event_stream = is_event_stream
        self.upgrades = upgrades
