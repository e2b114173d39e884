"""Response heads of the upstream: httptools reads them, and the rules that it lacks are added.

httptools is fed with exactly one head; the body is framed by `framing`, so that one strict decoder
judges both directions. A parser serves one head: it cannot be told that a response answers HEAD.
"""

import re
from typing import Final

import httptools

from sidecar.knowledge.http1.strict import LOOSE_LINE_END, parse_length
from sidecar.model.errors import UpstreamError
from sidecar.model.headers import Field, list_members
from sidecar.model.memo import Memo
from sidecar.model.message import CHUNKED, UNTIL_CLOSE, ResponseHead
from sidecar.model.refusals import RefusalCode

HEAD_BYTES: Final = 65_536
"""Longest response head; services with huge cookies stay under half of it."""
FIELDS: Final = 200
"""Most field lines of a response head."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
_SPECIAL: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"content-type")
)
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_NO_BODY: Final = frozenset((204, 304))


class _Collector:
    """Takes httptools' callbacks for one head."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: list[Field] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def new_specials() -> Memo[bytes, bytes]:
    """Make the memo that maps a field name to its lower case if framing depends on it, else b''."""
    return Memo(lambda name: low if (low := name.lower()) in _SPECIAL else b"")


def parse_response(head: bytes, method: bytes, specials: Memo[bytes, bytes]) -> ResponseHead:
    """Parse one response head, from the status line to the empty line.

    Args:
        head: bytes that end with the first CRLFCRLF.
        method: method of the request that it answers.
        specials: memo made by `new_specials`.

    Raises:
        UpstreamError: the head breaks RFC 9112.

    Source: RFC 9112 §4, §5, §6.3. Controls: RQ-7.
    """
    minor, status, reason = _status_line(head)
    collector = _Collector()
    try:
        httptools.HttpResponseParser(collector).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: what follows the head is the tunnel's
    except httptools.HttpParserError as error:
        raise _bad("malformed response head") from error
    fields = collector.fields
    special: dict[bytes, list[bytes]] = {}
    known = specials.known
    for name, value in fields:
        try:
            low = known[name]
        except KeyError:
            low = specials(name)
        if low:
            special.setdefault(low, []).append(value)
    return _judge(method, minor, status, reason, fields, special)


def check_partial(data: bytes) -> None:
    """Judge the beginning of a response head whose end has not arrived.

    Raises:
        UpstreamError: no continuation could make it a response head.
    """
    if len(data) > HEAD_BYTES:
        raise _bad("response head larger than 64 KiB")
    if not data[:7] == b"HTTP/1."[: len(data)]:
        raise _bad("the first bytes are no status line of HTTP/1")
    if LOOSE_LINE_END.search(data):
        raise _bad("a line does not end in CRLF")


def _status_line(head: bytes) -> tuple[int, int, bytes]:
    if len(head) > HEAD_BYTES or head.count(b"\n") - 2 > FIELDS:
        raise _bad("response head larger than the limits")
    match = _STATUS_LINE.match(head[: head.find(b"\r\n")])
    if match is None:
        raise _bad("malformed status line")
    if FORBIDDEN_IN_HEAD.search(head):
        raise _bad("a byte that no response head may hold")
    return int(match[1]), int(match[2]), match[3] or b""


# Bare CR and LF are caught by httptools; the other controls it lets pass in lenient builds.
FORBIDDEN_IN_HEAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r\n[ \t]|\n[ \t]")


def _judge(
    method: bytes,
    minor: int,
    status: int,
    reason: bytes,
    fields: list[Field],
    special: dict[bytes, list[bytes]],
) -> ResponseHead:
    options = _NO_OPTIONS
    keeps_alive = minor == 1
    if b"connection" in special:
        options = frozenset(option.lower() for option in list_members(special[b"connection"]))
        keeps_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    length = _length(minor, special)
    if method == b"HEAD" or status in _NO_BODY or status < 200:
        # The fields describe what GET would have sent (RFC 9110 §8.6); there is no body.
        if status < 200 and length != UNTIL_CLOSE:
            raise _bad("an interim response with framing fields")
        length = 0
    if length == UNTIL_CLOSE:
        keeps_alive = False
    types = special.get(b"content-type")
    is_event_stream = types is not None and types[0].lower().startswith(b"text/event-stream")
    return ResponseHead(status, reason, fields, length, keeps_alive, is_event_stream, options)


def _length(minor: int, special: dict[bytes, list[bytes]]) -> int:
    """Fix the length of the body (RFC 9112 §6.3)."""
    lengths = special.get(b"content-length")
    codings = special.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None:
            raise _bad("Content-Length beside Transfer-Encoding")
        if minor == 0:
            raise _bad("Transfer-Encoding in HTTP/1.0")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise _bad("Transfer-Encoding is not exactly 'chunked'")
        return CHUNKED
    if lengths is None:
        return UNTIL_CLOSE
    length = parse_length(lengths[0]) if len(lengths) == 1 else None
    if length is None:
        raise _bad("malformed or repeated Content-Length")
    return length


def _bad(reason: str) -> UpstreamError:
    return UpstreamError(RefusalCode.BAD_GATEWAY, reason)
