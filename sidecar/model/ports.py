"""The outside world as small protocols; adapters implement them, steps and fronts use them."""

from typing import Protocol

from sidecar.model.exchange import Exchange
from sidecar.model.verdict import Verdict


class Ledger(Protocol):
    """Takes note of how each exchange ended; called on the hot path, so it must not wait."""

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of one exchange."""


class RequestIds(Protocol):
    """Makes request ids."""

    def __call__(self) -> bytes:
        """Return a fresh id: a UUIDv7 as text (RFC 9562 §5.7)."""
