"""What is past its retention, by a clock that may be wrong (AU-4)."""

from collections.abc import Callable
from typing import Final

from sidecar.knowledge.audit.removal import Expiry
from sidecar.lifecycle.errors import ConflictError
from sidecar.model.events import RecordClass
from sidecar.policy.schema.audit import Audit
from sidecar.policy.schema.retention import DAY

_QUIET_PART: Final = 10
"""Part of the shortest retention for which a trail may be quiet before the clock is doubted."""


def purge_rule(section: Audit, timestamp: Callable[[float], str], now: float) -> Expiry:
    """Say what is past its retention.

    Args:
        section: the policy's audit.
        timestamp: writes Unix seconds as records have them.
        now: Unix seconds.

    Raises:
        ConflictError: the policy says nothing of retention.
    """
    kept = section.retention
    if kept is None:
        raise ConflictError(
            "the policy says not how long records are kept", "audit: {retention: 90d}"
        )
    spans = {one: kept.of(one) for one in RecordClass}
    quiet = max(min(spans.values()) / _QUIET_PART, DAY)
    cutoffs = {one: timestamp(now - span) for one, span in spans.items()}
    return Expiry(cutoffs, timestamp(now), timestamp(now - quiet))


def judge_clock(rule: Expiry, newest: str, count: int) -> None:
    """Refuse to go by a clock that may be ahead: it says what is past its retention.

    A clock that is ahead by less costs no more than a tenth of the retention.

    Args:
        rule: what goes, by the clock.
        newest: timestamp of the newest record that no command wrote; empty for none.
        count: records that would go.

    Raises:
        ConflictError: nobody wrote anything of late.
    """
    if newest >= rule.witness:
        return
    last = f"the newest record is of {newest}" if newest else "only commands wrote records"
    raise ConflictError(
        f"{last}, and this machine says that it is {rule.now}: by a clock that is ahead, records go"
        " that are not past their retention, so nothing was removed",
        f"set the clock; --trust-clock removes {count} records by it",
    )
