"""Heads as bytes: the opposite of parsing."""

from http import HTTPStatus
from typing import Final

_STARTS: Final = {
    status.value: b"HTTP/1.1 %d %b" % (status, status.phrase.encode()) for status in HTTPStatus
}

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def write_head(start: bytes, lines: list[bytes]) -> bytes:
    """Write a head: start line, field lines, empty line (RFC 9112 §2.1)."""
    return start + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" if lines else start + b"\r\n\r\n"


def status_line(status: int) -> bytes:
    """Return the status line of a registered status (RFC 9112 §4)."""
    return _STARTS[status]
