"""The text of an OpenAPI document, YAML or JSON, as the policy's own tree of nodes.

Whoever wrote it is not whoever wrote the policy: it is bounded like a policy, and more tightly;
`${NAME}` in it is text, so that it cannot learn what the environment holds.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, NoReturn

from sidecar.model.errors import Problem
from sidecar.policy.document import Document, Genre, parse, unreadable
from sidecar.policy.nodes import Entry, Mapping, Node, Place, Scalar, Sequence, quoted

OPENAPI: Final = Genre("document", "openapi: 3.1.0", 2 * 2**20, 64, is_filled=False)

# Of text that is JSON: commas and colons need no look any more.
_TOKEN: Final = re.compile(r'[\s,:]*([{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s,:{}\[\]"]+)')


def read_document(name: str, content: bytes) -> Document:
    """Read a document; what ends in `.json` is JSON, all else YAML.

    Args:
        name: its name.
        content: its bytes.
    """
    if not name.endswith(".json"):
        return parse(name, content, {}, OPENAPI)
    problem = unreadable(name, content, OPENAPI)
    return Document(None, [problem]) if problem is not None else _parse_json(name, content)


def _parse_json(name: str, content: bytes) -> Document:
    text = content.decode("utf-8-sig")
    try:
        found: object = json.loads(text, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        hint = "check quotes, commas and brackets here and in the line before"
        return _nothing(Place(name, error.lineno, error.colno), f"not JSON: {error.msg}", hint)
    except RecursionError:
        return _nothing(Place(name, 0, 0), *_too_deep())
    except ValueError:
        # NaN and its kin, numbers of thousands of digits, halves of characters.
        hint = "finite numbers of usual length, whole characters"
        return _nothing(Place(name, 0, 0), "has a value that JSON cannot carry", hint)
    if not isinstance(found, dict):
        hint = f'begin with {{"openapi": "{OPENAPI.beginning.partition(" ")[2]}"'
        return _nothing(Place(name, 1, 1), "a document is a mapping of keys", hint)
    reader = _JsonReader(name, text)
    try:
        root = reader.node(1)
    except _TooDeepError:
        root = None
    return Document(root if isinstance(root, Mapping) else None, reader.problems)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _too_deep() -> tuple[str, str]:
    hint = "no key of a document is that deep: name parts of it under components"
    return f"nested deeper than {OPENAPI.depth} levels", hint


def _nothing(place: Place, message: str, hint: str) -> Document:
    return Document(None, [Problem(place.file, place.line, place.column, "", message, hint)])


class _TooDeepError(Exception):
    """Nothing more is read; the problem is noted."""


@dataclass(slots=True)
class _JsonReader:
    """Builds nodes of text that is JSON; what is left to find is where things stand."""

    file: str
    text: str
    problems: list[Problem] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def node(self, depth: int) -> Node:
        """Read the value that comes next."""
        place, word = self._next()
        if word in "{[" and depth > OPENAPI.depth:
            self._note(place, *_too_deep())
            raise _TooDeepError
        if word == "{":
            return self._mapping(place, depth)
        if word == "[":
            return self._sequence(place, depth)
        return self._scalar(place, word)

    def _mapping(self, place: Place, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while (found := self._next())[1] != "}":
            key, word = found
            name = str(json.loads(word))
            node = self.node(depth + 1)
            if name in entries:
                hint = f"keep one of the two; the first is in line {entries[name].key.line}"
                self._note(key, f"the key {quoted(name)} stands twice", hint)
            else:
                entries[name] = Entry(key, node)
        return Mapping(place, entries)

    def _sequence(self, place: Place, depth: int) -> Sequence:
        items: list[Node] = []
        while not self._ends():
            items.append(self.node(depth + 1))
        return Sequence(place, items)

    def _ends(self) -> bool:
        at = self.at
        if self._next()[1] == "]":
            return True
        self.at = at
        return False

    def _scalar(self, place: Place, word: str) -> Scalar:
        value: object = json.loads(word)
        if not isinstance(value, str | int | float | bool | None):  # pragma: no cover -- it is JSON
            raise TypeError(word)
        source = value if isinstance(value, str) else word
        return Scalar(place, value, source, PurePath(self.file).parent)

    def _next(self) -> tuple[Place, str]:
        found = _TOKEN.match(self.text, self.at)
        if found is None:  # pragma: no cover -- whoever calls has read less than there is
            raise ValueError("the text ends early")
        self.at = found.end()
        line = bisect_right(self.lines, found.start(1))
        return Place(self.file, line, found.start(1) - self.lines[line - 1] + 1), found[1]

    def _note(self, place: Place, message: str, hint: str) -> None:
        self.problems.append(Problem(place.file, place.line, place.column, "", message, hint))
