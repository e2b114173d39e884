"""Schema objects of a document (OpenAPI 3.1 §4.8.24) as JSON Schemas that stand alone.

Each operation gets what its body refers to and nothing else. Only what judges is kept: no words for
readers, no examples. What judges differently than its author may think is told.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import count
from typing import Final
from urllib.parse import unquote

from sidecar.policy.nodes import Mapping, Node, Scalar, Sequence
from sidecar.policy.openapi.described import (
    REFERENCE,
    At,
    Described,
    below,
    escaped,
    member,
    text_of,
)

MOST_BYTES: Final = 32 * 2**20
"""What the schemas of all operations may have together, each with all that it refers to."""

_PLAIN: Final = frozenset({
    "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum",
    "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems",
    "maxContains", "minContains", "maxProperties", "minProperties", "dependentRequired",
})  # fmt: skip
_ONE: Final = frozenset({
    "items", "additionalProperties", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "not", "if", "then", "else",
})  # fmt: skip
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
# They change what references mean, which is more than a reader of the document would see.
_NAMING: Final = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor")
_DIALECTS: Final = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://spec.openapis.org/oas/3.1/dialect/base",
)
_FORMATS: Final = frozenset({
    "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname",
    "ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template",
    "json-pointer", "relative-json-pointer", "regex",
})  # fmt: skip
# OpenAPI's own; a reader of JSON takes no larger numbers than these anyway.
_SILENT: Final = frozenset({"int32", "int64", "float", "double", "password", "byte", "binary"})
_INT32: Final = {"minimum": -(2**31), "maximum": 2**31 - 1}
_NULLABLE_HINT: Final = "type: [string, 'null'], as OpenAPI 3.1 has it"


@dataclass(frozen=True, slots=True)
class _Made:
    """A translated schema, the pointers that it refers to, and those for the value itself."""

    schema: object
    references: frozenset[str]
    in_place: frozenset[str] = frozenset()


@dataclass(slots=True)
class Schemas:
    """Translates the schemas of one document, each of those that are named once."""

    described: Described
    made: dict[str, _Made] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def alone(self, at: At) -> str:
        """Write a schema as JSON, together with all that it refers to.

        Args:
            at: the schema object.

        Returns:
            The text; it is of no use if the document got an error.
        """
        own = self._translated(at)
        if not isinstance(own.schema, dict):
            return json.dumps(own.schema)
        defs = {self.names[pointer]: self.made[pointer].schema for pointer in self._reached(own)}
        text = json.dumps({**own.schema, "$defs": defs} if defs else own.schema)
        is_first = self.size <= MOST_BYTES
        self.size += len(text)
        if is_first and self.size > MOST_BYTES:
            self.described.error(
                at.node.place, at.pointer,
                f"the schemas up to here have more than {MOST_BYTES // 2**20} MiB together",
                "smaller schemas: each operation has its own copy of what it refers to",
            )  # fmt: skip
        return text

    def check_loops(self) -> None:
        """Refuse named schemas that are nothing but each other: every body would satisfy them."""
        graph = {pointer: made.in_place for pointer, made in self.made.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pointer = str(error.args[1][0])
            node = self.described.find(pointer) or self.described.root
            self.described.error(
                node.place, pointer, "is defined by itself alone", "what it is, written out"
            )

    def _reached(self, made: _Made) -> list[str]:
        """List all that a schema refers to, directly or not, and translate what is not yet."""
        reached: dict[str, None] = {}
        waiting = sorted(made.references)
        while waiting:
            pointer = waiting.pop()
            if pointer in reached:
                continue
            reached[pointer] = None
            waiting += sorted(self._named(pointer).references)
        return list(reached)

    def _named(self, pointer: str) -> _Made:
        found = self.made.get(pointer)
        node = self.described.find(pointer)
        if found is None and node is not None:
            found = self.made[pointer] = self._translated(At(node, pointer))
        return found or _Made(False, frozenset())  # noqa: FBT003 -- a schema that nothing satisfies

    def _translated(self, at: At) -> _Made:
        references: set[str] = set()
        schema = self._schema(at, references)
        return _Made(schema, frozenset(references), frozenset(self._in_place(at)))

    def _in_place(self, at: At) -> Iterator[str]:
        """List what a schema refers to for the same value, not for a part of it."""
        reference = member(at.node, REFERENCE)
        if isinstance(reference, Scalar) and isinstance(reference.value, str):
            yield unquote(reference.value.removeprefix("#"))
        for name in _SAME_VALUE:
            node = member(at.node, name)
            nodes = node.items if isinstance(node, Sequence) else [node]
            for one in [one for one in nodes if isinstance(one, Mapping)]:
                yield from self._in_place(At(one, at.pointer))

    def _schema(self, at: At, references: set[str]) -> object:
        node = at.node
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        if not isinstance(node, Mapping):
            self.described.error(node.place, at.pointer, "is no schema", "a mapping: type: object")
            return False
        self._look(at)
        schema: dict[str, object] = {}
        for name, entry in node.entries.items():
            value = At(entry.node, below(at.pointer, name))
            if name in _PLAIN:
                schema[name] = plain(entry.node)
            elif name in _ONE or name in _LISTS or name in _MAPS:
                schema[name] = self._below(name, value, references)
        schema |= self._reference(at, references) | self._required(at) | self._format(at)
        if text_of(member(node, "format")) == "int32":
            schema = {"allOf": [schema, _INT32]}
        return schema

    def _below(self, name: str, at: At, references: set[str]) -> object:
        node = at.node
        if name in _MAPS and isinstance(node, Mapping):
            return {
                key: self._schema(At(entry.node, below(at.pointer, key)), references)
                for key, entry in node.entries.items()
            }
        if name in _LISTS and isinstance(node, Sequence):
            items = enumerate(node.items)
            return [self._schema(At(n, below(at.pointer, str(i))), references) for i, n in items]
        if name in _ONE:
            return self._schema(at, references)
        kind = "a mapping" if name in _MAPS else "a list"
        self.described.error(node.place, at.pointer, f"is not {kind} of schemas", f"write {kind}")
        return False

    def _reference(self, at: At, references: set[str]) -> dict[str, object]:
        pointer = self.described.referred(at)
        if not pointer:
            return {}
        references.add(pointer)
        if pointer not in self.names:
            name = pointer.rpartition("/")[2]
            taken = set(self.names.values())
            numbered = (f"{name}-{number}" for number in count(len(taken)))
            self.names[pointer] = (
                name
                if name not in taken
                else next(other for other in numbered if other not in taken)
            )
        return {REFERENCE: f"#/$defs/{escaped(self.names[pointer])}"}

    def _format(self, at: At) -> dict[str, object]:
        node = member(at.node, "format")
        name = text_of(node)
        if node is None or name in _SILENT:
            return {}
        if name in _FORMATS:
            return {"format": name}
        found = At(node, below(at.pointer, "format"))
        self.described.warn_once(
            f"format {name}", found, "is a format that is not checked", "a pattern beside it"
        )
        return {}

    def _required(self, at: At) -> dict[str, object]:
        """Leave out members that a client must not send: `required` means answers there."""
        node = member(at.node, "required")
        if node is None:
            return {}
        required = plain(node)
        if not isinstance(required, list):
            return {"required": required}
        properties = member(at.node, "properties")
        return {"required": [n for n in required if not self._is_read_only(properties, n)]}

    def _is_read_only(self, properties: Node | None, name: object) -> bool:
        found = member(properties, name) if isinstance(name, str) else None
        targets = [found]
        reference = member(found, REFERENCE)
        if isinstance(reference, Scalar) and isinstance(reference.value, str):
            targets.append(self.described.find(reference.value.removeprefix("#")))
        flags = [member(target, "readOnly") for target in targets]
        return any(isinstance(flag, Scalar) and flag.value is True for flag in flags)

    def _look(self, at: At) -> None:
        """Note what means something else than its author may think."""
        for name, found in _written(at, ("nullable",)):
            self.described.error(
                found.node.place, found.pointer, f"{name} is OpenAPI 3.0", _NULLABLE_HINT
            )
        for name, found in _written(at, _NAMING):
            self.described.error(
                found.node.place, found.pointer, f"{name} is not understood here",
                "references such as #/components/schemas/Order",
            )  # fmt: skip
        for _, found in _written(at, ("$schema",)):
            check_dialect(self.described, found)
        if self._is_told_apart_by_name(at):
            self.described.warn_once(
                "discriminator", At(at.node, below(at.pointer, "discriminator")),
                "is not followed: the schemas of oneOf and anyOf are tried one by one",
                "const in the schemas tells them apart",
            )  # fmt: skip

    def _is_told_apart_by_name(self, at: At) -> bool:
        """Tell whether a discriminator says more than the schemas that it chooses from."""
        discriminator = member(at.node, "discriminator")
        if discriminator is None:
            return False
        name = text_of(member(discriminator, "propertyName"))
        lists = [member(at.node, one) for one in ("oneOf", "anyOf")]
        choices = [node for one in lists if isinstance(one, Sequence) for node in one.items]
        return not choices or not all(self._has_constant(node, name) for node in choices)

    def _has_constant(self, node: Node, name: str) -> bool:
        target = text_of(member(node, REFERENCE)).removeprefix("#")
        found = member(self.described.find(unquote(target)) if target else node, "properties")
        return any(member(member(found, name), one) is not None for one in ("const", "enum"))


def check_dialect(described: Described, at: At) -> None:
    """Refuse another dialect of JSON Schema than 2020-12."""
    node = at.node
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or text.rstrip("#") not in _DIALECTS:
        described.error(
            node.place, at.pointer, "is another dialect of JSON Schema", f"{_DIALECTS[0]}, or none"
        )


def _written(at: At, names: tuple[str, ...]) -> Iterator[tuple[str, At]]:
    for name in names:
        node = member(at.node, name)
        if node is not None:
            yield name, At(node, below(at.pointer, name))


def plain(node: Node) -> object:
    """Return a part of a document as plain values."""
    if isinstance(node, Mapping):
        return {name: plain(entry.node) for name, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value
