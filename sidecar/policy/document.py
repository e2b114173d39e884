"""YAML text as a tree of nodes that know their line and column.

PyYAML's parser gives the events. What stands above them is ours, because its composer has no
bounds, keeps the last of two equal keys and types scalars by YAML 1.1:

1. the text is UTF-8 of bounded size, without characters that nobody sees;
2. one document, bounded in depth and in what aliases expand to; no tags, no merge keys;
3. plain scalars are typed by YAML 1.2: `no`, `on`, `1:30` are words;
4. `${NAME}` is filled in after parsing, so that a variable can never add structure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, NoReturn, Protocol, cast

import yaml

from sidecar.model.errors import Problem
from sidecar.policy import nodes
from sidecar.policy.nodes import Entry, Node, Place, Scalar, Sequence, key_path, quoted
from sidecar.policy.scalars import fill, typed

# A policy of 20,000 routes has 2 MB; the bounds stop a file that was written to hurt.
MAX_BYTES: Final = 8 * 2**20
MAX_DEPTH: Final = 32
MAX_ALIASED_NODES: Final = 100_000

# Not printable in YAML; line breaks in 1.1 that are text in 1.2; and the marks that turn the
# direction of writing, with which a text reads otherwise than it works (CVE-2021-42574).
_UNSEEN: Final = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
    "|[\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff]"
)

# libyaml's words, the mend.
_SYNTAX_HINTS: Final = (
    ("cannot start any token", "quote values that begin with @, ` or %"),
    ("mapping values are not allowed", "give keys of one mapping one column; quote ': ' in values"),
    ("did not find expected key", "give keys of one mapping one column; close quotes and brackets"),
    ("did not find expected '-'", "give the items of one list one column"),
    ("could not find expected ':'", "write key: value, with a blank after the colon"),
    ("unexpected end of stream", "close the quote"),
    ("did not find expected ','", "close the bracket; quote ${NAME} and {name} inside { } and [ ]"),
    ("escape", "use single quotes where a backslash is meant as itself"),
)
_SYNTAX_HINT: Final = "check indentation, quotes and brackets here and in the line before"


@dataclass(frozen=True, slots=True)
class Genre:
    """What kind of document a text is: its bounds, and the words for its mistakes.

    Attributes:
        noun: what it is called.
        beginning: what it begins with.
        most_bytes: largest file.
        depth: deepest nesting.
        is_filled: whether `${NAME}` is filled in.
    """

    noun: str
    beginning: str
    most_bytes: int
    depth: int
    is_filled: bool


POLICY: Final = Genre("policy", "version: 1", MAX_BYTES, MAX_DEPTH, is_filled=True)


@dataclass(frozen=True, slots=True)
class Document:
    """What was understood of a file, and every problem met on the way.

    Attributes:
        root: the outermost mapping; None if nothing can be made of the file.
        problems: errors, in the order of the text.
    """

    root: nodes.Mapping | None
    problems: list[Problem]


def parse(name: str, content: bytes, environ: Mapping[str, str], genre: Genre = POLICY) -> Document:
    """Read a policy file, or another document that is as strict.

    Args:
        name: its name, for places and relative file names.
        content: its bytes.
        environ: variables for `${NAME}`.
        genre: what kind of document it is.

    Returns:
        The tree and the problems; it raises for nothing that a file may hold.
    """
    problem = unreadable(name, content, genre)
    if problem is not None:
        return Document(None, [problem])
    composer = _Composer(name, content.decode("utf-8-sig"), environ, genre)
    try:
        root = composer.compose()
    except _UnreadableError:
        root = None
    composer.problems.sort(key=lambda problem: (problem.line, problem.column))
    return Document(root, composer.problems)


def unreadable(name: str, content: bytes, genre: Genre) -> Problem | None:
    """Say why no text can be made of a file; None if one can."""
    if len(content) > genre.most_bytes:
        message = f"the file has more than {genre.most_bytes // 2**20} MiB"
        hint = f"a {genre.noun} has kilobytes: is it the right file?"
        return Problem(name, 0, 0, "", message, hint)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        return Problem(name, line, column, "", "not UTF-8 from here on", "save the file as UTF-8")
    if found := _UNSEEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        message = f"the invisible character U+{ord(found[0]):04X}"
        hint = "delete it, or write it as an escape in double quotes"
        return Problem(name, line, column, "", message, hint)
    return None


class _Mark(Protocol):
    """Where PyYAML saw something, 0-based."""

    line: int
    column: int


# libyaml and the parser in Python name the same style differently.
_PLAIN: Final = frozenset({"", None})

_Written = yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent


class _UnreadableError(Exception):
    """Nothing more can be read of this file; its problem is already noted."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases may repeat, how many nodes it has, and how deep it is."""

    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Composer:
    """Build the tree from the parser's events."""

    file: str
    text: str
    environ: Mapping[str, str]
    genre: Genre
    problems: list[Problem] = field(default_factory=list)
    folder: PurePath = field(default_factory=PurePath)
    events: Iterator[yaml.Event] = field(default_factory=lambda: iter(()))
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    path: list[str | int] = field(default_factory=list)
    size: int = 0
    aliased: int = 0
    deepest: int = 0

    def compose(self) -> nodes.Mapping | None:
        self.folder = PurePath(self.file).parent
        self.events = iter(yaml.parse(self.text, Loader=yaml.CSafeLoader))
        self._next()
        start = self._next()
        if isinstance(start, yaml.StreamEndEvent):
            self._stop(
                self._place(start.start_mark),
                f"the {self.genre.noun} is empty",
                f"begin with {self.genre.beginning}",
            )
        root = self._node(self._next(), depth=1)
        self._next()
        more = self._next()
        if not isinstance(more, yaml.StreamEndEvent):
            hint = f"one file, one {self.genre.noun}: delete the --- and what follows"
            self._stop(self._place(more.start_mark), "a second document begins here", hint)
        if isinstance(root, nodes.Mapping):
            return root
        message = f"a {self.genre.noun} is a mapping of keys"
        self._note(root.place, message, f"begin with {self.genre.beginning}")
        return None

    def _next(self) -> yaml.Event:
        try:
            return next(self.events)
        except yaml.MarkedYAMLError as error:
            self._stop_at_syntax(error)

    def _stop_at_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        what = str(error.problem)
        mark: _Mark | None = error.problem_mark
        if "end of stream" in what and error.context_mark is not None:
            mark = error.context_mark
        hint = next((hint for words, hint in _SYNTAX_HINTS if words in what), _SYNTAX_HINT)
        if mark is not None and self._character_at(mark) == "\t":
            hint = "indent with blanks, not with tabs"
        self._stop(self._place(mark), f"not YAML: {what}", hint)

    def _character_at(self, mark: _Mark) -> str:
        lines = self.text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        return line[mark.column : mark.column + 1]

    def _place(self, mark: _Mark | None) -> Place:
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return Place(self.file, line, column)

    def _note(self, place: Place, message: str, hint: str) -> None:
        path = key_path(tuple(self.path))
        self.problems.append(Problem(place.file, place.line, place.column, path, message, hint))

    def _stop(self, place: Place, message: str, hint: str) -> NoReturn:
        self._note(place, message, hint)
        raise _UnreadableError

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._bound_depth(event, depth)
        self.size += 1
        if isinstance(event, yaml.AliasEvent):
            return self._repeat(event, depth)
        # The parser's grammar leaves nothing else where a node may stand.
        written = cast("_Written", event)
        self._refuse_tag(written)
        before, deepest = self.size, self.deepest
        self.deepest = depth
        node = self._untagged(written, depth)
        if written.anchor is not None:
            size = self.size - before + 1
            self.anchors[written.anchor] = _Anchored(node, size, self.deepest - depth)
        self.deepest = max(self.deepest, deepest)
        return node

    def _untagged(self, event: _Written, depth: int) -> Node:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        return self._scalar(event)

    def _bound_depth(self, event: yaml.Event, depth: int) -> None:
        if depth > self.genre.depth:
            hint = f"no key of a {self.genre.noun} is that deep: close brackets, check indentation"
            message = f"nested deeper than {self.genre.depth} levels"
            self._stop(self._place(event.start_mark), message, hint)

    def _refuse_tag(self, event: _Written) -> None:
        if event.tag is not None:
            hint = "write the plain value; quotes make it text"
            self._note(self._place(event.start_mark), "tags are not part of the language", hint)

    def _repeat(self, event: yaml.AliasEvent, depth: int) -> Node:
        place = self._place(event.start_mark)
        anchored = self.anchors.get(str(event.anchor))
        if anchored is None:
            hint = f"define &{event.anchor} before this line, and not around it"
            self._stop(place, f"the alias *{event.anchor} has no anchor", hint)
        self._bound_depth(event, depth + anchored.height)
        self.deepest = max(self.deepest, depth + anchored.height)
        self.size += anchored.size
        self.aliased += anchored.size
        if self.aliased > MAX_ALIASED_NODES:
            message = f"aliases expand to more than {MAX_ALIASED_NODES:,} values"
            self._stop(place, message, "write the values out, or use extends")
        return anchored.node

    def _sequence(self, event: yaml.SequenceStartEvent, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(entry := self._next(), yaml.SequenceEndEvent):
            self.path.append(len(items))
            items.append(self._node(entry, depth + 1))
            self.path.pop()
        return Sequence(self._place(event.start_mark), items)

    def _mapping(self, event: yaml.MappingStartEvent, depth: int) -> nodes.Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event_of_key := self._next(), yaml.MappingEndEvent):
            key = self._key(event_of_key, depth)
            self.path.append("?" if key is None else key)
            node = self._node(self._next(), depth + 1)
            place = self._place(event_of_key.start_mark)
            if key is not None and key in entries:
                hint = f"keep one of the two; the first is in line {entries[key].key.line}"
                self._note(place, f"the key {quoted(key)} stands twice", hint)
            elif key is not None:
                entries[key] = Entry(place, node)
            self.path.pop()
        return nodes.Mapping(self._place(event.start_mark), entries)

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        place = self._place(event.start_mark)
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, depth + 1)
            self._note(place, "a key is a word, not a list, mapping or alias", "write key: value")
            return None
        self._refuse_tag(event)
        if event.value == "<<" and event.style in _PLAIN:
            hint = "alias a whole value with *name, or use extends"
            self._note(place, "merge keys are not part of the language", hint)
            return None
        if not event.value:
            self._note(place, "a key is missing before the colon", "write key: value")
            return None
        return event.value

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        place = self._place(event.start_mark)
        if not self.genre.is_filled:
            value = typed(event.value) if event.style in _PLAIN else event.value
            return Scalar(place, value, event.value, self.folder)
        filled = fill(event.value, self.environ)
        for message, hint in filled.wrong:
            self._note(place, message, hint)
        is_plain = event.style in _PLAIN and not filled.is_changed
        value = typed(event.value) if is_plain else filled.text
        return Scalar(place, value, event.value, self.folder, filled.is_changed)
