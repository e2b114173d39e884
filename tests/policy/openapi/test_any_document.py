"""No document raises anything but PolicyError, and no problem is without a place."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.openapi.reading import ADD, CHECK, problems

WORDS = (
    "openapi", "paths", "/a", "/a/{b}", "/{tenant}", "get", "post", "trace", "head", "requestBody",
    "content", "application/json", "*/*", "schema", "required", "x-sidecar", "public", "role",
    "#/paths/~1a", "#/a", "properties", "allOf", "items", "type", "object", "nullable", "$id",
    "$ref", "servers", "url", "operationId", "discriminator", "format", "readOnly",
    "components", "schemas", "A",
    "#/components/schemas/A", "if", "then", "prefixItems", "enum", "true", "//x",
)  # fmt: skip
NAMES = st.sampled_from(WORDS) | st.text(max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES
VALUES = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=4),
    max_leaves=12,
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda below: st.dictionaries(st.sampled_from(WORDS), below, max_size=4) | st.lists(below),
    max_leaves=10,
)
ROUTES = "  - {path: /a, methods: [GET, POST], public: true}\n  - {path: /**, public: true}\n"


def every_problem_has_its_place(document: object) -> None:
    text = json.dumps(document)
    for policy in (ADD, CHECK + ROUTES):
        for file in ("api.yaml", "api.json"):
            found = problems(text, policy, file)
            assert all(problem.file in {file, "policy.yaml"} for problem in found)
            assert all(len(str(problem).splitlines()) == 1 for problem in found)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_document_may_be_anything(document: dict[str, object]) -> None:
    every_problem_has_its_place({"openapi": "3.1.0", **document})


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3))
def test_paths_may_be_anything(paths: dict[str, object]) -> None:
    every_problem_has_its_place({"openapi": "3.1.0", "paths": {"/a": {"get": {}}, **paths}})


@given(SCHEMAS, SCHEMAS)
def test_schemas_may_be_anything(first: object, second: object) -> None:
    body = {"requestBody": {"content": {"application/json": {"schema": first}}}}
    paths = {"/a": {"post": body}, "/b": {"put": body}}
    components = {"schemas": {"A": second}}
    every_problem_has_its_place({"openapi": "3.1.0", "paths": paths, "components": components})


@given(st.text(max_size=200))
def test_a_document_may_be_any_text(text: str) -> None:
    for file in ("api.yaml", "api.json"):
        assert all(problem.file for problem in problems(text, ADD, file))
