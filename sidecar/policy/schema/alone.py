"""What may be written shorter: a list of one thing as that thing, a section as one word."""

from sidecar.policy.schema.words import (
    BeforeValidator,
    CoreSchema,
    GetJsonSchemaHandler,
    JsonSchemaValue,
)


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _EitherForm:
    """Shows editors both forms."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listed = handler(core_schema)
        return {"anyOf": [listed["items"], listed]}


LISTED = BeforeValidator(_listed)
"""Takes a single thing for a list of it."""
EITHER_FORM = _EitherForm()
"""Says so in the JSON Schema."""


def word_or_section(
    core_schema: CoreSchema, handler: GetJsonSchemaHandler, *, title: str, word: str
) -> JsonSchemaValue:
    """Show editors both forms of a section that a single word may stand for.

    Args:
        core_schema: pydantic's own of the section.
        handler: turns it into JSON Schema.
        title: name of the section.
        word: its member that the word alone is.
    """
    whole = handler.resolve_ref_schema(handler(core_schema))
    return {"title": title, "anyOf": [dict(whole["properties"][word]), whole]}
