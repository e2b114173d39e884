"""Lists that may be written without a list when they hold one thing."""

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
