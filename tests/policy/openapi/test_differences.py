"""What stands on one side alone: in the document, or in the policy."""

import json
from typing import Final

import pytest

from tests.policy.openapi.reading import ADD, CHECK, a_body, problems, read

Row = tuple[str, list[str], list[tuple[str, str]]]

PATHS: Final = {
    "/orders": {"get": {}, "post": {"requestBody": a_body({"type": "object"})}},
    "/orders/{id}": {"get": {}},
}
DOCUMENT: Final = json.dumps({"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": PATHS})
ORDERS: Final = "path: /v1/orders, methods: [GET, POST]"
ORDER: Final = "path: '/v1/orders/{order}', methods: [GET]"
POST: Final = "/paths/~1orders/post"
SHOW: Final = "/paths/~1orders~1{id}/get"
NOBODY: Final = "no route of the policy admits this operation"

ROWS: Final[list[Row]] = [
    ("nothing", [ORDERS, ORDER], []),
    ("an operation nobody admits", [ORDERS], [(SHOW, NOBODY)]),
    (
        "a method nobody admits",
        ["path: /v1/orders, methods: [GET]", ORDER],
        [(POST, NOBODY)],
    ),
    (
        "the best template refuses, and no other is asked",
        ["path: /v1/orders, methods: [GET]", "path: /v1/**, methods: [POST]", ORDER],
        [("routes[1]", "is not in the OpenAPI document"), (POST, NOBODY)],
    ),
    (
        "a body that is not judged",
        ["path: /v1/**, methods: [GET, POST]"],
        [
            ("routes[0]", "is not in the OpenAPI document"),
            (
                POST,
                "is admitted by routes[0] (/v1/**), and what is said of its body is not enforced",
            ),
        ],
    ),
    (
        "a template with a star",
        [ORDERS, "path: '/v1/*/{id}', methods: [GET]"],
        [("routes[1]", "is not in the OpenAPI document")],
    ),
    (
        "a literal where the document has a variable",
        [ORDERS, "path: /v1/orders/new, methods: [GET]"],
        [("routes[1]", "is not in the OpenAPI document"), (SHOW, NOBODY)],
    ),
    (
        "a longer path, and the rest of a shorter one",
        [ORDERS, "path: '/v1/orders/{id}/lines', methods: [GET]",
         "path: /v1/orders/**, methods: [GET]"],
        [
            ("routes[1]", "is not in the OpenAPI document"),
            ("routes[2]", "is not in the OpenAPI document"),
        ],
    ),
    (
        "a method that is not described",
        [ORDERS, "path: '/v1/orders/{order}', methods: [GET, DELETE, HEAD]"],
        [("routes[1]", "admits DELETE, which is not in the OpenAPI document")],
    ),
    (
        "every method",
        [ORDERS, "path: '/v1/orders/{order}'"],
        [("routes[1]", "admits every method; the document describes some")],
    ),
    ("what lies elsewhere", [ORDERS, ORDER, "path: /healthz"], []),
]  # fmt: skip


@pytest.mark.control("RQ-3", "AZ-4")
@pytest.mark.parametrize(
    ("routes", "found"), [pytest.param(routes, found, id=name) for name, routes, found in ROWS]
)
def test_what_stands_on_one_side_alone_is_a_warning(
    routes: list[str], found: list[tuple[str, str]]
) -> None:
    policy = CHECK + "".join(f"  - {{{route}, public: true}}\n" for route in routes)
    warnings = problems(DOCUMENT, policy)
    assert [(problem.path, problem.message) for problem in warnings] == found
    assert all(problem.warning and problem.line for problem in warnings)


APART: Final[list[tuple[str, list[str], list[str]]]] = [
    ("/other", [ORDERS, ORDER, "path: /v1/other, methods: [GET]"], ["routes[2]"]),
    ("/v1/other", [ORDERS, ORDER, "path: /v1/other, methods: [GET]"], []),
    ("/v1/other/**", [ORDERS, ORDER, "path: /v1/other/**, methods: [GET]"], []),
    ("/v1/other/*", [ORDERS, ORDER, "path: /v1/other/**, methods: [GET]"], ["routes[2]"]),
    ("'/v1/orders/{x}'", [ORDERS], []),
    ("/v1/orders/1", [ORDERS], [SHOW]),
    ("/**", [], []),
]


@pytest.mark.parametrize(("apart", "routes", "found"), APART, ids=range(len(APART)))
def test_what_stands_apart_is_not_compared(apart: str, routes: list[str], found: list[str]) -> None:
    policy = CHECK.replace("api.yaml}", f"api.yaml, apart: [{apart}]}}")
    policy += "".join(f"  - {{{route}, public: true}}\n" for route in [*routes, "path: /x"])
    assert [problem.path for problem in problems(DOCUMENT, policy)] == found


@pytest.mark.control("AZ-4")
def test_what_stands_apart_is_not_added_and_its_bodies_are_judged_all_the_same() -> None:
    policy = ADD.replace("routes: add", "routes: add, apart: [/v1/orders]")
    assert [route.path for route in read(DOCUMENT, policy).policy.routes] == ["/v1/orders/{id}"]
    policy = CHECK.replace("api.yaml}", "api.yaml, apart: [/**]}")
    policy += "  - {path: /v1/orders, methods: [POST], public: true}\n"
    body = read(DOCUMENT, policy).policy.routes[0].body
    assert body is not None
    assert body.json_schema is not None


def test_head_is_part_of_get() -> None:
    document = json.dumps({"openapi": "3.1.0", "paths": {"/a": {"head": {}}}})
    policy = CHECK + "  - {path: /a, methods: [GET], public: true}\n"
    found = [problem.message for problem in problems(document, policy)]
    assert found == ["admits GET, which is not in the OpenAPI document"]
