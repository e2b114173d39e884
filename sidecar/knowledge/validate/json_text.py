"""JSON of request bodies, read so that it has one meaning (RFC 8259, RFC 7493).

What two readers could read differently is refused: the service behind us is the second reader. The
parser is the standard library's, with hooks (ADR 0016).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, cast

import msgspec

NUMBER_CHARACTERS: Final = 64
"""Longest number; a double has 25, and some services need the square of the length to read one."""
LARGEST_INTEGER: Final = 2**64 - 1
"""Largest magnitude of an integer."""

# A look at every number takes as long as parsing a list of them. Only where so many digits follow
# each other, in a number or in a string, can one be too long or an integer out of bounds: a
# nanosecond a byte tells.
_DIGITS: Final = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_SUSPECT: Final = b"0" * 20
# What is left of a document for its depth: brackets, braces as such, and quotes.
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b'[]{}"'))
# Escapes alone can write a surrogate: UTF-8 cannot, and decoding has proved that by then.
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE: Final = re.compile(r"[\ud800-\udfff]")
_BEGINNING: Final = 65_536
_MARK: Final = "\ufeff"


class UnfitError(ValueError):
    """Content that is not what its type says, or has two meanings; the message says why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large parts of a document may be.

    Attributes:
        depth: deepest nesting of objects and lists.
        string: characters of the longest name and the longest string; 0 for no bound.
    """

    depth: int = 32
    string: int = 0


def read_json(content: bytes, bounds: Bounds) -> object:
    """Read a document.

    Args:
        content: UTF-8; its length is the caller's to bound.
        bounds: how large its parts may be.

    Raises:
        UnfitError: it is no JSON in UTF-8 without a mark, or is nested too deep, or has a member
            twice, a lone surrogate, a number that is no finite double or an integer of more than 64
            bits, or a number or string that is too long.

    Controls: RQ-3.
    """
    text = _decoded(content)
    decoder = _WARY if _has_suspects(content) else _DECODER
    try:
        value: object = decoder.decode(text)
    except RecursionError as error:
        raise UnfitError("the JSON is nested too deep") from error
    except UnfitError:
        raise
    except msgspec.DecodeError as error:
        raise UnfitError("a number of the JSON is beyond a double") from error
    except ValueError as error:
        raise UnfitError("the body is no JSON") from error
    if _may_be_deeper(content, bounds.depth):
        _judge_depth(content, value, bounds.depth)
    # Most documents have no backslash, and one byte is found fifty times faster than two.
    if bounds.string or (b"\\" in content and b"\\u" in content and _SURROGATE.search(text)):
        _judge_strings(value, bounds.string)
    return value


def count_of(value: object) -> int:
    """Count the values of a document, those inside of others too."""
    count, level = 1, _inner([value])
    while level:
        count += sum(map(len, level))
        level = _below(level)
    return count


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnfitError("the JSON is not UTF-8") from error
    if text.startswith(_MARK):
        raise UnfitError("the JSON begins with a byte order mark")
    return text


def _has_suspects(content: bytes) -> bool:
    return _SUSPECT in content.translate(_DIGITS)


def _integer(text: str) -> int:
    value = int(_short(text))
    if abs(value) > LARGEST_INTEGER:
        raise UnfitError("a number of the JSON has more than 64 bits")
    return value


def _double(text: str) -> float:
    value = float(_short(text))
    if value in {_INFINITY, -_INFINITY}:
        raise UnfitError("a number of the JSON is beyond a double")
    return value


def _short(text: str) -> str:
    if len(text) > NUMBER_CHARACTERS:
        raise UnfitError("a number of the JSON is too long")
    return text


def _may_be_deeper(content: bytes, depth: int) -> bool:
    """Tell whether there are enough brackets to be nested deeper; most documents soon have them."""
    first = content.count(b"[", 0, _BEGINNING) + content.count(b"{", 0, _BEGINNING)
    return first > depth or content.count(b"[") + content.count(b"{") > depth


def _judge_depth(content: bytes, value: object, depth: int) -> None:
    """Refuse a document that is nested too deep.

    Args:
        content: the document; it is known to be JSON.
        value: what was read of it.
        depth: deepest nesting.
    """
    brackets = b'"' if b"\\" in content else _brackets_of(content)
    if b'"' in brackets:
        _judge_nodes(value, depth)
        return
    for _ in range(depth):
        if not brackets:
            return
        # The innermost pairs, all of them; what is left is shorter each time.
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise UnfitError("the JSON is nested too deep")


def _brackets_of(content: bytes) -> bytes:
    """Leave only what nests, of a document without escapes; a quote remains if a string has some.

    Two quotes in a row go, whether they are the two of a string: an even number of quotes stays
    before whatever was outside of strings, so where none is left, nothing is in a string.
    """
    return content.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b"")


def _judge_nodes(value: object, depth: int) -> None:
    """Do the same by a walk, which takes twice as long."""
    level = _inner([value])
    for _ in range(depth):
        if not level:
            return
        level = _below(level)
    if level:
        raise UnfitError("the JSON is nested too deep")


def _judge_strings(value: object, longest: int) -> None:
    level: list[object] = [value]
    while level:
        nodes = _inner(level)
        names = [name for node in nodes if isinstance(node, dict) for name in node]
        texts = [*[one for one in level if isinstance(one, str)], *names]
        if longest and max(map(len, texts), default=0) > longest:
            raise UnfitError("a string of the JSON is too long")
        if any(map(_LONE.search, texts)):
            raise UnfitError("a string of the JSON holds a lone surrogate")
        level = [one for node in nodes for one in _members(node)]


Node = dict[str, object] | list[object]
_NODES: Final[frozenset[type]] = frozenset({dict, list})


def _inner(level: Iterable[object]) -> list[Node]:
    return [one for one in level if isinstance(one, (dict, list))]


def _below(level: list[Node]) -> list[Node]:
    """List the objects and lists that stand directly in others: 30 ns a value."""
    found: list[object] = [
        one
        for node in level
        for one in (node.values() if isinstance(node, dict) else node)
        if one.__class__ in _NODES
    ]
    # Their classes say so.
    return cast("list[Node]", found)


def _members(node: Node) -> Iterable[object]:
    return node.values() if isinstance(node, dict) else node


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnfitError("an object of the JSON has a member twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise UnfitError("the body is no JSON: NaN and Infinity are no numbers")


_INFINITY: Final = float("inf")
# Made once: json.loads with these hooks would make one for every text.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once_each,
    parse_constant=_no_number,
    # Refuses what is beyond a double, in a fifth of the time of a function of ours.
    parse_float=msgspec.json.Decoder(float).decode,
)
_WARY: Final = json.JSONDecoder(
    object_pairs_hook=_once_each,
    parse_constant=_no_number,
    parse_int=_integer,
    parse_float=_double,
)
