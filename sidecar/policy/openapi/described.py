"""A document that can be asked: what stands where, where references lead, what was found wrong."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from sidecar.model.errors import Problem
from sidecar.policy.nodes import Mapping, Node, Place, Scalar, Sequence, quoted

_MOST_HOPS: Final = 16
_SHOWN_CHARACTERS: Final = 400
REFERENCE: Final = "$ref"


def escaped(part: str) -> str:
    """Write a part of a JSON Pointer (RFC 6901 §3)."""
    return part.replace("~", "~0").replace("/", "~1")


def printable(text: str) -> str:
    """Write what a document says so that it cannot break a line or steer a terminal."""
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def below(pointer: str, *parts: str) -> str:
    """Go deeper."""
    return "".join((pointer, *(f"/{escaped(part)}" for part in parts)))


def member(node: Node | None, name: str) -> Node | None:
    """Return what a mapping holds under a name; None if it does not, or is none."""
    entry = node.entries.get(name) if isinstance(node, Mapping) else None
    return None if entry is None else entry.node


def text_of(node: Node | None) -> str:
    """Return the text of a single value; empty if it is none."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


@dataclass(frozen=True, slots=True)
class At:
    """A node, and its JSON Pointer in the document."""

    node: Node
    pointer: str


@dataclass(frozen=True, slots=True)
class Described:
    """A document, and the problems that were found in it.

    Attributes:
        root: its outermost mapping.
        problems: errors and warnings.
        once: warnings that were given once for all.
    """

    root: Mapping
    problems: list[Problem] = field(default_factory=list)
    once: set[str] = field(default_factory=set)

    def error(self, place: Place, pointer: str, message: str, hint: str) -> None:
        """Say that the document cannot be used."""
        self._note(place, pointer, message, hint, is_warning=False)

    def warning(self, place: Place, pointer: str, message: str, hint: str) -> None:
        """Say that something of it is not used."""
        self._note(place, pointer, message, hint, is_warning=True)

    def warn_once(self, kind: str, at: At, message: str, hint: str) -> None:
        """Say so at its first place, and leave the others out."""
        if kind not in self.once:
            self.once.add(kind)
            self.warning(at.node.place, at.pointer, message, hint)

    def _note(
        self, place: Place, pointer: str, message: str, hint: str, *, is_warning: bool
    ) -> None:
        path, message, hint = (printable(text) for text in (pointer, message, hint))
        self.problems.append(
            Problem(place.file, place.line, place.column, path, message, hint, is_warning)
        )

    def referred(self, at: At) -> str | None:
        """Read the pointer that a mapping refers to; None for one that refers to nothing.

        A reference that leaves the document, or leads nowhere, is an error: nothing is fetched.
        """
        reference = member(at.node, REFERENCE)
        if not isinstance(reference, Scalar) or not isinstance(reference.value, str):
            return None
        place, pointer, target = reference.place, below(at.pointer, REFERENCE), reference.value
        if not target.startswith("#/"):
            self.error(
                place, pointer, f"{quoted(target)} does not lead into this document",
                "a reference such as #/components/schemas/Order: nothing is fetched",
            )  # fmt: skip
            return ""
        # A fragment of a URI is percent-encoded (RFC 6901 §6).
        decoded = unquote(target[1:])
        if self.find(decoded) is None:
            self.error(
                place, pointer, f"{quoted(target)} leads nowhere", "the place of what it names"
            )
            return ""
        return decoded

    def find(self, pointer: str) -> Node | None:
        """Follow a JSON Pointer; None where nothing is."""
        node: Node | None = self.root
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Sequence):
                is_there = name.isascii() and name.isdigit() and int(name[:9]) < len(node.items)
                node = node.items[int(name[:9])] if is_there else None
            else:
                node = member(node, name)
        return node

    def followed(self, at: At) -> At | None:
        """Follow references from a node to what they mean; None, with an error, if they fail."""
        for _ in range(_MOST_HOPS):
            pointer = self.referred(at)
            if pointer is None:
                return at
            node = self.find(pointer) if pointer else None
            if node is None:
                return None
            at = At(node, pointer)
        self.error(at.node.place, at.pointer, "refers to itself", "what it means, written out")
        return None
