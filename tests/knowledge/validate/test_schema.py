"""A schema is compiled once, fetches nothing, takes no time to speak of and repeats no value."""

import json
import sys
import time

import pytest

from sidecar.knowledge.validate.schema import DIALECT, FAULTS, Schema, SchemaError
from sidecar.model.body import Fault


def faults(schema: object, value: object) -> list[tuple[str, str]]:
    return [(f.pointer, f.detail) for f in Schema(json.dumps(schema)).faults(value)]


ORDER = {
    "type": "object",
    "required": ["session"],
    "properties": {
        "session": {"type": "string", "format": "uuid"},
        "text": {"type": "string", "minLength": 1, "maxLength": 5},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 2},
    },
    "additionalProperties": False,
    "$defs": {"item": {"type": ["integer", "null"]}},
}
SESSION = "0190a4c2-7d10-7abc-8def-0123456789ab"


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"session": SESSION, "text": "hello", "items": [1, None]}, []),
        ({}, [("", "lacks the member session")]),
        ([], [("", "must be of type object")]),
        ({"session": "secret-7d1f"}, [("/session", "is no uuid")]),
        ({"session": SESSION, "text": ""}, [("/text", "must have 1 characters or more")]),
        ({"session": SESSION, "text": "secret"}, [("/text", "must have 5 characters or fewer")]),
        (
            {"session": SESSION, "items": ["secret"]},
            [("/items/0", "must be of type null or integer")],
        ),
        ({"session": SESSION, "secret": 1}, [("", "has a member that is not allowed")]),
    ],
)
def test_faults_say_where_and_what_without_a_value(
    value: object, found: list[tuple[str, str]]
) -> None:
    assert faults(ORDER, value) == found
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("schema", "value", "detail"),
    [
        ({"enum": ["a"]}, "b", "is none of the values that are allowed"),
        ({"const": 1}, 2, "is not the value that is allowed"),
        ({"pattern": "^a+$"}, "b", "does not match the pattern"),
        ({"minimum": 3}, 2, "must be 3 or more"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3"),
        ({"multipleOf": 2}, 3, "must be a multiple of 2"),
        ({"uniqueItems": True}, [1, 1], "has an item twice"),
        ({"minProperties": 1}, {}, "must have 1 members or more"),
        ({"anyOf": [{"type": "string"}]}, 1, "does not satisfy anyOf"),
        ({"not": {}}, 1, "does not satisfy not"),
        (False, 1, "does not satisfy falseSchema"),
    ],
)
def test_keywords_have_words(schema: object, value: object, detail: str) -> None:
    assert faults(schema, value) == [("", detail)]


def test_an_answer_names_a_few_places_and_no_long_ones() -> None:
    assert len(faults({"items": {"type": "string"}}, list(range(50)))) == FAULTS
    [(pointer, _)] = faults({"additionalProperties": {"type": "string"}}, {"x" * 1000: 1})
    assert len(pointer) == 256


def test_of_a_large_document_the_first_fault_has_to_do() -> None:
    schema = Schema('{"items": {"type": "string"}}')
    assert schema.faults([*["x"] * 5000, 1, 2]) == (Fault("/5000", "must be of type string"),)


BROKEN = {
    "a list": ([], "is no JSON Schema"),
    "a number": (7, "is no JSON Schema"),
    "an unknown type": ({"type": "thing"}, "is no JSON Schema at /type"),
    "a wrong bound": (
        {"properties": {"a": {"minLength": -1}}},
        "is no JSON Schema at /properties/a/minLength",
    ),
    "a look ahead": ({"pattern": "(?=a)b"}, "has a pattern at /pattern that cannot be used"),
    "a look behind": ({"pattern": "(?<!a)b"}, "has a pattern at /pattern that cannot be used"),
    "a back-reference": ({"pattern": r"(a)\1"}, "has a pattern at /pattern that cannot be used"),
    "a huge pattern": (
        {"pattern": r"\d{1,100000}"},
        "has a pattern at /pattern that cannot be used",
    ),
    "no pattern": ({"pattern": "["}, "has a pattern at /pattern that cannot be used"),
    "a look ahead at names": (
        {"patternProperties": {"(?=x)": True}},
        "has a pattern at /patternProperties/(?=x) that cannot be used",
    ),
    "an unknown format": ({"format": "uuidd"}, "has a format at /format that is not known"),
    "a reference to the web": (
        {"$ref": "http://x.example/s"},
        "refers to another document at /$ref",
    ),
    "a reference to a file": (
        {"items": [{"$ref": "file:///etc/passwd"}]},
        "refers to another document at /items/0/$ref",
    ),
    "a reference to a neighbour": (
        {"$id": "http://x.example/a", "allOf": [{"$ref": "b"}]},
        "refers to another document at /allOf/0/$ref",
    ),
    "a reference to the dialect": ({"$ref": DIALECT}, "refers to another document at /$ref"),
    "a dynamic reference": (
        {"$dynamicRef": "http://x.example/s#a"},
        "refers to another document at /$dynamicRef",
    ),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, "has a reference that leads nowhere"),
    "an anchor of nothing": ({"$dynamicRef": "#a"}, "has a reference that leads nowhere"),
    "another dialect": (
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        "is of another dialect",
    ),
}


@pytest.mark.parametrize(("schema", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_schema_that_cannot_be_used_says_where_and_how_to_mend_it(
    schema: object, reason: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        Schema(json.dumps(schema))
    assert str(caught.value) == reason
    assert caught.value.hint


def test_a_member_named_like_a_keyword_is_none() -> None:
    schema = {"$schema": DIALECT, "properties": {"$ref": {"type": "string"}, "$schema": True}}
    assert faults(schema, {"$ref": "http://x.example"}) == []


def test_a_pattern_takes_no_exponential_time() -> None:
    schema = Schema('{"pattern": "^(a+)+$"}')
    began = time.perf_counter()
    assert schema.faults("a" * 100_000 + "b")
    assert time.perf_counter() - began < 1


def test_whoever_lacks_the_library_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(SchemaError, match="needs the library that reads schemas") as caught:
        Schema("{}")
    assert "tenant-sidecar[schemas]" in caught.value.hint
