"""Text for a model inside of messages: judged, and cleaned (RQ-6)."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.mcp.messages import TEXTS, Message
from sidecar.knowledge.mcp.tokens import Reserved
from sidecar.knowledge.validate.places import written
from sidecar.model.body import Fault

MOST_FAULTS: Final = 10
"""Places that an answer names at most."""

TOKEN: Final = "holds a reserved control token"  # noqa: S105 -- no secret
INVISIBLE: Final = "holds characters that nobody sees"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a document, known by the one around it: no step of a walk copies its way.

    Attributes:
        part: name or index in the place around it.
        around: that place; None for a part of the document itself.
    """

    part: str | int
    around: "Place | None" = None

    def pointer(self) -> str:
        """Write it as a JSON Pointer."""
        parts: list[str | int] = []
        place: Place | None = self
        while place is not None:
            parts.append(place.part)
            place = place.around
        return written(reversed(parts))


class Cleaning:
    """One walk through the texts of a request: what is wrong with them, and what they become.

    Attributes:
        faults: what is wrong, the first of it.
        collides: whether two names of an object become one.
    """

    def __init__(self, reserved: Reserved) -> None:
        self._reserved = reserved
        self.faults: list[Fault] = []
        self.collides = False

    def params(self, message: Message) -> dict[str, object]:
        """Clean the texts of a message; return its parameters, the same if they are clean."""
        changed: dict[str, object] = {}
        around = None
        for part in message.at:
            around = Place(part, around)
        around = Place("params", around)
        for name in TEXTS:
            before = message.params.get(name)
            after = self._cleaned(before, Place(name, around))
            if after is not before:
                changed[name] = after
        return {**message.params, **changed} if changed else message.params

    def _cleaned(self, value: object, at: Place) -> object:
        if isinstance(value, str):
            return self._text(value, at, "")
        if isinstance(value, list):
            items = [self._cleaned(item, Place(index, at)) for index, item in enumerate(value)]
            is_same = all(new is old for new, old in zip(items, value, strict=True))
            return value if is_same else items
        return self._members(value, at) if isinstance(value, dict) else value

    def _members(self, value: dict[str, object], at: Place) -> dict[str, object]:
        members: dict[str, object] = {}
        is_same = True
        for name, member in value.items():
            new = self._text(name, at, "has a member whose name ")
            self.collides = self.collides or new in members
            # A place must not be named by what is wrong with its name.
            place = Place(name, at) if new is name else at
            members[new] = self._cleaned(member, place)
            is_same = is_same and new is name and members[new] is member
        return value if is_same else members

    def _text(self, text: str, at: Place, what: str) -> str:
        after = self._reserved.cleaned(text)
        if after == text:
            return text
        if len(self.faults) < MOST_FAULTS:
            detail = TOKEN if self._reserved.has_token(text) else INVISIBLE
            self.faults.append(Fault(at.pointer(), what + detail))
        return after


def digest(arguments: object) -> str:
    """Digest arguments: SHA-256 of JSON with sorted members, without blanks, in UTF-8."""
    content = json.dumps(arguments, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def encoded(document: object) -> bytes:
    """Write a document as JSON in UTF-8, without blanks."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
