"""What a request says of its body: content type, charset, content coding (RFC 9110 §8.3, §8.4)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.model.body import Coding, Form

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ESSENCE: Final = re.compile(rf"({_WORD}/{_WORD})[ \t]*")
# Two things of the grammar are left out. Go and others take `boundary*` and `boundary*0` for the
# boundary (RFC 2231), whatever `boundary` says; and they leave some backslashes where they are.
_NAME: Final = r"[!#$%&'+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(
    rf';[ \t]*({_NAME})=(?:({_WORD})|"([\t \x21\x23-\x5b\x5d-\x7e]*)")[ \t]*'
)
# Frameworks look for these anywhere in the field, parameters included: Symfony at its beginning for
# a form, Laravel anywhere for JSON, before it looks for anything else.
_MARKS_OF_FORMS: Final = ("x-www-form-urlencoded", "form-data", "multipart/")
_MARKS_OF_JSON: Final = ("/json", "+json")
_FORMS: Final = {
    "application/x-www-form-urlencoded": Form.URLENCODED,
    "multipart/form-data": Form.MULTIPART,
}
_UTF_8: Final = frozenset({"utf-8", "utf8"})
# RFC 2046 §5.1.1, less the blank: who trims one has another boundary.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}\Z")
_CODINGS: Final = {
    b"": Coding.IDENTITY,
    b"identity": Coding.IDENTITY,
    b"gzip": Coding.GZIP,
    b"x-gzip": Coding.GZIP,
    b"deflate": Coding.DEFLATE,
}


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type.

    Attributes:
        essence: type and subtype, in lower case.
        parameters: its parameters, names in lower case.
    """

    essence: str
    parameters: Mapping[str, str]

    @property
    def form(self) -> Form | None:
        """How content of the type is read; None for one that rules cannot read.

        One that names another form in its parameters, or in front of `+json`, is read otherwise by
        some frameworks.
        """
        form = _FORMS.get(self.essence)
        if form is None:
            kind, _, subtype = self.essence.partition("/")
            is_json = kind == "application" and (subtype == "json" or subtype.endswith("+json"))
            return Form.JSON if is_json and not self._names_any(_MARKS_OF_FORMS) else None
        return None if self._names_any(_MARKS_OF_JSON) else form

    def _names_any(self, marks: Iterable[str]) -> bool:
        texts = [self.essence, *self.parameters, *map(str.lower, self.parameters.values())]
        return any(mark in text for mark in marks for text in texts)

    @property
    def is_utf_8(self) -> bool:
        """Whether no other charset is named."""
        return self.parameters.get("charset", "utf-8").lower() in _UTF_8

    @property
    def boundary(self) -> bytes:
        """What parts a multipart body; empty for none that all readers know."""
        boundary = self.parameters.get("boundary", "")
        return boundary.encode() if _BOUNDARY.match(boundary) else b""


def media_type(value: bytes) -> MediaType | None:
    """Read the value of Content-Type; None where it is none, or readers differ over a parameter."""
    text = value.decode("latin-1")
    found = _ESSENCE.match(text)
    if found is None:
        return None
    essence, at = found[1].lower(), found.end()
    parameters: dict[str, str] = {}
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None or parameter[1].lower() in parameters:
            return None
        quoted = parameter[3]
        parameters[parameter[1].lower()] = parameter[2] if quoted is None else quoted
        at = parameter.end()
    return MediaType(essence, parameters)


def coding_of(values: list[bytes]) -> Coding | None:
    """Read the values of all lines of Content-Encoding; None for what cannot be undone."""
    if len(values) > 1:
        return None
    return _CODINGS.get(values[0].strip(b" \t").lower() if values else b"")
