"""The key `mcp` of a route: a firewall for the Model Context Protocol (RQ-6)."""

import re
from typing import Annotated, Final, Literal

from sidecar.policy.schema.names import Role
from sidecar.policy.schema.quantities import Count, Flag, PositiveSize
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

ANONYMOUS: Final = "anonymous"
"""Stands for everybody, on a public route."""

_PATTERN: Final = re.compile(r"(?:[!-)+-~]{0,127}[*]|[!-)+-~]{1,128})\Z")


def _pattern(value: object) -> str:
    text = text_of(value, "search")
    if not _PATTERN.match(text):
        raise misfit("is no name with '*' at its end alone", "search, read_* or '*'")
    return str(text)


def _token(value: object) -> str:
    return str(text_of(value, "<|tool|>"))


Pattern = Annotated[str, PlainValidator(_pattern), WithJsonSchema({"type": "string"})]
Token = Annotated[str, PlainValidator(_token), WithJsonSchema({"type": "string", "minLength": 2})]


class Arguments(Section):
    """What text for a model may hold: a mode, or a mapping.

    Attributes:
        mode: `refuse` with 422, `clean` before it goes on, `report` in the audit record, or `pass`
            unread.
        tokens: reserved control tokens, in the place of the list that the sidecar has.
        add: reserved control tokens beside that list.
        invisible: false lets characters pass that nobody sees.
    """

    mode: Literal["refuse", "clean", "report", "pass"] = "refuse"
    tokens: Annotated[tuple[Token, ...] | None, Field(examples=["['<|im_start|>']"])] = None
    add: Annotated[tuple[Token, ...], Field(examples=["['<tool>']"])] = ()
    invisible: Flag = True

    @model_validator(mode="before")
    @classmethod
    def _mode_alone(cls, value: object) -> object:
        return value if isinstance(value, dict | Arguments) else {"mode": value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [whole["properties"]["mode"], whole]}


Lists = dict[Role, tuple[Pattern, ...]]


class Mcp(Section):
    """A firewall for MCP over streamable HTTP.

    Attributes:
        tools: by role, tools that it may call, as names or beginnings of names with `*`; higher
            roles have those of lower ones; `anonymous` is everybody on a public route. All tools
            for all callers if left out.
        prompts: the same for prompts.
        methods: methods of JSON-RPC that are admitted, as names or beginnings with `*`; all if
            left out.
        arguments: what the text in arguments of tools and prompts may hold.
        batch: most messages of a batch.
        list_max: largest list of tools or prompts, and largest event among which one may be.
    """

    tools: Annotated[Lists | None, Field(examples=["{viewer: [search, 'read_*']}"])] = None
    prompts: Annotated[Lists | None, Field(examples=["{viewer: ['*']}"])] = None
    methods: Annotated[
        tuple[Pattern, ...] | None, Field(min_length=1, examples=["['tools/*', ping]"])
    ] = None
    arguments: Arguments = Arguments()
    batch: Count = 16
    list_max: PositiveSize = 1_048_576
