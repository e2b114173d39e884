"""The section `headers`: what is added to, and taken from, every answer."""

import re
from typing import Annotated, Final, Literal, Self

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

# RFC 9110 §5.6.2 token; §5.5 field-value, but for obs-text, which has no agreed charset.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?\Z")

# RFC 9110 §7.6.1 and RFC 9112 §6: they belong to one connection or frame the message, and a
# policy that touches them breaks or desynchronises it.
_CONNECTION_FIELDS: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_YEAR_SECONDS: Final = 31_536_000
_MAX_AGE: Final = re.compile(r'max-age\s*=\s*"?([0-9]{1,12})"?\Z', re.IGNORECASE)

_NAME_HINT: Final = "letters, digits and -, such as X-Frame-Options"


def _field_name(value: object) -> str:
    text = text_of(value, "X-Frame-Options")
    if not _TOKEN.match(text):
        raise misfit("is no field name (RFC 9110 §5.1)", _NAME_HINT)
    if text.lower() in _CONNECTION_FIELDS:
        raise misfit(
            "belongs to the connection or frames the message", "take it out: the sidecar manages it"
        )
    return text


def _field_value(value: object) -> str:
    text = text_of(value, "nosniff")
    if not _VALUE.match(text):
        raise misfit(
            "is no field value (RFC 9110 §5.5)", "visible ASCII on one line, no blanks at its ends"
        )
    return text


def flaw_of_hsts(text: str) -> tuple[str, str] | None:
    """Say what is wrong with a value of Strict-Transport-Security, and what to write instead.

    Preloading is for domains that keep to TLS with all their subdomains, for a year at least
    (hstspreload.org): browsers build the list in, and who wants to leave it waits for months.
    """
    directives = [part.strip() for part in text.split(";")]
    ages = [int(found[1]) for part in directives if (found := _MAX_AGE.match(part))]
    if len(ages) != 1:
        return (
            "has no max-age, so browsers ignore it (RFC 6797 §6.1)",
            "max-age=31536000; includeSubDomains",
        )
    names = {part.lower() for part in directives}
    if "preload" in names and ("includesubdomains" not in names or ages[0] < _YEAR_SECONDS):
        return (
            "asks for preload without includeSubDomains and a year",
            "max-age=31536000; includeSubDomains; preload",
        )
    return None


def _hsts(value: object) -> str:
    text = _field_value(value)
    if flaw := flaw_of_hsts(text):
        raise misfit(*flaw)
    return text


_NAME_SCHEMA: Final = {"type": "string", "pattern": r"^([A-Za-z0-9!#$%&'*+.^_`|~-]+|.*\$\{.*)$"}

FieldName = Annotated[str, PlainValidator(_field_name), WithJsonSchema(_NAME_SCHEMA)]
FieldValue = Annotated[
    str, PlainValidator(_field_value), WithJsonSchema({"type": "string", "minLength": 1})
]
Hsts = Annotated[
    str,
    PlainValidator(_hsts),
    WithJsonSchema({"type": "string", "pattern": r"[Mm][Aa][Xx]-[Aa][Gg][Ee]|\$\{"}),
]


class Headers(Section):
    """Response header fields; the name of a preset alone will do.

    Attributes:
        preset: `api` (security fields for machines), `web` (for pages), or `none`.
        set: fields that replace the upstream's own.
        default: fields that are added where the upstream sends none of that name.
        append: values that join the upstream's own.
        remove: fields that are taken away.
        hsts: value of Strict-Transport-Security, sent over TLS only; null never sends it. `preload`
            needs a year and includeSubDomains, and is hard to undo.
    """

    preset: Literal["api", "web", "none"] = "api"
    set: dict[FieldName, FieldValue] = Field(default_factory=dict)
    default: dict[FieldName, FieldValue] = Field(default_factory=dict)
    append: dict[FieldName, FieldValue] = Field(default_factory=dict)
    remove: tuple[FieldName, ...] = ()
    hsts: Hsts | None = "max-age=31536000; includeSubDomains"

    @model_validator(mode="before")
    @classmethod
    def _preset_alone(cls, value: object) -> object:
        if isinstance(value, str):
            return {"preset": value}
        if not isinstance(value, dict | Headers):
            raise misfit("says nothing of headers", "api, web or none, or a mapping such as set:")
        return value

    def over(self, general: Self) -> Self:
        """Lay a route's headers over the policy's: a field named here leaves the policy's lists."""
        mine = {name.lower() for name in (*self.set, *self.default, *self.append, *self.remove)}
        merged: dict[str, object] = {
            kind: {
                **{n: v for n, v in getattr(general, kind).items() if n.lower() not in mine},
                **getattr(self, kind),
            }
            for kind in ("set", "default", "append")
        }
        kept = tuple(name for name in general.remove if name.lower() not in mine)
        merged["remove"] = (*kept, *self.remove)
        plain = {name: getattr(self, name) for name in self.model_fields_set & {"preset", "hsts"}}
        return general.model_copy(update={**plain, **merged})

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"title": "Headers", "anyOf": [dict(whole["properties"]["preset"]), whole]}
