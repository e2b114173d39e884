"""Edits of a document as JSON Patch (RFC 6902), of which `add` and `replace` are used."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sidecar.knowledge.kube.tree import Path


@dataclass(frozen=True, slots=True)
class Operation:
    """One edit.

    Attributes:
        op: `add` puts a member into a mapping, in place of one with its name, or an item before
            the one at an index; `replace` needs something to be there.
        path: where; the index after the last one appends.
        value: what.
    """

    op: Literal["add", "replace"]
    path: Path
    value: object

    def as_json(self) -> dict[str, object]:
        """Write it as RFC 6902 has it, with a JSON Pointer (RFC 6901)."""
        return {"op": self.op, "path": pointer(self.path), "value": self.value}


def pointer(path: Path) -> str:
    """Write a path as a JSON Pointer (RFC 6901 §3)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def applied(document: object, operations: Iterable[Operation]) -> object:
    """Apply edits to a copy of a document."""
    edited = _own(document)
    for one in operations:
        *above, last = one.path
        at: object = edited
        for step in above:
            at = at[step]  # type: ignore[index]  # the edits were made for this document
        if one.op == "add" and isinstance(at, list) and isinstance(last, int):
            at.insert(last, _own(one.value))
        else:
            at[last] = _own(one.value)  # type: ignore[index]  # likewise
    return edited


def _own(value: object) -> object:
    """Copy a tree, so that what an alias of YAML shares is shared no longer."""
    if isinstance(value, dict):
        return {key: _own(below) for key, below in value.items()}
    return [_own(below) for below in value] if isinstance(value, list) else value
