"""Items of a batch are counted while they come, whatever stands in them and however it is cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.validate.items import LOOKED_AT, ItemCounter, State

LISTS = {
    "empty": (b"[]", 0),
    "empty with blanks": (b" [ \n ] ", 0),
    "one": (b"[1]", 1),
    "numbers": (b"[1,2,3]", 3),
    "strings with structure in them": (rb'["[,]","a,b","{\"x\": [1,2]}"]', 3),
    "escaped quotes": (rb'["a\"b,",",\\",",\\\","]', 3),
    "escapes at the very end": (rb'["\\","\\\\","\\\""]', 3),
    "lists in lists": (b"[[1,2,3],[[4,5],[6]],[]]", 3),
    "objects": (b'[{"a":[1,2],"b":{"c":1}},{}]', 2),
    "names with commas": (rb'[{"a,b":1,"\",":2},2]', 2),
    "what follows the list": (b"[1,2],[3,4,5]", 2),
    "an object": (b'{"a":[1,2,3]}', 0),
    "a string": (b'"[1,2,3]"', 0),
    "a number": (b"17", 0),
    "nothing": (b"", 0),
    "a comma too many": (b"[1,2,]", 3),
    "never closed": (b"[1,2,[3,4", 3),
}
MEMBERS = {
    "the only member": (b'{"items":[1,2,3]}', 3),
    "behind others": (b'{"a":[1,2],"b":{"items":[1]},"c":"x","items":[1,2,3]}', 3),
    "deeper only": (b'{"b":{"items":[1,2]}}', 0),
    "inside a list": (b'[{"items":[1,2]}]', 0),
    "in capitals": (b'{"ITEMS":[1,2,3]}', 3),
    "in escapes": (rb'{"\u0069tems":[1,2,3]}', 3),
    "in escapes all": (rb'{"\u0069\u0074\u0065\u006d\u0073":[1,2,3]}', 3),
    "a name as a value": (b'{"a":"items","b":[1,2]}', 0),
    "a long name before it": (b'{"' + b"items" * 100 + b'":[1,2],"items":[1]}', 1),
    "a long name that ends in an escape": (b'{"' + b"x" * 99 + rb'\\":[1,2],"items":[1]}', 1),
    "no list": (b'{"items":{"items":[1,2]}}', 0),
    "no list, then another": (b'{"items":1,"Items":[1,2]}', 2),
    "a broken name": (rb'{"\uXYZW\"":[1],"items":[1,2]}', 2),
    "too many ends": (b'}}}]]{"items":[1,2]', 0),
}
DEEPER = {
    "in its place": (b'{"a":{"items":[1,2,3]}}', 3),
    "behind another of its name": (b'{"items":[1],"a":{"b":{"items":[1]},"items":[1,2]}}', 2),
    "in another place": (b'{"b":{"items":[1]},"a":[{"items":[1,2]}]}', 0),
    "after its place was left": (b'{"a":{},"b":{"items":[1,2]}}', 0),
    "in its place at last": (b'{"a":1,"b":{"a":{"items":[1]}},"A":{"items":[1,2]}}', 2),
}
ROWS = [
    pytest.param(names, *row, id=name)
    for names, rows in (((), LISTS), (("items",), MEMBERS), (("a", "items"), DEEPER))
    for name, row in rows.items()
]


def counted(names: tuple[str, ...], *pieces: bytes) -> int:
    counter = ItemCounter(names)
    for piece in pieces:
        counter.feed(piece)
    return counter.items


@pytest.mark.control("RQ-2")
@pytest.mark.parametrize(("names", "text", "items"), ROWS)
def test_the_items_of_the_list_are_counted_and_no_others(
    names: tuple[str, ...], text: bytes, items: int
) -> None:
    assert counted(names, text) == items


@pytest.mark.parametrize(("names", "text", "items"), ROWS)
def test_the_count_is_the_same_byte_by_byte_and_however_it_is_cut(
    names: tuple[str, ...], text: bytes, items: int
) -> None:
    assert counted(names, *(text[at : at + 1] for at in range(len(text)))) == items
    for cut in range(len(text)):
        assert counted(names, text[:cut], text[cut:]) == items


def test_the_comma_before_an_item_is_enough_to_know_of_it() -> None:
    counter = ItemCounter(())
    assert [counter.feed(piece) for piece in (b"[", b"1", b",", b"2", b"]")] == [0, 1, 2, 2, 2]
    assert counter.state is State.DONE
    assert counter.feed(b",3,4") == 2


def test_a_list_behind_too_much_else_is_not_looked_for() -> None:
    near = b'{"a":[' + b"1," * (LOOKED_AT // 2 - 20) + b'1],"items":[1,2]}'
    far = b'{"a":[' + b"1," * LOOKED_AT + b'1],"items":[1,2]}'
    assert [counted(("items",), text) for text in (near, far)] == [2, 0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=6), st.booleans(), st.lists(st.integers(0, 400), max_size=5))
def test_every_list_that_json_can_write_is_counted(
    values: list[object], is_ascii: bool, cuts: list[int]
) -> None:
    text = json.dumps(values, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert counted((), *pieces) == len(values)
    assert counted(("items",), b'{"items":', *pieces, b"}") == len(values)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_no_bytes_are_beyond_it(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(content)]
    pieces = [content[start:end] for start, end in pairwise(edges)]
    assert counted((), *pieces) == counted((), content)
    assert counted(("a", "b"), *pieces) == counted(("a", "b"), content)
