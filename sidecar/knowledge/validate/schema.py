"""JSON Schema 2020-12 over `jsonschema-rs`: compiled at load, in time linear in the body (RQ-3).

Patterns go to the engine that has no look-around and no back-references, hence none that takes
exponential time. Nothing is ever fetched: a reference leads into the same document.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from sidecar.knowledge.validate.growth import GrowthError, check_growth
from sidecar.knowledge.validate.json_text import count_of
from sidecar.knowledge.validate.places import written
from sidecar.model.body import Fault

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FAULTS: Final = 10
"""Most places that an answer names."""
LONGEST_POINTER: Final = 256
# Finding every error takes 10 µs a value; in a larger document the first one has to do.
_FEW_VALUES: Final = 1000
_REFERENCES: Final = ("$ref", "$dynamicRef")


class SchemaError(ValueError):
    """A schema that cannot be used; the message says why.

    Attributes:
        hint: what to write instead.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


_DETAILS: Final[Mapping[str, str]] = {
    "type": "must be of type {types}",
    "required": "lacks the member {property}",
    "additionalProperties": "has a member that is not allowed",
    "unevaluatedProperties": "has a member that is not allowed",
    "enum": "is none of the values that are allowed",
    "const": "is not the value that is allowed",
    "format": "is no {format}",
    "pattern": "does not match the pattern",
    "minLength": "must have {limit} characters or more",
    "maxLength": "must have {limit} characters or fewer",
    "minimum": "must be {limit} or more",
    "maximum": "must be {limit} or less",
    "exclusiveMinimum": "must be more than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "multipleOf": "must be a multiple of {multiple_of}",
    "minItems": "must have {limit} items or more",
    "maxItems": "must have {limit} items or fewer",
    "uniqueItems": "has an item twice",
    "minProperties": "must have {limit} members or more",
    "maxProperties": "must have {limit} members or fewer",
}


class Schema:
    """A schema, compiled."""

    def __init__(self, text: str) -> None:
        """Compile.

        Args:
            text: the schema, as JSON.

        Raises:
            SchemaError: it cannot be used, or the library is not there.
        """
        try:
            import jsonschema_rs
        except ImportError as error:
            raise SchemaError(
                "needs the library that reads schemas", "pip install 'tenant-sidecar[schemas]'"
            ) from error
        try:
            document: object = json.loads(text)
            _refuse_foreign(document)
            _refuse_growth(document)
        except RecursionError as error:
            hint = "names under $defs for its inner parts"
            raise SchemaError("is nested too deeply", hint) from error
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                text,
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(),
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise SchemaError(*_explained(error)) from error

    def faults(self, value: object) -> tuple[Fault, ...]:
        """List where a document breaks it, the first places at most; empty if it does not."""
        try:
            self._validator.validate(value)
        except ValueError as error:
            first = _fault(error)
        else:
            return ()
        if count_of(value) > _FEW_VALUES:
            return (first,)
        errors = islice(self._validator.iter_errors(value), FAULTS)
        return tuple(dict.fromkeys(_fault(error) for error in errors))


def error_of(text: str) -> SchemaError | None:
    """Say why a schema cannot be used; None if it can."""
    try:
        Schema(text)
    except SchemaError as error:
        return error
    return None


def _fault(error: ValueError) -> Fault:
    """Say what an error says, without the values that its own words hold."""
    kind, path = getattr(error, "kind", None), getattr(error, "instance_path", ())
    name = str(getattr(kind, "name", ""))
    detail = _DETAILS.get(name)
    if detail is None:
        detail = f"does not satisfy {name or 'the schema'}"
    elif "{" in detail:
        # What is filled in stands in the schema, not in the body.
        detail = detail.format_map(_plain(getattr(kind, "as_dict", dict)()))
    return Fault(written(path)[:LONGEST_POINTER], detail)


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: " or ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in values.items()
    }


def _explained(error: Exception) -> tuple[str, str]:
    """Say what is wrong with a schema, and where in it."""
    path = written(getattr(error, "instance_path", ()))
    where = f" at {path}" if path else ""
    last = path.rpartition("/")[2]
    if "regex" in str(error):
        hint = "a pattern without look-around and back-references, and of bounded size"
        return f"has a pattern{where} that cannot be used", hint
    if "format" in str(error).lower().partition("\n")[0]:
        return f"has a format{where} that is not known", "a format of JSON Schema, such as uuid"
    if "Pointer" in str(error) or "Anchor" in str(error):
        return "has a reference that leads nowhere", "a reference into the schema: #/$defs/name"
    return f"is no JSON Schema{where}", f"mend {last or 'it'}: see json-schema.org, 2020-12"


def _refuse_foreign(document: object) -> None:
    """Refuse another dialect, and references that leave the document."""
    if not isinstance(document, dict | bool):
        raise SchemaError("is no JSON Schema", "a mapping, such as {type: object}")
    for path, node in _mappings(document, ()):
        foreign = [name for name in _REFERENCES if _is_foreign(node.get(name))]
        if foreign:
            raise SchemaError(
                f"refers to another document at {written((*path, *foreign[:1]))}",
                "a reference into the schema, such as #/$defs/name: nothing is fetched",
            )
        dialect = node.get("$schema")
        if isinstance(dialect, str) and dialect.rstrip("#") != DIALECT:
            raise SchemaError("is of another dialect", f'"$schema": "{DIALECT}", or without it')


def _refuse_growth(document: object) -> None:
    """Refuse a schema that takes more than time linear in the body."""
    try:
        check_growth(document)
    except GrowthError as error:
        hint = "if, then and else instead of oneOf and anyOf where it refers to itself"
        raise SchemaError(str(error), hint) from error


def _is_foreign(reference: object) -> bool:
    return isinstance(reference, str) and not reference.startswith("#")


def _mappings(
    node: object, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, object]]]:
    if isinstance(node, dict):
        yield path, node
        for name, below in node.items():
            yield from _mappings(below, (*path, name))
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from _mappings(below, (*path, index))
