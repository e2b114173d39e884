"""What a document describes and no route admits, and what routes admit and it does not describe."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sidecar.model.template import Kind, Segment
from sidecar.policy.nodes import Mapping, key_path
from sidecar.policy.openapi.described import Described
from sidecar.policy.openapi.operations import Operation, Shape, shape_of

_REST: Final = (Kind.REST, "")
_ONE: Final = (Kind.ONE, "")


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the policy, as far as it is compared.

    Attributes:
        index: its place in `routes`.
        node: its node.
        path: its template as written.
        segments: the same, parsed.
        methods: what it admits; None for all.
        has_host: whether it is for one host alone.
    """

    index: int
    node: Mapping
    path: str
    segments: tuple[Segment, ...]
    methods: frozenset[str] | None
    has_host: bool = False

    def admits(self, method: str) -> bool:
        """Whether it admits a method; GET includes HEAD."""
        if self.methods is None or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods


def differences(
    described: Described,
    operations: list[Operation],
    routes: list[Route],
    prefix: tuple[Segment, ...],
    apart: "Tree",
) -> None:
    """Warn of what stands on one side alone (RQ-3, AZ-4).

    Args:
        described: the document, which takes the warnings.
        operations: its operations.
        routes: the routes of the policy.
        prefix: what the document's paths lie under; other routes are none of its business.
        apart: what is not compared.
    """
    tree = Tree.of(routes)
    for operation in operations:
        if not apart.best(operation.segments):
            _of_operation(described, operation, tree)
    known: dict[Shape, set[str]] = {}
    for operation in operations:
        known.setdefault(shape_of(operation.segments), set()).add(operation.method)
    for route in routes:
        if route.segments[: len(prefix)] == prefix and not apart.best(route.segments):
            _of_route(described, route, known.get(shape_of(route.segments)))


def _of_operation(described: Described, operation: Operation, tree: "Tree") -> None:
    found = tree.best(operation.segments)
    place, pointer = operation.at.node.place, operation.at.pointer
    admitting = [route for route in found if route.admits(operation.method)]
    if not admitting:
        described.warning(
            place, pointer, "no route of the policy admits this operation",
            f"path: {operation.path}, methods: [{operation.method}] under routes",
        )  # fmt: skip
        return
    other = next((route for route in admitting if not _is_same(route, operation)), None)
    if operation.body is not None and other is not None:
        described.warning(
            place, pointer,
            f"is admitted by routes[{other.index}] ({other.path}), "
            "and what is said of its body is not enforced",
            f"a route with path: {operation.path}",
        )  # fmt: skip


def _is_same(route: Route, operation: Operation) -> bool:
    return shape_of(route.segments) == shape_of(operation.segments)


def _of_route(described: Described, route: Route, known: set[str] | None) -> None:
    path = key_path(("routes", route.index))
    if known is None:
        described.warning(
            route.node.place, path, "is not in the OpenAPI document", "a path there, or no route"
        )
        return
    methods = sorted(route.methods or ())
    implied = known | ({"HEAD"} if "GET" in known else set())
    for method in [method for method in methods if method not in implied]:
        described.warning(
            route.node.place, path, f"admits {method}, which is not in the OpenAPI document",
            "an operation there, or another method here",
        )  # fmt: skip
    if route.methods is None:
        described.warning(
            route.node.place, path, "admits every method; the document describes some",
            f"methods: [{', '.join(sorted(known))}]",
        )  # fmt: skip


@dataclass(slots=True)
class Tree:
    """Templates by their segments; finds which of them requests of a template reach."""

    routes: list[Route] = field(default_factory=list)
    below: dict[tuple[Kind, str], "Tree"] = field(default_factory=dict)

    def add(self, route: Route) -> None:
        """Enter a route."""
        tree = self
        for part in shape_of(route.segments):
            tree = tree.below.setdefault(part, Tree())
        tree.routes.append(route)

    @classmethod
    def of(cls, routes: Iterable[Route]) -> "Tree":
        """Enter routes."""
        tree = cls()
        for route in routes:
            tree.add(route)
        return tree

    def best(self, segments: tuple[Segment, ...]) -> list[Route]:
        """Find the routes of the most specific template that matches all that a template does."""
        if not segments:
            return self.routes or self._rest()
        first, *others = segments
        if first.kind is Kind.REST:
            return self._rest()
        rest = tuple(others)
        for below in self._steps(first):
            found = below.best(rest)
            if found:
                return found
        return self._rest()

    def _rest(self) -> list[Route]:
        return self.below[_REST].routes if _REST in self.below else []

    def _steps(self, segment: Segment) -> Iterator["Tree"]:
        keys = [(segment.kind, segment.text), _ONE] if segment.kind is Kind.LITERAL else [_ONE]
        yield from (self.below[key] for key in keys if key in self.below)
