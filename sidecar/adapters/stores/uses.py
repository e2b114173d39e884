"""When keys were used last: sampled, in few writes; compiled with the hot path."""

from typing import Final

from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeyId, Method
from sidecar.model.ports import Ledger
from sidecar.model.verdict import Ending, Verdict

KEYS: Final = 10_000
"""Most keys whose use is noted between two writes; the uses of others wait for the next."""


class KeyUses(Ledger):
    """Notes which keys were used; one of the ledgers."""

    __slots__ = ("_limit", "_noted")

    def __init__(self, limit: int = KEYS) -> None:
        self._limit = limit
        self._noted: dict[KeyId, float] = {}

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Note the key of an admitted exchange."""
        if verdict.ending is not Ending.ADMITTED:
            return
        try:
            principal = exchange.principal
        except AttributeError:
            return
        if principal.method is not Method.API_KEY or not principal.credential_id:
            return
        key_id = KeyId(principal.credential_id)
        noted = self._noted
        if key_id in noted or len(noted) < self._limit:
            noted[key_id] = exchange.now

    def __len__(self) -> int:
        """Return the number of keys whose use was noted."""
        return len(self._noted)

    def take(self) -> dict[KeyId, float]:
        """Hand out what was noted, and begin anew."""
        noted, self._noted = self._noted, {}
        return noted
