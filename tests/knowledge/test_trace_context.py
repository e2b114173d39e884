"""The fields of W3C Trace Context: what is a trace, what is none, and what becomes of the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.trace_context import (
    MOST_MEMBERS,
    STATE_BYTES,
    Parent,
    bound_of,
    is_within,
    read_parent,
    write_parent,
)
from sidecar.model.trace import RANDOM, SAMPLED, Trace

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
VALID = b"00-" + TRACE + b"-" + SPAN + b"-01"


def parent(flags: int = SAMPLED, state: bytes = b"") -> Parent:
    return Parent(TRACE, SPAN, flags, state)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(VALID, parent(), id="sampled"),
        pytest.param(VALID[:-2] + b"00", parent(0), id="not sampled"),
        pytest.param(VALID[:-2] + b"02", parent(RANDOM), id="random alone"),
        pytest.param(VALID[:-2] + b"03", parent(SAMPLED | RANDOM), id="sampled and random"),
        pytest.param(VALID[:-2] + b"ff", parent(SAMPLED | RANDOM), id="unknown flags are dropped"),
        pytest.param(VALID[:-2] + b"fc", parent(0), id="unknown flags alone"),
        pytest.param(b"01" + VALID[2:], parent(), id="a later version as long"),
        pytest.param(b"cc" + VALID[2:] + b"-what-else", parent(), id="a later version, longer"),
        pytest.param(b"cc" + VALID[2:] + b"-", parent(), id="a later version with a dash"),
        pytest.param(b"01" + VALID[2:-2] + b"03", parent(), id="another flag of a later version"),
    ],
)
def test_a_well_formed_parent_is_read(value: bytes, expected: Parent) -> None:
    assert read_parent([value], []) == expected


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="none"),
        pytest.param([VALID, VALID], id="two, alike"),
        pytest.param([VALID, b""], id="two, one empty"),
        pytest.param([b""], id="empty"),
        pytest.param([b"ff" + VALID[2:]], id="version ff"),
        pytest.param([b"ff" + VALID[2:] + b"-x"], id="version ff, longer"),
        pytest.param([VALID + b"-what-else"], id="version 00 with more"),
        pytest.param([VALID + b"-"], id="version 00 with a dash"),
        pytest.param([b"01" + VALID[2:] + b".x"], id="a later version without its dash"),
        pytest.param([b"0" + VALID[2:]], id="a short version"),
        pytest.param([b"000" + VALID[2:]], id="a long version"),
        pytest.param([VALID.replace(TRACE, b"0" * 32)], id="a trace of zeros"),
        pytest.param([VALID.replace(SPAN, b"0" * 16)], id="a span of zeros"),
        pytest.param([VALID.replace(TRACE, TRACE.upper())], id="a trace in capitals"),
        pytest.param([VALID.replace(SPAN, SPAN.upper())], id="a span in capitals"),
        pytest.param([b"0A" + VALID[2:]], id="a version in capitals"),
        pytest.param([VALID[:-2] + b"0A"], id="flags in capitals"),
        pytest.param([VALID.replace(TRACE, TRACE[:-1])], id="a short trace"),
        pytest.param([VALID.replace(TRACE, TRACE + b"0")], id="a long trace"),
        pytest.param([VALID[:-1]], id="short flags"),
        pytest.param([VALID + b"1"], id="long flags"),
        pytest.param([VALID.replace(b"-", b"_")], id="another separator"),
        pytest.param([VALID.replace(TRACE, b"g" * 32)], id="no digits"),
        pytest.param([VALID + b"\n"], id="a line break"),
        pytest.param([b" " + VALID], id="a blank"),
        pytest.param([VALID + b", " + VALID], id="two in one line"),
        pytest.param([VALID * 200], id="far too long"),
    ],
)
def test_what_breaks_the_grammar_is_no_parent(values: list[bytes]) -> None:
    assert read_parent(values, [b"a=1"]) is None


KEY = b"k" * 256
VALUE = b"v" * 256
MOST = b",".join(b"k%d=1" % n for n in range(MOST_MEMBERS))
LONGEST = b",".join(b"k%02d=%b" % (n, b"v" * 200) for n in range(9))
LONGEST += b"," + b"z" * (STATE_BYTES - len(LONGEST) - 3) + b"=1"


@pytest.mark.parametrize(
    ("states", "joined"),
    [
        pytest.param([], b"", id="none"),
        pytest.param([b""], b"", id="empty"),
        pytest.param([b"a=1"], b"a=1", id="one"),
        pytest.param([b"a=1,b=2"], b"a=1,b=2", id="two"),
        pytest.param([b"a=1", b"b=2,c=3"], b"a=1,b=2,c=3", id="in two lines, in order"),
        pytest.param([b"a=1 ,\t b=2"], b"a=1,b=2", id="white space around"),
        pytest.param([b"a=1,,b=2,"], b"a=1,b=2", id="empty members"),
        pytest.param([b"a= 1"], b"a= 1", id="a blank within a value"),
        pytest.param([b"fw529a3039@dt=x/y"], b"fw529a3039@dt=x/y", id="a tenant of a system"),
        pytest.param([b"0a-_*/@=1"], b"0a-_*/@=1", id="a key of Level 2"),
        pytest.param([KEY + b"=1"], KEY + b"=1", id="a key of 256"),
        pytest.param([KEY + b"k=1"], b"", id="a key of 257"),
        pytest.param([b"a=" + VALUE], b"a=" + VALUE, id="a value of 256"),
        pytest.param([b"a=" + VALUE + b"v"], b"", id="a value of 257"),
        pytest.param([MOST], MOST, id="32 members"),
        pytest.param([LONGEST], LONGEST, id="as long as may be"),
        pytest.param([LONGEST + b"1"], b"", id="a byte longer"),
        pytest.param([MOST + b",one=more"], b"", id="33 members"),
        pytest.param([MOST, b"one=more"], b"", id="33 members in two lines"),
        pytest.param([b"a=1,a=2,b=3"], b"a=1,b=3", id="a key twice"),
        pytest.param([b"A=1"], b"", id="a key in capitals"),
        pytest.param([b"a"], b"", id="no value"),
        pytest.param([b"a="], b"", id="an empty value"),
        pytest.param([b"=1"], b"", id="no key"),
        pytest.param([b"a=1=2"], b"", id="an equals sign in a value"),
        pytest.param([b"a=1,b=\x01"], b"", id="a control character"),
        pytest.param([b"a=1,b=\xc3\xa9"], b"", id="beyond ASCII"),
        pytest.param([b"a =1"], b"", id="a blank in a key"),
    ],
)
def test_the_list_goes_on_whole_or_not_at_all(states: list[bytes], joined: bytes) -> None:
    assert read_parent([VALID], states) == parent(state=joined)


def test_the_upstream_is_told_our_span_in_our_version() -> None:
    trace = Trace(TRACE, b"1" * 16, SPAN, flags=SAMPLED, state=b"a=1")
    assert write_parent(trace) == VALID
    assert trace.is_sampled
    trace.flags = RANDOM
    assert write_parent(trace) == VALID[:-2] + b"02"
    assert not trace.is_sampled


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.integers(0, 3))
def test_what_we_write_is_read_as_it_was_meant(trace: bytes, span: bytes, flags: int) -> None:
    if not any(trace) or not any(span):
        return
    made = Trace(trace.hex().encode(), None, span.hex().encode(), flags=flags, state=b"")
    expected = Parent(made.trace_id, made.span_id, flags, b"")
    assert read_parent([write_parent(made)], []) == expected


@given(st.lists(st.binary(max_size=80), max_size=3), st.lists(st.binary(max_size=80), max_size=3))
def test_anything_may_come(parents: list[bytes], states: list[bytes]) -> None:
    found = read_parent(parents, states)
    assert found is None or len(found.trace_id) == 32


@pytest.mark.parametrize(
    ("share", "low", "expected"),
    [
        (0.0, b"0" * 16, False),
        (1.0, b"f" * 16, True),
        (0.5, b"7fffffffffffffff", True),
        (0.5, b"8000000000000000", False),
        (0.25, b"3fffffffffffffff", True),
        (0.25, b"4000000000000000", False),
    ],
)
def test_a_share_of_all_traces_is_recorded(share: float, low: bytes, *, expected: bool) -> None:
    assert is_within(b"f" * 16 + low, bound_of(share)) is expected
