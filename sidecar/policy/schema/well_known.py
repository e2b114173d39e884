"""The sections `security_txt` and `absent`: what the sidecar answers on paths of the service."""

import re
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

from sidecar.policy.schema.alone import EITHER_FORM, LISTED
from sidecar.policy.schema.quantities import Duration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    Field,
    PlainValidator,
    WithJsonSchema,
)
from sidecar.policy.written import misfit, text_of

SECURITY_TXT: Final = "/.well-known/security.txt"
NOISE: Final = (
    "/favicon.ico",
    "/robots.txt",
    "/apple-touch-icon.png",
    "/apple-touch-icon-precomposed.png",
)
"""What browsers and crawlers ask every host for."""

# RFC 3339 §5.6: date-time.
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)\Z"
)
_MOMENT_HINT: Final = "a moment such as 2027-06-30T00:00:00Z"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*\Z")
_SCHEMES: Final = frozenset({"https", "mailto", "tel", "dns", "openpgp4fpr"})
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,2048}\Z")
# Decoded once, it must be its own only spelling: no escapes, no dots, no empty segments.
_PLAIN_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@-]+)+\Z")
_PATHS_HINT: Final = "a whole path of letters, digits, '.', '_', '~', '@' and '-', as /favicon.ico"
_LINES: Final = (
    ("contact", "Contact"),
    ("encryption", "Encryption"),
    ("acknowledgments", "Acknowledgments"),
    ("canonical", "Canonical"),
    ("policy", "Policy"),
    ("hiring", "Hiring"),
)


def _uri(value: object) -> str:
    text = text_of(value, "https://example.com/security")
    if not _VISIBLE.match(text) or urlsplit(text).scheme.lower() not in _SCHEMES:
        raise misfit("is no address to write to or to look at", "https://… or mailto:…")
    return str(text)


def _moment(value: object) -> str:
    text = text_of(value, "2027-06-30T00:00:00Z")
    if not _MOMENT.match(text):
        raise misfit("is no moment", _MOMENT_HINT)
    try:
        datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise misfit("is no moment", _MOMENT_HINT) from error
    return text.upper()


def _language(value: object) -> str:
    text = text_of(value, "en")
    if not _LANGUAGE.match(text):
        raise misfit("is no language", "a tag such as en or pt-BR")
    return str(text)


def _path(value: object) -> str:
    text = text_of(value, "/favicon.ico")
    if not _PLAIN_PATH.match(text):
        raise misfit("is no such path", _PATHS_HINT)
    return str(text)


_TEXT: Final = WithJsonSchema({"type": "string", "minLength": 1})
Uri = Annotated[str, PlainValidator(_uri), _TEXT, Field(examples=["mailto:security@example.com"])]
Uris = Annotated[tuple[Uri, ...], LISTED, EITHER_FORM]
Moment = Annotated[str, PlainValidator(_moment), _TEXT, Field(examples=["2027-06-30T00:00:00Z"])]
Language = Annotated[str, PlainValidator(_language), _TEXT, Field(examples=["en"])]
Languages = Annotated[tuple[Language, ...], LISTED, EITHER_FORM]
PlainPath = Annotated[str, PlainValidator(_path), _TEXT, Field(examples=["/favicon.ico"])]


class SecurityTxt(Section):
    """Whom to tell of a vulnerability: /.well-known/security.txt (RFC 9116), on every host.

    Attributes:
        contact: whom to write to, the best way first.
        expires: moment from which the text is not to be trusted any more.
        encryption: keys to write with.
        acknowledgments: pages that thank those who reported.
        preferred_languages: languages to write in.
        canonical: addresses of this text.
        policy: pages with the rules of reporting.
        hiring: pages with security jobs.
    """

    contact: Annotated[Uris, Field(min_length=1, examples=["mailto:security@example.com"])]
    expires: Moment
    encryption: Uris = ()
    acknowledgments: Uris = ()
    preferred_languages: Languages = ()
    canonical: Uris = ()
    policy: Uris = ()
    hiring: Uris = ()

    @property
    def text(self) -> bytes:
        """The text that is served."""
        lines = [f"{name}: {one}" for key, name in _LINES for one in getattr(self, key)]
        lines.insert(len(self.contact), f"Expires: {self.expires}")
        if self.preferred_languages:
            lines.append(f"Preferred-Languages: {', '.join(self.preferred_languages)}")
        return "".join(f"{line}\r\n" for line in lines).encode()

    @property
    def expires_at(self) -> float:
        """The moment from which it is not to be trusted any more, in Unix seconds."""
        return datetime.fromisoformat(self.expires).timestamp()


class Absent(Section):
    """Paths that browsers and crawlers ask for and that the service does not have.

    Attributes:
        paths: whole paths; GET and HEAD are answered 404 here, on every host.
        max_age: how long browsers remember that.
    """

    paths: Annotated[
        tuple[PlainPath, ...], Field(min_length=1, examples=["[/favicon.ico, /robots.txt]"])
    ] = NOISE
    max_age: Duration = 86_400.0
