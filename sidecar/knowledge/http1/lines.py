"""Field lines: their grammar, and what each means, remembered by the bytes of the whole line.

A line that goes on is the very bytes that came.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.model.memo import LineMemo

# RFC 9112 §5 field-line and RFC 9110 §5.5 field-value: HTAB, SP, VCHAR and obs-text, nothing else.
_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
    rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*\Z"
)


@dataclass(frozen=True, slots=True)
class Special:
    """A field line that means something to whoever classified it.

    Attributes:
        kind: a number that the classifier gave it.
        name: field name in lower case.
        value: field value without white space around it.
    """

    kind: int
    name: bytes
    value: bytes


UNKNOWN: Final = Special(0, b"", b"")
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
    return match[1], match[2]


class Lines:
    """Classifies field lines.

    Attributes:
        of: says what a line means, None for a plain one; raises MalformedLineError.
    """

    __slots__ = ("_kinds", "_refine", "of")

    def __init__(
        self,
        kinds: Mapping[bytes, int],
        refine: Callable[[Special], Special | None] = lambda special: special,
    ) -> None:
        """Keep the rule.

        Args:
            kinds: number of every field name, in lower case, that is not plain.
            refine: judges a special line by its value too; None makes it plain.
        """
        self._kinds = kinds
        self._refine = refine
        self.of: LineMemo[Special | None] = LineMemo(self._classify)

    def _classify(self, line: bytes) -> Special | None:
        name, value = split_line(line)
        lower = name.lower()
        kind = self._kinds.get(lower)
        return None if kind is None else self._refine(Special(kind, lower, value))

    def specials(self, lines: list[bytes]) -> list[Special]:
        """Return the special ones among the lines, in order.

        Raises:
            MalformedLineError: a line breaks RFC 9112 §5.
        """
        known = self.of.known
        found = []
        for line in lines:
            special = known.get(line, UNKNOWN)
            if special is UNKNOWN:
                special = self.of(line)
            if special is not None:
                found.append(special)
        return found
