"""The section `csrf`: which writes of browsers are another site's doing (RQ-5)."""

from typing import Annotated, Literal

from sidecar.policy.schema.alone import word_or_section
from sidecar.policy.schema.origins import parse_origin
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import misfit


def _exact(value: object) -> str:
    origin = parse_origin(value)
    if "*" in origin:
        raise misfit("is no single origin", "each origin that may write by itself, and whole")
    return origin


ExactOrigin = Annotated[
    str,
    PlainValidator(_exact),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["https://console.example"]),
]


class Csrf(Section):
    """Writes and WebSockets that come with what browsers send unasked; a word is `applies_to`.

    Attributes:
        applies_to: `ambient` judges what has a cookie or a browser's own Authorization (Basic,
            Digest, Negotiate); `all` judges everything, login forms too; `nothing` is for routes.
            A caller whose key or token stands in a header field passes.
        origins: origins beside the service's own that may write.
        same_site: whether other subdomains may, where the browser says that it is one of them.
        missing: what becomes of requests without Sec-Fetch-Site, Origin and Referer, which browsers
            of today do not send.
        every_method: true judges GET, HEAD and OPTIONS too, for routes whose reads change things.
    """

    applies_to: Literal["ambient", "all", "nothing"] = "ambient"
    origins: tuple[ExactOrigin, ...] = ()
    same_site: Literal["refuse", "allow"] = "refuse"
    missing: Literal["refuse", "allow"] = "refuse"
    every_method: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        return {"applies_to": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        return word_or_section(core_schema, handler, title="Csrf", word="applies_to")
