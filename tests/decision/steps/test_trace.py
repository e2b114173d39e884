"""Whose trace is gone on with, and what the upstream is told."""

from collections.abc import Callable
from itertools import count
from typing import Literal

import pytest

from sidecar.decision.pipeline import build
from sidecar.decision.steps.trace import Trace, TraceFields
from sidecar.decision.strangers import managed_names
from sidecar.model.exchange import Exchange
from sidecar.model.fields import DROPPED, FROM_PROXY, treatment_of
from sidecar.model.outcome import PASS
from sidecar.model.ports import AtHand
from sidecar.model.trace import SAMPLED
from tests.builders import a_head, a_policy, an_exchange, an_unread_exchange

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
PARENT = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01"
STATE = b"tracestate: a=1"
BROKEN = b"traceparent: 00-" + TRACE.upper() + b"-" + SPAN + b"-01"


def ids(first: int = 1) -> Callable[[], bytes]:
    """Count instead of choosing: the first id is 0…01."""
    numbers = count(first)
    return lambda: b"%016x" % next(numbers)


def traced(
    *lines: bytes,
    trust: Literal["trusted_proxies", "any", "none"] = "trusted_proxies",
    is_from_proxy: bool = True,
    share: float = 0.0,
) -> Exchange:
    exchange = an_exchange(a_head(b"GET", b"/", *lines))
    exchange.is_from_proxy = is_from_proxy
    assert Trace(trust, share, ids()).decide(exchange) is PASS
    return exchange


@pytest.mark.control("TN-1")
@pytest.mark.parametrize(
    ("trust", "is_from_proxy", "goes_on"),
    [
        ("trusted_proxies", True, True),
        ("trusted_proxies", False, False),
        ("any", True, True),
        ("any", False, True),
        ("none", True, False),
        ("none", False, False),
    ],
)
def test_a_trace_is_gone_on_with_if_its_caller_may_name_one(
    trust: Literal["trusted_proxies", "any", "none"], *, is_from_proxy: bool, goes_on: bool
) -> None:
    trace = traced(PARENT, STATE, trust=trust, is_from_proxy=is_from_proxy).trace
    assert trace is not None
    if goes_on:
        assert (trace.trace_id, trace.parent_id, trace.state) == (TRACE, SPAN, b"a=1")
        assert trace.span_id == b"0000000000000001"
        assert trace.is_sampled
    else:
        assert trace.trace_id == b"00000000000000010000000000000002"
        assert (trace.parent_id, trace.state) == (None, b"")
        assert not trace.is_sampled


@pytest.mark.parametrize("lines", [(), (STATE,), (BROKEN, STATE), (PARENT, PARENT, STATE)])
def test_without_a_parent_a_trace_begins_and_the_list_is_dropped(lines: tuple[bytes, ...]) -> None:
    trace = traced(*lines).trace
    assert trace is not None
    assert (trace.parent_id, trace.state) == (None, b"")
    assert len({trace.trace_id, trace.span_id}) == 2


@pytest.mark.parametrize(("share", "sampled"), [(0.0, False), (1.0, True)])
def test_the_share_is_of_traces_that_begin_here(share: float, *, sampled: bool) -> None:
    begun = traced(share=share).trace
    assert begun is not None
    assert begun.is_sampled is sampled
    assert begun.flags in {0, SAMPLED}


@pytest.mark.parametrize(("flags", "sampled"), [(b"00", False), (b"01", True)])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_who_continues_a_trace_decides_as_its_caller_did(
    flags: bytes, share: float, *, sampled: bool
) -> None:
    trace = traced(PARENT[:-2] + flags, share=share).trace
    assert trace is not None
    assert trace.is_sampled is sampled


def test_a_head_that_cannot_be_read_is_part_of_no_trace() -> None:
    exchange = an_unread_exchange()
    exchange.is_from_proxy = False
    assert Trace("any", 1.0, ids()).decide(exchange) is PASS
    assert TraceFields().decide(exchange) is PASS
    assert exchange.trace is None
    assert exchange.identity_lines == []


def test_the_upstream_is_told_our_span_and_the_list() -> None:
    exchange = traced(PARENT, STATE)
    remembered = exchange.identity_lines = [b"X-User-Id: ada"]
    assert TraceFields().decide(exchange) is PASS
    line = b"traceparent: 00-" + TRACE + b"-0000000000000001-01\r\ntracestate: a=1"
    assert exchange.identity_lines == [b"X-User-Id: ada", line]
    assert remembered == [b"X-User-Id: ada"]


def test_without_a_list_there_is_none() -> None:
    exchange = traced(PARENT)
    assert TraceFields().decide(exchange) is PASS
    assert exchange.identity_lines == [b"traceparent: 00-" + TRACE + b"-0000000000000001-01"]


@pytest.mark.control("TN-1")
@pytest.mark.parametrize("name", [b"traceparent", b"TraceParent", b"tracestate", b"TRACESTATE"])
def test_what_the_client_sent_does_not_go_on_itself(name: bytes) -> None:
    assert treatment_of(name, managed_names(a_policy(tracing={}))) == DROPPED
    assert treatment_of(name, managed_names(a_policy())) == FROM_PROXY


def test_baggage_is_not_part_of_it() -> None:
    assert treatment_of(b"baggage", managed_names(a_policy(tracing={}))) == FROM_PROXY


def test_the_steps_are_there_where_the_policy_wants_traces() -> None:
    generation = build(a_policy(tracing={}), AtHand(span_ids=ids()))
    assert [step.name for step in generation.edge].count("trace") == 1
    for plan in (generation.unrouted, *generation.plans):
        assert [step.name for step in plan.steps][-2:] == ["trace_fields", "forward"]


@pytest.mark.parametrize(
    ("policy", "at_hand"),
    [
        pytest.param(a_policy(), AtHand(span_ids=ids()), id="off"),
        pytest.param(a_policy(tracing={}), AtHand(), id="not to serve"),
    ],
)
def test_else_there_are_none(policy: object, at_hand: AtHand) -> None:
    generation = build(policy, at_hand)  # type: ignore[arg-type]  # a row of a table
    names = [step.name for step in generation.edge]
    names += [step.name for plan in generation.plans for step in plan.steps]
    assert not {"trace", "trace_fields"} & set(names)
