"""Manifests as trees of mappings and lists, read with care, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Final

Tree = Mapping[str, object]
Path = tuple[str | int, ...]

_KINDS: Final[Mapping[type, str]] = {dict: "a mapping", list: "a list", str: "a text"}


class ManifestError(Exception):
    """A manifest that the sidecar cannot be put into.

    Attributes:
        path: where, from the root of the document.
        message: what is wrong.
        mend: what to write instead.
    """

    def __init__(self, path: Path, message: str, mend: str) -> None:
        super().__init__(f"{shown(path)}: {message} (mend: {mend})")
        self.path = path
        self.message = message
        self.mend = mend


def shown(path: Path) -> str:
    """Write a path as `spec.containers[1].ports[0]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the document"


def mapping(value: object, path: Path) -> Tree:
    """Take a value as a mapping; what is missing or null is an empty one.

    Raises:
        ManifestError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _not_a(dict, path)
    return value


def sequence(value: object, path: Path) -> Sequence[Tree]:
    """Take a value as a list of mappings; what is missing or null is an empty one.

    Raises:
        ManifestError: it is something else.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _not_a(list, path)
    return [mapping(one, (*path, at)) for at, one in enumerate(value)]


def words(tree: Tree, key: str, path: Path) -> Mapping[str, str]:
    """Take the value of a key as a mapping of texts: labels, annotations.

    Raises:
        ManifestError: it is something else.
    """
    found = mapping(tree.get(key), (*path, key))
    return {name: text(value, (*path, key, name)) for name, value in found.items()}


def text(value: object, path: Path) -> str:
    """Take a value as a text.

    Raises:
        ManifestError: it is something else: YAML reads `true` and `3000` without quotes as such.
    """
    if not isinstance(value, str):
        raise _not_a(str, path)
    return value


def named(tree: Tree, key: str = "name") -> str:
    """Read a name for comparisons and messages; empty where there is none."""
    value = tree.get(key)
    return value if isinstance(value, str) else ""


def _not_a(kind: type, path: Path) -> ManifestError:
    mend = 'put it into quotes, as in "3000"' if kind is str else "see kubectl explain"
    return ManifestError(path, f"is not {_KINDS[kind]}", mend)
