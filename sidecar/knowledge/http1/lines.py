"""Field lines: their grammar, and what each means, remembered by the bytes of the whole line.

A line that goes on is the very bytes that came.
"""

import re
from typing import Final

from sidecar.knowledge.http1.strict import TOKEN
from sidecar.model.fields import PASSES, Field
from sidecar.model.memo import LineMemo

# RFC 9112 §5 field-line and RFC 9110 §5.5 field-value: HTAB, SP, VCHAR and obs-text, nothing else.
_NO_VALUE: Final = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")

Lines = LineMemo[Field | None]
"""Says what a line means, None for a plain one; raises MalformedLineError."""

UNKNOWN: Final = Field(b"", b"", b"", kind=0, treatment=PASSES)
"""Stands for a line that the memory does not hold."""


class MalformedLineError(Exception):
    """A field line that breaks RFC 9112 §5."""


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Split a field line into name and value.

    Raises:
        MalformedLineError: it breaks RFC 9112 §5.
    """
    name, colon, value = line.partition(b":")
    # One expression for the whole line would go back and forth over its white space: 1 µs a line.
    if not colon or not TOKEN.match(name) or _NO_VALUE.search(value):
        raise MalformedLineError("malformed field line")
    return name, value.strip(b" \t")
