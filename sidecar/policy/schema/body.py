"""The section `body`: what request bodies may be."""

import re
from typing import Annotated, Final

from sidecar.policy.schema.quantities import Size
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

_TCHARS: Final = r"[a-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(rf"(?!\*){_TCHARS}/(?:\*|(?!\*){_TCHARS})\Z")


def _media_type(value: object) -> str:
    text = text_of(value, "application/json")
    if not _MEDIA_TYPE.match(text.lower()):
        raise misfit(
            "is no media type", "type/subtype or type/*, without parameters: application/json"
        )
    return text.lower()


MediaType = Annotated[
    str,
    PlainValidator(_media_type),
    WithJsonSchema({"type": "string", "pattern": "/", "examples": ["application/json", "image/*"]}),
]


class Body(Section):
    """What a request body may be.

    Attributes:
        max: largest body, as declared and as it streams; more is 413.
        content_types: media types that are accepted, others are 415; none given: all.
    """

    max: Size = 1_000_000
    content_types: Annotated[
        tuple[MediaType, ...] | None, Field(min_length=1, examples=["[application/json]"])
    ] = None
