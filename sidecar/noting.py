"""Who takes note of what a process does: audit, metrics, spans, whatever its policy becomes.

Audit and metrics live as long as the process; what one policy alone wants noted comes and goes
with it (ADR 24).
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sidecar import __version__
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.telemetry.certificates import CertificateEnds
from sidecar.adapters.telemetry.metrics import MetricsLedger, Reading, Snapshot
from sidecar.adapters.telemetry.steps import StepTimes
from sidecar.decision.pipeline import Generation
from sidecar.decision.timing import Sampling
from sidecar.model.ports import Ledger
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.audit.staff import StaffWatch
    from sidecar.adapters.telemetry.spans import SpanLedger, SpanTotals
    from sidecar.adapters.telemetry.tenants import TenantLedger
    from sidecar.fronts.proxy.recent import Recent


class Noting:
    """Everybody who takes note.

    Attributes:
        audit: the audit trail.
        metrics: the numbers.
        new_id: makes ids.
        certificates: when certificates end.
    """

    def __init__(self, loaded: Loaded, worker: str) -> None:
        policy = loaded.policy
        self.new_id = UuidV7(time.time, os.urandom)
        self.audit = AuditLedger(policy.audit.on(policy.state), time.time, self.new_id, role=worker)
        self.metrics = MetricsLedger(__version__, worker)
        self.certificates = CertificateEnds()
        self._steps = StepTimes()
        self._spans: SpanLedger | None = None
        self._span_totals: SpanTotals | None = None
        self._staff: StaffWatch | None = None
        self._tenants: TenantLedger | None = None
        self._most_tenants = 0
        self.adopt(loaded, self.spans(policy))

    def spans(self, policy: Policy) -> "SpanLedger | None":
        """Make what sends spans; whoever sends none imports none of it.

        Raises:
            InstallationError: what it takes is not installed.
        """
        section = policy.tracing
        if section is None or section.otlp is None:
            return None
        from sidecar.adapters.telemetry.otlp import OtlpExporter
        from sidecar.adapters.telemetry.spans import SpanLedger

        return SpanLedger(OtlpExporter(section, self.new_id().decode()))

    def adopt(self, loaded: Loaded, spans: "SpanLedger | None") -> "SpanLedger | None":
        """Go by a policy.

        Args:
            loaded: the policy.
            spans: what `spans` made for it.

        Returns:
            What sent spans for the policy before, to be closed.
        """
        former, self._spans = self._spans, spans
        if spans is not None:
            self._count(spans)
        section = loaded.policy.metrics
        most = 0 if section.tenants is None else section.tenants.max
        alerts = loaded.policy.audit.alerts
        self._staff = None if alerts is None else self._new_staff(alerts.roles)
        if most != self._most_tenants:
            self._tenants = self._new_tenants(most) if most else None
        self._most_tenants = most
        self.metrics.set_policy(loaded.sha256)
        self.metrics.unwatch()
        self._watch(loaded.policy)
        return former

    def _count(self, spans: "SpanLedger") -> None:
        if self._span_totals is None:
            # Memory for those alone who send some.
            from sidecar.adapters.telemetry.spans import SpanTotals

            self._span_totals = SpanTotals()
        self._span_totals.add(spans)

    def _new_staff(self, roles: Sequence[str]) -> "StaffWatch | None":
        if not roles:
            return None
        # Memory for those alone who want it.
        from sidecar.adapters.audit.staff import StaffWatch

        return StaffWatch(self.audit, roles)

    @staticmethod
    def _new_tenants(most: int) -> "TenantLedger":
        # Memory for those alone who want it.
        from sidecar.adapters.telemetry.tenants import TenantLedger

        return TenantLedger(most)

    def ledgers(self, uses: Ledger | None) -> Iterator[Ledger]:
        """List who takes note of each exchange, in this order.

        Args:
            uses: notes which keys were used; None where there are none.
        """
        yield from (self.metrics, self.audit)
        for ledger in (uses, self._spans, self._staff, self._tenants):
            if ledger is not None:
                yield ledger

    def sampling(self, policy: Policy) -> Sampling | None:
        """Say of which exchanges the steps are timed; None for none."""
        every = policy.metrics.step_sample
        if not every:
            return None
        return Sampling(every, time.perf_counter, random.random, self._steps.note)

    def start_spans(self) -> None:
        """Begin to send spans."""
        if self._spans is not None:
            self._spans.start()

    def _watch(self, policy: Policy) -> None:
        watch = self.metrics.watch
        watch_sinks(watch, self.audit)
        if (alarm := self.audit.alarm) is not None:
            watch("sidecar_alert_failures_total", lambda: alarm.failed)
        self.metrics.ask(self.certificates.rows)
        if policy.metrics.step_sample:
            self.metrics.ask(self._steps.rows)
        if self._tenants is not None:
            self.metrics.ask(self._tenants.rows)
        if (spans := self._span_totals) is not None:
            watch("sidecar_traced_requests_waiting", lambda: spans.waiting)
            for outcome in ("dropped", "exported", "failed"):
                reading = partial(getattr, spans, outcome)
                watch("sidecar_traced_requests_total", reading, outcome)
        if (text := policy.security_txt) is not None:
            watch("sidecar_security_txt_expires_timestamp_seconds", lambda: text.expires_at)

    async def close(self) -> None:
        """Send and write the last of it."""
        if self._spans is not None:
            await self._spans.close()
        await self.audit.close()


def watch_sinks(watch: Callable[..., None], audit: AuditLedger) -> None:
    """Have the metrics read what becomes of audit records.

    Args:
        watch: `MetricsLedger.watch`.
        audit: the audit trail of a process.
    """
    sinks = audit.sinks
    for sink in sinks:
        watch("sidecar_audit_records_total", partial(getattr, sink, "written"), sink.name)
        watch("sidecar_audit_queue_records", partial(getattr, sink, "waiting"), sink.name)
        watch("sidecar_audit_dropped_total", partial(getattr, sink, "dropped"), sink.name)
        watch("sidecar_audit_errors_total", partial(getattr, sink, "errors"), sink.name)
        if sink.rule == "spill":
            watch("sidecar_audit_spilled_total", partial(getattr, sink, "spilled"), sink.name)
            watch("sidecar_audit_spill_bytes", partial(getattr, sink, "on_disk"), sink.name)
        if sink.rule == "block":
            watch("sidecar_audit_blocked", partial(getattr, sink, "is_full"), sink.name)
    watch("sidecar_degraded", lambda: any(sink.is_failing for sink in sinks), "audit")


def told_of(audit: AuditLedger) -> Snapshot:
    """Count what becomes of the records of a process without traffic: of what operators do."""
    snapshot: Snapshot = {}

    def take(name: str, reading: Reading, *labels: str) -> None:
        snapshot.setdefault(name, []).append((labels, (float(reading()),)))

    watch_sinks(take, audit)
    if (alarm := audit.alarm) is not None:
        take("sidecar_alert_failures_total", lambda: alarm.failed)
    return snapshot


def keeps_decisions(policy: Policy) -> bool:
    """Tell whether decisions are kept: only where the admin API may tell them to somebody."""
    return policy.explain is not None and bool(policy.admin.tokens)


def recent(loaded: Loaded, generation: Generation, former: "Recent | None") -> "Recent | None":
    """Make what keeps decisions under a policy.

    Args:
        loaded: the policy.
        generation: the same, compiled, in force from now on.
        former: what kept those under the policy before; None for nothing.
    """
    section = loaded.policy.explain
    if section is None or not keeps_decisions(loaded.policy):
        return None
    # Memory for those alone who can ask.
    from sidecar.fronts.proxy.recent import Era, Recent

    return Recent(section, Era(generation, loaded.sha256, time.time()), former)
