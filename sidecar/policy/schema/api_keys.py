"""The section `authentication.api_keys`: what keys look like and where they are read from."""

import re
from typing import Annotated, Final, Literal

from sidecar.policy.schema.names import FieldName, Parameter, Word
from sidecar.policy.schema.quantities import Count, Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, PlainValidator, Strict, WithJsonSchema
from sidecar.policy.written import misfit, text_of

_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}(_[A-Za-z0-9]{1,16}){0,3}\Z")


def _prefix(value: object) -> str:
    text = text_of(value, "sk_live")
    if not _PREFIX.match(text.removesuffix("_")):
        raise misfit(
            "is no prefix of a key", "letters and digits in parts joined by '_', such as sk_live"
        )
    return text.removesuffix("_")


class KeyFormat(Section):
    """One kind of key: the prefix, `_`, random characters and, if wanted, a checksum.

    Attributes:
        kind: kind of the key, for `key_kinds` of routes.
        prefix: what its keys begin with, without the `_` behind it.
        encoding: alphabet of the random part.
        bits: randomness, in bits; 128 at least (AN-1).
        checksum: true ends a key with 6 characters by which a mistyped one is known without a
            look-up.
    """

    kind: Word = "secret"
    prefix: Annotated[
        str,
        PlainValidator(_prefix),
        WithJsonSchema({"type": "string", "minLength": 1}),
        Field(examples=["sk_live"]),
    ]
    encoding: Literal["crockford32", "base62", "base64url", "hex"] = "crockford32"
    bits: Annotated[
        int,
        Field(ge=128, le=512),
        Strict(),
        WithJsonSchema({"type": "integer", "minimum": 128, "maximum": 512}),
    ] = 130
    checksum: Flag = False


class DomainLock(Section):
    """Keys for browsers, locked to the registered domains of their project (AN-8).

    Attributes:
        kinds: kinds of keys that are locked.
        unregistered: what another domain gets: `refuse`, or `downgrade` to `tier`.
        tier: tier after a downgrade.
        domain_cap: distinct unregistered domains of a project in 30 days; more are refused; none
            given: no cap.
    """

    kinds: tuple[Word, ...] = ("publishable",)
    unregistered: Literal["refuse", "downgrade"] = "refuse"
    tier: Word = "free"
    domain_cap: Count | None = None


def _default_formats() -> tuple[KeyFormat, ...]:
    return (KeyFormat(kind="secret", prefix="sk"), KeyFormat(kind="publishable", prefix="pk"))


class ApiKeys(Section):
    """API keys: opaque, known by their digest alone.

    Attributes:
        header: header field that carries a key; null reads none.
        bearer: whether `Authorization: Bearer` may carry a key.
        query: query parameter that carries a key; none unless named, for URLs end up in logs.
        formats: what keys look like; several at once.
        domain_lock: keys that are locked to domains.
    """

    header: FieldName | None = "X-API-Key"
    bearer: Flag = True
    query: Parameter | None = None
    formats: Annotated[
        tuple[KeyFormat, ...],
        Field(min_length=1, examples=["[{kind: secret, prefix: sk_live}]"]),
    ] = Field(default_factory=_default_formats)
    domain_lock: DomainLock = DomainLock()
