"""Schemas that make more work of a body than it is large are refused, and no others."""

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.validate.growth import GrowthError, check_growth
from sidecar.knowledge.validate.schema import Schema, SchemaError

SELF: Final = {"$ref": "#"}
AND: Final = {"properties": {"op": {"const": "and"}, "left": {"$ref": "#/$defs/E"}}}
OR: Final = {"properties": {"op": {"const": "or"}, "left": {"$ref": "#/$defs/E"}}}
IS_AND: Final = {"properties": {"op": {"const": "and"}}}
TWO_WAYS: Final = "refers to itself on two ways for the same part of a body"
MANY: Final = "judges one value in more than 10,000 ways"
ALONE: Final = "is defined by itself alone"


def expressions(choice: object) -> dict[str, Any]:
    return {"$ref": "#/$defs/E", "$defs": {"E": choice, "And": AND, "Or": OR}}


def ladder(rungs: int) -> dict[str, Any]:
    defs: dict[str, Any] = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(rungs)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**defs, f"a{rungs}": {"type": "object"}}}


GROWING: Final[list[tuple[str, object, str]]] = [
    (
        "operators tried one by one",
        expressions({"oneOf": [{"$ref": "#/$defs/And"}, {"$ref": "#/$defs/Or"}]}),
        TWO_WAYS,
    ),
    ("a member by its name and as one of the others",
     {"anyOf": [{"properties": {"a": SELF}}, {"additionalProperties": SELF}]}, TWO_WAYS),
    ("a member by its name and by a pattern",
     {"properties": {"a": SELF}, "patternProperties": {"^a": SELF}}, TWO_WAYS),
    ("two patterns", {"patternProperties": {"a": SELF, "b": SELF}}, TWO_WAYS),
    ("each item twice", {"items": SELF, "contains": SELF}, TWO_WAYS),
    ("a listed item twice", {"allOf": [{"prefixItems": [SELF]}, {"items": SELF}]}, TWO_WAYS),
    ("by an anchor", {"$anchor": "x", "items": {"anyOf": [{"$ref": "#x"}, {"$ref": "#x"}]}},
     TWO_WAYS),
    ("by a dynamic anchor",
     {"$dynamicAnchor": "x", "items": {"anyOf": [{"$dynamicRef": "#x"}, {"$dynamicRef": "#x"}]}},
     TWO_WAYS),
    ("beside a condition", {"if": {"properties": {"a": SELF}}, "then": {"properties": {"a": SELF}}},
     TWO_WAYS),
    ("by a condition of members",
     {"properties": {"a": SELF}, "dependentSchemas": {"b": {"properties": {"a": SELF}}}}, TWO_WAYS),
    ("by a condition of members under its older name",
     {"properties": {"a": SELF}, "dependencies": {"b": {"properties": {"a": SELF}}, "c": ["d"]}},
     TWO_WAYS),
    ("in another schema than the first",
     {"properties": {"x": {"$ref": "#/$defs/T"}},
      "$defs": {"T": {"items": {"not": {"anyOf": [{"$ref": "#/$defs/T"}] * 2}}}}},
     TWO_WAYS),
    ("a ladder that doubles with each rung", ladder(14), MANY),
    ("nothing but itself", {"allOf": [SELF]}, ALONE),
    ("nothing but each other",
     {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
     ALONE),
    ("a part that is nothing but itself",
     {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"$ref": "#/$defs/a"}}}, ALONE),
]  # fmt: skip

STEADY: Final[list[tuple[str, object]]] = [
    ("anything", True),
    ("a tree", {
        "properties": {"left": SELF, "right": SELF, "all": {"items": SELF}},
        "additionalProperties": SELF, "required": ["left"],
    }),
    ("all of JSON", {"anyOf": [
        {"items": SELF}, {"additionalProperties": SELF}, {"prefixItems": [True]},
    ]}),
    ("operators that are told apart first", expressions(
        {"if": IS_AND, "then": {"$ref": "#/$defs/And"}, "else": {"$ref": "#/$defs/Or"}})),
    ("many ways to what ends", {
        "anyOf": [{"properties": {"a": {"$ref": "#/$defs/T"}}}] * 50,
        "$defs": {"T": {"properties": {"b": {"type": "string"}}}},
    }),
    ("a short ladder", ladder(8)),
    ("references into lists and to nothing", {
        "items": {"anyOf": [{"$ref": "#/allOf/0"}, {"$ref": "#/allOf/7"}, {"$ref": "#nowhere"},
                            {"$ref": "#/allOf/x"}, {"$ref": "#/$defs/none"}]},
        "allOf": [{"type": "array"}], "properties": 7, "anyOf": 7,
    }),
    ("a part that leads nowhere", {"items": {"$ref": "#/$defs/none"}}),
]  # fmt: skip


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(
    ("schema", "message"), [pytest.param(s, m, id=name) for name, s, m in GROWING]
)
def test_a_schema_that_takes_ever_more_work_is_refused(schema: object, message: str) -> None:
    with pytest.raises(GrowthError, match=message):
        check_growth(schema)
    with pytest.raises(SchemaError, match=message):
        Schema(json.dumps(schema))


@pytest.mark.parametrize("schema", [pytest.param(s, id=name) for name, s in STEADY])
def test_a_schema_may_refer_to_itself_as_long_as_each_part_is_judged_once(schema: object) -> None:
    check_growth(schema)


NAMES: Final = st.sampled_from(
    ("$ref", "$defs", "a", "#", "#/$defs/a", "#/items", "allOf", "anyOf", "not", "if", "then",
     "else",
     "items", "prefixItems", "properties", "additionalProperties", "dependentSchemas", "$anchor")
)  # fmt: skip


@given(
    st.recursive(
        NAMES | st.booleans(),
        lambda below: st.dictionaries(NAMES, below, max_size=4) | st.lists(below, max_size=3),
        max_leaves=20,
    )
)
def test_anything_grows_or_does_not(schema: object) -> None:
    with suppress(GrowthError):
        check_growth(schema)


@pytest.mark.control("RQ-3")
def test_a_deep_body_is_judged_as_fast_as_it_is_long() -> None:
    told_apart = {"if": IS_AND, "then": {"$ref": "#/$defs/And"}, "else": {"$ref": "#/$defs/Or"}}
    schema = Schema(json.dumps(expressions(told_apart)))
    body: dict[str, object] = {"op": "xor"}
    for _ in range(40):
        body = {"op": "and", "left": body}
    # Two ways would take 2^40 steps.
    assert [fault.pointer for fault in schema.faults(body)] == ["/left" * 40 + "/op"]


def test_a_schema_nested_beyond_reason_is_refused_and_no_crash() -> None:
    with pytest.raises(SchemaError, match="nested too deeply"):
        Schema('{"not":' * 100_000 + "{}" + "}" * 100_000)
