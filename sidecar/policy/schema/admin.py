"""The section `admin`: who may use the admin API."""

import re
from typing import Annotated, Final, Literal

from sidecar.model.secret import Secret
from sidecar.policy.schema.files import SecretText
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import AfterValidator, Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

_TOKEN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
# RFC 6750 §2.1: what can stand behind `Authorization: Bearer`.
_BEARER: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*\Z")


def _token_name(value: object) -> str:
    text = text_of(value, "ops")
    if not _TOKEN_NAME.match(text):
        raise misfit(
            "is no name for a token", "letters, digits, '_', '.' and '-', 64 at most, such as ops"
        )
    # Plain text: it becomes the actor of records, which stores and the audit encode.
    return str(text)


def _bearer(secret: Secret) -> Secret:
    if not _BEARER.match(secret.reveal()):
        raise misfit(
            "can never be sent as a bearer token",
            "letters, digits and -._~+/ on a single line",
            is_quoted=False,
        )
    return secret


class AdminToken(Section):
    """One credential of the admin API.

    Attributes:
        name: the actor that the audit trail shows.
        token: the bearer token, as `file:PATH` or `env:NAME`.
        role: `admin` may change things, `read` may only look.
    """

    name: Annotated[
        str,
        PlainValidator(_token_name),
        WithJsonSchema({"type": "string", "minLength": 1}),
        Field(examples=["ops"]),
    ]
    token: Annotated[SecretText, AfterValidator(_bearer), Field(examples=["file:/secrets/admin"])]
    role: Annotated[Literal["admin", "read"], Field(examples=["read"])]


class Admin(Section):
    """The admin API.

    Attributes:
        tokens: its credentials; without any, /v1/ answers 404.
    """

    tokens: tuple[AdminToken, ...] = ()
