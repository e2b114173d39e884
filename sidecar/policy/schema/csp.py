"""The section `csp`: Content-Security-Policy of answers, by directive (RS-2)."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from sidecar.policy.schema.names import FieldName
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    BeforeValidator,
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import misfit, text_of

NONCE: Final = "nonce"
"""The source that stands for the nonce of each answer."""

SOURCE_LISTS: Final = frozenset(
    (
        "default-src", "script-src", "script-src-elem", "script-src-attr", "style-src",
        "style-src-elem", "style-src-attr", "img-src", "font-src", "connect-src", "media-src",
        "object-src", "child-src", "frame-src", "fenced-frame-src", "worker-src", "manifest-src",
        "base-uri", "form-action", "frame-ancestors",
    )
)  # fmt: skip
"""Directives whose values are sources."""
REPORTING: Final = frozenset(("report-uri", "report-to"))
DIRECTIVES: Final = (
    SOURCE_LISTS
    | REPORTING
    | {"sandbox", "upgrade-insecure-requests", "require-trusted-types-for", "trusted-types"}
)
"""Directives of CSP level 3, and those of the specifications beside it."""
KEYWORDS: Final = frozenset(
    (
        "'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'",
        "'strict-dynamic'", "'report-sample'", "'wasm-unsafe-eval'", "'inline-speculation-rules'",
        "'trusted-types-eval'",
    )
)  # fmt: skip

_WORD: Final = re.compile(r"[\x21-\x2b\x2d-\x3a\x3c-\x7e]+\Z")
_HASH: Final = re.compile(r"'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'\Z")
# CSP level 3 §2.3.1: scheme-source, and host-source with its parts.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\Z")
_HOST: Final = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)"
    r"(?::(?:[0-9]{1,5}|\*))?(?:/[^?#]*)?\Z"
)
_WEB: Final = frozenset(("http", "https"))
_WEB_SCHEMES: Final = frozenset(("http:", "https:"))
_UNQUOTED: Final = frozenset(keyword.strip("'") for keyword in KEYWORDS)
_DIRECTIVE_HINT: Final = "one of CSP level 3, such as default-src, script-src or frame-ancestors"


def _directive(value: object) -> str:
    text = text_of(value, "default-src").lower()
    if text not in DIRECTIVES:
        raise misfit("is no directive of Content-Security-Policy", _DIRECTIVE_HINT)
    return text


def _word(value: object) -> str:
    text = text_of(value, "'self'")
    if text in _UNQUOTED:
        raise misfit("is a keyword without its quotes", f"\"'{text}'\"")
    if text.lower().startswith(("'nonce-", "'nonce'")):
        raise misfit("is no nonce: it would be the same for all", "nonce, without quotes")
    if not _WORD.match(text):
        raise misfit("cannot stand in a directive", "visible ASCII without blanks, ',' and ';'")
    if text.startswith("'") and text not in KEYWORDS and not _is_quoted(text):
        raise misfit("is no keyword of Content-Security-Policy", ", ".join(sorted(KEYWORDS)))
    return str(text)


def _is_quoted(text: str) -> bool:
    # 'script' and 'allow-duplicates' are words of Trusted Types.
    return bool(_HASH.match(text)) or text in {"'script'", "'allow-duplicates'"}


def is_source(text: str) -> bool:
    """Whether a word is a source: a keyword, a hash, a nonce, a scheme or a host."""
    return text in KEYWORDS or any(form.match(text) for form in (_HASH, _SCHEME, _HOST))


def is_web_source(text: str) -> bool:
    """Whether a word is a source of URLs with http and https alone: `*` admits each of them.

    A host without a scheme has that of the page, or https (CSP level 3 §6.7.2.8). Not so `'self'`,
    which may be the page's own `blob:`, and hosts with other schemes.
    """
    scheme, mark, _ = text.partition("://")
    if _HOST.match(text) and text != NONCE:
        return not mark or scheme.lower() in _WEB
    return text.lower() in _WEB_SCHEMES


def _words(value: object) -> object:
    if value is None:
        return []
    return value.split() if isinstance(value, str) else value


def _from_text(value: object) -> object:
    """Take the text of a policy apart; of a directive that stands twice the first one counts."""
    if not isinstance(value, str):
        return value
    found: dict[str, object] = {}
    for part in filter(None, map(str.strip, value.split(";"))):
        name, *words = part.split()
        found.setdefault(name.lower(), words)
    return found


DirectiveName = Annotated[str, PlainValidator(_directive), WithJsonSchema({"type": "string"})]
SourceWord = Annotated[str, PlainValidator(_word), WithJsonSchema({"type": "string"})]
Directives = Annotated[
    dict[
        DirectiveName,
        Annotated[tuple[SourceWord, ...], BeforeValidator(_words), Field(examples=["'self'"])],
    ],
    BeforeValidator(_from_text),
    Field(min_length=1, examples=["{default-src: [\"'self'\"]}"]),
]


class Csp(Section):
    """Content-Security-Policy of answers; its text or its directives alone are `enforce`.

    Attributes:
        enforce: directives that browsers enforce, by name, or as text; the source `nonce` stands
            for the nonce of each answer.
        report_only: directives whose violations browsers report alone.
        upstream: `add` keeps the service's own beside it, so that both hold; `replace` takes that
            away; `keep` yields to it.
        nonce_header: request field that tells the service the nonce; no client can send it.
    """

    enforce: Directives | None = None
    report_only: Directives | None = None
    upstream: Literal["add", "replace", "keep"] = "add"
    nonce_header: FieldName = "X-CSP-Nonce"

    @model_validator(mode="before")
    @classmethod
    def _enforced_alone(cls, value: object) -> object:
        is_short = isinstance(value, str) or (
            isinstance(value, Mapping)
            and bool(value)
            and all("-" in str(name) or name == "sandbox" for name in value)
        )
        return {"enforce": value} if is_short else value

    @property
    def has_nonce(self) -> bool:
        """Whether a nonce is made for each answer."""
        return any(
            NONCE in words
            for directives in (self.enforce, self.report_only)
            for words in (directives or {}).values()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short forms in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        text = {"type": "string", "examples": ["default-src 'self'"]}
        words = {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}
        alone = {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {"^([a-z]+-[a-z-]+|sandbox)$": words},
        }
        return {"title": "Csp", "anyOf": [text, alone, whole]}
