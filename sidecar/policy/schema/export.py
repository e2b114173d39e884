"""The policy language as JSON Schema, for editors.

It describes the policy as it is written: durations, sizes and addresses are text with a pattern,
short forms stand beside long ones. Descriptions are those of the classes and their attributes.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Final

import yaml
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sidecar.policy.schema.addresses import Address
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import write_duration, write_size
from sidecar.policy.schema.section import Section

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "urn:tenant-sidecar:policy:1"
_ADDS_ROUTES: Final = {
    "properties": {"openapi": {"properties": {"routes": {"const": "add"}}, "required": ["routes"]}},
    "required": ["openapi", "version", "upstream"],
}
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def json_schema() -> dict[str, object]:
    """Describe the policy language as JSON Schema, draft 2020-12."""
    schema = Policy.model_json_schema(schema_generator=_Generator)
    # What a policy extends may hold any of the keys that it must have, and a document its routes.
    must_have = {"required": schema.pop("required")}
    condition = {"if": {"anyOf": [{"required": ["extends"]}, _ADDS_ROUTES]}, "else": must_have}
    return {"$schema": _DIALECT, "$id": _ID, **schema, "title": "Sidecar policy", **condition}


def section_schema(section: type[Section], identity: str, title: str) -> dict[str, object]:
    """Describe another document that is as strict.

    Args:
        section: its outermost section.
        identity: URI of the schema.
        title: what it is called.
    """
    schema = section.model_json_schema(schema_generator=_Generator)
    return {"$schema": _DIALECT, "$id": identity, **schema, "title": title}


class _Generator(GenerateJsonSchema):
    """pydantic's generator, with defaults and descriptions as the policy's author knows them."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = self.generate_inner(schema["schema"])
        written = _written(schema.get("default"), is_text=described.get("type") == "string")
        return described if written is None else {**described, "default": written}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        summary, attributes = _described(schema["cls"])
        fields: Mapping[str, FieldInfo] = schema["cls"].__pydantic_fields__
        for name, field in fields.items():
            about = described["properties"][field.alias or name]
            about["description"] = attributes[name]
            if field.examples:
                about["examples"] = [_example(example) for example in field.examples]
        return {**described, "description": summary}

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def _described(section: type) -> tuple[str, dict[str, str]]:
    """Read the summary of a section, and what it and those that it extends say of their keys."""
    summary = ""
    attributes: dict[str, str] = {}
    for one in reversed(section.__mro__[: section.__mro__.index(Section)]):
        summary, _, rest = inspect.cleandoc(one.__doc__ or "").partition("\nAttributes:")
        attributes |= {name: _flat(text) for name, text in _ATTRIBUTE.findall(rest)}
    return _flat(summary), attributes


def _example(example: object) -> object:
    """Read an example as hints show it: lists are written as YAML."""
    is_list = isinstance(example, str) and example.startswith("[")
    return yaml.safe_load(str(example)) if is_list else example


def _flat(text: str) -> str:
    return " ".join(text.split())


def _written(default: object, *, is_text: bool) -> object:
    """Write a default as it would stand in a policy; None where that says nothing."""
    match default:
        case bool() | str():
            return default
        case float():
            return write_duration(default) if is_text else default
        case int():
            return write_size(default) if is_text else default
        case Address():
            return str(default)
        case tuple() if default and all(isinstance(item, str) for item in default):
            return list(map(str, default))
        case _:
            return None
