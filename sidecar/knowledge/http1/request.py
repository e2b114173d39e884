"""Request heads: aiohttp's C parser reads them, and the rules that it lacks are added (RQ-7).

The parser is fed with exactly one head, never with a body: fed with whole messages it turns the
last trailer field of one request into a field of the next (measured on aiohttp 3.12 to 3.14.5).
A parser that saw a message with a body is thrown away for the same reason.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from aiohttp import http_exceptions
from aiohttp._http_parser import HttpRequestParser

from sidecar.knowledge.http1.strict import (
    LOOSE_LINE_END,
    METHOD,
    TARGET,
    is_host,
    parse_length,
)
from sidecar.model.errors import ProtocolError
from sidecar.model.headers import Field, list_members
from sidecar.model.memo import Memo
from sidecar.model.message import CHUNKED, FieldKind, RequestHead, Upgrade
from sidecar.model.refusals import RefusalCode

HEAD_END: Final = b"\r\n\r\n"
_BAD: Final = RefusalCode.BAD_REQUEST
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()

_KINDS: Final = {
    b"host": FieldKind.HOST,
    b"content-length": FieldKind.CONTENT_LENGTH,
    b"transfer-encoding": FieldKind.TRANSFER_ENCODING,
    b"connection": FieldKind.CONNECTION,
    b"expect": FieldKind.EXPECT,
    b"upgrade": FieldKind.UPGRADE,
    # Two of one of these would be two readings: one of ours, another of the service behind us.
    b"authorization": FieldKind.SINGLE,
    b"content-type": FieldKind.SINGLE,
    b"content-encoding": FieldKind.PLAIN,
    b"origin": FieldKind.SINGLE,
    b"sec-websocket-key": FieldKind.SINGLE,
    b"sec-websocket-version": FieldKind.SINGLE,
}


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds on a request head.

    Attributes:
        start_line: bytes of the request line.
        head: bytes of the whole head, the request line included.
        fields: number of field lines.
    """

    start_line: int
    head: int
    fields: int


class _NoFlow:
    """Stands in for the transport that aiohttp's parser would pause."""

    def pause_reading(self) -> None:
        """Do nothing: heads are bounded before they are parsed."""

    def resume_reading(self) -> None:
        """Do nothing."""


class RequestHeadParser:
    """Parses the request heads of one connection."""

    __slots__ = ("_hosts", "_kinds", "_limits", "_parser")

    def __init__(
        self, limits: HeadLimits, kinds: Memo[bytes, FieldKind], hosts: Memo[bytes, bool]
    ) -> None:
        self._limits = limits
        self._kinds = kinds
        self._hosts = hosts
        self._parser: HttpRequestParser | None = None

    def check_partial(self, data: bytes) -> None:
        """Judge the beginning of a head whose end has not arrived.

        Raises:
            ProtocolError: no continuation could make it a head within the limits.
        """
        first_line_end = data.find(b"\n")
        line_length = len(data) if first_line_end < 0 else first_line_end
        if line_length > self._limits.start_line:
            raise ProtocolError(RefusalCode.URI_TOO_LONG, "request line longer than the limit")
        if len(data) > self._limits.head or data.count(b"\n") > self._limits.fields + 1:
            raise ProtocolError(RefusalCode.HEADERS_TOO_LARGE, "head larger than the limits")
        if LOOSE_LINE_END.search(data):
            raise ProtocolError(_BAD, "a line does not end in CRLF")
        if first_line_end < 0 and not METHOD.match(data.partition(b" ")[0][:32]):
            raise ProtocolError(_BAD, "the first bytes are no request line")

    def parse(self, head: bytes) -> RequestHead:
        """Parse one head, from the request line to the empty line.

        Args:
            head: bytes that end with the first CRLFCRLF.

        Raises:
            ProtocolError: the head breaks RFC 9112 or 9110, or a limit.

        Source: RFC 9112 §2 to §7, RFC 9110 §7.2, §10.1.1. Controls: RQ-7.
        """
        method, target, minor = self._request_line(head)
        fields = self._fields(head)
        # One pass over the fields; an ordinary one costs a dictionary look-up.
        kinds = self._kinds.known
        special: dict[FieldKind, list[bytes]] = {}
        for name, value in fields:
            try:
                kind = kinds[name]
            except KeyError:
                kind = self._kinds(name)
            if kind:
                self._note(special, kind, name, value)
        return self._judge(method, target, minor, fields, special)

    def _request_line(self, head: bytes) -> tuple[bytes, bytes, int]:
        line_end = head.find(b"\r\n")
        if line_end > self._limits.start_line:
            raise ProtocolError(RefusalCode.URI_TOO_LONG, "request line longer than the limit")
        if len(head) > self._limits.head or head.count(b"\n") - 2 > self._limits.fields:
            raise ProtocolError(RefusalCode.HEADERS_TOO_LARGE, "head larger than the limits")
        parts = head[:line_end].split(b" ")
        if len(parts) != 3:
            raise ProtocolError(_BAD, "the request line is not method, target and version")
        method, target, version = parts
        if not METHOD.match(method):
            raise ProtocolError(_BAD, "malformed method")
        if version == b"HTTP/1.1":
            minor = 1
        elif version == b"HTTP/1.0":
            minor = 0
        else:
            raise _bad_version(version)
        if not TARGET.match(target):
            raise ProtocolError(_BAD, "the request target holds a byte that no URI may hold")
        if method in {b"CONNECT", b"TRACE"}:
            raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, f"method {method.decode()}")
        return method, target, minor

    def _fields(self, head: bytes) -> tuple[Field, ...]:
        parser = self._parser
        if parser is None:
            size = self._limits.head
            # mypy sees no signature of the C class; the limits are ours, checked already.
            parser = HttpRequestParser(
                _NoFlow(),  # type: ignore[arg-type]  # any object with these two methods will do
                None,  # type: ignore[arg-type]  # the loop is only used for bodies
                1,
                max_line_size=size,
                max_headers=self._limits.fields + 1,
                max_field_size=size,
                auto_decompress=False,
            )
        # Until the head proves to have no body the parser must not be used again.
        self._parser = None
        try:
            messages, _, tail = parser.feed_data(head)
        except http_exceptions.BadHttpMethod as error:
            raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, "unknown method") from error
        except http_exceptions.HttpProcessingError as error:
            raise ProtocolError(_BAD, "malformed head") from error
        if len(messages) != 1 or tail:
            raise ProtocolError(_BAD, "malformed head")
        message = messages[0][0]
        if not (message.chunked or message.upgrade) and b"ontent-" not in head:
            self._parser = parser
        fields: tuple[Field, ...] = message.raw_headers
        return fields

    @staticmethod
    def _note(
        special: dict[FieldKind, list[bytes]], kind: FieldKind, name: bytes, value: bytes
    ) -> None:
        if kind is not FieldKind.SINGLE:
            special.setdefault(kind, []).append(value)
            return
        seen = special.setdefault(kind, [])
        lowered = name.lower()
        if lowered in seen:
            raise ProtocolError(_BAD, f"two {lowered.decode()} fields")
        seen.append(lowered)

    def _judge(
        self,
        method: bytes,
        target: bytes,
        minor: int,
        fields: tuple[Field, ...],
        special: dict[FieldKind, list[bytes]],
    ) -> RequestHead:
        host = self._host(special.get(FieldKind.HOST), minor)
        path, query, authority = _split_target(target, method)
        if authority is not None and authority != host:
            raise ProtocolError(_BAD, "the target's authority differs from Host")
        length = _length(special, minor)
        options = _NO_OPTIONS
        keeps_alive = minor == 1
        if FieldKind.CONNECTION in special:
            options = _connection_options(special[FieldKind.CONNECTION])
            keeps_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
        expects_continue = FieldKind.EXPECT in special and _expects(special[FieldKind.EXPECT], minor)
        upgrade = Upgrade.NONE
        if FieldKind.UPGRADE in special and minor == 1 and b"upgrade" in options:
            upgrade = _upgrade(special[FieldKind.UPGRADE], method, length, fields)
        return RequestHead(
            method, target, path, query, minor, fields, host, length,
            keeps_alive, expects_continue, upgrade, options,
        )  # fmt: skip

    def _host(self, values: list[bytes] | None, minor: int) -> bytes | None:
        if values is None:
            if minor == 1:
                raise ProtocolError(_BAD, "no Host field")
            return None
        if len(values) > 1:
            raise ProtocolError(_BAD, "two Host fields")
        if not self._hosts(values[0]):
            raise ProtocolError(_BAD, "malformed Host")
        return values[0].lower()


def new_kinds() -> Memo[bytes, FieldKind]:
    """Make the memo of field kinds that the connections of a listener share."""
    return Memo(lambda name: _KINDS.get(name.lower(), FieldKind.PLAIN))


def new_hosts() -> Memo[bytes, bool]:
    """Make the memo of Host values that the connections of a listener share."""
    return Memo(is_host)


def _bad_version(version: bytes) -> ProtocolError:
    is_a_version = (
        len(version) == len(b"HTTP/1.1")
        and version.startswith(b"HTTP/")
        and version[5:6].isdigit()
        and version[6:7] == b"."
        and version[7:8].isdigit()
    )
    if is_a_version:
        return ProtocolError(RefusalCode.VERSION_NOT_SUPPORTED, "neither HTTP/1.0 nor HTTP/1.1")
    return ProtocolError(_BAD, "malformed HTTP version")


def _split_target(target: bytes, method: bytes) -> tuple[bytes, bytes | None, bytes | None]:
    """Split a target into path, query and authority (RFC 9112 §3.2)."""
    authority = None
    rest = target
    if not target.startswith(b"/"):
        if target == b"*" and method == b"OPTIONS":
            return target, None, None
        scheme, separator, after = target.partition(b"://")
        if not separator or scheme.lower() not in {b"http", b"https"}:
            raise ProtocolError(_BAD, "the target is neither a path nor an http URL")
        end = min((at for at in (after.find(b"/"), after.find(b"?")) if at >= 0), default=len(after))
        authority = after[:end].lower()
        rest = after[end:]
        if not rest.startswith(b"/"):
            rest = b"/" + rest
    path, mark, query = rest.partition(b"?")
    return path, query if mark else None, authority


def _length(special: dict[FieldKind, list[bytes]], minor: int) -> int:
    """Fix the length of the body (RFC 9112 §6.3)."""
    lengths = special.get(FieldKind.CONTENT_LENGTH)
    codings = special.get(FieldKind.TRANSFER_ENCODING)
    if codings is not None:
        if lengths is not None:
            raise ProtocolError(_BAD, "Content-Length beside Transfer-Encoding")
        if minor == 0:
            raise ProtocolError(_BAD, "Transfer-Encoding in HTTP/1.0")
        _check_codings(codings)
        return CHUNKED
    if lengths is None:
        return 0
    length = parse_length(lengths[0]) if len(lengths) == 1 else None
    if length is None:
        raise ProtocolError(_BAD, "malformed or repeated Content-Length")
    return length


def _check_codings(values: list[bytes]) -> None:
    if len(values) == 1 and values[0].lower() == b"chunked":
        return
    codings = [coding.lower() for coding in list_members(values)]
    # An unknown coding before a final `chunked` is framed, only not understood (RFC 9112 §6.1).
    if codings and codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and codings[:-1]:
        raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, "transfer coding other than chunked")
    raise ProtocolError(_BAD, "Transfer-Encoding is not exactly 'chunked'")


def _connection_options(values: list[bytes]) -> frozenset[bytes]:
    if len(values) == 1 and (single := values[0].lower()) in {b"keep-alive", b"close", b"upgrade"}:
        return frozenset((single,))
    return frozenset(option.lower() for option in list_members(values))


def _expects(values: list[bytes], minor: int) -> bool:
    if len(values) != 1 or values[0].lower() != b"100-continue":
        raise ProtocolError(_BAD, "an expectation other than 100-continue")
    # RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request
    # MUST ignore that expectation."
    return minor == 1


def _upgrade(
    values: list[bytes], method: bytes, length: int, fields: tuple[Field, ...]
) -> Upgrade:
    """Accept a WebSocket handshake and nothing else (RFC 6455 §4.2.1)."""
    if [value.lower() for value in list_members(values)] != [b"websocket"]:
        raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, "upgrade to something else than WebSocket")
    if method != b"GET" or length != 0:
        raise ProtocolError(_BAD, "a WebSocket handshake is a GET without a body")
    given = {name.lower(): value for name, value in fields}
    if given.get(b"sec-websocket-version") != b"13":
        raise ProtocolError(_BAD, "WebSocket version other than 13")
    if not _is_websocket_key(given.get(b"sec-websocket-key", b"")):
        raise ProtocolError(_BAD, "malformed Sec-WebSocket-Key")
    return Upgrade.WEBSOCKET


def _is_websocket_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


