"""A schema that cannot be used is an error of the policy, with its place and its mend."""

import pytest

from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.load import load
from tests.policy.reading import GOOD, NAME

ROUTES = "version: 1\nupstream: http://127.0.0.1:3000\nroutes:\n"


def problems(text: str, files: dict[str, bytes] | None = None) -> list[tuple[int, int, str, str]]:
    known = {NAME: text.encode(), **(files or {})}
    try:
        load(NAME, known.__getitem__, {}, RULES)
    except PolicyError as error:
        return [(p.line, p.column, p.path, p.message) for p in error.problems]
    return []


@pytest.mark.control("RQ-3")
def test_every_bad_schema_is_shown_in_one_run() -> None:
    text = ROUTES + (
        "  - {path: /a, public: true, body: {schema: {pattern: '(?=a)'}}}\n"
        "  - {path: /b, public: true, body: {schema: {type: object}}}\n"
        "  - {path: /c, public: true, body: {schema: remote.json}}\n"
        "body: {schema: {type: thing}}\n"
    )
    found = problems(text, {"remote.json": b'{"$ref": "https://x.example/s"}'})
    assert found == [
        (4, 45, "routes[0].body.schema", "has a pattern at /pattern that cannot be used"),
        (6, 45, "routes[2].body.schema", "refers to another document at /$ref"),
        (7, 16, "body.schema", "is no JSON Schema at /type"),
    ]


def test_good_schemas_and_none_are_no_problem() -> None:
    assert problems(GOOD) == []
    assert problems(GOOD + "body: {schema: s.json}\n", {"s.json": b"true"}) == []
