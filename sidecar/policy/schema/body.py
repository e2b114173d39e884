"""The section `body`: what request bodies may be."""

import json
import re
from typing import Annotated, Final, NoReturn

from sidecar.policy.schema.files import read_file
from sidecar.policy.schema.names import JsonPointer
from sidecar.policy.schema.quantities import Count, Flag, PositiveSize, Size
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import Embedded, misfit, text_of

_TCHARS: Final = r"[a-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(rf"(?!\*){_TCHARS}/(?:\*|(?!\*){_TCHARS})\Z")

_ENDING: Final = re.compile(r"(?:\.[a-z0-9]{1,16}){1,3}\Z")


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


def _ending(value: object) -> str:
    text = text_of(value, ".png")
    if not _ENDING.match(text.lower()):
        raise misfit("is no ending of a file's name", ".png, .pdf, .tar.gz")
    return text.lower()


FileEnding = Annotated[str, PlainValidator(_ending), WithJsonSchema({"type": "string"})]


def _schema(value: object, info: ValidationInfo) -> str:
    """Read a JSON Schema: the name of a file with one, or one written into the policy."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, Embedded):
        return str(value)
    file = read_file(text_of(value, "schemas/order.json"), info)
    try:
        return json.dumps(json.loads(file.content.decode(), parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise misfit(
            "is a file without JSON in it", "a JSON Schema as JSON in UTF-8", detail=str(error)
        ) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


SchemaText = Annotated[
    str,
    PlainValidator(_schema),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "object"}]},
    ),
]


class JsonBody(Section):
    """How strictly JSON is read; always: UTF-8, no member twice, numbers of 64 bits.

    Attributes:
        depth: deepest nesting of objects and lists.
        string: characters of the longest string or name; as many as come if left out.
    """

    depth: Annotated[Count, Field(le=128)] = 32
    string: Count | None = None


class BatchItems(Section):
    """How many items a batch may have.

    Attributes:
        at: JSON Pointer to the list of items; the document itself if left out.
        max: items; the beginning of a further one ends the upload with 413.
    """

    at: JsonPointer | None = None
    max: Count

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, value: object) -> object:
        return value if isinstance(value, dict | BatchItems) else {"max": value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [whole["properties"]["max"], whole]}


class FormBody(Section):
    """What forms may hold, in either encoding; forms are refused where this is left out.

    Attributes:
        fields: most fields.
        name: characters of the longest name.
        value: largest value that is no file.
        files: most files; none if left out.
        file: largest file.
        file_types: media types of files; all if left out.
        file_names: endings of which names of files must have one, such as `.png`; all if left out.
    """

    fields: Count = 100
    name: Count = 100
    value: PositiveSize = 100_000
    files: Count | None = None
    file: PositiveSize = 1_000_000
    file_types: Annotated[tuple[MediaType, ...], Field(min_length=1, examples=["[image/*]"])] = ()
    file_names: Annotated[tuple[FileEnding, ...], Field(min_length=1, examples=["[.png]"])] = ()


class Body(Section):
    """What a request body may be.

    Attributes:
        max: largest body, as declared, as it streams and as it unpacks; more is 413.
        content_types: media types that are accepted, others are 415; none given: all, and where
            rules read bodies, all that these can read.
        json_body: reads JSON strictly, before the service does.
        items: most items of a batch: a number, or a mapping.
        json_schema: JSON Schema 2020-12 that JSON must satisfy: a file, or a mapping.
        required: false admits a POST, PUT or PATCH without a body where `schema` judges bodies.
        form: what forms may hold.
        ratio: how many times its size a compressed body that rules read may unpack to.
    """

    max: Size = 1_000_000
    content_types: Annotated[
        tuple[MediaType, ...] | None, Field(min_length=1, examples=["[application/json]"])
    ] = None
    json_body: Annotated[JsonBody | None, Field(alias="json")] = None
    items: BatchItems | None = None
    json_schema: Annotated[
        SchemaText | None, Field(alias="schema", examples=["schemas/order.json"])
    ] = None
    required: Flag = True
    form: FormBody | None = None
    ratio: Annotated[Count, Field(le=1032)] = 100
