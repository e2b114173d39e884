"""Field lines: the grammar of RFC 9112 §5 and nothing beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.lines import MalformedLineError, split_line

pytestmark = pytest.mark.control("RQ-7")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        pytest.param(b"Host: a.example", b"Host", b"a.example", id="usual"),
        pytest.param(b"Host:a.example", b"Host", b"a.example", id="no blank"),
        pytest.param(b"X:\t a \t", b"X", b"a", id="white space around the value"),
        pytest.param(b"X:", b"X", b"", id="an empty value"),
        pytest.param(b"X: \t", b"X", b"", id="a value of white space"),
        pytest.param(b"X: a:b", b"X", b"a:b", id="a colon in the value"),
        pytest.param(b"X: a \tb", b"X", b"a \tb", id="white space in the value"),
        pytest.param(b"X: \xff\x80", b"X", b"\xff\x80", id="obs-text"),
        pytest.param(b"!#$%&'*+-.^_`|~09aZ: a", b"!#$%&'*+-.^_`|~09aZ", b"a", id="every tchar"),
    ],
)
def test_a_field_line_is_name_and_value(line: bytes, name: bytes, value: bytes) -> None:
    assert split_line(line) == (name, value)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"X", id="no colon"),
        pytest.param(b": a", id="no name"),
        pytest.param(b"X : a", id="a blank before the colon"),
        pytest.param(b"X\t: a", id="a tab before the colon"),
        pytest.param(b" X: a", id="a folded line"),
        pytest.param(b"\tX: a", id="a line folded by a tab"),
        pytest.param(b"X Y: a", id="a blank in the name"),
        pytest.param(b"X\x00: a", id="NUL in the name"),
        pytest.param(b"X\xe9: a", id="obs-text in the name"),
        pytest.param(b"(X): a", id="a delimiter in the name"),
        pytest.param(b"X@Y: a", id="an at sign in the name"),
        pytest.param(b"X: a\x00b", id="NUL"),
        pytest.param(b"X: a\rb", id="CR"),
        pytest.param(b"X: a\nb", id="LF"),
        pytest.param(b"X: a\n", id="LF at the end"),
        pytest.param(b"X: a\r", id="CR at the end"),
        pytest.param(b"X: a\x1bb", id="ESC"),
        pytest.param(b"X: a\x7f", id="DEL"),
        pytest.param(b"X:\x0ba", id="a vertical tab"),
    ],
)
def test_whatever_else_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedLineError):
        split_line(line)


@given(st.binary(max_size=30))
def test_no_line_raises_anything_else_and_what_is_split_can_be_joined(line: bytes) -> None:
    try:
        name, value = split_line(line)
    except MalformedLineError:
        return
    assert split_line(name + b": " + value) == (name, value)
    assert line.startswith(name + b":")
    assert value == value.strip(b" \t")
