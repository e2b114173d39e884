"""Keys of object storage: each must lie below the prefix of its tenant in every reading (TN-5)."""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote_to_bytes

TENANT: Final = "{tenant}"
_DECODINGS: Final = 3
_ESCAPE: Final = re.compile(r"%(?:[0-9A-Fa-f]{2})")
# Of IIS, and of `unescape` in JavaScript.
_OWN_ESCAPE: Final = re.compile(r"%[uU][0-9A-Fa-f]{4}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOTS: Final = frozenset({"", ".", ".."})


def objection_to(key: object, prefix: str) -> str | None:
    """Say why a key may not be used; None if it may.

    A key that any of its readings leads out of the prefix is refused; none is repaired, because the
    service would use what it was sent.

    Args:
        key: the key as the request has it.
        prefix: what it must begin with, the tenant's id filled in.

    Controls: TN-5.
    """
    if not isinstance(key, str):
        return "a storage key is no text"
    readings = _readings(key)
    if readings is None:
        return "a storage key is encoded more than once or twice"
    return next(filter(None, (_objection(reading, prefix) for reading in readings)), None)


def _objection(reading: str, prefix: str) -> str | None:
    """Say why one reading of a key leads out of the prefix, or may."""
    if _OWN_ESCAPE.search(reading):
        return "a storage key has escapes that only some services undo"
    if _CONTROL.search(reading):
        return "a storage key holds a control character"
    if not reading.startswith(prefix):
        return "a storage key is outside the tenant's prefix"
    # A key may end in a slash: it names a folder.
    *folders, name = reading.removeprefix(prefix).replace("\\", "/").split("/")
    if _DOTS & set(folders) or name in _DOTS - {""}:
        return "a storage key has segments that lead elsewhere"
    return None


def _readings(key: str) -> list[str] | None:
    """List the key as it is, percent-decoded as often as it can be, wide characters narrowed.

    Narrowing may show an escape (U+FF05 is a percent sign), and is undone like any other.
    """
    readings = [key]
    for _ in range(_DECODINGS):
        narrow = unicodedata.normalize("NFKC", readings[-1])
        if narrow != readings[-1]:
            readings.append(narrow)
        if not _ESCAPE.search(narrow):
            return readings
        readings.append(unquote_to_bytes(readings[-1]).decode("utf-8", "replace"))
    return None
