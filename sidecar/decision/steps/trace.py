"""Go on with the caller's trace, or begin one, and tell the upstream (W3C Trace Context).

The fields of the client never go on themselves: `managed_names` has them. Whoever may name a trace
may put spans into any, and have each of its requests recorded.
"""

from collections.abc import Callable
from typing import ClassVar, Final, Literal

from sidecar.knowledge.trace_context import bound_of, is_within, read_parent, write_parent
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step
from sidecar.model.trace import SAMPLED
from sidecar.model.trace import Trace as Part

_PARENT: Final = b"traceparent"
_STATE: Final = b"tracestate"


class Trace(Step):
    """Write which trace the exchange is part of."""

    name: ClassVar[str] = "trace"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "is_from_proxy", "trace"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(
        self,
        trust: Literal["trusted_proxies", "any", "none"],
        share: float,
        new_id: Callable[[], bytes],
    ) -> None:
        """Compile the section.

        Args:
            trust: whose trace is gone on with.
            share: share of the traces begun here that are recorded, 0 to 1.
            new_id: gives 16 random hexadecimal digits that are not all zero.
        """
        self._trusts_all = trust == "any"
        self._trusts_proxies = trust != "none"
        self._bound = bound_of(share)
        self._new_id = new_id

    def decide(self, exchange: Exchange) -> Outcome:
        """Take the caller's trace if it may name one, else begin one.

        Source: W3C Trace Context §4. Controls: TN-1.
        """
        head = exchange.head
        if head is None:
            return PASS
        new_id = self._new_id
        if self._trusts_all or (self._trusts_proxies and exchange.is_from_proxy):
            parent = read_parent(head.values(_PARENT), head.values(_STATE))
            if parent is not None:
                exchange.trace = Part(
                    parent.trace_id, parent.span_id, new_id(), flags=parent.flags,
                    state=parent.state,
                )  # fmt: skip
                return PASS
        trace_id = new_id() + new_id()
        # RANDOM is true of our ids, but services that know Level 1 alone refuse what says so.
        flags = SAMPLED if is_within(trace_id, self._bound) else 0
        exchange.trace = Part(trace_id, None, new_id(), flags=flags, state=b"")
        return PASS


class TraceFields(Step):
    """Tell the upstream its parent: our span, in the place of whatever the client sent."""

    name: ClassVar[str] = "trace_fields"
    reads: ClassVar[frozenset[str]] = frozenset({"identity_lines", "trace"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def decide(self, exchange: Exchange) -> Outcome:
        """Append the lines."""
        trace = exchange.trace
        if trace is None:
            return PASS
        line = b"traceparent: " + write_parent(trace)
        if trace.state:
            line += b"\r\ntracestate: " + trace.state
        # A list of its own: the lines of a caller are remembered, and are another request's too.
        exchange.identity_lines = [*exchange.identity_lines, line]
        return PASS
