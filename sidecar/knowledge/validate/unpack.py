"""Undo the content coding of a body that rules read, within bounds (RFC 9110 §8.4.1)."""

import zlib
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.validate.json_text import UnfitError
from sidecar.model.body import Coding

# Of zlib: 16 more than the window means that there must be the head and the sum of gzip.
_WINDOWS: Final = {Coding.GZIP: zlib.MAX_WBITS + 16, Coding.DEFLATE: zlib.MAX_WBITS}
_FREE: Final = 65_536
"""Bytes that may come of any body, however small: the ratio of a few bytes says nothing."""


class BombError(Exception):
    """A body that unpacks to more than it may; the message says why."""


@dataclass(frozen=True, slots=True)
class Unpacking:
    """How much may come of a compressed body.

    Attributes:
        most: bytes.
        ratio: times its size.
    """

    most: int
    ratio: int


def unpacked(content: bytes, coding: Coding, bounds: Unpacking) -> bytes:
    """Undo a content coding.

    Args:
        content: the body as received.
        coding: its coding.
        bounds: how much may come of it.

    Raises:
        UnfitError: it is not what its coding says, is cut short, or more follows it.
        BombError: it becomes too large.

    Controls: RQ-1, RQ-3.
    """
    if coding is Coding.IDENTITY:
        return content
    most = min(bounds.most, max(_FREE, len(content) * bounds.ratio))
    decoder = zlib.decompressobj(_WINDOWS[coding])
    try:
        plain = decoder.decompress(content, most + 1)
    except zlib.error as error:
        raise UnfitError(f"the body is not {coding.value}") from error
    if len(plain) > most:
        raise BombError("the body unpacks to more than it may")
    if not decoder.eof:
        raise UnfitError(f"the {coding.value} of the body is cut short")
    # RFC 1952 §2.2 lets members of gzip follow each other; some readers take the first alone.
    if decoder.unused_data:
        raise UnfitError(f"something follows the {coding.value} of the body")
    return plain
