"""The operations of a document: where they are, by which method, and what bodies they take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from sidecar.model.template import Kind, Segment, parse_path
from sidecar.policy.nodes import Mapping, Node, Place, Scalar, Sequence
from sidecar.policy.openapi.described import At, Described, below, member, text_of
from sidecar.policy.openapi.schemas import Schemas, check_dialect

EXTENSION: Final = "x-sidecar"
_VERSION: Final = re.compile(r"3\.1(?:\.[0-9]+)?\Z")
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_NAME: Final = re.compile(r"\{([^{}/]+)\}\Z")
_HOUSE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_JSON: Final = re.compile(r"application/(?:json|[a-z0-9!#$&^_.-]+\+json)\Z")
_RANGES: Final = frozenset({"*/*", "application/*"})

Segments = tuple[Segment, ...]
Shape = tuple[tuple[Kind, str], ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an operation says of its body.

    Attributes:
        types: media types, each as it is written there; none for all.
        schema: JSON Schema of JSON bodies, as text; empty for none.
        at: where the schema stands, or the body.
        is_required: whether there must be a body.
    """

    types: tuple[tuple[str, Place], ...]
    schema: str
    at: At
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        method: in capital letters.
        path: template as a policy writes it, with what the document lies under.
        segments: the same, parsed.
        path_at: place of the path in the document, and its pointer.
        at: the operation itself.
        body: what it says of its body; None for nothing.
    """

    method: str
    path: str
    segments: Segments
    path_at: tuple[Place, str]
    at: At
    body: Accepted | None


def check_version(described: Described) -> bool:
    """Refuse what is no OpenAPI 3.1."""
    root = described.root
    node = member(root, "openapi") or member(root, "swagger") or root
    version = node.source if isinstance(node, Scalar) else ""
    if member(root, "openapi") is node and _VERSION.match(version):
        dialect = member(root, "jsonSchemaDialect")
        if dialect is not None:
            check_dialect(described, At(dialect, "/jsonSchemaDialect"))
        return True
    hint = "openapi: 3.1.0"
    if version.startswith(("3.0", "2.")):
        hint = (
            "convert it to 3.1: nullable becomes type: [string, 'null'], exclusiveMinimum: true "
            "the number itself, example examples; most tools write 3.1 when asked"
        )
    described.error(node.place, "/openapi", "is not OpenAPI 3.1", hint)
    return False


def prefix_of(described: Described) -> str:
    """Read what all paths lie under: the path of the first server."""
    servers = member(described.root, "servers")
    if not isinstance(servers, Sequence) or not servers.items:
        return ""
    node = member(servers.items[0], "url")
    try:
        path = urlsplit(text_of(node)).path.rstrip("/")
    except ValueError:
        path = "{"
    if "{" in path or (path and not path.startswith("/")):
        described.error(
            node.place if node else servers.place, "/servers/0/url",
            "does not say what all paths lie under", "openapi.prefix in the policy, such as /v1",
        )  # fmt: skip
        return ""
    return unquote(path)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the operations of a document.

    Attributes:
        described: the document.
        schemas: its schemas.
        prefix: what all paths lie under.
        reads_bodies: whether what is said of bodies is of use.
    """

    described: Described
    schemas: Schemas
    prefix: str
    reads_bodies: bool

    def operations(self) -> Iterator[Operation]:
        """Read all operations; those that cannot be routes are left out with a warning."""
        paths = member(self.described.root, "paths")
        if not isinstance(paths, Mapping):
            place = (paths or self.described.root).place
            self.described.error(place, "/paths", "has no paths", "paths: {/orders: {get: …}}")
            return
        seen: dict[tuple[Shape, str], str] = {}
        names: dict[str, str] = {}
        for path, entry in paths.entries.items():
            pointer = below("/paths", path)
            if path.startswith("x-"):
                continue
            template = self._template(path, entry.key, pointer)
            item = self.described.followed(At(entry.node, pointer))
            if template is None or item is None:
                continue
            for operation in self._of_path(template, item, (entry.key, pointer)):
                self._must_be_new(operation, seen, names)
                yield operation

    def _must_be_new(
        self,
        operation: Operation,
        seen: dict[tuple[Shape, str], str],
        names: dict[str, str],
    ) -> None:
        at, described = operation.at, self.described
        first = seen.setdefault((shape_of(operation.segments), operation.method), at.pointer)
        if first != at.pointer:
            described.error(
                at.node.place, at.pointer, f"matches the same requests as {first}", "one of the two"
            )
        node = member(at.node, "operationId")
        name = text_of(node)
        if node is not None and name in names:
            described.error(
                node.place, below(at.pointer, "operationId"),
                f"is the operationId of {names[name]} too", "a name of its own",
            )  # fmt: skip
        elif name:
            names[name] = at.pointer

    def _template(self, path: str, place: Place, pointer: str) -> tuple[str, Segments] | None:
        """Write a path as a policy does; None, with a problem, for one that cannot be written."""
        parts = [self._segment(part) for part in path.split("/")]
        if None in parts:
            self.described.warning(
                place, pointer, "has a segment that is a variable in part; it is left out",
                "a route of the policy: /files/* for /files/{name}.json",
            )  # fmt: skip
            return None
        text = self.prefix + "/".join(part for part in parts if part is not None)
        try:
            return text, _seen(parse_path(text))
        except ValueError as error:
            hint = f"a path of segments ({error})"
            self.described.error(place, pointer, "is no path that a route could have", hint)
            return None

    @staticmethod
    def _segment(part: str) -> str | None:
        found = _NAME.match(part)
        if found is None:
            # A slash that is encoded stays so, which no path of a policy may hold.
            decoded = part if "/" in unquote(part) else unquote(part)
            return None if "{" in part or "}" in part else decoded
        # Names that a policy cannot have bind nothing.
        return part if _HOUSE_NAME.match(found[1]) else "*"

    def _of_path(
        self, template: tuple[str, Segments], item: At, path_at: tuple[Place, str]
    ) -> Iterator[Operation]:
        if not isinstance(item.node, Mapping):
            self.described.error(item.node.place, item.pointer, "is no path item", "get: {…}")
            return
        entries = item.node.entries
        for name in [name for name in _METHODS if name in entries]:
            at = At(entries[name].node, below(item.pointer, name))
            if not isinstance(at.node, Mapping):
                self.described.error(at.node.place, at.pointer, "is no operation", "responses: {…}")
            elif name == "trace":
                self.described.warning(
                    at.node.place, at.pointer, "is always refused by the sidecar", "take it out"
                )
            elif name != "head" or "get" not in entries:
                # GET includes HEAD.
                body = self._body(at) if self.reads_bodies else None
                yield Operation(name.upper(), *template, path_at, at, body)
        if (servers := member(item.node, "servers")) is not None:
            self.described.warn_once(
                "servers", At(servers, below(item.pointer, "servers")),
                "is not followed: all paths lie under the first server of the document",
                "openapi.prefix in the policy, or a document for each",
            )  # fmt: skip

    def _body(self, operation: At) -> Accepted | None:
        node = member(operation.node, "requestBody")
        if node is None:
            return None
        at = self.described.followed(At(node, below(operation.pointer, "requestBody")))
        if at is None:
            return None
        content = member(at.node, "content")
        if not isinstance(content, Mapping):
            place = (content or node).place
            self.described.error(
                place, below(operation.pointer, "requestBody"), "says nothing of its content",
                "content: {application/json: {schema: {…}}}",
            )  # fmt: skip
            return None
        flag = member(at.node, "required")
        is_required = isinstance(flag, Scalar) and flag.value is True
        types = [(_plain_type(name), entry) for name, entry in content.entries.items()]
        schema, schema_at = "", at
        if (found := self._schema_at(At(content, below(at.pointer, "content")))) is not None:
            schema, schema_at = self.schemas.alone(found), found
        takes_all = any(name == "*/*" for name, _ in types)
        named = () if takes_all else tuple((name, entry.key) for name, entry in types)
        return Accepted(named, schema, schema_at, is_required)

    def _schema_at(self, content: At) -> At | None:
        """Find the schema of JSON; more than one is an error, since only one can be kept."""
        found: list[At] = []
        entries = content.node.entries if isinstance(content.node, Mapping) else {}
        for name, entry in entries.items():
            kind = _plain_type(name)
            schema = member(entry.node, "schema")
            if schema is not None and (_JSON.match(kind) or kind in _RANGES):
                found.append(At(schema, below(content.pointer, name, "schema")))
        if len({_identity(at.node) for at in found}) > 1:
            self.described.error(
                found[1].node.place, found[1].pointer,
                "is a second schema of JSON bodies", "one schema for all types that are JSON",
            )  # fmt: skip
        return found[0] if found else None


def shape_of(segments: Segments) -> Shape:
    """Return what two templates share exactly when they match the same paths."""
    return tuple((s.kind, s.text if s.kind is Kind.LITERAL else "") for s in segments)


def _seen(segments: Segments) -> Segments:
    if not all(segment.text.isprintable() for segment in segments):
        raise ValueError("what it encodes cannot be seen")
    return segments


def _plain_type(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def _identity(schema: Node) -> str:
    """Tell schemas apart by where they lead, or by where they stand."""
    return text_of(member(schema, "$ref")) or str(schema.place)
