"""Web origins: which ones a list allows, and what a browser asks before it comes from elsewhere.

What is not in the list byte for byte, or one label before a domain of it, is not allowed: nothing
is decoded, folded or cut, since browsers send an origin in one form alone (RFC 6454 §6.2).
"""

import re
from collections.abc import Iterable
from typing import Final

from sidecar.model.headers import list_members
from sidecar.model.message import RequestHead

ORIGIN_BYTES: Final = 300
"""No origin is longer: a scheme, a name of 253 characters and a port."""

_LABEL: Final = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_PLAUSIBLE: Final = re.compile(rb"https?://[a-z0-9_.:\[\]-]+\Z")
# RFC 9110 §5.6.2, in capital letters as the sidecar takes methods.
_METHOD: Final = re.compile(rb"[A-Z0-9!#$%&'*+.^_`|~-]{1,32}\Z")
_FIELD: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
# Fetch §2.2.1: no page can send these. The sidecar serves none of them either.
_FORBIDDEN: Final = frozenset((b"CONNECT", b"TRACE", b"TRACK"))
_MOST_FIELDS: Final = 100
# Fetch §2.2.2: what forms can send, and hence any page without asking.
_FORMS: Final = frozenset(
    (b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")
)


class Origins:
    """A list of origins, as the policy writes them.

    Args:
        origins: exact ones, and `https://*.example.com` for exactly one label more.
    """

    __slots__ = ("_exact", "_under")

    def __init__(self, origins: Iterable[str]) -> None:
        # Whatever a store holds beside: `null` and `*` are no origin of anybody's.
        listed = [origin.encode() for origin in origins if "://" in origin]
        self._exact = frozenset(listed)
        # What stands behind the `*.`, by what stands before it.
        self._under = frozenset(origin for origin in listed if b"://*." in origin)

    def allow(self, origin: bytes) -> bool:
        """Tell whether the list has an origin; what holds `*` itself is none."""
        if origin in self._exact:
            return b"*" not in origin
        if not self._under:
            return False
        scheme, separator, host = origin.partition(b"://")
        label, _, parent = host.partition(b".")
        return scheme + separator + b"*." + parent in self._under and bool(_LABEL.match(label))


def is_plausible(origin: bytes) -> bool:
    """Tell whether a value can be an origin of a list at all; anything else is not looked up."""
    return len(origin) <= ORIGIN_BYTES and _PLAUSIBLE.match(origin) is not None


def asked_method(head: RequestHead) -> bytes | None:
    """Read for which method a preflight asks (Fetch §4.8).

    Returns:
        The method; empty if it is none that is ever served, or if several are named; None for a
        request that is no preflight.
    """
    if head.method != b"OPTIONS" or not head.values(b"origin"):
        return None
    asked = head.values(b"access-control-request-method")
    if not asked:
        return None
    method = asked[0]
    is_one = len(asked) == 1 and method not in _FORBIDDEN and _METHOD.match(method) is not None
    return method if is_one else b""


def asked_fields(head: RequestHead) -> list[bytes] | None:
    """List the header fields that a preflight asks for, in lower case; None if they are none."""
    names = list_members(head.values(b"access-control-request-headers"))
    if len(names) > _MOST_FIELDS or not all(_FIELD.match(name) for name in names):
        return None
    return [name.lower() for name in names]


def needs_leave(head: RequestHead) -> bool:
    """Tell whether a page of another origin can make a request only after a preflight, if at all.

    Judged by method and content type (Fetch §2.2.1, §2.2.2); WebSockets have no preflight, and are
    judged as if they had.
    """
    if head.is_websocket:
        return True
    if head.method != b"POST":
        return head.method not in {b"GET", b"HEAD"}
    kinds = head.values(b"content-type")
    return len(kinds) > 1 or any(
        kind.partition(b";")[0].strip(b" \t").lower() not in _FORMS for kind in kinds
    )
