"""Take connection fields out of responses (RFC 9110 §7.6.1) and put the request id in."""

from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.memo import Memo

_DROPPED: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authentication-info", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"x-request-id",
    )
)  # fmt: skip


class HopByHop:
    """Drop the upstream's connection fields; its request id gives way to ours."""

    name: ClassVar[str] = "hop_by_hop"
    may_read: ClassVar[frozenset[str]] = frozenset({"request_id", "own_id"})

    def __init__(self) -> None:
        self._is_dropped = Memo(lambda name: name.lower() in _DROPPED)

    def apply(self, exchange: Exchange) -> None:
        """Filter the fields; those that `Connection` lists were taken out with the head."""
        known = self._is_dropped.known
        kept = []
        for line in exchange.response_fields:
            name = line[0]
            try:
                is_dropped = known[name]
            except KeyError:
                is_dropped = self._is_dropped(name)
            if not is_dropped:
                kept.append(line)
        kept.append((b"X-Request-Id", getattr(exchange, "request_id", exchange.own_id)))
        exchange.response_fields = kept
