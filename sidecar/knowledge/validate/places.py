"""Places in a JSON document: JSON Pointers (RFC 6901), with `*` for every item of a list.

Names are compared without case: Go's and .NET's readers take `Tenant_ID` for `tenant_id`, so a
second spelling is a second value, and is judged like the first.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

EACH: Final = "*"
_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_TILDE: Final = re.compile(r"~(?![01])")


def parts_of(pointer: str) -> tuple[str, ...]:
    """Split a JSON Pointer into its decoded parts.

    Raises:
        ValueError: it is none.
    """
    if not pointer.startswith("/") or _TILDE.search(pointer):
        raise ValueError("is no JSON Pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def written(parts: Iterable[str | int]) -> str:
    """Write a JSON Pointer."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def folded(name: str) -> str:
    """Spell a name as careless readers know it: without case, and up to a NUL."""
    return name.partition("\0")[0].casefold()


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place.

    Attributes:
        values: every value, under every spelling.
        is_missing: whether it is not there under its own name, in one of the items at least.
    """

    values: list[object]
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A place in documents.

    Attributes:
        parts: names, indexes and `*` that lead to it.
    """

    parts: tuple[str, ...]

    @classmethod
    def of(cls, pointer: str) -> Self:
        """Read a pointer."""
        return cls(parts_of(pointer))

    def find(self, document: object) -> Found:
        """Collect what stands there."""
        nodes, is_missing = [document], False
        for part in self.parts:
            below: list[object] = []
            for node in nodes:
                found, is_there = _step(node, part)
                below += found
                is_missing = is_missing or not is_there
            nodes = below
        return Found(nodes, is_missing)

    def __str__(self) -> str:
        """Read as the policy writes it."""
        return written(self.parts)


def _step(node: object, part: str) -> tuple[list[object], bool]:
    """Go one part deeper; say whether the part itself is there.

    Where a list stands for an object, or an object for a list, the part is not there, but services
    may find what they look for: PHP walks the members of an object as the items of a list, Jackson
    takes one item for a list of it, and a list of one for the item.
    """
    if isinstance(node, list):
        if part == EACH:
            return node, True
        if not _INDEX.match(part):
            return [value for item in node for value in _members_of(item, part)], False
        index = int(part)
        return node[index : index + 1], index < len(node)
    if not isinstance(node, dict):
        return [], False
    if part == EACH:
        return [node, *node.values()], False
    return _members_of(node, part), part in node


def _members_of(node: object, name: str) -> list[object]:
    if not isinstance(node, dict):
        return []
    spelling = folded(name)
    return [value for written_name, value in node.items() if folded(written_name) == spelling]


def names_in(document: object) -> Iterator[str]:
    """Name the members of all objects of a document, as careless readers know them."""
    level = [document]
    while level:
        objects = [node for node in level if isinstance(node, dict)]
        lists = [node for node in level if isinstance(node, list)]
        yield from (folded(name) for node in objects for name in node)
        level = [one for node in objects for one in node.values()]
        level += [one for node in lists for one in node]
