"""What a route's requests mean, for the audit (AU-2)."""

import re
from typing import Annotated, Final

from sidecar.model.events import RESERVED
from sidecar.policy.schema.alone import EITHER_FORM, LISTED, word_or_section
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
from sidecar.policy.written import misfit, text_of

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}(?:\.[a-z][a-z0-9_]{0,31}){1,3}\Z")
_STATUS: Final = re.compile(r"[1-5](?:xx|[0-9]{2})\Z")
_RESOURCE: Final = re.compile(r"(?:[^{}\x00-\x1f\x7f]|\{[A-Za-z_][A-Za-z0-9_]*\}){1,128}\Z")
_RESOURCE_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


def _name(value: object) -> str:
    text = text_of(value, "account.created")
    if not _NAME.match(text):
        raise misfit("is no name of an action", "words with dots between them: account.created")
    if text.partition(".")[0] in RESERVED:
        raise misfit(
            "is a name that only the sidecar itself may write",
            f"another first word than {', '.join(sorted(RESERVED))}",
        )
    return str(text)


def _status(value: object) -> str:
    text = str(value) if type(value) is int else text_of(value, "2xx")
    if not _STATUS.match(text):
        raise misfit("is no status", "2xx, or a number such as 201")
    return str(text)


def _resource_type(value: object) -> str:
    text = text_of(value, "account")
    if not _RESOURCE_TYPE.match(text):
        raise misfit("is no kind of resource", "small letters, digits and '_', such as account")
    return str(text)


def _resource(value: object) -> str:
    text = text_of(value, "{account}")
    if not _RESOURCE.match(text):
        raise misfit("is no template of an id", "{account}, a name that the route's path binds")
    return str(text)


Status = Annotated[
    str,
    PlainValidator(_status),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[1-5](xx|[0-9]{2})$"},
                {"type": "integer", "minimum": 100, "maximum": 599},
            ]
        }
    ),
    Field(examples=["2xx", "201"]),
]


ResourceType = Annotated[
    str,
    PlainValidator(_resource_type),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["account"]),
]
ResourceId = Annotated[
    str,
    PlainValidator(_resource),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["{account}"]),
]


class Action(Section):
    """What a route's requests are called in the audit; its name alone will do.

    Attributes:
        name: the action: `account.created`, `auth.login`, `data.exported` or a name of your own.
        status: statuses of the answer for which it holds: a class or numbers.
        resource_type: kind of what was acted on; `route` if left out.
        resource_id: its id, with names that the route's path binds; the route's template if left
            out.
    """

    name: Annotated[
        str,
        PlainValidator(_name),
        WithJsonSchema({"type": "string", "minLength": 3}),
        Field(examples=["account.created"]),
    ]
    status: Annotated[
        tuple[Status, ...], Field(min_length=1, examples=["2xx", "[401, 403]"]), LISTED, EITHER_FORM
    ] = ("2xx",)
    resource_type: ResourceType | None = None
    resource_id: ResourceId | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        return word_or_section(core_schema, handler, title="Action", word="name")


Actions = Annotated[
    tuple[Action, ...],
    Field(
        examples=[
            "account.created",
            "{name: auth.login, status: 2xx}",
            "[{name: auth.login}, {name: auth.failure, status: 401}]",
        ]
    ),
    LISTED,
    EITHER_FORM,
]
