"""Which records of a trail are wanted (AU-3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from sidecar.knowledge.audit.chain import link_of

_read_object = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(frozen=True, slots=True)
class Query:
    """What a record must have; what is empty is not asked for.

    Attributes:
        tenant: its tenant.
        since: earliest timestamp, as records have it.
        until: timestamp before which it must lie.
        actions: actions, one of which it must have; `key.*` stands for all that begin so.
        outcomes: outcomes, one of which it must have.
        actor: its actor, or its user.
        address: the client's address.
        request_id: its request.
    """

    tenant: str = ""
    since: str = ""
    until: str = ""
    actions: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    actor: str = ""
    address: str = ""
    request_id: str = ""

    def wants(self, record: Mapping[str, object]) -> bool:
        """Tell whether a record is wanted."""
        # All timestamps of records have one form and one zone: as text they have their order.
        at = str(record.get("timestamp"))
        return (
            (not self.since or at >= self.since)
            and (not self.until or at < self.until)
            and (not self.tenant or record.get("tenant_id") == self.tenant)
            and (not self.actor or self.actor in {record.get("actor"), record.get("user_id")})
            and (not self.address or record.get("ip_address") == self.address)
            and (not self.request_id or record.get("request_id") == self.request_id)
            and (not self.outcomes or record.get("outcome") in self.outcomes)
            and (not self.actions or self._names(str(record.get("action"))))
        )

    def _names(self, action: str) -> bool:
        return any(
            action.startswith(one[:-1]) if one.endswith(".*") else action == one
            for one in self.actions
        )


def record_of(line: bytes) -> Mapping[str, object] | None:
    """Read a line; None for what is no record of a chain, such as a line that was cut off.

    Args:
        line: the line without its line feed.
    """
    if link_of(line) is None:
        return None
    try:
        return _read_object(line)
    except msgspec.MsgspecError:
        return None
