"""Response heads of the upstream, read line by line and refused when they are ambiguous (RQ-7).

Bodies are framed by `framing`, so a head is all that a parser would be needed for; a status line
and field lines of a strict grammar need none; httptools' callbacks cost 4 to 8 µs a response.
"""

import re
from typing import Final

from sidecar.knowledge.http1.lines import UNKNOWN, Lines, MalformedLineError, split_line
from sidecar.knowledge.http1.strict import LOOSE_LINE_END, parse_length
from sidecar.model.errors import UpstreamError
from sidecar.model.fields import DROPPED, PASSES, Field
from sidecar.model.headers import list_members
from sidecar.model.memo import LineMemo, Memo
from sidecar.model.message import CHUNKED, UNTIL_CLOSE, ResponseHead
from sidecar.model.refusals import RefusalCode

HEAD_BYTES: Final = 65_536
"""Longest response head; services with huge cookies stay under half of it."""
FIELDS: Final = 200
"""Most field lines of a response head."""

_STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\Z"
)
# What a field means to the framing; all but the first three belong to the connection.
_EVENT_STREAM: Final = 1
_CONTENT_LENGTH: Final = 2
_TRANSFER_ENCODING: Final = 3
_CONNECTION: Final = 4
_UPGRADE: Final = 5
_HOP: Final = 6
_KINDS: Final = {
    b"content-type": _EVENT_STREAM,
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"connection": _CONNECTION,
    b"upgrade": _UPGRADE,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"proxy-authenticate": _HOP,
    b"proxy-authentication-info": _HOP,
    b"te": _HOP,
    b"trailer": _HOP,
}
_FIRST_FINAL: Final = 200
_NO_BODY: Final = frozenset((*range(100, _FIRST_FINAL), 204, 304))
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_USUAL_OPTIONS: Final = frozenset((b"keep-alive", b"close", b"upgrade"))

_SINGLE_OPTIONS: Final = {option: frozenset((option,)) for option in _USUAL_OPTIONS}

Statuses = Memo[bytes, tuple[int, int, bytes]]


def new_response_lines() -> Lines:
    """Make the memory of response field lines that all upstream connections share."""
    return LineMemo(_field)


def new_statuses() -> Statuses:
    """Make the memory of status lines: minor version, status, and the line as it goes on."""
    return Memo(_status)


def parse_response(head: bytes, method: bytes, known: Lines, statuses: Statuses) -> ResponseHead:
    """Parse one response head, from the status line to the empty line.

    Args:
        head: bytes that end with the first CRLFCRLF.
        method: method of the request that it answers.
        known: memory made by `new_response_lines`.
        statuses: memory made by `new_statuses`.

    Raises:
        UpstreamError: the head breaks RFC 9112.

    Source: RFC 9112 §4, §5, §6.3. Controls: RQ-7.
    """
    lines = head[:-4].split(b"\r\n")
    if len(head) > HEAD_BYTES or len(lines) > FIELDS:
        raise _bad("response head larger than the limits")
    minor, status, start = statuses.known.get(lines[0]) or statuses(lines[0])
    try:
        kept, named = _sort(lines[1:], known)
    except MalformedLineError as error:
        raise _bad("malformed field line") from error
    given, options, special = _meanings(named)
    if options and not options <= _USUAL_OPTIONS:
        kept = _without(kept, options)
    length = _length(minor, given, special)
    if status < _FIRST_FINAL and (length != UNTIL_CLOSE or minor == 0):
        raise _bad("an interim response with framing fields, or from HTTP/1.0")
    if method == b"HEAD" or status in _NO_BODY:
        # The fields describe what GET would have sent (RFC 9110 §8.6); there is no body.
        length = 0
    keeps_alive = (
        length != UNTIL_CLOSE
        and b"close" not in options
        and (minor == 1 or b"keep-alive" in options)
    )
    if special is None:
        return ResponseHead(status, start, kept, length, keeps_alive, False, ())  # noqa: FBT003 -- see there
    upgrades = _protocols(special) if b"upgrade" in options else ()
    return ResponseHead(
        status, start, kept, length, keeps_alive, _EVENT_STREAM in special, upgrades
    )


def _field(line: bytes) -> Field | None:
    """Say what a field line means; None for a plain one."""
    written, value = split_line(line)
    name = written.lower()
    kind = _KINDS.get(name)
    if kind is None:
        return None
    if kind == _EVENT_STREAM and not value.lower().startswith(b"text/event-stream"):
        return None
    if kind == _CONNECTION:
        value = value.lower()
    treatment = PASSES if kind <= _CONTENT_LENGTH else DROPPED
    number = parse_length(value) if kind == _CONTENT_LENGTH else None
    return Field(line, name, value, kind=kind, treatment=treatment, number=number)


def check_partial(data: bytes) -> None:
    """Judge the beginning of a response head whose end has not arrived.

    Raises:
        UpstreamError: no continuation could make it a response head.
    """
    if len(data) > HEAD_BYTES:
        raise _bad("response head larger than 64 KiB")
    if data[:7] != b"HTTP/1."[: len(data)]:
        raise _bad("the first bytes are no status line of HTTP/1")
    if LOOSE_LINE_END.search(data):
        raise _bad("a line does not end in CRLF")


def _status(line: bytes) -> tuple[int, int, bytes]:
    match = _STATUS_LINE.match(line)
    if match is None:
        raise _bad("malformed status line")
    return int(match[1]), int(match[2]), b"HTTP/1.1 " + match[2] + b" " + (match[3] or b"")


def _sort(lines: list[bytes], memory: Lines) -> tuple[list[bytes], list[Field]]:
    """Tell the lines that go on, and those that are not plain."""
    known = memory.known
    kept: list[bytes] = []
    named: list[Field] = []
    for line in lines:
        field = known.get(line, UNKNOWN)
        if field is UNKNOWN:
            field = memory(line)
        if field is None:
            kept.append(line)
            continue
        named.append(field)
        if field.treatment == PASSES:
            kept.append(line)
    return kept, named


def _meanings(
    named: list[Field],
) -> tuple[Field | None, frozenset[bytes], dict[int, list[bytes]] | None]:
    """Return the first Content-Length, what Connection lists, and the values of the rest by kind.

    Most answers have these two, once, and nothing else: no dictionary then.
    """
    given: Field | None = None
    options = _NO_OPTIONS
    special: dict[int, list[bytes]] | None = None
    for field in named:
        if field.kind == _CONTENT_LENGTH and given is None:
            given = field
        elif field.kind == _CONNECTION:
            options = options | _options(field.value) if options else _options(field.value)
        else:
            special = special or {}
            special.setdefault(field.kind, []).append(field.value)
    return given, options, special


def _without(lines: list[bytes], options: frozenset[bytes]) -> list[bytes]:
    # The length is ours to tell, whatever the upstream says of it.
    named = options - {b"content-length"}
    return [line for line in lines if line.partition(b":")[0].lower() not in named]


def _protocols(special: dict[int, list[bytes]]) -> tuple[bytes, ...]:
    return tuple(protocol.lower() for protocol in list_members(special.get(_UPGRADE, [])))


def _options(value: bytes) -> frozenset[bytes]:
    return _SINGLE_OPTIONS.get(value) or frozenset(list_members([value]))


def _length(minor: int, given: Field | None, special: dict[int, list[bytes]] | None) -> int:
    """Fix the length of the body (RFC 9112 §6.3).

    Args:
        minor: of HTTP/1.x.
        given: the first Content-Length.
        special: values of what else is special, by kind.
    """
    codings = None if special is None else special.get(_TRANSFER_ENCODING)
    if codings is not None:
        if given is not None:
            raise _bad("Content-Length beside Transfer-Encoding")
        if minor == 0:
            raise _bad("Transfer-Encoding in HTTP/1.0")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise _bad("Transfer-Encoding is not exactly 'chunked'")
        return CHUNKED
    if given is None:
        return UNTIL_CLOSE
    is_repeated = special is not None and _CONTENT_LENGTH in special
    length = None if is_repeated else given.number
    if length is None:
        raise _bad("malformed or repeated Content-Length")
    return length


def _bad(reason: str) -> UpstreamError:
    return UpstreamError(RefusalCode.BAD_GATEWAY, reason)
