"""Names of the policy: tenants, methods, roles, scopes, kinds, header fields and parameters."""

import re
from collections.abc import Callable
from typing import Annotated, Final

from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of


def _named(pattern: str, hint: str, example: str) -> Callable[[object], str]:
    grammar = re.compile(pattern + r"\Z")

    def check(value: object) -> str:
        text = text_of(value, example)
        if not grammar.match(text):
            raise misfit("is no such name", hint)
        return str(text)

    return check


_METHOD: Final = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]{1,32}\Z")
_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})


def _method(value: object) -> str:
    text = text_of(value, "GET")
    if text in _REFUSED_METHODS:
        raise misfit("is always refused by the sidecar", "take it out")
    if not _METHOD.match(text):
        raise misfit("is no method in capital letters", "GET, POST, PUT, PATCH, DELETE or OPTIONS")
    return text


_TENANT: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_WORD: Final = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_TEXT_SCHEMA: Final = WithJsonSchema({"type": "string", "minLength": 1})
_WORD_HINT: Final = "a letter, then letters, digits, '_' and '-', 64 at most"

TenantName = Annotated[
    str,
    PlainValidator(
        _named(_TENANT, "letters, digits, '_', '.' and '-', 64 at most, such as acme", "acme")
    ),
    _TEXT_SCHEMA,
    Field(examples=["acme"]),
]
Method = Annotated[
    str,
    PlainValidator(_method),
    WithJsonSchema({"type": "string"}),
    Field(examples=["GET", "POST"]),
]
Role = Annotated[
    str,
    PlainValidator(_named(_WORD, _WORD_HINT, "viewer")),
    _TEXT_SCHEMA,
    Field(examples=["viewer"]),
]
Word = Annotated[
    str, PlainValidator(_named(_WORD, _WORD_HINT, "pro")), _TEXT_SCHEMA, Field(examples=["pro"])
]
"""Kinds, tiers, projects, resources, actions, login methods, names of secrets."""
Scope = Annotated[
    str,
    # RFC 6749 §3.3: scope-token.
    PlainValidator(
        _named(
            r"[\x21\x23-\x5b\x5d-\x7e]{1,128}", "visible ASCII without blanks and quotes", "a:read"
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["orders:write"]),
]
FieldName = Annotated[
    str,
    # RFC 9110 §5.1, less the bytes that services take for `-` (TN-1).
    PlainValidator(
        _named(
            r"[A-Za-z][A-Za-z0-9-]{0,63}", "letters, digits and '-', such as X-Api-Key", "X-Api-Key"
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["X-Api-Key"]),
]
ListedField = Annotated[
    str,
    PlainValidator(
        _named(
            r"(?:\*|[A-Za-z][A-Za-z0-9-]{0,63})",
            "a name such as X-Total-Count, or '*'",
            "X-Total-Count",
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["X-Total-Count"]),
]
"""A header field, or `*` for all."""
Parameter = Annotated[
    str,
    PlainValidator(
        _named(r"[A-Za-z0-9_.~\[\]-]{1,64}", "the name of a query parameter, such as org", "org")
    ),
    _TEXT_SCHEMA,
    Field(examples=["org"]),
]
JsonPointer = Annotated[
    str,
    # RFC 6901; `*` stands for every item of a list.
    PlainValidator(
        _named(
            r"(?:/(?:[^/~\x00-\x1f]|~[01]){1,200}){1,16}",
            "a JSON Pointer such as /tenant_id or /items/*/id",
            "/id",
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["/tenant_id", "/items/*/tenant_id"]),
]
Member = Annotated[
    str,
    PlainValidator(
        _named(
            r"(?:[^/~\x00-\x1f][^/\x00-\x1f]{0,199}|(?:/(?:[^/~\x00-\x1f]|~[01]){1,200}){1,16})",
            "the name of a member such as db_id, or a JSON Pointer such as /query/db_id",
            "db_id",
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["db_id", "/query/db_id"]),
]
"""A member wherever it stands, by its name, or one place, by a JSON Pointer."""
CookieName = Annotated[
    str,
    # RFC 6265 §4.1.1: a token.
    PlainValidator(
        _named(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", "a cookie's name, such as session", "session")
    ),
    _TEXT_SCHEMA,
    Field(examples=["session"]),
]
Permission = Annotated[
    str,
    PlainValidator(
        _named(
            r"[A-Za-z][A-Za-z0-9_-]{0,63}\.[A-Za-z][A-Za-z0-9_-]{0,63}",
            "resource.action, as in permissions, such as project.read",
            "project.read",
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["project.read"]),
]
ResourceKey = Annotated[
    str,
    PlainValidator(
        _named(
            r"[A-Za-z][A-Za-z0-9_.-]{0,127}",
            "letters, digits, '.', '_' and '-', such as service.namespace",
            "service.namespace",
        )
    ),
    _TEXT_SCHEMA,
    Field(examples=["service.namespace"]),
]
"""An attribute of whoever sends spans."""
