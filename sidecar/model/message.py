"""Heads of HTTP/1.1 messages, parsed and judged, as values."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from sidecar.model.headers import Field

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


class Upgrade(Enum):
    """What a request asks the connection to become."""

    NONE = 0
    WEBSOCKET = 1


class FieldKind(IntEnum):
    """How the sidecar treats a request field, decided once for each spelling of its name."""

    PLAIN = 0
    HOST = 1
    CONTENT_LENGTH = 2
    TRANSFER_ENCODING = 3
    CONNECTION = 4
    EXPECT = 5
    UPGRADE = 6
    SINGLE = 7


@dataclass(slots=True)
class RequestHead:
    """A request head that passed every rule of RFC 9112.

    Attributes:
        method: upper-case token.
        target: the request target as received.
        path: path of the target, origin form, as received.
        query: query of the target without `?`, as received; None when there is none.
        minor: 0 or 1, of HTTP/1.x.
        fields: all field lines in order, as received.
        host: value of Host in lower case, None when an HTTP/1.0 client sent none.
        length: body length in bytes, or CHUNKED.
        keeps_alive: whether the client means to keep the connection.
        expects_continue: whether the client waits for 100 (Continue).
        upgrade: what the connection is to become.
        connection_options: names that `Connection` lists, in lower case.
    """

    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    minor: int
    fields: tuple[Field, ...]
    host: bytes | None
    length: int
    keeps_alive: bool
    expects_continue: bool
    upgrade: Upgrade
    connection_options: frozenset[bytes]

    def values(self, name: bytes) -> list[bytes]:
        """Collect the values of all lines of one field, in order.

        Args:
            name: field name in lower case.
        """
        return [value for key, value in self.fields if key.lower() == name]


@dataclass(slots=True)
class ResponseHead:
    """A response head of the upstream that passed every rule of RFC 9112.

    Attributes:
        status: 100 to 599.
        reason: reason phrase as received.
        fields: all field lines in order, as received.
        length: body length in bytes, CHUNKED, or UNTIL_CLOSE.
        keeps_alive: whether the connection can serve another request.
        is_event_stream: whether the content type is text/event-stream.
        connection_options: names that `Connection` lists, in lower case.
    """

    status: int
    reason: bytes
    fields: list[Field]
    length: int
    keeps_alive: bool
    is_event_stream: bool
    connection_options: frozenset[bytes]
