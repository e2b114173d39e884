"""Field lines: their grammar, and what each means, remembered by the bytes of the whole line.

A line that goes on is the very bytes that came.
"""

import re
from typing import Final

from sidecar.model.fields import PASSES, Field
from sidecar.model.memo import LineMemo

# RFC 9112 §5 field-line and RFC 9110 §5.5 field-value: HTAB, SP, VCHAR and obs-text, nothing else.
# White space around the value is taken off afterwards: an expression that leaves it out has to go
# back and forth, and takes half as long again.
_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)\Z")

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
    match = _LINE.match(line)
    if match is None:
        raise MalformedLineError("malformed field line")
    return match[1], match[2].strip(b" \t")
