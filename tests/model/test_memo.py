"""Memories are bounded, change no answer, and hold nothing that could be a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.memo import LineMemo, Memo


class Counting:
    """A pure function that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, key: bytes) -> int:
        self.calls += 1
        return len(key)


def test_a_memo_asks_once() -> None:
    function = Counting()
    memo = Memo(function)
    assert [memo(b"abc"), memo(b"abc")] == [3, 3]
    assert function.calls == 1


def test_a_full_memo_starts_again() -> None:
    memo = Memo(Counting(), limit=3)
    for number in range(10):
        assert memo(b"%d" % number) == 1
        assert len(memo.known) <= 3
    assert memo.known


def test_a_memo_remembers_no_long_text() -> None:
    by_bytes, by_text = Memo(Counting()), Memo(len)
    assert by_bytes(b"a" * 256) == by_text("a" * 256) == 256
    assert by_bytes(b"a" * 257) == by_text("a" * 257) == 257
    assert [len(key) for key in (*by_bytes.known, *by_text.known)] == [256, 256]


def test_a_memo_takes_keys_of_any_kind() -> None:
    memo = Memo(repr)
    assert [memo((b"a", True, 1)), memo(None)] == ["(b'a', True, 1)", "None"]
    assert len(memo.known) == 2


def test_what_a_memo_cannot_answer_it_does_not_remember() -> None:
    memo = Memo({"a": 1}.__getitem__)
    with pytest.raises(KeyError):
        memo("b")
    assert memo.known == {}


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer abc", b"authorization:Basic QTpC", b"AUTHORIZATION: x",
        b"Cookie: session=abc", b"cookie:a=b", b"Set-Cookie: a=b", b"SET-COOKIE:a=b",
        b"X-API-Key: ck_live_abc", b"x-api-key:abc", b"Proxy-Authorization: Basic QTpC",
        b"X-Long: " + b"a" * 160,
    ],
)  # fmt: skip
def test_a_line_that_may_hold_a_secret_is_never_remembered(line: bytes) -> None:
    function = Counting()
    memo = LineMemo(function)
    assert [memo(line), memo(line)] == [len(line)] * 2
    assert function.calls == 2
    assert memo.known == {}


def test_another_line_is_remembered() -> None:
    memo = LineMemo(Counting())
    memo(b"Accept: */*")
    assert memo.known == {b"Accept: */*": 11}


def test_a_full_memory_of_lines_starts_again() -> None:
    memo = LineMemo(Counting())
    for number in range(3000):
        memo(b"X-N: %d" % number)
        assert len(memo.known) <= 1024


@given(st.lists(st.binary(max_size=8)))
def test_a_memo_answers_as_its_function_does(keys: list[bytes]) -> None:
    memo, lines = Memo(Counting(), limit=4), LineMemo(Counting())
    for key in keys:
        assert memo(key) == lines(key) == len(key)
