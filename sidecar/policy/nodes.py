"""The tree of a policy: nodes that know where they stand."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

_SHOWN_CHARACTERS: Final = 60
_PLAIN_KEY: Final = re.compile(r"[\w-]{1,60}\Z", re.ASCII)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands.

    Attributes:
        file: name of the file as the user gave it.
        line: 1-based line, 0 for no line.
        column: 1-based column, 0 likewise.
    """

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        place: where it begins.
        value: text, or for plain scalars of the core schema None, a flag or a number.
        source: the text as the policy has it, before variables were filled in.
        folder: folder of the file.
        is_filled: true when a variable was filled in.
    """

    place: Place
    value: str | int | float | bool | None
    source: str
    folder: PurePath
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    place: Place
    items: list["Node"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, where it stands, and its value."""

    key: Place
    node: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, its entries in the order of the text."""

    place: Place
    entries: dict[str, Entry]


Node = Scalar | Sequence | Mapping


def entry_at(root: Mapping, path: Path) -> Entry:
    """Follow a path as far as it leads.

    Args:
        root: the document.
        path: keys and indexes.

    Returns:
        The entry at the path, or the last one on the way to it.
    """
    entry = Entry(root.place, root)
    for step in path:
        match entry.node:
            case Mapping(entries=entries) if isinstance(step, str) and step in entries:
                entry = entries[step]
            case Sequence(items=items) if isinstance(step, int) and step < len(items):
                entry = Entry(items[step].place, items[step])
            case _:
                return entry
    return entry


def as_written(root: Mapping, path: Path) -> Path:
    """Leave out what a short form does not write.

    That is the index of a thing that stands alone where there may be a list, and the key whose
    value stands in the place of the whole section.
    """
    written: Path = ()
    for place, step in enumerate(path):
        node = entry_at(root, written).node
        is_alone = step == 0 and not isinstance(node, Sequence)
        if not (is_alone or _stands_for_section(node, path[place : place + 2])):
            written = (*written, step)
    return written


def _stands_for_section(node: Node, steps: Path) -> bool:
    match node, steps:
        case Mapping(entries=entries), (str(step), str(below)):
            return step not in entries and below in entries
        case _:
            return False


def key_path(path: Path) -> str:
    """Write the path of a key as in `routes[2].body.max`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(text: str) -> str:
    """Quote a text of the policy on one line, shortened where it is long."""
    if len(text) > _SHOWN_CHARACTERS:
        return repr(f"{text[: _SHOWN_CHARACTERS - 1]}…")
    return repr(str(text))
