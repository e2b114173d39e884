"""A second reading of HTTP/1.1, strict and independent of the sidecar's own.

It reads only what a careful sender writes: nothing that a recipient may tolerate is tolerated. It
judges what the sidecar sends to an upstream and to a client (RFC 9112).
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE: Final = re.compile(
    rb"(" + _TOKEN + rb") (/[!$&'()*+,;=:@._~/?%A-Za-z0-9-]*|\*) HTTP/1\.1\Z"
)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\Z")
_VALUE: Final = rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*(" + _VALUE + rb")[ \t]*\Z")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}\Z")
_HEAD_END: Final = b"\r\n\r\n"
# Fields that frame, route or authenticate may not come behind the content (RFC 9110 §6.5.1).
_NEVER_TRAILERS: Final = frozenset(
    b"content-length transfer-encoding host connection upgrade te trailer authorization cookie"
    b" set-cookie content-type content-encoding x-forwarded-for forwarded".split()
)
# What services that fold names would take for a framing field (CGI, WSGI).
_ALIASES: Final = frozenset((b"content_length", b"transfer_encoding", b"content.length"))


class InvalidError(Exception):
    """The bytes are no message that a careful sender writes."""


class Framing(NamedTuple):
    """Where a body ends: after `length` bytes, after a last chunk, or with the connection."""

    length: int | None
    is_chunked: bool


@dataclass(slots=True)
class Message:
    """A message, or the beginning of one.

    Attributes:
        start: the groups of its first line: method and target, or status.
        fields: its fields, names in lower case.
        trailers: its trailer fields, likewise.
        body: its content, as far as it came.
        is_complete: whether its end was seen.
    """

    start: tuple[bytes, ...]
    fields: list[tuple[bytes, bytes]]
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    is_complete: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Collect the values of one name, in order."""
        return [value for key, value in self.fields if key == name]

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.start[0])


def read_request(data: bytes) -> tuple[Message | None, bytes]:
    """Read the request at the beginning of some bytes.

    Returns:
        The request as far as it came, None before the end of its head; and the bytes behind it.
    """
    read = _read_head(data, _REQUEST_LINE)
    if read is None:
        return None, data
    request, rest = read
    if len(request.values(b"host")) != 1:
        raise InvalidError("a request without exactly one Host")
    framing = _framing(request)
    if framing == (None, False):
        request.is_complete = True
        return request, rest
    return request, _read_body(request, rest, framing)


def read_response(data: bytes, method: bytes, *, has_ended: bool) -> tuple[Message | None, bytes]:
    """Read the response at the beginning of some bytes.

    Args:
        data: the bytes.
        method: the method of the request that it answers.
        has_ended: whether the connection ended behind these bytes.
    """
    read = _read_head(data, _STATUS_LINE)
    if read is None:
        return None, data
    response, rest = read
    framing = _framing(response)
    if response.status // 100 == 1 or response.status == 204:
        if framing != (None, False):
            raise InvalidError(f"a framing field in a {response.status}")
        response.is_complete = True
    elif method == b"HEAD" or response.status == 304:
        response.is_complete = True
    elif framing == (None, False):
        response.body, rest, response.is_complete = rest, b"", has_ended
    else:
        rest = _read_body(response, rest, framing)
    return response, rest


def _read_head(data: bytes, first_line: re.Pattern[bytes]) -> tuple[Message, bytes] | None:
    head, end, rest = data.partition(_HEAD_END)
    if not end:
        return None
    lines = head.split(b"\r\n")
    start = first_line.match(lines[0])
    if start is None:
        raise InvalidError(f"no first line: {lines[0][:80]!r}")
    return Message(start.groups(), [_read_field(line) for line in lines[1:]]), rest


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.match(line)
    if match is None:
        raise InvalidError(f"no field line: {line[:80]!r}")
    return match[1].lower(), match[2]


def _framing(message: Message) -> Framing:
    lengths = message.values(b"content-length")
    codings = message.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1 or any(name in _ALIASES for name, _ in message.fields):
        raise InvalidError("more than one statement about the end of the body")
    if lengths and not _LENGTH.match(lengths[0]):
        raise InvalidError(f"no length: {lengths[0]!r}")
    if codings and codings[0].lower() != b"chunked":
        raise InvalidError(f"another coding than chunked: {codings[0]!r}")
    return Framing(int(lengths[0]) if lengths else None, bool(codings))


def _read_body(message: Message, data: bytes, framing: Framing) -> bytes:
    if framing.length is not None:
        message.body = data[: framing.length]
        message.is_complete = len(message.body) == framing.length
        return data[framing.length :]
    while (line := _CHUNK_LINE.match(data)) is not None:
        size = int(line[1], 16)
        data = data[line.end() :]
        if not size:
            return _read_trailers(message, data)
        message.body += data[:size]
        if len(data) < size + 2:
            return b""
        if data[size : size + 2] != b"\r\n":
            raise InvalidError("a chunk that does not end where it said")
        data = data[size + 2 :]
    if b"\n" in data or len(data) > 16:
        raise InvalidError(f"no chunk size: {data[:40]!r}")
    return b""


def _read_trailers(message: Message, data: bytes) -> bytes:
    while b"\r\n" in data:
        line, _, data = data.partition(b"\r\n")
        if not line:
            message.is_complete = True
            return data
        message.trailers.append(_read_field(line))
        if message.trailers[-1][0] in _NEVER_TRAILERS:
            raise InvalidError(f"a trailer field that may be none: {line[:40]!r}")
    return b""
