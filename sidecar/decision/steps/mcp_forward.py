"""Write the fields of MCP requests whose body or answer is rewritten (RQ-6)."""

from typing import Final

from sidecar.decision.steps.forward import Forward
from sidecar.model.exchange import Exchange
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import Outcome

# Of an answer that is to be read: no coding of it, no part of it, and it is not taken from a cache.
_OF_ANSWERS: Final = frozenset(
    (b"accept-encoding", b"if-match", b"if-modified-since", b"if-none-match", b"if-range",
     b"if-unmodified-since", b"range")
)  # fmt: skip
# Of the bytes that were received.
_OF_BODIES: Final = frozenset(
    (b"content-digest", b"content-length", b"content-md5", b"digest", b"repr-digest")
)
_NOTHING: Final[frozenset[bytes]] = frozenset()


class McpForward(Forward):
    """The same where a body or an answer is rewritten."""

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the fields.

        Source: RFC 9110 §8.6, §12.5.3. Controls: RQ-6, TN-1.
        """
        outcome = super().decide(exchange)
        rpc, head = exchange.rpc, exchange.head
        if rpc is None or head is None or (rpc.content is None and rpc.filter is None):
            return outcome
        gone = (_OF_ANSWERS if rpc.filter is not None else _NOTHING) | (
            _OF_BODIES if rpc.content is not None else _NOTHING
        )
        lines = exchange.upstream_lines
        kept = [line for line in lines if line.partition(b":")[0].lower() not in gone]
        if rpc.filter is not None:
            kept.append(b"Accept-Encoding: identity")
        if rpc.content is not None and head.length != CHUNKED:
            kept.append(b"Content-Length: %d" % len(rpc.content))
        exchange.upstream_lines = kept
        return outcome
