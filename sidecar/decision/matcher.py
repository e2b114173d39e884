"""Which route a request belongs to, at a cost that does not grow with the number of routes."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from sidecar.model.memo import Memo
from sidecar.model.template import Kind, Template

Leaf = TypeVar("Leaf")


class _Node(Generic[Leaf]):
    __slots__ = ("leaf", "literals", "one", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[Leaf]] = {}
        self.one: _Node[Leaf] | None = None
        self.rest: Leaf | None = None
        self.leaf: Leaf | None = None


def _find(node: _Node[Leaf], segments: tuple[str, ...], at: int) -> Leaf | None:
    """Search depth first, literal before one before rest: the first hit is the most specific."""
    if at == len(segments):
        return node.rest if node.leaf is None else node.leaf
    child = node.literals.get(segments[at])
    if child is not None and (found := _find(child, segments, at + 1)) is not None:
        return found
    if node.one is not None and (found := _find(node.one, segments, at + 1)) is not None:
        return found
    return node.rest


def _is_among(leaf: Leaf | None, candidates: list[Leaf] | None) -> bool:
    return candidates is None or any(leaf is candidate for candidate in candidates)


class _Tree(Generic[Leaf]):
    """The templates of one host, and the same with case ignored."""

    __slots__ = ("exact", "folded", "has_upper")

    def __init__(self) -> None:
        self.exact: _Node[Leaf] = _Node()
        self.folded: _Node[list[Leaf]] = _Node()
        self.has_upper = False

    def add(self, template: Template, leaf: Leaf) -> None:
        node, folded = self.exact, self.folded
        for segment in template.segments:
            if segment.kind is Kind.REST:
                node.rest = leaf
                folded.rest = [*(folded.rest or ()), leaf]
                return
            if segment.kind is Kind.ONE:
                node.one = node = node.one or _Node()
                folded.one = folded = folded.one or _Node()
            else:
                lower = segment.text.lower()
                self.has_upper = self.has_upper or lower != segment.text
                node = node.literals.setdefault(segment.text, _Node())
                folded = folded.literals.setdefault(lower, _Node())
        node.leaf = leaf
        folded.leaf = [*(folded.leaf or ()), leaf]

    def find(self, segments: tuple[str, ...], *, is_lower: bool) -> tuple[Leaf | None, bool]:
        """Return the leaf, and whether the search ends here.

        A path that a more specific template would match if case were ignored belongs to no route:
        a service that ignores case would serve it as that template's.
        """
        leaf = _find(self.exact, segments, 0)
        if is_lower and not self.has_upper:
            return leaf, leaf is not None
        lower = tuple([segment.lower() for segment in segments])
        if lower == segments and not self.has_upper:
            return leaf, leaf is not None
        if not _is_among(leaf, _find(self.folded, lower, 0)):
            return None, True
        return leaf, leaf is not None


class Matcher(Generic[Leaf]):
    """Maps host and path to what the most specific template stands for."""

    def __init__(self, entries: Iterable[tuple[Template, Leaf]]) -> None:
        trees: dict[str | None, _Tree[Leaf]] = {}
        for template, leaf in entries:
            trees.setdefault(template.host, _Tree()).add(template, leaf)
        self._trees = trees
        self._candidates = Memo(self._choose)

    def find(
        self, host: bytes | None, segments: tuple[str, ...], *, is_lower: bool = False
    ) -> Leaf | None:
        """Find the leaf of the most specific template.

        Args:
            host: the Host value in lower case, with or without a port.
            segments: decoded path segments.
            is_lower: whether the caller knows that no segment holds a capital letter.
        """
        for tree in self._candidates.known.get(host) or self._candidates(host):
            leaf, is_final = tree.find(segments, is_lower=is_lower)
            if is_final:
                return leaf
        return None

    def _choose(self, host: bytes | None) -> tuple[_Tree[Leaf], ...]:
        names: list[str | None] = [None]
        if host is not None:
            name = host.decode("latin-1")
            if not name.endswith("]"):
                name = name.rpartition(":")[0] if ":" in name else name
            name = name.removesuffix(".")
            labels = name.split(".")
            names = [name, *("*." + ".".join(labels[i:]) for i in range(1, len(labels))), None]
        return tuple(self._trees[name] for name in names if name in self._trees)
