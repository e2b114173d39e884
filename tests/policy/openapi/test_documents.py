"""What a good document means: routes with guards, and schemas that stand alone."""

import json
import pickle
from typing import Any, Final

import pytest

from sidecar.knowledge.validate.schema import Schema
from sidecar.policy.schema.guard import Guard
from sidecar.policy.schema.routes import Route
from tests.policy.openapi.reading import ADD, CHECK, a_body, problems, read, schema_of, with_schema
from tests.policy.reading import GOOD, loaded

ITEM: Final = {"$ref": "#/components/schemas/Item"}
AUTHENTICATED: Final = "secrets: {pepper: [a2345678901234567890123456789012]}\n"


def routes(document: str, policy: str = ADD) -> list[tuple[str, tuple[str, ...] | None]]:
    return [(route.path, route.methods) for route in read(document, policy).policy.routes]


def a_document(paths: object, **more: object) -> str:
    return json.dumps({"openapi": "3.1.0", "paths": paths, **more})


@pytest.mark.control("AZ-4")
def test_every_operation_becomes_a_route_with_the_guard_that_holds_for_it() -> None:
    document = a_document(
        {
            "/a": {"get": {"security": []}, "post": {"x-sidecar": {"public": True}}},
            "/a/{id}": {"delete": {"x-sidecar": {"role": "owner", "scopes": ["a:write"]}}},
            "x-other": 7,
        }
    )
    policy = ADD.replace("public: true", "role: viewer") + "authentication: {api_keys: {}}\n"
    found = [
        (route.path, route.methods, route.public, route.role, route.scopes)
        for route in read(document, policy).policy.routes
    ]
    assert found == [
        ("/a", ("GET",), False, "viewer", ()),
        ("/a", ("POST",), True, None, ()),
        ("/a/{id}", ("DELETE",), False, "owner", ("a:write",)),
    ]


@pytest.mark.control("AZ-4")
def test_security_of_the_document_is_no_guard() -> None:
    document = a_document({"/a": {"get": {"security": [{"key": []}]}}}, security=[{"key": []}])
    (problem,) = problems(document, ADD.replace(", guard: {public: true}", ""))
    assert problem.message == "nothing says who may use this operation"
    assert (problem.path, problem.warning) == ("/paths/~1a/get", False)


@pytest.mark.control("AZ-4")
def test_what_an_operation_says_of_its_guard_is_judged_like_a_route() -> None:
    document = a_document({"/a": {"get": {"x-sidecar": {"role": "boss", "public": True}}}})
    found = {(problem.path, problem.message) for problem in problems(document)}
    assert found == {
        ("/paths/~1a/get/x-sidecar/role", "is no role"),
        ("/paths/~1a/get/x-sidecar/role", "asks who the caller is, and public asks nobody"),
    }


def test_a_guard_has_keys_of_a_route_and_means_the_same_by_them() -> None:
    for name, field in Guard.model_fields.items():
        assert field.annotation == Route.model_fields[name].annotation
        assert field.default == Route.model_fields[name].default
    assert {"upstream", "mode", "limits", "path"}.isdisjoint(Guard.model_fields)


def test_a_route_of_the_policy_wins_over_an_operation() -> None:
    document = a_document({"/a/{x}": {"get": {}, "put": {}, "head": {}}, "/b": {"get": {}}})
    policy = ADD + (
        "routes:\n"
        "  - {path: '/a/{y}', methods: [GET], public: true, cost: 7}\n"
        "  - {path: /b, public: true, host: other.example}\n"
    )
    assert routes(document, policy) == [
        ("/a/{y}", ("GET",)), ("/b", None), ("/a/{x}", ("PUT",)), ("/b", ("GET",)),
    ]  # fmt: skip
    assert routes(document, policy.replace("methods: [GET], ", ""))[2:] == [("/b", ("GET",))]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/a/{id}", "/a/{id}"),
        ("/a/{item-id}", "/a/*"),
        ("/a/{tenant}/b", "/a/{tenant}/b"),
        ("/a%20b", None),
        ("/caf%C3%A9", "/café"),
        ("/a:batch", "/a:batch"),
        ("/", "/"),
    ],
)
def test_paths_become_templates(path: str, template: str | None) -> None:
    policy = ADD.replace("public: true", "role: viewer") + "authentication: {api_keys: {}}\n"
    document = a_document({path: {"get": {}}})
    if template is None:
        assert "is no path" in problems(document)[0].message
    else:
        assert routes(document, policy) == [(template, ("GET",))]


@pytest.mark.parametrize(
    ("servers", "prefix", "path"),
    [
        (None, "", "/a"),
        ([], "", "/a"),
        ([{"url": "/"}], "", "/a"),
        ([{"url": "https://api.example.com/v1/"}, {"url": "/v2"}], "", "/v1/a"),
        ([{"url": "/caf%C3%A9"}], "", "/café/a"),
        ([{}], "", "/a"),
        ([{"url": "https://x/{version}"}], "/v3", "/v3/a"),
    ],
)
def test_all_paths_lie_under_the_first_server_or_under_the_prefix(
    servers: object, prefix: str, path: str
) -> None:
    policy = ADD.replace("routes: add", f"routes: add, prefix: {prefix}") if prefix else ADD
    more = {} if servers is None else {"servers": servers}
    assert routes(a_document({"/a": {"get": {}}}, **more), policy) == [(path, ("GET",))]


SCHEMAS: Final[list[tuple[object, object]]] = [
    (True, True),
    ({"type": "null", "description": "x", "example": 1, "x-a": 2, "title": "t"}, {"type": "null"}),
    ({"format": "int64", "type": "integer"}, {"type": "integer"}),
    (
        {"format": "int32", "type": "integer"},
        {"allOf": [{"type": "integer"}, {"minimum": -(2**31), "maximum": 2**31 - 1}]},
    ),
    ({"format": "uuid"}, {"format": "uuid"}),
    (
        {"properties": {"$ref": {"type": "string"}, "nullable": {"const": None}}},
        {"properties": {"$ref": {"type": "string"}, "nullable": {"const": None}}},
    ),
    (
        {"enum": [{"$ref": "http://x"}], "default": {"$ref": "y"}},
        {"enum": [{"$ref": "http://x"}]},
    ),
    (
        {"anyOf": [{"items": {"not": {"type": "null"}}}], "dependentSchemas": {"a": False}},
        {"anyOf": [{"items": {"not": {"type": "null"}}}], "dependentSchemas": {"a": False}},
    ),
    (
        {
            "required": ["id", "kind", "name", 7],
            "properties": {
                "id": {"readOnly": True, "type": "string"},
                "kind": {"$ref": "#/components/schemas/ReadOnly"},
                "name": {"readOnly": False},
            },
        },
        {
            "required": ["name", 7],
            "properties": {
                "id": {"type": "string"},
                "kind": {"$ref": "#/$defs/ReadOnly"},
                "name": {},
            },
            "$defs": {"ReadOnly": {"type": "string"}},
        },
    ),
    ({"required": "id"}, {"required": "id"}),
]  # fmt: skip


@pytest.mark.parametrize(("written", "schema"), SCHEMAS, ids=range(len(SCHEMAS)))
def test_a_schema_keeps_what_judges(written: object, schema: object) -> None:
    document = with_schema(written, ReadOnly={"readOnly": True, "type": "string"})
    assert schema_of(document) == schema


def test_a_discriminator_that_the_schemas_repeat_needs_no_word() -> None:
    choices: list[object] = [
        {"$ref": "#/components/schemas/Cat"},
        {"properties": {"kind": {"enum": ["dog"]}}},
    ]
    pet = {"oneOf": choices, "discriminator": {"propertyName": "kind"}}
    cat = {"properties": {"kind": {"const": "cat"}}}
    assert problems(with_schema(pet, Cat=cat)) == []
    for other in ({"properties": {"kind": {"type": "string"}}}, {"$ref": "#/components/schemas/B"}):
        unlike = {**pet, "oneOf": [*choices, other]}
        (problem,) = problems(with_schema(unlike, Cat=cat, B={}))
        assert problem.path.endswith("/schema/discriminator")


def test_a_dialect_that_is_ours_may_be_named() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema#", "type": "object"}
    assert schema_of(with_schema(schema)) == {"type": "object"}
    dialect = "https://spec.openapis.org/oas/3.1/dialect/base"
    assert routes(a_document({"/a": {"get": {}}}, jsonSchemaDialect=dialect))


@pytest.mark.control("RQ-3")
def test_schemas_refer_to_themselves_and_bring_what_they_refer_to_and_no_more() -> None:
    document = with_schema(
        {"type": "array", "items": ITEM},
        Item={
            "type": "object",
            "properties": {"parts": {"items": ITEM}, "a": {"$ref": "#/info/x"}},
        },
        Other={"type": "string"},
    ).replace(
        '{"openapi"', '{"info": {"x": {"$ref": "#/info/Item"}, "Item": {"type": "null"}}, "openapi"'
    )
    schema = schema_of(document)
    assert set(schema["$defs"]) == {"Item", "x", "Item-2"}
    compiled = Schema(json.dumps(schema))
    assert compiled.faults([{"parts": [{"parts": []}], "a": None}]) == ()
    assert [fault.pointer for fault in compiled.faults([{"parts": [{"a": 1}]}])] == ["/0/parts/0/a"]


def test_a_reference_may_be_encoded_and_lead_into_lists() -> None:
    document = a_document(
        {"/a/{x}": {"parameters": [{"schema": {"type": "null"}}], "post": {
            "requestBody": {"$ref": "#/components/requestBodies/R"}}}},
        components={"requestBodies": {"R": a_body(
            {"$ref": "#/paths/~1a~1%7Bx%7D/parameters/0/schema"})}},
    )  # fmt: skip
    assert schema_of(document)["$defs"] == {"schema": {"type": "null"}}


@pytest.mark.parametrize(
    ("content", "types"),
    [
        ({"application/json": {}}, ("application/json",)),
        ({"Application/JSON; charset=utf-8": {}, "image/*": {}}, ("application/json", "image/*")),
        ({"*/*": {"schema": {"type": "object"}}}, None),
        ({"*/*": {}}, None),
    ],
)
def test_content_types_are_those_that_are_described(
    content: object, types: tuple[str, ...] | None
) -> None:
    document = a_document({"/a": {"post": {"requestBody": {"content": content}}}})
    body = read(document).policy.routes[0].body
    assert (None if body is None else body.content_types) == types


def test_a_body_need_not_be_there_unless_it_is_required() -> None:
    for required in (True, False):
        path = {"post": {"requestBody": a_body({"type": "object"}, required=required)}}
        body = read(a_document({"/a": path})).policy.routes[0].body
        assert body is not None
        assert body.required is required


def test_bodies_are_left_alone_where_that_is_said() -> None:
    document = with_schema({"$ref": "nothing that is read"})
    policy = ADD.replace("routes: add", "routes: add, requests: false")
    assert [route.body for route in read(document, policy).policy.routes] == [None]


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(
    ("route", "general", "schema", "types"),
    [
        ("", "", '{"type": "object"}', ("application/json",)),
        ("body: {max: 1KB}, ", "", '{"type": "object"}', ("application/json",)),
        ("body: {schema: {type: array}}, ", "", '{"type": "array"}', None),
        ("body: {content_types: [a/b, application/json]}, ", "", '{"type": "object"}',
         ("a/b", "application/json")),
        ("", "body: {schema: {type: array}}\n", None, None),
        ("", "body: {content_types: [application/json]}\n", '{"type": "object"}', None),
    ],
)  # fmt: skip
def test_routes_of_the_policy_get_bodies_judged_unless_they_judge_them_themselves(
    route: str, general: str, schema: str | None, types: tuple[str, ...] | None
) -> None:
    policy = CHECK + f"  - {{path: /orders, {route}methods: [POST], public: true}}\n" + general
    found = read(with_schema({"type": "object"}), policy).policy.routes[0].body
    assert (None if found is None else found.json_schema) == schema
    assert (None if found is None else found.content_types) == types


def test_a_body_of_the_policy_that_is_none_is_said_by_the_policy() -> None:
    policy = CHECK + "  - {path: /orders, body: large, methods: [POST], public: true}\n"
    assert [problem.path for problem in problems(with_schema({}), policy)] == ["routes[0].body"]


def test_a_route_with_nothing_to_lay_stays_as_it_is() -> None:
    document = a_document({"/a": {"post": {"requestBody": {"content": {"*/*": {}}}}}})
    policy = CHECK + "  - {path: /a, methods: [POST], public: true}\n"
    assert read(document, policy).policy.routes[0].body is None


def test_a_method_that_usually_has_no_body_may_have_one() -> None:
    document = a_document({"/a": {"delete": {"requestBody": a_body({"type": "object"})}}})
    policy = CHECK + "  - {path: /a, methods: [DELETE], public: true}\n"
    body = read(document, policy).policy.routes[0].body
    assert body is not None
    assert body.json_schema is not None


@pytest.mark.parametrize(
    "routes_written", ["7", "[7, {path: 3}, {path: a}, {path: /a, methods: GET}]"]
)
def test_routes_that_are_none_are_said_by_the_policy(routes_written: str) -> None:
    policy = ADD + f"routes: {routes_written}\n"
    found = problems(a_document({"/b": {"get": {}}}), policy)
    assert found
    assert {problem.path.partition("[")[0] for problem in found} == {"routes"}


def test_a_document_may_come_with_what_a_policy_extends() -> None:
    text = "version: 1\nextends: sub/shared.yaml\nupstream: http://x\n"
    shared = b"openapi: {file: api.json, routes: add, guard: {public: true}}\n"
    document = a_document({"/a": {"get": {}}}).encode()
    found = loaded(text, {"sub/shared.yaml": shared, "sub/api.json": document})
    assert [route.path for route in found.policy.routes] == ["/a"]


def test_the_digest_of_a_policy_is_that_of_its_document_too() -> None:
    digests = {read(a_document({path: {"get": {}}})).sha256 for path in ("/a", "/b")}
    assert len(digests) == 2


def test_only_what_is_needed_is_handed_over() -> None:
    words = "a long description " * 1000
    found = read(with_schema({"type": "object", "description": words}))
    handed = pickle.dumps(found)
    assert b"a long description" not in handed
    assert b"Embedded" not in handed
    assert pickle.loads(handed) == found  # noqa: S301 -- from the line before the last


def test_a_policy_without_a_document_has_none() -> None:
    assert loaded(GOOD).policy.openapi is None


def large_document(operations: int) -> str:
    body: dict[str, Any] = {"requestBody": a_body(ITEM)}
    paths = {f"/r{n}/{{id}}": {"post": body} for n in range(operations)}
    return a_document(paths, components={"schemas": {"Item": {"type": "object"}}})


def test_a_document_may_have_thousands_of_operations() -> None:
    assert len(read(large_document(2000)).policy.routes) == 2000


def test_each_schema_that_is_referred_to_has_a_name_of_its_own() -> None:
    document = json.loads(with_schema({"prefixItems": []}))
    schemas = {"A-2": {"const": 1}, "A": {"const": 2}}
    document["components"] = {"schemas": schemas, "x-other": {"A": {"const": 3}}}
    pointers = ["schemas/A-2", "schemas/A", "x-other/A"]
    items = [{"$ref": f"#/components/{pointer}"} for pointer in pointers]
    of_route = Schema(json.dumps(schema_of(with_items(document, items))))
    assert of_route.faults([1, 2, 3]) == ()
    assert [fault.pointer for fault in of_route.faults([3, 3, 1])] == ["/0", "/1", "/2"]


def with_items(document: dict[str, Any], items: object) -> str:
    text = json.dumps(document)
    return text.replace('"prefixItems": []', f'"prefixItems": {json.dumps(items)}')
