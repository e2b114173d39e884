"""A reserved token that nobody sees is an error of the policy, with its place and its mend."""

import pytest

from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.load import load
from tests.policy.reading import GOOD, NAME

ROUTES = "version: 1\nupstream: http://127.0.0.1:3000\nroutes:\n"


def problems(text: str) -> list[tuple[int, int, str]]:
    try:
        load(NAME, {NAME: text.encode()}.__getitem__, {}, RULES)
    except PolicyError as error:
        return [(p.line, p.column, p.path) for p in error.problems]
    return []


@pytest.mark.control("RQ-6")
def test_every_token_that_is_not_seen_is_shown_in_one_run() -> None:
    text = ROUTES + (
        "  - {path: /a, public: true, mcp: {arguments: {add: ['<x>', \"\\u200b\\u3164\"]}}}\n"
        '  - {path: /b, public: true, mcp: {arguments: {tokens: ["x\\u00ad", "\\ufffd<"]}}}\n'
        "  - {path: /c, public: true}\n"
    )
    assert problems(text) == [
        (4, 61, "routes[0].mcp.arguments.add[1]"),
        (5, 57, "routes[1].mcp.arguments.tokens[0]"),
        (5, 68, "routes[1].mcp.arguments.tokens[1]"),
    ]


def test_good_tokens_and_none_are_no_problem() -> None:
    assert problems(GOOD) == []
    assert (
        problems(ROUTES + "  - {path: /a, public: true, mcp: {arguments: {add: ['<x>']}}}\n") == []
    )
