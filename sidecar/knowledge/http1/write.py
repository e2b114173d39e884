"""Heads as bytes: the opposite of parsing."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from sidecar.model.headers import Field

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def write_request(method: bytes, target: bytes, fields: Sequence[Field]) -> bytes:
    """Write a request head (RFC 9112 §3, §5)."""
    lines = [method + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in fields]
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def write_response(status: int, reason: bytes, fields: Sequence[Field]) -> bytes:
    """Write a response head (RFC 9112 §4, §5)."""
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    lines += [name + b": " + value for name, value in fields]
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def phrase(status: int) -> bytes:
    """Return the registered reason phrase of a status, or nothing."""
    return _PHRASES.get(status, b"")
