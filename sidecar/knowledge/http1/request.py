"""Request heads: two readers must agree on every field line (RQ-7).

Our grammar splits a head and classifies its lines; a second reader, aiohttp's C parser, reads each
line that was not read before, and both must see the same name and value. A line that both have read
needs no second reading, which saves 11 µs for a request whose lines are known.
"""

from collections.abc import Mapping
from typing import Final

from sidecar.knowledge.http1.lines import UNKNOWN, Lines, MalformedLineError, split_line
from sidecar.knowledge.http1.second_reader import SecondReader
from sidecar.knowledge.http1.strict import (
    LOOSE_LINE_END,
    METHOD,
    METHODS,
    NO_TARGET,
    TOKEN,
    HeadLimits,
    is_host,
    is_websocket_key,
    parse_length,
)
from sidecar.model.errors import ProtocolError
from sidecar.model.fields import NAMED, PASSES, Field, treatment_of
from sidecar.model.headers import list_members
from sidecar.model.memo import LineMemo, Memo
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.refusals import RefusalCode

HEAD_END: Final = b"\r\n\r\n"
_BAD: Final = RefusalCode.BAD_REQUEST
# What a connection may remember: with all connections of the default policy 16 MB at most.
_OWN_LINES: Final = 2
_OWN_BYTES: Final = 2048
# As numbers: bytes in bytes are looked for as a number first, which fails at a cost of 0.1 µs.
_SLASH: Final = 0x2F
_QUERY_MARK: Final = 0x3F
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()

# What a field means to the framing. Plain integers: a member of an IntEnum costs 0.1 µs whenever a
# dictionary hashes it, ten times a request.
_NOTHING: Final = 0
_HOST: Final = 1
_CONTENT_LENGTH: Final = 2
_TRANSFER_ENCODING: Final = 3
_CONNECTION: Final = 4
_EXPECT: Final = 5
_UPGRADE: Final = 6
_SINGLE: Final = 7
_HARMLESS: Final = frozenset((_NOTHING, _SINGLE))

_KINDS: Final = {
    b"host": _HOST,
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"upgrade": _UPGRADE,
    # Two of one of these would be two readings: one of ours, another of the service behind us.
    b"authorization": _SINGLE,
    b"content-type": _SINGLE,
    b"origin": _SINGLE,
    b"sec-websocket-key": _SINGLE,
    b"sec-websocket-version": _SINGLE,
}


class RequestHeadParser:
    """Parses the request heads of one connection."""

    __slots__ = ("_hosts", "_limits", "_lines", "_own", "_reader", "_scheme")

    def __init__(
        self, limits: HeadLimits, lines: Lines, hosts: Memo[bytes, bool], *, is_tls: bool = False
    ) -> None:
        """Keep what the connections of a listener share.

        Args:
            limits: bounds on a head.
            lines: memory made by `new_request_lines`.
            hosts: memory made by `new_hosts`.
            is_tls: whether the connection is one of TLS.
        """
        self._scheme = b"https" if is_tls else b"http"
        self._limits = limits
        self._lines = lines
        self._hosts = hosts
        self._reader = SecondReader()
        # Lines that no memory of all connections may hold, such as those with a credential: the
        # same caller sends them again, and reading them twice each time takes 4 µs.
        self._own: dict[bytes, Field | None] = {}

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
        if len(head) > self._limits.head:
            raise ProtocolError(RefusalCode.HEADERS_TOO_LARGE, "head larger than the limit")
        written = head[:-4].split(b"\r\n")
        method, target, minor = self._request_line(written[0])
        lines = written[1:]
        if len(lines) > self._limits.fields:
            raise ProtocolError(RefusalCode.HEADERS_TOO_LARGE, "more fields than the limit")
        named, passing = self._sort(lines)
        host: bytes | None = None
        special: dict[int, list[bytes]] | None = None
        for field in named:
            if field.kind == _HOST and host is None:
                host = field.value
            elif field.kind != _NOTHING:
                special = _note(special, field)
        host = self._host(host, special, minor)
        path, query, authority = _split_target(target, method, self._scheme)
        if authority is not None and authority != host:
            raise ProtocolError(_BAD, "the target's authority differs from Host")
        found = RequestHead(
            method, target, path, query, minor, lines, named, passing, host, 0,
            minor == 1, False, False, _NO_OPTIONS,  # noqa: FBT003 -- by position: see RequestHead
        )  # fmt: skip
        if special is not None:
            _judge(found, special)
        return found

    def _sort(self, lines: list[bytes]) -> tuple[list[Field], list[bytes]]:
        """Tell the lines that are not plain, and those that go on."""
        # One look-up serves codec, `forward` and audit: one for each of them takes 0.5 µs more.
        known = self._lines.known
        named: list[Field] = []
        passing: list[bytes] = []
        unread: dict[bytes, Field | None] = {}
        try:
            for line in lines:
                field = known.get(line, UNKNOWN)
                if field is UNKNOWN:
                    field = self._read(line, unread)
                if field is None:
                    passing.append(line)
                    continue
                named.append(field)
                if field.treatment == PASSES:
                    passing.append(line)
            if unread:
                self._confirm(unread)
        except MalformedLineError as error:
            # What one reader took, before it or the other refused, was not read by both.
            for line in unread:
                known.pop(line, None)
            raise ProtocolError(_BAD, "malformed field line") from error
        return named, passing

    def _read(self, line: bytes, unread: dict[bytes, Field | None]) -> Field | None:
        field = self._own.get(line, UNKNOWN)
        if field is UNKNOWN:
            unread[line] = field = self._lines(line)
        return field

    def _confirm(self, unread: Mapping[bytes, Field | None]) -> None:
        """Have the second reader read the lines, but for what would make it expect a body."""
        lines = unread.items()
        harmless = [line for line, field in lines if field is None or field.kind in _HARMLESS]
        self._reader.confirm(harmless)
        known = self._lines.known
        for line in harmless:
            if line not in known and len(line) <= _OWN_BYTES:
                self._keep(line, unread[line])

    def _keep(self, line: bytes, field: Field | None) -> None:
        if len(self._own) >= _OWN_LINES:
            self._own.clear()
        self._own[line] = field

    def _request_line(self, line: bytes) -> tuple[bytes, bytes, int]:
        if len(line) > self._limits.start_line:
            raise ProtocolError(RefusalCode.URI_TOO_LONG, "request line longer than the limit")
        try:
            method, target, version = line.split(b" ")
        except ValueError as error:
            reason = "the request line is not method, target and version"
            raise ProtocolError(_BAD, reason) from error
        is_implemented = method in METHODS
        if not is_implemented and not METHOD.match(method):
            raise ProtocolError(_BAD, "malformed method")
        if version == b"HTTP/1.1":
            minor = 1
        elif version == b"HTTP/1.0":
            minor = 0
        else:
            raise _bad_version(version)
        if not target or NO_TARGET.search(target):
            raise ProtocolError(_BAD, "the request target holds a byte that no URI may hold")
        if not is_implemented:
            raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, "method that is not implemented")
        return method, target, minor

    def _host(
        self, value: bytes | None, special: dict[int, list[bytes]] | None, minor: int
    ) -> bytes | None:
        if value is None:
            if minor == 1:
                raise ProtocolError(_BAD, "no Host field")
            return None
        if special is not None and _HOST in special:
            raise ProtocolError(_BAD, "two Host fields")
        if not (self._hosts.known.get(value) or self._hosts(value)):
            raise ProtocolError(_BAD, "malformed Host")
        return value.lower()


def new_request_lines(
    managed: frozenset[bytes] = frozenset(), credentials: frozenset[bytes] = frozenset()
) -> Lines:
    """Make the memory of request field lines that the connections of a listener share.

    Args:
        managed: fields beside the default ones that no client may send on, as `canonical` spells
            them.
        credentials: fields that carry credentials, in lower case: their lines are not remembered.
    """
    secrets = tuple(name + b":" for name in credentials)
    return LineMemo(_Sorting(managed, credentials), secrets)


def new_hosts() -> Memo[bytes, bool]:
    """Make the memo of Host values that the connections of a listener share."""
    return Memo(is_host)


class _Sorting:
    """Says what a field line means; None for a plain one."""

    __slots__ = ("_managed", "_named")

    def __init__(self, managed: frozenset[bytes], credentials: frozenset[bytes]) -> None:
        self._managed = managed
        self._named = NAMED | credentials

    def __call__(self, line: bytes) -> Field | None:
        written, value = split_line(line)
        name = written.lower()
        kind = _KINDS.get(name, _NOTHING)
        treatment = treatment_of(name, self._managed)
        if kind == _NOTHING and treatment == PASSES and name not in self._named:
            return None
        return Field(line, name, value, kind=kind, treatment=treatment)


def _note(special: dict[int, list[bytes]] | None, field: Field) -> dict[int, list[bytes]]:
    if special is None:
        special = {}
    values = special.setdefault(field.kind, [])
    if field.kind != _SINGLE:
        values.append(field.value)
        return special
    if field.name in values:
        raise ProtocolError(_BAD, f"two {field.name.decode()} fields")
    values.append(field.name)
    return special


def _judge(head: RequestHead, special: dict[int, list[bytes]]) -> None:
    """Write down what the special fields of a head say."""
    head.length = _length(special, head.minor)
    if _CONNECTION in special:
        options = head.connection_options = _connection_options(special[_CONNECTION])
        head.keeps_alive = b"close" not in options and (head.minor == 1 or b"keep-alive" in options)
    head.expects_continue = _EXPECT in special and _expects(special[_EXPECT], head.minor)
    if _UPGRADE in special and head.minor == 1 and b"upgrade" in head.connection_options:
        _check_handshake(special[_UPGRADE], head)
        head.is_websocket = True


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


def _split_target(
    target: bytes, method: bytes, own_scheme: bytes
) -> tuple[bytes, bytes | None, bytes | None]:
    """Split a target into path, query and authority (RFC 9112 §3.2)."""
    authority = None
    rest = target
    if target[0] != _SLASH:
        if target == b"*" and method == b"OPTIONS":
            return target, None, None
        authority, rest = _split_absolute(target, own_scheme)
    if _QUERY_MARK not in rest:
        return rest, None, authority
    path, _, query = rest.partition(b"?")
    return path, query, authority


def _split_absolute(target: bytes, own_scheme: bytes) -> tuple[bytes, bytes]:
    scheme, separator, after = target.partition(b"://")
    if not separator or scheme.lower() != own_scheme:
        raise ProtocolError(_BAD, "the target is neither a path nor a URL of our scheme")
    end = min((at for at in (after.find(b"/"), after.find(b"?")) if at >= 0), default=len(after))
    rest = after[end:]
    return after[:end].lower(), rest if rest.startswith(b"/") else b"/" + rest


def _length(special: dict[int, list[bytes]], minor: int) -> int:
    """Fix the length of the body (RFC 9112 §6.3)."""
    lengths = special.get(_CONTENT_LENGTH)
    codings = special.get(_TRANSFER_ENCODING)
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
    options = frozenset(option.lower() for option in list_members(values))
    if not all(map(TOKEN.match, options)):
        raise ProtocolError(_BAD, "malformed Connection")
    return options


def _expects(values: list[bytes], minor: int) -> bool:
    if len(values) != 1 or values[0].lower() != b"100-continue":
        raise ProtocolError(_BAD, "an expectation other than 100-continue")
    # RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request
    # MUST ignore that expectation."
    return minor == 1


def _check_handshake(values: list[bytes], head: RequestHead) -> None:
    """Accept a WebSocket handshake and nothing else (RFC 6455 §4.2.1)."""
    if [value.lower() for value in list_members(values)] != [b"websocket"]:
        raise ProtocolError(RefusalCode.NOT_IMPLEMENTED, "upgrade to something else than WebSocket")
    if head.method != b"GET" or head.length != 0:
        raise ProtocolError(_BAD, "a WebSocket handshake is a GET without a body")
    if head.values(b"sec-websocket-version") != [b"13"]:
        raise ProtocolError(_BAD, "WebSocket version other than 13")
    keys = head.values(b"sec-websocket-key")
    if not keys or not is_websocket_key(keys[0]):
        raise ProtocolError(_BAD, "malformed Sec-WebSocket-Key")
