"""Edits of a YAML text that leave every other character as it is: comments, order, quotes, layout.

PyYAML's composer says where each node stands; what is new is written in between.
"""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, cast

import yaml

from sidecar.knowledge.kube.json_patch import Operation, applied
from sidecar.knowledge.kube.tree import ManifestError, Path

_MARKER: Final = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_COMMENT: Final = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n")
_ENDLESS: Final = 1_000_000
"""Columns of what is written on one line."""


def split(text: str) -> list[str]:
    """Cut a stream into its documents, each with its marker; joined they are the stream."""
    starts = [found.start() for found in _MARKER.finditer(text)]
    cuts = [0, *(start for start in starts if start > 0), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def read(text: str) -> object:
    """Read one document.

    Raises:
        ManifestError: it is no YAML.
    """
    try:
        found: object = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ManifestError((), f"is no YAML: {said}", "see the line that it names") from error
    return found


def edited(text: str, operations: Sequence[Operation]) -> str:
    """Edit a document.

    Args:
        text: the document.
        operations: edits that were made for what it says.

    Raises:
        ManifestError: the place is shared by an anchor, so that an edit would change another too.
    """
    if not operations:
        return text
    before = read(text)
    wanted = applied(before, operations)
    if _is_json(text):
        return f"{json.dumps(wanted, indent=2, ensure_ascii=False)}\n"
    after = text
    for one in operations:
        after = _Edit(after).done(one)
    if read(after) != wanted:
        raise _shared(operations[0].path)
    return after


def _is_json(text: str) -> bool:
    """Tell JSON, which has no comments, from YAML in braces, which may have."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _shared(path: Path) -> ManifestError:
    said = "an edited place is shared by an anchor (&, *) or a merge key (<<)"
    return ManifestError(path, said, "write it out in this document")


class _Loader(yaml.SafeLoader):
    """Composes nodes, and an alias as a node of its own, at the place where it stands."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]  # the stub has no types
            return yaml.ScalarNode("alias", event.anchor, event.start_mark, event.end_mark)
        return super().compose_node(parent, index)  # type: ignore[arg-type]  # an index or a node


class _Edit:
    """One edit of a text."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._text = text
        self._root = cast(yaml.Node, _Loader(text).get_single_node())  # it was read before

    def done(self, one: Operation) -> str:
        """Return the text with an edit."""
        *above, last = one.path
        parent = self._at(above)
        if isinstance(parent, yaml.SequenceNode) and isinstance(last, int):
            if one.op == "add":
                return self._insert_item(parent, last, one.value)
            return self._replace(parent.value[last], one.value)
        if not isinstance(parent, yaml.MappingNode):
            raise _shared(one.path)
        found = _member(parent, last)
        if found is not None:
            return self._replace(found, one.value)
        return self._add_key(parent, str(last), one.value)

    def _at(self, path: Iterable[str | int]) -> yaml.Node:
        node = self._root
        for step in path:
            found = (
                node.value[step]
                if isinstance(node, yaml.SequenceNode) and isinstance(step, int)
                else _member(node, step)
            )
            if found is None:
                raise _shared(tuple(path))
            node = found
        return node

    def _replace(self, node: yaml.Node, value: object) -> str:
        start, end = node.start_mark.index, _end(node)
        if _is_block(node):
            lines = self._block(value, node.start_mark.column)
            return self._spliced(start, end, "\n".join(lines).lstrip())
        blank = "" if node.value or self._text[start - 1].isspace() else " "
        return self._spliced(start, end, f"{blank}{_flow(value)}")

    def _add_key(self, parent: yaml.MappingNode, key: str, value: object) -> str:
        if parent.flow_style:
            return self._into_flow(parent, len(parent.value), f"{_flow(key)}: {_flow(value)}")
        column = parent.start_mark.column
        if isinstance(value, dict | list):
            lines = self._block({key: value}, column)
        else:
            lines = [f"{' ' * column}{_flow(key)}: {_flow(value)}"]
        return self._inserted_after(parent, column, lines)

    def _insert_item(self, parent: yaml.SequenceNode, at: int, value: object) -> str:
        if parent.flow_style:
            return self._into_flow(parent, at, _flow(value))
        column = parent.start_mark.column
        is_deep = isinstance(value, dict | list)
        lines = self._block([value], column) if is_deep else [f"{' ' * column}- {_flow(value)}"]
        if at == len(parent.value):
            return self._inserted_after(parent, column + 1, lines)
        start = self._text.rfind(f"{' ' * column}-", 0, parent.value[at].start_mark.index)
        return self._spliced(self._before_comments(start), None, self._lines(lines))

    def _into_flow(self, parent: yaml.CollectionNode, at: int, text: str) -> str:
        items = [one[0] if isinstance(one, tuple) else one for one in parent.value]
        if at < len(items):
            return self._spliced(items[at].start_mark.index, None, f"{text}, ")
        if not items:
            return self._spliced(parent.start_mark.index + 1, None, text)
        return self._spliced(_end(items[-1], parent.value[-1]), None, f", {text}")

    def _inserted_after(self, node: yaml.Node, column: int, lines: list[str]) -> str:
        """Insert lines after a node, and after comments that stand as deep as a column."""
        end = _end(node)
        if end == 0 or self._text[end - 1] != "\n":
            found = self._text.find("\n", end)
            if found < 0:
                return self._spliced(len(self._text), None, f"\n{self._lines(lines)}")
            end = found + 1
        at = end
        while line := _COMMENT.match(self._text, at):
            at = line.end()
            stripped = line[0].lstrip(" \t")
            if stripped.startswith("#") and len(line[0]) - len(stripped) >= column:
                end = at
        return self._spliced(end, None, self._lines(lines))

    def _before_comments(self, start: int) -> int:
        """Go up over the comments before an item, which are the item's."""
        while start > 0:
            above = self._text.rfind("\n", 0, start - 1) + 1
            line = self._text[above:start].strip()
            if not line.startswith("#"):
                break
            start = above
        return start

    def _block(self, value: object, column: int) -> list[str]:
        text = yaml.dump(
            value,
            Dumper=_Dumper if _is_indented(self._root) else yaml.SafeDumper,
            sort_keys=False,
            default_flow_style=None,
            allow_unicode=True,
            width=_ENDLESS,
        )
        return [f"{' ' * column}{line}" for line in text.splitlines()]

    def _lines(self, lines: list[str]) -> str:
        return "".join(f"{line}\n" for line in lines)

    def _spliced(self, start: int, end: int | None, text: str) -> str:
        end = start if end is None else end
        return self._text[:start] + text.replace("\n", self._newline) + self._text[end:]


class _Dumper(yaml.SafeDumper):
    """Writes the items of lists deeper than the key before them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 -- PyYAML's
        """Indent."""
        del indentless
        super().increase_indent(flow, indentless=False)


def _member(node: yaml.Node, key: object) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _end(node: yaml.Node, pair: object = None) -> int:
    """Find where a node ends; of block collections the composer knows only what follows."""
    if isinstance(pair, tuple):
        return _end(pair[1])
    if not _is_block(node):
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _is_indented(node: yaml.Node) -> bool:
    """Tell whether the lists of a document stand deeper than their keys; so in one without any."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    lists = [(key, one) for key, one in pairs if isinstance(one, yaml.SequenceNode)]
    columns = [
        one.start_mark.column > key.start_mark.column for key, one in lists if _is_block(one)
    ]
    below = node.value if _is_block(node) else ()
    nodes = [one[1] if isinstance(one, tuple) else one for one in below]
    return columns[0] if columns else all(_is_indented(one) for one in nodes)


def _flow(value: object) -> str:
    return (
        yaml.safe_dump(
            value, sort_keys=False, default_flow_style=True, allow_unicode=True, width=_ENDLESS
        )
        .removesuffix("...\n")
        .strip()
    )
