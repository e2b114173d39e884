"""Forms in request bodies: `application/x-www-form-urlencoded` and `multipart/form-data`.

The multipart scanner is ours and strict: what is between two boundaries has one reading, or the
body is refused (RFC 7578, RFC 2046 §5.1).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.http1.query import UndecodableError, decoded, pairs
from sidecar.knowledge.validate.json_text import UnfitError
from sidecar.knowledge.validate.media import media_type

_LINE_END: Final = b"\r\n"
_HEAD_BYTES: Final = 4096
_HEAD_LINES: Final = 8
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)\Z")
_ALLOWED: Final = frozenset({b"content-disposition", b"content-type"})
# RFC 7578 §4.2 as browsers write it: %22 for a quote, no other escapes, and no `filename*`.
_DISPOSITION: Final = re.compile(
    rb'form-data; *name="([^"\\]*)"(?:; *filename="([^"\\]*)")?[ \t]*\Z'
)
_FILE_NAME_BYTES: Final = 255
_BAD_IN_FILE_NAME: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f/\\:*?<>|\u202a-\u202e\u2066-\u2069]|%(?!22)"
)
_BAD_IN_NAME: Final = re.compile(r"[\x00-\x1f\x7f]")


class TooMuchError(Exception):
    """A form that has more of something than it may; the message says of what."""


@dataclass(frozen=True, slots=True)
class FormBounds:
    """How large a form may be.

    Attributes:
        fields: most fields, those with files too.
        name: characters of the longest name.
        value: bytes of the longest value that is no file.
        files: most files; 0 for none.
        file: bytes of the largest file.
        file_types: content types of files; none given: all.
        file_names: endings that names of files must have one of, in lower case; none given: all.
    """

    fields: int = 100
    name: int = 100
    value: int = 100_000
    files: int = 0
    file: int = 1_000_000
    file_types: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: its name.
        value: its value; None for a file.
    """

    name: str
    value: str | None


def urlencoded(content: bytes, bounds: FormBounds) -> list[Field]:
    """Read a form as a query is read: in every way in which services split it.

    Raises:
        UnfitError: it has two readings.
        TooMuchError: it is larger than it may be.
    """
    if content.count(b"&") + content.count(b";") >= bounds.fields:
        raise TooMuchError("the form has too many fields")
    try:
        fields = [Field(name, _text(value, bounds)) for name, value in pairs(content)]
    except UndecodableError as error:
        raise UnfitError(f"the form is malformed: {error}") from error
    for field in fields:
        _judge_name(field.name, bounds)
    return _in_utf_8(fields)


def _in_utf_8(fields: list[Field]) -> list[Field]:
    # RFC 7578 §4.6: a field of this name says how the others are to be read.
    if any(f.name == "_charset_" and (f.value or "").lower() != "utf-8" for f in fields):
        raise UnfitError("the form names a charset other than UTF-8")
    return fields


def _text(raw: bytes, bounds: FormBounds) -> str:
    if len(raw) > bounds.value * 3:
        raise TooMuchError("a value of the form is too long")
    value = decoded(raw)
    if len(value.encode()) > bounds.value:
        raise TooMuchError("a value of the form is too long")
    return value


def _judge_name(name: str, bounds: FormBounds) -> None:
    if len(name) > bounds.name:
        raise TooMuchError("a name of the form is too long")
    if _BAD_IN_NAME.search(name):
        raise UnfitError("a name of the form holds a control character")


def multipart(content: bytes, boundary: bytes, bounds: FormBounds) -> list[Field]:
    """Read a form in parts.

    Raises:
        UnfitError: it has two readings.
        TooMuchError: it is larger than it may be.
    """
    fields: list[Field] = []
    files = 0
    for part in _parts(content, boundary):
        if len(fields) >= bounds.fields:
            raise TooMuchError("the form has too many fields")
        field = _field(part, bounds)
        files += field.value is None
        if files > bounds.files:
            raise TooMuchError("the form has too many files")
        fields.append(field)
    return _in_utf_8(fields)


def _parts(content: bytes, boundary: bytes) -> Iterator[bytes]:
    delimiter = _LINE_END + b"--" + boundary
    # What precedes the first boundary and what follows the last is text that nobody need read.
    if not content.startswith(delimiter[2:]):
        raise UnfitError("the form does not begin with its boundary")
    at = len(delimiter) - 2
    count = 1
    while content[at : at + 2] != b"--":
        if content[at : at + 2] != _LINE_END:
            raise UnfitError("something follows a boundary of the form on its line")
        end = content.find(delimiter, at)
        if end < 0:
            raise UnfitError("the form is cut short")
        yield content[at + 2 : end] if end > at else b""
        at = end + len(delimiter)
        count += 1
    # Lenient readers end a part at a bare line feed, or at a boundary inside of a line.
    if content.count(delimiter[2:]) != count:
        raise UnfitError("the boundary of the form stands inside of a part")
    if content[at + 2 :] not in {b"", _LINE_END}:
        raise UnfitError("something follows the last boundary of the form")


def _field(part: bytes, bounds: FormBounds) -> Field:
    head, separator, body = part.partition(_LINE_END * 2)
    if not separator or len(head) > _HEAD_BYTES:
        raise UnfitError("a part of the form has no head")
    lines = _lines(head)
    found = _DISPOSITION.match(lines.get(b"content-disposition", b""))
    if found is None:
        raise UnfitError("a part of the form is malformed: Content-Disposition")
    name = _utf_8(found[1])
    _judge_name(name, bounds)
    written_type = lines.get(b"content-type")
    if found[2] is not None:
        _judge_file(_utf_8(found[2]), written_type, body, bounds)
        return Field(name, None)
    if len(body) > bounds.value:
        raise TooMuchError("a value of the form is too long")
    if written_type is not None and not _is_text(written_type):
        raise UnfitError("a value of the form is of a type that is not read")
    return Field(name, _utf_8(body))


def _lines(head: bytes) -> dict[bytes, bytes]:
    lines: dict[bytes, bytes] = {}
    written = head.split(_LINE_END)
    if len(written) > _HEAD_LINES:
        raise UnfitError("a part of the form has too many lines in its head")
    for line in written:
        found = _FIELD.match(line)
        name = b"" if found is None else found[1].lower()
        if found is None or name not in _ALLOWED or name in lines:
            raise UnfitError("a part of the form has a line in its head that is not read")
        lines[name] = found[2].rstrip(b" \t")
    return lines


def _utf_8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise UnfitError("a part of the form is not UTF-8") from error


def _is_text(written_type: bytes) -> bool:
    kind = media_type(written_type)
    return kind is not None and kind.essence == "text/plain" and kind.is_utf_8


def _judge_file(name: str, written_type: bytes | None, content: bytes, bounds: FormBounds) -> None:
    if len(content) > bounds.file:
        raise TooMuchError("a file of the form is too large")
    is_named = bool(name) and not name.startswith(".") and not name.endswith((".", " "))
    if not is_named or len(name.encode()) > _FILE_NAME_BYTES or _BAD_IN_FILE_NAME.search(name):
        raise UnfitError("a file of the form has a name that may lead elsewhere")
    if bounds.file_names and not name.lower().endswith(bounds.file_names):
        raise UnfitError("a file of the form has a name with another ending")
    if bounds.file_types:
        kind = None if written_type is None else media_type(written_type)
        if kind is None or not _is_among(kind.essence, bounds.file_types):
            raise UnfitError("a file of the form is of a type that is not accepted")


def _is_among(essence: str, types: tuple[str, ...]) -> bool:
    return essence in types or essence.partition("/")[0] + "/*" in types
