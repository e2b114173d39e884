"""JSON that others signed or published, read so that it has one meaning (RFC 8259, RFC 7493)."""

import json
import math
from typing import Final, NoReturn

DEPTH: Final = 16
"""Deepest nesting that is read; claims that identity providers write have four levels at most."""

# Characters of the longest 64-bit integer; reading a longer one takes time in the square of it.
_DIGITS: Final = 20


def strict_object(content: bytes) -> dict[str, object] | None:
    """Read a JSON object that every reader would read alike.

    Args:
        content: UTF-8; its length is the caller's to bound.

    Returns:
        The object; None when it is not JSON, no object, has a member twice, a number that is not
        finite or has more than 64 bits, a lone surrogate, or is nested deeper than `DEPTH`.

    Source: RFC 7519 §4 leaves duplicate members to the reader and RFC 8725 §2.4 shows what comes
        of it: two parsers, two answers.
    """
    try:
        value = _DECODER.decode(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or _depth_exceeds(value, DEPTH):
        return None
    # Escapes alone can write a lone surrogate: UTF-8 cannot, and decoding has just proved it.
    if b"\\u" in content and not _is_unicode(value):
        return None
    return value


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("out of range")
    return value


def _exact(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("out of range")
    return int(text)


def _depth_exceeds(value: object, depth: int) -> bool:
    if isinstance(value, dict):
        return depth == 0 or any(_depth_exceeds(one, depth - 1) for one in value.values())
    if isinstance(value, list):
        return depth == 0 or any(_depth_exceeds(one, depth - 1) for one in value)
    return False


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# Made once: json.loads with these hooks would make one for every text.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once_each,
    parse_constant=_no_number,
    parse_float=_finite,
    parse_int=_exact,
)
