"""Whoever silences a tool says why; whoever cannot run a test has a gap."""

import ast
import re
from typing import Final

import pytest

from tests.architecture.sources import Source, a_source, problems_of, sources_under

# The reason follows what is silenced on its line, or is a comment on the line above.
SILENCED: Final = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?"
    r"|pragma:\s*no (?:cover|branch))(?P<rest>.*)"
)
REASON: Final = re.compile(r"[a-z]{2,}", re.IGNORECASE)
SKIPS: Final = frozenset({"skip", "skipif", "importorskip"})


def reason_problems(source: Source) -> list[str]:
    """List the silenced tools that nobody explained."""
    problems = []
    for number, line in enumerate(source.lines, 1):
        found = SILENCED.search(line)
        above = source.lines[number - 2].strip() if number > 1 else ""
        if found and not REASON.search(found["rest"]) and not above.startswith("#"):
            problems.append(f"{source.name}:{number} gives no reason")
    return problems


def skip_problems(source: Source) -> list[str]:
    """List the tests that may be left out."""
    return [
        f"{source.name}:{node.lineno} uses {node.attr}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in SKIPS
        and ast.unparse(node.value) in {"pytest", "pytest.mark"}
    ]


def test_whoever_silences_a_tool_says_why() -> None:
    found = sources_under("sidecar", "bench", "ci", "docs", "tests")
    ours = [source for source in found if source.name != __name__]
    problems = problems_of(reason_problems, ours)
    assert not problems, problems


def test_no_test_is_skipped() -> None:
    found = [source for source in sources_under("tests") if source.name != __name__]
    problems = problems_of(skip_problems, found)
    assert not problems, problems


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = 1  # noqa: S104", 1),
        ("x = 1  # noqa: S104, E501", 1),
        ("x = 1  # noqa: S104  only in the container", 0),
        ("x = 1  # noqa: S104 - only in the container", 0),
        ("x = 1  # type: ignore[misc]", 1),
        ("x = 1  # type: ignore[misc]  # the stub lacks it", 0),
        ("# the stub lacks it\nx = 1  # type: ignore[misc]", 0),
        ("x = 1  # pragma: no cover", 1),
        ("x = 1  # an ordinary comment", 0),
    ],
)
def test_a_silenced_tool_without_a_reason_is_found(text: str, count: int) -> None:
    assert len(reason_problems(a_source("sidecar.policy.a", text))) == count


@pytest.mark.parametrize(
    "text",
    [
        "pytest.skip('no nginx')",
        "@pytest.mark.skipif(True)\ndef test_it(): ...",
        "redis = pytest.importorskip('redis')",
    ],
)
def test_a_skip_is_found(text: str) -> None:
    assert len(skip_problems(a_source("tests.a", text))) == 1
