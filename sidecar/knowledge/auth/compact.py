"""The compact form of a JWS (RFC 7515 §7.1): taken apart strictly, and at a glance."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.auth.strict_json import strict_object

_PARTS: Final = 3
_ENCRYPTED_PARTS: Final = 5
_ALPHABET: Final = re.compile(rb"[A-Za-z0-9_-]*\Z")
# The last character carries 4 or 2 bits that must be zero (RFC 4648 §3.5), or one signature could
# be written in several ways.
_LAST_OF_TWO: Final = frozenset(b"AQgw")
_LAST_OF_THREE: Final = frozenset(b"AEIMQUYcgkosw048")


@dataclass(frozen=True, slots=True)
class Compact:
    """A token taken apart; nothing of it is verified.

    Attributes:
        header: JOSE header.
        claims: claims set.
        signed: the bytes that the signature is about.
        signature: the signature.
    """

    header: dict[str, object]
    claims: dict[str, object]
    signed: bytes
    signature: bytes


def base64url(text: bytes) -> bytes | None:
    """Decode base64url as RFC 7515 §2 writes it: without padding, in its one canonical spelling."""
    if not _ALPHABET.match(text):
        return None
    rest = len(text) % 4
    if rest == 0:
        return urlsafe_b64decode(text)
    if rest == 1 or text[-1] not in (_LAST_OF_TWO if rest == 2 else _LAST_OF_THREE):  # noqa: PLR2004 -- characters left over
        return None
    return urlsafe_b64decode(text + b"=" * (4 - rest))


def take_apart(token: bytes, limit_bytes: int) -> Compact | str:
    """Take a token apart.

    Args:
        token: the token as received.
        limit_bytes: longest token that is looked at.

    Returns:
        Its parts, or why it is no JWS with claims, for the audit.

    Source: RFC 7515 §5.2 steps 1 to 6, RFC 7519 §7.2. Controls: AN-13.
    """
    if len(token) > limit_bytes:
        return "jwt: too large"
    parts = token.split(b".", _ENCRYPTED_PARTS)
    if len(parts) != _PARTS:
        return "jwt: encrypted" if len(parts) == _ENCRYPTED_PARTS else "jwt: not three parts"
    decoded = [base64url(part) for part in parts]
    if decoded[0] is None or decoded[1] is None or decoded[2] is None:
        return "jwt: not base64url"
    header, claims = strict_object(decoded[0]), strict_object(decoded[1])
    if header is None or claims is None:
        return f"jwt: {'header' if header is None else 'payload'} is no JSON object"
    return Compact(header, claims, token[: token.rindex(b".")], decoded[2])


def claimed_issuers(token: bytes) -> frozenset[str]:
    """Glance at the issuers that a token claims, as its most tolerant reader might see them.

    It only tells whose a credential is, good or bad; what it names is then judged strictly. A
    sloppy token must not pass as somebody else's, so this reads what `take_apart` refuses:
    padding, foreign characters, every one of several `iss`.

    Args:
        token: what stood behind `Bearer`; its length is bounded by that of a head.
    """
    parts = token.split(b".", _ENCRYPTED_PARTS)
    if len(parts) == 1:
        return frozenset()
    try:
        content = urlsafe_b64decode(parts[1].rstrip(b"=") + b"==")
        found = json.loads(content, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return frozenset()
    if not isinstance(found, _Pairs):
        return frozenset()
    return frozenset(
        value for name, value in found.pairs if name == "iss" and isinstance(value, str)
    )


class _Pairs:
    """The members of an object, those that stand there twice included."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs
