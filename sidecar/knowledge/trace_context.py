"""The fields `traceparent` and `tracestate` (W3C Trace Context, Levels 1 and 2).

Whoever reads an id differently from those behind it would break traces apart, so what the grammar
does not allow is not there: a new trace begins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.model.trace import RANDOM, SAMPLED, Trace

MOST_MEMBERS: Final = 32
STATE_BYTES: Final = 2048
"""Longest tracestate that goes on: four times what everybody is to hand on (§3.3.1.5).

Spans that wait for a collector and the last request of each bucket of a histogram hold one.
"""

# §3.2: digits in lower case; what follows the flags in a later version begins with another dash.
_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
_FIRST_VERSION: Final = b"00"
_NO_VERSION: Final = b"ff"
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
# §3.3.1.3: Level 2 lets a key begin with a digit and hold an @ anywhere; Level 1 lets less.
_MEMBER: Final = re.compile(
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})="
    rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\Z"
)
_WHOLE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Parent:
    """The trace that a caller is part of.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: the caller's span, 16 hexadecimal digits.
        flags: those that we know.
        state: members of tracestate, joined anew; empty for none.
    """

    trace_id: bytes
    span_id: bytes
    flags: int
    state: bytes


def read_parent(parents: Sequence[bytes], states: Sequence[bytes]) -> Parent | None:
    """Read what a caller says of its trace.

    Args:
        parents: values of all lines of traceparent.
        states: those of tracestate, in order.

    Returns:
        None when there is no traceparent, or none that can be used.

    Source: W3C Trace Context §3.2, §3.3 and §4.
    """
    if len(parents) != 1:
        return None
    found = _PARENT.match(parents[0])
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _NO_VERSION or (version == _FIRST_VERSION and more is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    # §3.2.2.5: what a later version means by other flags is unknown, and so is not handed on.
    known = SAMPLED | RANDOM if version == _FIRST_VERSION else SAMPLED
    return Parent(trace_id, span_id, int(flags, 16) & known, _joined(states))


def _joined(states: Sequence[bytes]) -> bytes:
    """Join the members of tracestate; a list that breaks the grammar is given up as a whole."""
    members: dict[bytes, bytes] = {}
    for member in b",".join(states).split(b",") if states else ():
        stripped = member.strip(b" \t")
        if not stripped:
            continue
        found = _MEMBER.match(stripped)
        if found is None:
            return b""
        # §3.3.1.3: a key stands once; who repeats one lost its place, not the whole list.
        members.setdefault(found[1], stripped)
    joined = b",".join(members.values())
    return joined if len(members) <= MOST_MEMBERS and len(joined) <= STATE_BYTES else b""


def write_parent(trace: Trace) -> bytes:
    """Write the value of traceparent for the upstream, in the version that we speak."""
    return b"00-%b-%b-%02x" % (trace.trace_id, trace.span_id, trace.flags)


def bound_of(share: float) -> int:
    """Compile a share of traces, 0 to 1, for `is_within`."""
    return round(share * _WHOLE)


def is_within(trace_id: bytes, bound: int) -> bool:
    """Whether a trace is among a share of all, as everybody decides who knows its id.

    Source: OpenTelemetry, TraceIdRatioBased: the low 64 bits are compared.
    """
    return int(trace_id[16:], 16) < bound
