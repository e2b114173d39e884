"""How much work a schema may make of a body: at most so much as the body is large (RQ-3).

A schema that refers to itself on two ways for the same part of a body judges that part twice, what
is in it four times, and so on: `oneOf` over operators whose operands are expressions again takes a
second for twelve levels, and for ever for thirty. Such a schema is refused when it is loaded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeGuard
from urllib.parse import unquote

MOST_JUDGEMENTS: Final = 10_000
"""How often one value may be judged, at most, whatever is in it."""

_REFERENCES: Final = ("$ref", "$dynamicRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_SAME_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SAME: Final = ("not", "if")
# The older name is not of 2020-12, and judges all the same.
_DEPENDENT: Final = ("dependentSchemas", "dependencies")
_BRANCHES: Final = ("then", "else")
_NAMED: Final = "properties"
_PATTERNS: Final = "patternProperties"
_OTHER_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")
_EACH_ITEM: Final = ("items", "contains", "unevaluatedItems")
_LISTED_ITEMS: Final = "prefixItems"

Node = Mapping[str, object]
# A part of a value: a member by its name, any other member, any item.
_ANY_MEMBER: Final = ("member", "")
_ANY_ITEM: Final = ("item", "")
Step = tuple[str, str]
Arrivals = Counter[tuple[Step, int]]


class GrowthError(ValueError):
    """A schema whose work grows faster than the bodies that it judges; the message says how."""


def check_growth(document: object) -> None:
    """Refuse a schema that takes more than bounded work for each value of a body.

    Args:
        document: a JSON Schema; its references lead into it.

    Raises:
        GrowthError: it takes more.
    """
    if not isinstance(document, Mapping):
        return
    graph = _Graph(document)
    graph.explore(document)
    home = graph.components()
    for node, arrivals in graph.arrivals.items():
        inner = Counter[Step]()
        own = [(step, ways) for (step, to), ways in arrivals.items() if home[to] == home[node]]
        for step, ways in own:
            inner[step] += ways
        most = max(_most(inner, _ANY_MEMBER), _most(inner, _ANY_ITEM))
        if most > 1:
            raise GrowthError("refers to itself on two ways for the same part of a body")


def _most(ways: Counter[Step], general: Step) -> int:
    """Count the ways to the part that has the most: some hold for each part beside its own."""
    own = [number for step, number in ways.items() if step[0] == general[0] and step != general]
    return ways[general] + max([0, *own])


@dataclass(slots=True)
class _Graph:
    """Which schemas judge the parts of a value that a schema judges, and in how many ways."""

    document: Node
    nodes: dict[int, Node] = field(default_factory=dict)
    arrivals: dict[int, Arrivals] = field(default_factory=dict)
    _known: dict[int, tuple[Arrivals, int]] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)
    _anchors: dict[str, Node] | None = None

    def explore(self, start: Node) -> None:
        """Follow all parts from a schema on."""
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if id(node) in self.arrivals:
                continue
            self.nodes[id(node)] = node
            found, _ = self._judged_by(node)
            self.arrivals[id(node)] = found
            waiting += [self.nodes[target] for _, target in found]

    def components(self) -> dict[int, int]:
        """Number the schemas so that those that refer to each other have the same number."""
        below = {node: {target for _, target in found} for node, found in self.arrivals.items()}
        above: dict[int, set[int]] = {node: set() for node in below}
        for node, targets in below.items():
            for target in targets:
                above[target].add(node)
        home: dict[int, int] = {}
        for root in reversed(_finished(below)):
            waiting = [root]
            while waiting:
                node = waiting.pop()
                waiting += above[node] if node not in home else ()
                home.setdefault(node, root)
        return home

    def _judged_by(self, node: Node) -> tuple[Arrivals, int]:
        """Collect what judges the parts of a value, and how often the value itself is judged."""
        if id(node) in self._known:
            return self._known[id(node)]
        if id(node) in self._open:
            raise GrowthError("is defined by itself alone")
        self._open.add(id(node))
        arrivals, judgements = Counter[tuple[Step, int]](), 1
        # Not `+=`, which drops what is negative.
        for step, one, ways in _parts(node):
            meant = self._meant(one)
            self.nodes[id(meant)] = meant
            arrivals.update({(step, id(meant)): ways})
        branch = Counter[tuple[Step, int]]()
        for one in filter(_is_schema, map(node.get, _BRANCHES)):
            found, ways = self._judged_by(one)
            # One of the two is taken.
            branch |= found
            judgements += ways
        arrivals.update(branch)
        for one in self._same(node):
            found, ways = self._judged_by(one)
            arrivals.update(found)
            judgements += ways
        if judgements > MOST_JUDGEMENTS:
            raise GrowthError(f"judges one value in more than {MOST_JUDGEMENTS:,} ways")
        self._open.discard(id(node))
        self._known[id(node)] = arrivals, judgements
        return arrivals, judgements

    def _meant(self, node: Node) -> Node:
        """Follow what is a reference and nothing else."""
        seen: set[int] = set()
        while node.keys() == {"$ref"} and id(node) not in seen:
            seen.add(id(node))
            found = self._find(str(node["$ref"]))
            if not _is_schema(found):
                break
            node = found
        return node

    def _same(self, node: Node) -> Iterator[Node]:
        """List the schemas that judge what a schema judges."""
        for name in _REFERENCES:
            reference = node.get(name)
            found = self._find(reference) if isinstance(reference, str) else None
            if _is_schema(found):
                yield found
        for name in _SAME_LISTS:
            yield from filter(_is_schema, _items(node.get(name)))
        yield from filter(_is_schema, map(node.get, _SAME))
        for name in _DEPENDENT:
            yield from filter(_is_schema, _members(node.get(name)).values())

    def _find(self, reference: str) -> object:
        if not reference.startswith("#/"):
            return self.document if reference == "#" else self._anchored(reference[1:])
        found: object = self.document
        for part in unquote(reference[2:]).split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = _members(found).get(name)
        return found

    def _anchored(self, name: str) -> object:
        if self._anchors is None:
            self._anchors = {}
            waiting: list[object] = [self.document]
            while waiting:
                one = waiting.pop()
                waiting += _items(one) or _members(one).values()
                names = [_members(one).get(key) for key in _ANCHORS]
                self._anchors |= {n: one for n in names if isinstance(n, str) and _is_schema(one)}
        return self._anchors.get(name)


def _is_schema(found: object) -> TypeGuard[Node]:
    """Tell schemas that judge something from those that are true or false, and from nothing."""
    return isinstance(found, Mapping)


def _members(found: object) -> Node:
    return found if isinstance(found, Mapping) else {}


def _items(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _parts(node: Node) -> Iterator[tuple[Step, Node, int]]:
    """List what a schema says of parts of a value: which, by what schema, in how many ways."""
    named = _members(node.get(_NAMED))
    for name, one in named.items():
        if _is_schema(one):
            yield ("member", name), one, 1
    for one in filter(_is_schema, _members(node.get(_PATTERNS)).values()):
        yield _ANY_MEMBER, one, 1
    for one in filter(_is_schema, map(node.get, _OTHER_MEMBERS)):
        yield _ANY_MEMBER, one, 1
        # Members that are named are none of the others.
        yield from ((("member", name), one, -1) for name in named)
    for one in filter(_is_schema, map(node.get, _EACH_ITEM)):
        yield _ANY_ITEM, one, 1
    # Items behind the listed ones are each judged by `items`, and so is none of the listed.
    for number, one in enumerate(_items(node.get(_LISTED_ITEMS))):
        if _is_schema(one):
            yield ("item", str(number)), one, 1


def _finished(below: Mapping[int, set[int]]) -> list[int]:
    """Order nodes by when a walk in depth is done with them."""
    order: list[int] = []
    seen: set[int] = set()
    for root in below:
        waiting = [(root, False)]
        while waiting:
            node, is_done = waiting.pop()
            order += [node] if is_done else []
            further = () if is_done or node in seen else below[node]
            waiting += [] if is_done or node in seen else [(node, True)]
            waiting += [(target, False) for target in further]
            seen.add(node)
    return order
