"""Read a query as forms write it, strictly, and know a parameter in every spelling."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote_to_bytes

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Most names.
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_-]+\Z")
_AND: Final = re.compile(rb"&")
_AND_OR: Final = re.compile(rb"[&;]")
# PHP makes `_` of these in a parameter's name; `a.b` and `a[b]` are members of `a` to others.
_OPENINGS: Final = ("[", "]", "!", ".")
_FOLDED: Final = str.maketrans(". [", "___")


class UndecodableError(ValueError):
    """A query that a lenient service might read otherwise than we do; the message says why."""


def pairs(query: bytes) -> list[tuple[str, bytes]]:
    """Split a query into decoded names and raw values, in every way in which services split it.

    `;` separated parameters for years and still does for some, so a query that holds one is read
    twice, with and without it. Values stay as received: only those that matter need be decodable.

    Args:
        query: the query without `?`.

    Raises:
        UndecodableError: a name has two readings.

    Source: WHATWG URL §5.1; HTML 4.01 §B.2.2 for `;`.
    """
    found = _split(query, _AND)
    return found + _split(query, _AND_OR) if b";" in query else found


def decoded(raw: bytes) -> str:
    """Decode a name or a value: `+` is a blank, an escape is a byte, and all of it is UTF-8.

    Raises:
        UndecodableError: an escape is malformed, or the bytes are not UTF-8.
    """
    if raw.isalnum():
        return raw.decode()
    if any(escape[1] is None for escape in _ESCAPE.finditer(raw)):
        raise UndecodableError("malformed percent-encoding in the query")
    plain = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw.replace(b"+", b" "))
    try:
        return plain.decode()
    except UnicodeDecodeError as error:
        raise UndecodableError("the query is not UTF-8") from error


def values_of(query: bytes, name: bytes) -> list[bytes]:
    """Collect what any service could take for a value of one name, as bytes.

    For credentials, of which only the exact name is ours; what is malformed stands for itself,
    since whoever judges the value refuses it. Of a query that holds `;` the values of both readings
    are there, different ones if it has two.
    """
    separators = (_AND, _AND_OR) if b";" in query else (_AND,)
    parts = [part for separator in separators for part in separator.split(query)]
    return [_loosely(part.partition(b"=")[2]) for part in parts if _is_of(part, name)]


def without(query: bytes, name: bytes) -> bytes:
    """Take every pair of one name out; the others stay as they are, byte for byte."""
    left = [pair for pair in query.split(b"&") if not _is_of(pair, name)]
    if b";" in query:
        left = [b";".join(p for p in pair.split(b";") if not _is_of(p, name)) for pair in left]
    return b"&".join(left)


@dataclass(frozen=True, slots=True)
class Parameter:
    """The name of a parameter, known in every spelling that a service could take for it.

    Case is ignored, as ASP.NET does; leading blanks too, and a dot, a blank and a bracket are an
    underscore, as in PHP; `name[]`, `name[0]` and `name.x` are parts of `name`, as in Rails and
    Spring; `[name]` is `name` to Express (qs) and older Rack, `!name` its default to Spring.

    Attributes:
        folded: the name as PHP has it, in lower case.
        parts: what the names of its parts begin with.
    """

    folded: str
    parts: tuple[str, str]

    @classmethod
    def of(cls, name: str) -> Self:
        """Prepare the name for comparison."""
        lower = name.lower()
        return cls(lower.translate(_FOLDED), (lower + "[", lower + "."))

    def is_spelt(self, name: str) -> bool:
        """Tell whether a decoded name is a spelling of it."""
        lower = name.lstrip(" ").lower()
        if self._is_or_begins(lower):
            return True
        return lower.startswith(_OPENINGS) and self._is_or_begins(_opened(lower))

    def _is_or_begins(self, lower: str) -> bool:
        return lower.translate(_FOLDED) == self.folded or lower.startswith(self.parts)


def _opened(name: str) -> str:
    """Take away what stands before a name, and the bracket that closes one of it."""
    bare = name.lstrip("".join(_OPENINGS))
    first, _, rest = bare.partition("]")
    return bare if "[" in first else first + rest.lstrip("]")


def _split(query: bytes, separator: re.Pattern[bytes]) -> list[tuple[str, bytes]]:
    found = []
    for part in separator.split(query):
        raw, _, value = part.partition(b"=")
        found.append((_name(raw), value))
    return found


def _name(raw: bytes) -> str:
    if _PLAIN.match(raw):
        return raw.decode()
    name = decoded(raw)
    if _CONTROL.search(name):
        raise UndecodableError("control character in the name of a parameter")
    if "%" in name:
        raise UndecodableError("doubly encoded name of a parameter")
    return name


def _is_of(pair: bytes, name: bytes) -> bool:
    return _loosely(pair.partition(b"=")[0]) == name


def _loosely(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text
