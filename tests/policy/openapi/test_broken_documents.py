"""One mistake a row: the place, the pointer and the words that its author is shown."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.policy.openapi.reading import ADD, CHECK, problems, with_schema

BLOCKS: Final = Path(__file__).with_name("broken.txt").read_text(encoding="utf-8").split("\n\n")
EXPECTED: Final = re.compile(r"(\d+):(\d+) (\S+) \| (.+)")
# Line 3 is the first of a block.
GOOD: Final = "openapi: 3.1.0\npaths:\n"


class Row(NamedTuple):
    """A broken document, and what its author is shown."""

    name: str
    text: str
    place: tuple[int, int, str]
    words: str
    is_warning: bool


def rows() -> Iterator[Row]:
    is_warning = False
    for block in BLOCKS:
        if not block.startswith("== "):
            is_warning = is_warning or block.startswith("# Warnings")
            continue
        title, expected, kind, *lines = block.strip("\n").split("\n")
        found = EXPECTED.fullmatch(expected)
        assert found is not None, title
        text = {"3.1 +": GOOD, "whole": ""}[kind] + "\n".join(lines) + "\n"
        place = (int(found[1]), int(found[2]), found[3] if found[3] != "-" else "")
        yield Row(title.removeprefix("== "), text, place, found[4], is_warning)


@pytest.mark.control("RQ-3", "AZ-4")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows()])
def test_a_mistake_is_shown_with_its_place_and_its_pointer(row: Row) -> None:
    (problem,) = problems(row.text)
    assert (problem.line, problem.column, problem.path) == row.place
    assert problem.file == "api.yaml"
    assert row.words in f"{problem.message} {problem.hint}"
    assert problem.warning is row.is_warning
    assert len(str(problem).splitlines()) == 1


JSON_ROWS: Final = [
    ("", (1, 1, ""), "not JSON"),
    ('{"openapi": "3.1.0",\n "paths": {},}', (2, 14, ""), "check quotes, commas"),
    ("[]", (1, 1, ""), "begin with"),
    ('{"openapi": "3.1.0", "paths": {"/a": {"get": {}},\n "/a": {}}}', (2, 2, ""), "stands twice"),
    ('{"openapi": "3.1.0", "a": NaN}', (0, 0, ""), "finite numbers"),
    ('{"openapi": "\\ud800"}', (0, 0, ""), "whole characters"),
    ('{"openapi": ' + "[" * 65 + "]" * 65 + "}", (1, 76, ""), "deeper than 64"),
    ('{"openapi": ' + "[" * 100_000 + "]" * 100_000 + "}", (0, 0, ""), "deeper than 64"),
    ('{"openapi": "3.1.0",\n "paths": {"/a": {"get": 7}}}', (2, 26, "/paths/~1a/get"), "operation"),
    ('{"a": [1, "x", true, null, -2.5e3, {}]}', (1, 1, "/openapi"), "openapi: 3.1.0"),
    ('{"a": "\u202e"}', (1, 8, ""), "delete it"),
]


@pytest.mark.parametrize(("text", "place", "words"), JSON_ROWS, ids=range(len(JSON_ROWS)))
def test_json_is_read_as_strictly(text: str, place: tuple[int, int, str], words: str) -> None:
    (problem,) = problems(text, file="api.json")
    assert (problem.line, problem.column, problem.path) == place
    assert words in f"{problem.message} {problem.hint}"


@pytest.mark.parametrize("file", ["api.yaml", "api.json"])
def test_a_document_has_a_largest_size(file: str) -> None:
    (problem,) = problems("#" * (2 * 2**20 + 1), file=file)
    assert problem.message == "the file has more than 2 MiB"


def test_a_bomb_of_aliases_does_not_expand() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (problem,) = problems("openapi: 3.1.0\n" + "\n".join(lines) + "\n")
    assert "aliases expand to more than" in problem.message


def test_what_the_environment_holds_is_not_filled_in() -> None:
    document = "openapi: 3.1.0\npaths: {/a: {get: {operationId: '${HOME}', summary: 7}}}\n"
    assert problems(document) == []


def test_what_is_everywhere_is_said_at_its_first_place() -> None:
    document = "openapi: 3.1.0\npaths:\n"
    document += "".join(f"  /{name}: {{servers: [], get: {{}}}}\n" for name in "abc")
    assert [problem.path for problem in problems(document)] == ["/paths/~1a/servers"]


def test_two_schemas_of_json_cannot_be_kept() -> None:
    content = {
        "application/json": {"schema": {"type": "object"}},
        "application/a+json": {"schema": {"type": "array"}},
    }
    path = {"post": {"requestBody": {"content": content}}}
    (problem,) = problems(json.dumps({"openapi": "3.1.0", "paths": {"/a": path}}))
    assert problem.message == "is a second schema of JSON bodies"


def test_schemas_that_multiply_are_bounded() -> None:
    large = {"enum": ["x" * 1000 + str(n) for n in range(1000)]}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/L"}}}}
    paths = {f"/{n}": {"post": {"requestBody": body}} for n in range(40)}
    document = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"L": large}}}
    (problem,) = problems(json.dumps(document))
    assert "more than 32 MiB together" in problem.message


CONTRADICTIONS: Final = [
    pytest.param(
        CHECK + "  - {path: /orders, public: true}\n",
        "are all methods", "methods: [POST]", id="a route of every method",
    ),
    pytest.param(
        CHECK + "  - {path: /orders, methods: [POST, PUT], public: true}\n",
        "have different bodies", "a route for each", id="a method that the document lacks",
    ),
    pytest.param(
        ADD.replace("routes: add, ", "")
        + "routes: [{path: /orders, methods: [POST], public: true}]\n",
        "guards nothing", "routes: add", id="a guard of no routes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "message", "hint"), CONTRADICTIONS)
def test_what_policy_and_document_cannot_both_mean_is_an_error(
    policy: str, message: str, hint: str
) -> None:
    found = problems(with_schema({"type": "object"}), policy)
    first = next(problem for problem in found if not problem.warning)
    assert first.file == "policy.yaml"
    assert message in first.message
    assert hint in first.hint


def test_methods_with_different_bodies_need_routes_of_their_own() -> None:
    document = (
        "openapi: 3.1.0\npaths: {/a: {put: {requestBody: {content: {application/json: "
        "{schema: {type: object}}}}}, post: {requestBody: {content: {image/png: {}}}}}}\n"
    )
    policy = CHECK + "  - {path: /a, methods: [PUT, POST], public: true}\n"
    (problem,) = problems(document, policy)
    assert (problem.path, problem.message) == (
        "routes[0].methods",
        "have different bodies in the document",
    )


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("{file: nowhere.yaml}", "openapi.file"),
        ("{}", "openapi.file"),
        ("{file: api.yaml, prefix: '{x}'}", "openapi.prefix"),
        ("{file: api.yaml, routes: all}", "openapi.routes"),
        ("api.yaml", "openapi"),
    ],
)
def test_a_section_that_does_not_fit_is_said_once(section: str, path: str) -> None:
    policy = f"version: 1\nupstream: http://x\nopenapi: {section}\n"
    policy += "routes: [{path: /, public: true}]\n"
    (problem,) = problems("openapi: 3.1.0\npaths: {}\n", policy)
    assert problem.path == path
    assert problem.file == "policy.yaml"


def test_a_mistake_of_the_common_guard_is_said_once_and_in_its_place() -> None:
    policy = ADD.replace("public: true", "role: boss, public: true")
    document = "openapi: 3.1.0\npaths: {/a: {get: {}, post: {}}, /b: {get: {}}}\n"
    found = [
        (problem.file, problem.path, problem.message) for problem in problems(document, policy)
    ]
    asks = "asks who the caller is, and public asks nobody"
    assert found == [
        ("policy.yaml", "openapi.guard.role", "is no role"),
        ("policy.yaml", "openapi.guard.role", asks),
    ]
