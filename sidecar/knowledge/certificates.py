"""Until when certificates are valid: the one fact of X.509 that operators must be told in time.

It is read where it stands (RFC 5280 §4.1) rather than by a library: that would cost each process
megabytes for one date. What cannot be read is no certificate for TLS either.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final

_BLOCK: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL
)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_LONG: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4
# RFC 5280 §4.1.2.5.1: a year of two digits is one of 1950 to 2049.
_CENTURY: Final = 50


def certificates_in(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM file (RFC 7468 §5.1) in DER; other blocks are left out.

    Raises:
        ValueError: a block is no base64.
    """
    try:
        return [
            base64.b64decode(b"".join(found.split()), validate=True)
            for found in _BLOCK.findall(pem)
        ]
    except binascii.Error as error:
        raise ValueError("a certificate is no base64") from error


def not_after(der: bytes) -> float:
    """Return the Unix time from which a certificate is not valid any more.

    Raises:
        ValueError: it is no certificate.
    """
    to_be_signed = _content(_content(der, _SEQUENCE)[0], _SEQUENCE)[0]
    tag, _, rest = _take(to_be_signed)
    if tag == _VERSION:
        _, _, rest = _take(rest)
    # Behind the serial number: signature, issuer, validity.
    for _ in range(2):
        _, _, rest = _take(rest)
    validity, _ = _content(rest, _SEQUENCE)
    _, _, rest = _take(validity)
    tag, content, _ = _take(rest)
    return _moment(tag, content)


def _moment(tag: int, content: bytes) -> float:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= str(_CENTURY) else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no date where a certificate has its end")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _content(data: bytes, expected: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, and what follows it."""
    tag, content, rest = _take(data)
    if tag != expected:
        raise ValueError("not the structure of a certificate")
    return content, rest


def _take(data: bytes) -> tuple[int, bytes, bytes]:
    """Take the first element of DER (X.690 §8.1): tag, content, and what follows."""
    if len(data) < 2:  # noqa: PLR2004 -- a tag and a length
        raise ValueError("it ends too early")
    length, start = data[1], 2
    if length & _LONG:
        count = length & ~_LONG
        if not 0 < count <= _MOST_LENGTH_BYTES:
            raise ValueError("a length that is none of a certificate")
        start += count
        length = int.from_bytes(data[2:start])
    end = start + length
    if len(data) < end:
        raise ValueError("it ends too early")
    return data[0], data[start:end], data[end:]
