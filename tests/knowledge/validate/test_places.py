"""A place is found under every spelling that a careless reader takes for it."""

import pytest

from sidecar.knowledge.validate.places import Found, Place, names_in, parts_of, written

ROWS = [
    ("/a", {"a": 1}, [1], False),
    ("/a", {"A": 1}, [1], True),
    ("/a", {"A": 1, "a": 2}, [1, 2], False),
    ("/a", {"a\0b": 1}, [1], True),
    ("/k", {"\u212a": 1}, [1], True),
    ("/s", {"\u017f": 1}, [1], True),
    ("/a", {"b": 1}, [], True),
    ("/a", [1], [], True),
    ("/a", "a", [], True),
    ("/a", None, [], True),
    ("/a/b", {"a": {"b": 1}}, [1], False),
    ("/a/b", {"a": {"b": 1}, "A": {"B": 2}}, [1, 2], True),
    ("/a/b", {"a": [{"b": 1}, {"B": 2}, {"c": 3}, 4]}, [1, 2], True),
    ("/a/b", {"a": [[{"b": 1}]]}, [], True),
    ("/a", [{"a": 1}], [1], True),
    ("/a/1", {"a": [0, 7]}, [7], False),
    ("/a/2", {"a": [0, 7]}, [], True),
    ("/a/01", {"a": [0, 7]}, [], True),
    ("/a/-", {"a": [0, 7]}, [], True),
    ("/a/1", {"a": {"1": 5}}, [5], False),
    ("/a/*", {"a": [1, 2]}, [1, 2], False),
    ("/a/*", {"a": []}, [], False),
    ("/a/*", {"a": {"*": 1}}, [{"*": 1}, 1], True),
    ("/a/*", {"a": 1}, [], True),
    ("/a/*/t", {"a": {"x": {"t": 1}, "y": {"T": 2}}}, [1, 2], True),
    ("/a/*/t", {"a": {"t": 1}}, [1], True),
    ("/a/*/t", {"a": {}}, [], True),
    ("/*/t", [{"t": 1}, {"T": 2}, {"t": 3}], [1, 2, 3], True),
    ("/*/t", [{"t": 1}, {"t": 3}], [1, 3], False),
    ("/*/*/t", [[{"t": 1}], [{"t": 2}, {}]], [1, 2], True),
    ("/x~1y/~0", {"x/y": {"~": 4}}, [4], False),
]


@pytest.mark.parametrize(("pointer", "document", "values", "is_missing"), ROWS)
def test_what_stands_at_a_place(
    pointer: str, document: object, values: list[object], is_missing: bool
) -> None:
    assert Place.of(pointer).find(document) == Found(values, is_missing)


@pytest.mark.parametrize("pointer", ["", "a", "/~", "/a~2", "/a/~b"])
def test_what_is_no_pointer(pointer: str) -> None:
    with pytest.raises(ValueError, match="is no JSON Pointer"):
        parts_of(pointer)


@pytest.mark.parametrize("pointer", ["/a", "/a~1b/~0/*", "/", "//a"])
def test_a_place_reads_as_it_was_written(pointer: str) -> None:
    assert str(Place.of(pointer)) == pointer


def test_indexes_are_parts_too() -> None:
    assert written(["items", 3, "a/b"]) == "/items/3/a~1b"


def test_names_are_found_wherever_they_stand() -> None:
    document = {"A": [{"b": {"C\0x": 1}}, [{"d": 2}]], "e": "f"}
    assert sorted(names_in(document)) == ["a", "b", "c", "d", "e"]
    assert list(names_in(7)) == []
