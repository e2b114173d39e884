"""Count the items of a batch while it comes (RQ-2): enough of them, and the rest need not come.

    SEEK  -> COUNT         the list of the batch begins; -> DONE the document can have none
    COUNT -> DONE          the list ends

The list of a named member is looked for among so many tokens and no more: a document that hides it
behind others is received whole, and refused then.

The scanner tells strings from structure and knows how deep it is, no more: what is no JSON at all
is refused by the parser, once the body is whole, which counts again and has the last word.
"""

import json
import re
from array import array
from collections.abc import Iterator
from enum import Enum
from itertools import accumulate
from typing import Final

_STRING: Final = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_STRINGS: Final = re.compile(_STRING, re.DOTALL)
_TOKENS: Final = re.compile(_STRING + rb"|[{}\[\]:,]|[^\s{}\[\]:,\"]+", re.DOTALL)
_QUOTE: Final = b'"'

# By the structure alone: two deeper, two higher, and for a comma one deeper and back, so that the
# commas of a level are counted by the odd depth that only they reach. All of it runs in C: 60 ns
# a token, where a loop takes 300 ns.
_SHAPE: Final = bytes(2 if byte in b"[{" else 254 if byte in b"]}" else byte for byte in range(256))
_SHAPELESS: Final = bytes(byte for byte in range(256) if byte not in b"[]{},")
_COMMA: Final = b"\x01\xff"
_OF_COMMAS: Final = 1
_CLOSED: Final = -2

LOOKED_AT: Final = 4096
"""Tokens among which the list is looked for: 3 µs each, in which nobody else is served."""

# A name may be written in escapes, twelve bytes for a character beyond the first plane.
_ESCAPED_BYTES: Final = 12


class State(Enum):
    """Where in the document the scanner is."""

    SEEK = 0
    COUNT = 1
    DONE = 2


class ItemCounter:
    """Counts the items of the list at a place, as its bytes come.

    Attributes:
        state: where it is.
        items: items of which the beginning was seen, or the comma before it.
    """

    __slots__ = (
        "_depth", "_is_escaped", "_is_next", "_left", "_matched", "_names", "_rest", "_room",
        "_value", "items", "state",
    )  # fmt: skip

    def __init__(self, names: tuple[str, ...]) -> None:
        """Start before the first byte.

        Args:
            names: members that lead to the list; none for a document that is the list.
        """
        self._names = tuple(name.casefold() for name in names)
        self._room = max((len(name) for name in names), default=0) * _ESCAPED_BYTES + 2
        self.state = State.SEEK
        self.items = 0
        # What was not read yet: a string that has not ended.
        self._rest = b""
        self._is_escaped = False
        self._depth = self._matched = 0
        self._left = LOOKED_AT
        self._is_next = not names
        self._value = b""

    def feed(self, received: bytes) -> int:
        """Take the next bytes, and return how many items are known of."""
        if self.state is State.DONE:
            return self.items
        if self._is_escaped:
            received = received[1:]
            self._is_escaped = False
        text = self._rest + received
        self._rest = b""
        if self.state is State.SEEK:
            text = self._seek(text)
        if self.state is State.COUNT:
            self._count(text)
        return self.items

    def _seek(self, text: bytes) -> bytes:
        """Follow the names; return what is left where the list begins."""
        whole, is_escaped = _without_half(text)
        # With a quote at its end a string that has not ended is one that ends there.
        for found in _TOKENS.finditer(whole + _QUOTE):
            token = found[0]
            if found.end() > len(whole):
                self._keep(text[found.start() :], is_escaped=is_escaped)
                return b""
            self._take(token)
            self._left -= 1
            if self._left < 0:
                self.state = State.DONE
            if self.state is State.COUNT:
                return text[found.end() :]
            if self.state is State.DONE:
                return b""
        return b""

    def _keep(self, string: bytes, *, is_escaped: bool) -> None:
        """Keep a string that has not ended, or what stands for one that is no name of ours."""
        if len(string) <= self._room:
            self._rest = string
            return
        self._rest = _QUOTE + b"x" * self._room
        self._is_escaped = is_escaped

    def _take(self, token: bytes) -> None:
        if token in b"[{":
            self._open(token)
        elif token in b"]}":
            self._depth -= 1
            self._matched = max(min(self._matched, self._depth - 1), 0)
            self._is_next = False
        elif token == b":":
            self._is_next = self._depth == self._matched + 1 and self._is_name(self._value)
        elif token == b",":
            self._is_next = False
        elif not self._depth and not token.isspace():
            # A single value: no list will come.
            self.state = State.DONE
        self._value = token

    def _open(self, token: bytes) -> None:
        self._depth += 1
        if self._is_next:
            is_last = self._matched + 1 >= len(self._names)
            if is_last and token == b"[":
                self.state = State.COUNT
                self._depth = 0
            elif not self._names:
                self.state = State.DONE
            elif not is_last and token == b"{":
                self._matched += 1
        self._is_next = False

    def _is_name(self, token: bytes) -> bool:
        """Tell whether a member has the next name, in any case: some services ignore it."""
        if not token.startswith(_QUOTE) or len(token) > self._room:
            return False
        try:
            name: object = json.loads(token)
        except ValueError:
            return False
        return isinstance(name, str) and name.casefold() == self._names[self._matched]

    def _count(self, text: bytes) -> None:
        whole, is_escaped = _without_half(text)
        bare = _STRINGS.sub(b"0", whole + _QUOTE)
        if bare.endswith(_QUOTE):
            bare = bare[:-1]
        else:
            self._rest = _QUOTE
            self._is_escaped = is_escaped
        if not self.items and (bare.strip() or self._rest):
            self.items = 0 if bare.lstrip().startswith(b"]") else 1
        depths = list(accumulate(_steps(bare), initial=self._depth))
        if _CLOSED in depths:
            del depths[depths.index(_CLOSED) :]
            self.state = State.DONE
            self._rest = b""
        self.items += depths.count(_OF_COMMAS)
        self._depth = depths[-1]


def _steps(bare: bytes) -> Iterator[int]:
    shape = bare.translate(_SHAPE, _SHAPELESS).replace(b",", _COMMA)
    return iter(array("b", shape))


def _without_half(text: bytes) -> tuple[bytes, bool]:
    """Take a backslash at the end away whose other half has not come; say if it was there."""
    if (len(text) - len(text.rstrip(b"\\"))) % 2:
        return text[:-1], True
    return text, False
