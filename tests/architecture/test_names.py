"""Names are the field's: a file or class called helper has not been thought about."""

import re
from typing import Final

import pytest

from tests.architecture.sources import Source, a_source, problems_of, sources_under

BANNED: Final = frozenset(
    {
        "manager",
        "managers",
        "helper",
        "helpers",
        "util",
        "utils",
        "utility",
        "utilities",
        "common",
        "base",
        "misc",
        "data",
        "info",
        "process",
        "do",
    }
)
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> set[str]:
    """Split `a_file_name` or `AClassName` into its words, in lower case."""
    return {word.lower() for word in WORD.findall(name)}


def name_problems(source: Source) -> list[str]:
    """List the files and classes of a module with a banned word in their name."""
    names = [source.name.rpartition(".")[2]]
    names += [node.name for node in source.classes()]
    return [f"{source.name}: {name}" for name in names if words_of(name) & BANNED]


def test_no_name_is_banned() -> None:
    problems = problems_of(name_problems, sources_under("sidecar", "bench", "ci", "docs"))
    assert not problems, problems


def test_no_file_of_tests_has_a_banned_name() -> None:
    found = {source.name.rpartition(".")[2] for source in sources_under("tests")}
    assert not {name for name in found if words_of(name) & BANNED}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        pytest.param("sidecar.policy.utils", "", id="a file"),
        pytest.param("sidecar.policy.header_helpers", "", id="a word of a file"),
        pytest.param("sidecar.policy.a", "class PoolManager: ...", id="a class"),
        pytest.param("sidecar.policy.a", "class HTTPInfo: ...", id="a class with an acronym"),
    ],
)
def test_a_banned_name_is_found(module: str, text: str) -> None:
    assert len(name_problems(a_source(module, text))) == 1


@pytest.mark.parametrize("name", ["Database", "baseline", "Informed", "Document", "dataclass"])
def test_a_word_that_only_contains_a_banned_one_passes(name: str) -> None:
    assert name_problems(a_source("sidecar.policy.a", f"class {name}: ...")) == []
