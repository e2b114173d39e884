"""What is said of an erasure: in the trail, and of what only others can erase (AU-7)."""

from collections import Counter

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.knowledge.audit.certificate import counted, tenant_digest
from sidecar.lifecycle.audit_removal import Removed, Wish
from sidecar.model.events import AUDIT_ERASE
from sidecar.model.ports import Event
from sidecar.policy.schema.audit import Audit, FileSink, RedisSink, Sink, StdoutSink


def note_erasure(
    ledger: AuditLedger, wish: Wish, tenant: str, trails: list[Removed], places: list[str]
) -> None:
    """Take note that a tenant's records were erased, without its name (AU-7)."""
    removed: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for one in trails:
        removed += one.removed
        kept += one.kept
    details = {
        "reason": wish.reason,
        "removed": counted(removed),
        "kept": counted(kept),
        "left": sum(count for one in trails for count, _ in one.left.values()),
        "elsewhere": places,
    }
    ledger.note_event(
        Event(AUDIT_ERASE, wish.actor, None, "tenant", tenant_digest(tenant), details=details)
    )


def elsewhere(section: Audit) -> list[str]:
    """Name the sinks whose records others hold, and only they can erase."""
    return [_held_by(sink) for sink in section.sinks if not isinstance(sink, FileSink)]


def _held_by(sink: Sink) -> str:
    if isinstance(sink, StdoutSink):
        return "standard output, where it is collected"
    return f"{sink.name} (XDEL, XTRIM or maxlen)" if isinstance(sink, RedisSink) else sink.name
