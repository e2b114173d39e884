"""Files that were written to hurt, and the tree of those that were not."""

import pytest

from sidecar.policy.document import MAX_ALIASED_NODES, MAX_BYTES, MAX_DEPTH, parse
from sidecar.policy.nodes import Mapping, Scalar, key_path, quoted
from tests.policy.reading import GOOD, loaded, problems_of


def test_aliases_repeat_a_value() -> None:
    text = """\
version: 1
upstream: http://x
body: &small {max: 1KB}
routes:
  - {path: /a, public: true, body: *small}
  - {path: /b, public: true, body: *small}
"""
    policy = loaded(text).policy
    assert policy.routes[0].body == policy.routes[1].body == policy.body


def test_an_anchor_may_be_defined_again() -> None:
    text = "headers: {set: {A: &v one, B: *v, C: &v two, D: *v}}\n"
    assert loaded(GOOD + text).policy.headers.set == {
        "A": "one",
        "B": "one",
        "C": "two",
        "D": "two",
    }


def test_a_mistake_in_a_repeated_value_is_shown_where_it_was_written() -> None:
    text = "headers: {set: {A: &v '', B: *v}}\n"
    places = [(problem.line, problem.column) for problem in problems_of(GOOD + text)]
    assert places == [(4, 20), (4, 20)]


def test_an_alias_bomb_is_defused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = problems_of("\n".join(lines))
    assert (problem.line, problem.path) == (5, "a4[7]")
    assert f"{MAX_ALIASED_NODES:,}" in problem.message


def test_aliases_cannot_dig_deeper_than_brackets() -> None:
    lines = ["a0: &a0 [[[[x]]]]"]
    lines += [f"a{n}: &a{n} [[[[*a{n - 1}]]]]" for n in range(1, 9)]
    (problem,) = problems_of("\n".join(lines))
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"
    assert problem.line == 8


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_without_following_it(bracket: str) -> None:
    (problem,) = problems_of(bracket * 100_000)
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"


def test_the_deepest_level_that_is_allowed_is_read() -> None:
    depth = MAX_DEPTH - 1
    assert parse("p", f"a: {'[' * (depth - 1)}x{']' * (depth - 1)}".encode(), {}).problems == []


def test_a_file_beyond_reason_is_not_read() -> None:
    (problem,) = problems_of(b"#" * (MAX_BYTES + 1))
    assert (problem.line, problem.path) == (0, "")
    assert "8 MiB" in problem.message


def test_bytes_that_are_not_utf_8_are_shown_with_their_place() -> None:
    (problem,) = problems_of(GOOD.encode() + b"mode: enf\xfforce\n")
    assert (problem.line, problem.column) == (4, 10)
    assert "UTF-8" in problem.hint


def test_a_byte_order_mark_at_the_front_is_no_mistake() -> None:
    assert loaded(b"\xef\xbb\xbf" + GOOD.encode()).warnings == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_may_end_as_on_any_system(ending: str) -> None:
    (problem,) = problems_of((GOOD + "mode: x\n").replace("\n", ending))
    assert (problem.line, problem.column) == (4, 7)


def test_columns_count_characters_not_bytes() -> None:
    (problem,) = problems_of(GOOD + "headers: {set: {X-Ä: ä}}\n")[:1]
    assert (problem.line, problem.column) == (4, 17)
    assert problems_of(GOOD + "# ä\n'ä': 1\n")[0].path == "['ä']"


def test_block_scalars_and_folded_lines_are_text() -> None:
    document = parse("p", b"a: |\n  one\n  two\nb: >-\n  three\n  four\nc: five\n  six\n", {})
    assert document.root is not None
    values = [e.node.value for e in document.root.entries.values() if isinstance(e.node, Scalar)]
    assert values == ["one\ntwo\n", "three four", "five six"]


def test_keys_are_always_words() -> None:
    document = parse("p", b"1: a\ntrue: b\n~: c\nno: d\n", {})
    assert isinstance(document.root, Mapping)
    assert list(document.root.entries) == ["1", "true", "~", "no"]


def test_every_problem_of_the_text_is_listed_in_one_run() -> None:
    text = GOOD + "workers: 1\nworkers: !!int 2\nmode: ${A}\nbody:\n  <<: {max: ${B}}\n"
    text += "admin: {tokens: []}\nextra: 1\n"
    places = [(problem.line, problem.column) for problem in problems_of(text)]
    assert places[:3] == [(5, 1), (5, 10), (6, 7)]
    assert places[3:] == [(8, 3), (8, 14)]


def test_long_and_strange_keys_are_quoted_and_shortened() -> None:
    assert key_path(("a", 1, "b-c", "d e", 2)) == "a[1].b-c['d e'][2]"
    assert key_path(("d e", "f")) == "['d e'].f"
    assert quoted("x" * 61) == repr("x" * 59 + "…")
    assert quoted("a\nb") == r"'a\nb'"
