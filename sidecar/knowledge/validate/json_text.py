"""JSON of request bodies, read so that it has one meaning (RFC 8259, RFC 7493).

What two readers could read differently is refused: the service behind us is the second reader. The
parser is the standard library's, with hooks (ADR 0016).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, cast

NUMBER_CHARACTERS: Final = 64
"""Longest number; a double has 25, and some services need the square of the length to read one."""
LARGEST_INTEGER: Final = 2**64 - 1
"""Largest magnitude of an integer."""

# Numbers are judged by their text, at a nanosecond a byte, where a look at every value takes
# as long as parsing. Only numbers that look like these can be out of bounds.
_SHAPE: Final = bytes(
    ord("0") if byte in b"0123456789" else ord("e") if byte in b"eE" else ord(" ")
    for byte in range(256)
)
_SIGNS: Final = b"+-"
_SUSPECTS: Final = (b"0" * 20, b"0e000")
_NUMBER: Final = re.compile(rb"-?([0-9]+)([0-9.eE+-]*)")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
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
    try:
        value: object = _DECODER.decode(text)
    except RecursionError as error:
        raise UnfitError("the JSON is nested too deep") from error
    except UnfitError:
        raise
    except ValueError as error:
        raise UnfitError("the body is no JSON") from error
    _judge_numbers(content)
    if _may_be_deeper(content, bounds.depth):
        _judge_depth(value, bounds.depth)
    if bounds.string or (b"\\u" in content and _SURROGATE.search(text)):
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


def _judge_numbers(content: bytes) -> None:
    shape = content.translate(_SHAPE, _SIGNS)
    if not any(suspect in shape for suspect in _SUSPECTS):
        return
    for number in _NUMBER.finditer(_STRING.sub(b'""', content)):
        whole, rest = number.groups()
        if len(number[0]) > NUMBER_CHARACTERS:
            raise UnfitError("a number of the JSON is too long")
        if not rest and len(whole) >= len(_SUSPECTS[0]) and int(whole) > LARGEST_INTEGER:
            raise UnfitError("a number of the JSON has more than 64 bits")
        if rest and float(number[0]) in {_INFINITY, -_INFINITY}:
            raise UnfitError("a number of the JSON is beyond a double")


def _may_be_deeper(content: bytes, depth: int) -> bool:
    """Tell whether there are enough brackets to be nested deeper; most documents soon have them."""
    first = content.count(b"[", 0, _BEGINNING) + content.count(b"{", 0, _BEGINNING)
    return first > depth or content.count(b"[") + content.count(b"{") > depth


def _judge_depth(value: object, depth: int) -> None:
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
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_number)
