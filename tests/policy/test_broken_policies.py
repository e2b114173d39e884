"""One mistake a row: the place, the path and the mend that its author is shown."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.policy.reading import GOOD, problems_of

LINES: Final = Path(__file__).with_name("broken.txt").read_text(encoding="utf-8").split("\n\n")
EXPECTED: Final = re.compile(r"(\d+):(\d+) (.+?) \| (.+)")
FILES: Final = {
    "c": b"certificate",
    "k": b"key",
    "ca.pem": b"authority",
    "page.html": b"<h1>{title}</h1>",
    "bad.html": b"<h1>{name}</h1>",
    "latin.json": b"\xe9",
    "huge.html": b"a" * 262_145,
    "empty": b"\n",
    "nan.json": b'{"minimum": NaN}',
    "lines": b"one\ntwo\n",
    "jwks": b'{"keys": [{"kty": "EC"}]}',
    "private-jwks": b'{"keys": [{"kty": "EC", "d": "AQ"}]}',
    "encryption-jwks": b'{"keys": [{"kty": "EC", "use": "enc"}, 7]}',
    "nested-jwks": b"[" * 5000,
    "secret": b"0123456789abcdef0123456789abcdef",
    "pem": b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
    "jwk": b'{"kty": "RSA", "n": "0123456789abcdef", "e": "AQAB"}',
}
VARIABLES: Final = {"TOKEN": "0123456789abcdef", "SHORT": "hunter2", "MASTER": "7f" * 32}


class Row(NamedTuple):
    """A broken policy, and what its author is shown."""

    name: str
    text: str
    place: tuple[int, int, str]
    hint: str
    is_warning: bool = False


def rows() -> Iterator[Row]:
    is_warning = False
    for block in LINES:
        if not block.startswith("== "):
            is_warning = is_warning or block.startswith("# Warnings")
            continue
        title, expected, kind, *text = block.strip("\n").split("\n")
        found = EXPECTED.fullmatch(expected)
        assert found is not None, title
        place = (int(found[1]), int(found[2]), found[3].removeprefix("-"))
        start = {"good +": GOOD, "whole": ""}[kind]
        policy = start + "\n".join(text) + "\n"
        yield Row(title.removeprefix("== "), policy, place, found[4], is_warning)


# What an editor would hide, mend or make too wide stands here.
UNSEEN: Final = [
    Row("an empty file", "", (1, 1, ""), "begin with version: 1"),
    Row("a tab for indentation", GOOD + "body:\n\tmax: 1MB\n", (5, 1, "body"), "not with tabs"),
    Row("a character that rings", GOOD + 'mode: "\x07"\n', (4, 8, ""), "delete it"),
    Row("a turn of writing", GOOD + "mode: \u202eecrofne\n", (4, 7, ""), "delete it"),
    Row("a byte order mark inside", GOOD + "mode: \ufeffenforce\n", (4, 7, ""), "delete it"),
    Row(
        "an upstream with a name too long",
        f"version: 1\nupstream: http://{'a.' * 130}a\nroutes: [{{path: /, public: true}}]\n",
        (2, 11, "upstream.url"),
        "http://127.0.0.1:3000",
    ),
]


@pytest.mark.parametrize("row", [pytest.param(r, id=r.name) for r in (*rows(), *UNSEEN)])
def test_a_mistake_is_shown_with_its_place_its_path_and_its_mend(row: Row) -> None:
    (problem,) = problems_of(row.text, FILES, VARIABLES)
    assert (problem.line, problem.column, problem.path) == row.place
    assert row.hint in problem.hint
    assert problem.warning is row.is_warning
    assert len(str(problem).splitlines()) == 1


def test_the_table_is_whole() -> None:
    assert len({row.text for row in (*rows(), *UNSEEN)}) == len([*rows(), *UNSEEN]) >= 180
