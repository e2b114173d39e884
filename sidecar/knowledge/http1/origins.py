"""Web origins (RFC 6454): scheme, host and port, in one spelling, so that bytes can be compared."""

import re
from typing import Final

# Nothing before the host (a user), nothing in it that two readers could read apart (a backslash, an
# escape, a letter beyond ASCII), no port that begins with 0.
_HOST: Final = rb"(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])"
_ORIGIN: Final = rb"(https?)://(" + _HOST + rb")(?::([1-9][0-9]{0,4}))?"
_WHOLE: Final = re.compile(_ORIGIN + rb"\Z")
_OF_URL: Final = re.compile(_ORIGIN + rb"(?:[/?#].*)?\Z")
_DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443"}


def read_origin(written: bytes) -> bytes | None:
    """Read an origin as it is serialised (RFC 6454 §6.2).

    Returns:
        The origin in lower case, without the port that its scheme has anyway; None for `null`, for
        origins of other schemes and for whatever is malformed.
    """
    return _origin(_WHOLE.match(written.lower()))


def read_origin_of_url(url: bytes) -> bytes | None:
    """Read the origin of an absolute URL; None where there is none, or a user before the host."""
    return _origin(_OF_URL.match(url.lower()))


def origin_at(authority: bytes, *, is_secure: bool) -> bytes | None:
    """Say which origin a request is for.

    Args:
        authority: host, and port if it is not the scheme's own.
        is_secure: whether the client speaks TLS.
    """
    return read_origin((b"https://" if is_secure else b"http://") + authority)


def _origin(found: re.Match[bytes] | None) -> bytes | None:
    if found is None:
        return None
    scheme, host, port = found.groups()
    origin: bytes = scheme + b"://" + host
    return origin if port is None or port == _DEFAULT_PORTS[scheme] else origin + b":" + port
