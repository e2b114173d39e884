"""Characters that nobody sees, and how text reads for a model: one character at a time.

Text is compared after compatibility decomposition and case folding, without what is not seen. Each
character is folded alone, so that what is found can be shown to stand at a place of the original.
Composition could only take ASCII away from what is found so, and never adds any: text in which NFKC
has a reserved token has it here too.
"""

import re
import unicodedata
from typing import Final

REPLACEMENT: Final = "\ufffd"
"""Stands where a token was: with nothing there, what stood around it might become a token."""

# Default_Ignorable_Code_Point of Unicode 16, bidirectional controls among them.
_INVISIBLE: Final = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_CONTROLS: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_IGNORED: Final = re.compile(f"[{_INVISIBLE}{_CONTROLS}]")
_ASCII_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# The flags of England, Scotland and Wales are the only tag sequences for general interchange
# (UTS #51); any other tag character carries text that nobody sees.
_FLAGS: Final = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_SUSPECT: Final = re.compile(f"{_FLAGS}|[{_INVISIBLE}]")
_PRESENTATION: Final = frozenset("\ufe0e\ufe0f")
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_KEYCAP: Final = "\u20e3"
_KEYS: Final = frozenset("0123456789#*")
# Arabic to Myanmar, Khmer and Mongolian: scripts that spell with joiners.
_JOINING: Final = re.compile("[\u0600-\u10ff\u1780-\u18af]")
_PICTOGRAPH: Final = re.compile(
    "[\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2934\u2935"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)


def folded(text: str) -> tuple[str, list[int] | None]:
    """Write text as it is compared.

    Returns:
        The text, and the index in the original of each of its characters; None where each has its
        own.
    """
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return text.lower(), None
    written: list[str] = []
    places: list[int] = []
    for index, character in enumerate(text):
        if _IGNORED.match(character):
            continue
        piece = character.lower() if character.isascii() else _folded_alone(character)
        written.append(piece)
        places.extend([index] * len(piece))
    return "".join(written), places


def _folded_alone(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return _IGNORED.sub("", unicodedata.normalize("NFKD", decomposed))


def visible(text: str) -> str:
    """Take out what nobody sees, but for what spells words and emoji.

    These stay: variation selectors 15 and 16 behind a pictograph or in a keycap, joiners between
    pictographs or between letters of scripts that join, and the three flags that are written with
    tags. Twice is once: what stays is beside what stays.
    """
    if text.isascii():
        return text
    pieces: list[str] = []
    at, tail = 0, ""
    for found in _SUSPECT.finditer(text):
        if between := text[at : found.start()]:
            pieces.append(between)
            tail = between[-1]
        at = found.end()
        if len(found[0]) > 1 or _belongs(found[0], tail, text[at : at + 1]):
            pieces.append(found[0])
            tail = found[0][-1]
    return "".join((*pieces, text[at:])) if at else text


def _belongs(character: str, before: str, after: str) -> bool:
    if character in _PRESENTATION:
        is_keycap = before in _KEYS and after == _KEYCAP
        return is_keycap or _PICTOGRAPH.match(before) is not None
    if character not in {_JOINER, _NON_JOINER} or not before or not after:
        return False
    if _JOINING.match(before) and _JOINING.match(after):
        return not _IGNORED.match(before) and not _IGNORED.match(after)
    is_pictured = before == "\ufe0f" or _PICTOGRAPH.match(before) is not None
    return character == _JOINER and is_pictured and _PICTOGRAPH.match(after) is not None
