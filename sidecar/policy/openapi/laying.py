"""A document laid over the tree of a policy: bodies for its routes, and routes of its own.

It is done before the tree is decoded, so what comes from the document is judged by the same schema
and the same rules as what the policy says, and keeps its place in the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from pydantic import ValidationError

from sidecar.model.errors import Problem
from sidecar.model.template import parse_path
from sidecar.policy.decode import value_of
from sidecar.policy.nodes import Entry, Mapping, Node, Place, Scalar, Sequence, key_path
from sidecar.policy.openapi.described import At, Described, below, member
from sidecar.policy.openapi.differences import Route, Tree, differences
from sidecar.policy.openapi.operations import (
    EXTENSION,
    Accepted,
    Operation,
    Reader,
    Shape,
    check_version,
    prefix_of,
    shape_of,
)
from sidecar.policy.openapi.schemas import Schemas
from sidecar.policy.openapi.text import read_document
from sidecar.policy.schema.guard import Guard
from sidecar.policy.schema.openapi import OpenApi
from sidecar.policy.written import Embedded, Sources

_BODIED: Final = frozenset({"POST", "PUT", "PATCH"})
_GUARDS: Final = tuple(Guard.model_fields)


@dataclass(frozen=True, slots=True)
class Laid:
    """A tree with a document laid over it.

    Attributes:
        root: the tree.
        problems: of the document, and between it and the policy.
        pointers: by place of what came from the document or the guard, how problems call it.
        content: the document, for the digest.
    """

    root: Mapping
    problems: list[Problem]
    pointers: dict[Place, str]
    content: bytes

    @property
    def is_good(self) -> bool:
        """Whether nothing of it is an error."""
        return all(problem.warning for problem in self.problems)


def lay(root: Mapping, sources: Sources) -> Laid:
    """Lay the document that a policy names over its tree.

    Args:
        root: the tree, with an entry `openapi`.
        sources: where files come from.
    """
    try:
        section = OpenApi.model_validate(value_of(root.entries["openapi"].node), context=sources)
    except ValidationError:
        # Decoding the policy says what is wrong with it.
        return Laid(root, [], {}, b"")
    content = sources.content_of(section.file)
    document = read_document(section.file, content)
    if document.root is None or document.problems:
        return Laid(root, document.problems, {}, content)
    described = Described(document.root)
    if not check_version(described):
        return Laid(root, described.problems, {}, content)
    prefix = section.prefix or prefix_of(described)
    reader = Reader(described, Schemas(described), prefix, section.requests)
    laying = _Laying(root, section, described)
    operations = list(reader.operations())
    reader.schemas.check_loops()
    laid = laying.with_routes(operations, prefix)
    return Laid(laid, described.problems, laying.pointers, content)


def routes_of(root: Mapping) -> Iterator[Route]:
    """Read the routes of a tree as far as they are to be compared; broken ones are left out."""
    routes = member(root, "routes")
    items = routes.items if isinstance(routes, Sequence) else []
    for index, node in enumerate(items):
        path, methods, host = (member(node, name) for name in ("path", "methods", "host"))
        if not isinstance(node, Mapping) or not isinstance(path, Scalar):
            continue
        named = methods.items if isinstance(methods, Sequence) else []
        words = [str(item.value) for item in named if isinstance(item, Scalar)]
        try:
            segments = parse_path(str(path.value))
        except ValueError:
            continue
        is_open = methods is None
        yield Route(
            index, node, str(path.value), segments, None if is_open else frozenset(words),
            has_host=host is not None,
        )  # fmt: skip


@dataclass(slots=True)
class _Laying:
    """The steps from a tree and operations to a tree."""

    root: Mapping
    section: OpenApi
    described: Described
    pointers: dict[Place, str] = field(default_factory=dict)

    def with_routes(self, operations: list[Operation], prefix: str) -> Mapping:
        """Lay bodies on the routes of the policy, and routes of the document beside them."""
        routes = list(routes_of(self.root))
        by_shape: dict[Shape, list[Operation]] = {}
        for operation in operations:
            by_shape.setdefault(shape_of(operation.segments), []).append(operation)
        nodes = _items(self.root)
        for route in routes:
            nodes[route.index] = self._with_body(route, by_shape.get(shape_of(route.segments), []))
        if self.section.routes == "add":
            nodes += self._added(operations, routes)
        else:
            self._check_guard()
            under = parse_path(prefix or "/")
            differences(self.described, operations, routes, under, self._apart())
        place = self.root.entries["routes"].key if "routes" in self.root.entries else None
        if not nodes or (place is not None and not isinstance(self._routes(), Sequence)):
            return self.root
        at = self._routes_place()
        entries = {**self.root.entries, "routes": Entry(place or at, Sequence(at, nodes))}
        return Mapping(self.root.place, entries)

    def _apart(self) -> Tree:
        node = self.root
        paths = self.section.apart
        return Tree.of(Route(0, node, path, parse_path(path), None) for path in paths)

    def _routes(self) -> Node | None:
        return member(self.root, "routes")

    def _routes_place(self) -> Place:
        return (self._routes() or self.root.entries["openapi"].node).place

    def _problem(self, node: Node, path: str, message: str, hint: str) -> None:
        self.described.error(node.place, path, message, hint)

    def _check_guard(self) -> None:
        guard = member(self.root.entries["openapi"].node, "guard")
        if guard is not None:
            self._problem(
                guard, "openapi.guard", "guards nothing: no routes are added",
                "routes: add, or no guard",
            )  # fmt: skip

    def _with_body(self, route: Route, operations: list[Operation]) -> Node:
        """Lay on a route what its operations say of bodies, unless it says so itself."""
        if self._judges_itself(route.node):
            return route.node
        by_method = {o.method: o for o in operations if route.admits(o.method)}
        described = {m for m, o in by_method.items() if o.body is not None}
        if not described:
            return route.node
        path = key_path(("routes", route.index, "methods"))
        node = member(route.node, "methods") or route.node
        if route.methods is None:
            named = ", ".join(sorted(by_method))
            self._problem(
                node, path, "are all methods, and the document describes bodies of some",
                f"methods: [{named}]",
            )  # fmt: skip
            return route.node
        bodies = [
            by_method[m].body if m in by_method else None
            for m in sorted((route.methods & _BODIED) | described)
        ]
        if len({_identity(body) for body in bodies}) > 1 or bodies[0] is None:
            self._problem(
                node, path, "have different bodies in the document", "a route for each of them"
            )
            return route.node
        return self._laid(route.node, bodies[0])

    def _judges_itself(self, node: Mapping) -> bool:
        own, general = member(node, "body"), member(self.root, "body")
        return member(own, "schema") is not None or member(general, "schema") is not None

    def _laid(self, node: Mapping, body: Accepted) -> Mapping:
        own = member(node, "body")
        if own is not None and not isinstance(own, Mapping):
            return node
        place = body.at.node.place
        self.pointers[place] = body.at.pointer
        entries = {} if own is None else dict(own.entries)
        types = member(member(self.root, "body"), "content_types")
        if body.types and "content_types" not in entries and types is None:
            entries["content_types"] = Entry(place, self._types(body))
        if body.schema:
            entries["schema"] = Entry(place, _scalar(place, Embedded(body.schema)))
            if not body.is_required and "required" not in entries:
                entries["required"] = Entry(place, _scalar(place, value=False))
        if not entries:
            return node
        laid = Mapping(place if own is None else own.place, entries)
        return Mapping(node.place, {**node.entries, "body": Entry(place, laid)})

    def _types(self, body: Accepted) -> Sequence:
        items: list[Node] = []
        for name, place in body.types:
            self.pointers[place] = body.at.pointer
            items.append(_scalar(place, name))
        return Sequence(body.at.node.place, items)

    def _added(self, operations: list[Operation], routes: list[Route]) -> Iterator[Node]:
        """Make routes of the operations that the policy has none for."""
        ruled: dict[Shape, list[Route]] = {}
        apart = self._apart()
        for route in routes:
            if not route.has_host:
                ruled.setdefault(shape_of(route.segments), []).append(route)
        for operation in [one for one in operations if not apart.best(one.segments)]:
            own = ruled.get(shape_of(operation.segments), [])
            guard = self._guard_of(operation)
            if guard and not any(route.admits(operation.method) for route in own):
                yield self._route(operation, guard)

    def _route(self, operation: Operation, guard: dict[str, Entry]) -> Node:
        at, (path_place, path_pointer) = operation.at, operation.path_at
        self.pointers[at.node.place] = at.pointer
        self.pointers[path_place] = path_pointer
        method = _scalar(at.node.place, operation.method)
        entries = {
            "path": Entry(path_place, _scalar(path_place, operation.path)),
            "methods": Entry(at.node.place, Sequence(at.node.place, [method])),
            **guard,
        }
        node = Mapping(at.node.place, entries)
        return node if operation.body is None else self._with_own_body(node, operation.body)

    def _with_own_body(self, node: Mapping, body: Accepted) -> Mapping:
        return node if self._judges_itself(node) else self._laid(node, body)

    def _guard_of(self, operation: Operation) -> dict[str, Entry]:
        """Find who may use an operation; empty, with an error, if nothing says so (AZ-4)."""
        at = operation.at
        own = member(at.node, EXTENSION)
        default = member(self.root.entries["openapi"].node, "guard")
        pointer = below(at.pointer, EXTENSION)
        if own is not None:
            self._check_extension(At(own, pointer))
        node = own if own is not None else default
        entries = dict(node.entries) if isinstance(node, Mapping) else {}
        if not entries:
            self.described.error(
                at.node.place, at.pointer, "nothing says who may use this operation",
                f"{EXTENSION}: {{role: viewer}} in it, or a guard for all under openapi",
            )  # fmt: skip
        for name, entry in entries.items():
            self._call(entry.node, below(pointer, name) if own else f"openapi.guard.{name}")
        return entries

    def _call(self, node: Node, name: str) -> None:
        self.pointers.setdefault(node.place, name)
        for item in node.items if isinstance(node, Sequence) else []:
            self.pointers.setdefault(item.place, name)

    def _check_extension(self, at: At) -> None:
        entries = at.node.entries if isinstance(at.node, Mapping) else {}
        for name, entry in entries.items():
            if name not in _GUARDS:
                self.described.error(
                    entry.key, below(at.pointer, name), "is nothing that an operation may say",
                    f"one of {', '.join(_GUARDS)}; all else is the policy's",
                )  # fmt: skip


def _items(root: Mapping) -> list[Node]:
    routes = member(root, "routes")
    return list(routes.items) if isinstance(routes, Sequence) else []


def _scalar(place: Place, value: str | bool) -> Scalar:  # noqa: FBT001 -- a value
    return Scalar(place, value, str(value), PurePath(place.file).parent)


def _identity(body: Accepted | None) -> object:
    if body is None:
        return None
    return tuple(sorted(name for name, _ in body.types)), body.schema, body.is_required
