"""One process that proxies: its parts, built from the policy, started and stopped in order."""

import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sidecar import __version__
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import RandomNonces, RandomSpanIds, UuidV7
from sidecar.adapters.telemetry.certificates import CertificateEnds
from sidecar.adapters.telemetry.metrics import MetricsLedger
from sidecar.adapters.telemetry.steps import StepTimes
from sidecar.decision.pipeline import Generation, build
from sidecar.decision.timing import Sampling
from sidecar.fronts.proxy.context import Context, Sources
from sidecar.fronts.proxy.deadlines import Wheel
from sidecar.fronts.proxy.listener import Listener
from sidecar.fronts.proxy.live import Revoker
from sidecar.fronts.proxy.pool import Pools
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import AtHand, Event, Ledger, RequestIds
from sidecar.outside import Around, Outside
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.metrics import Metrics
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.telemetry.spans import SpanLedger
    from sidecar.fronts.proxy.recent import Recent
    from sidecar.knowledge.reports import Report


class Proxy:
    """The proxy of one process: decision core, proxy listener, audit and metrics.

    Attributes:
        policy: the policy.
        audit: the audit trail of the process.
        metrics: the numbers of the process.
        outside: the store and the issuers that it asks.
    """

    def __init__(self, loaded: Loaded, worker: str = "0") -> None:
        policy = loaded.policy
        new_id = UuidV7(time.time, os.urandom)
        self.policy = policy
        self.audit = AuditLedger(policy.audit, time.time, new_id, role=worker)
        self.metrics = MetricsLedger(__version__, worker)
        self.metrics.set_policy(loaded.sha256)
        outside = self.outside = Outside(
            policy,
            Around(
                os.environ,
                time.time,
                time.monotonic,
                self.audit,
                self.metrics.note_revocation,
                self.metrics.note_store_error,
            ),
        )
        self._spans = _span_ledger(policy, new_id)
        generation = build(policy, _with_randomness(policy, outside.at_hand))
        self._recent = _recent(policy, generation)
        self._context = Context(
            generation,
            tuple(self._ledgers(policy.metrics)),
            Sources(new_id, time.time, time.monotonic, outside.answers),
            Wheel(time.monotonic()),
            Pools(),
        )
        self._time_steps(policy.metrics)
        if policy.reports is not None:
            self._collect(is_audited=policy.reports.audit)
        if outside.feed is not None:
            revoker = Revoker(self._context)
            outside.feed.listen(revoker.changed)
            outside.feed.listen_to_blocks(revoker.blocked)
        self._certificates = CertificateEnds()
        self._listener = Listener(self._context, policy.listen, is_shared=policy.workers > 1)
        self._watch()

    def _ledgers(self, section: Metrics) -> Iterator[Ledger]:
        """List who takes note of each exchange, in this order."""
        yield from (self.metrics, self.audit)
        for ledger in (self.outside.uses, self._spans, self._recent):
            if ledger is not None:
                yield ledger
        alerts = self.policy.audit.alerts
        if alerts is not None and alerts.roles:
            from sidecar.adapters.audit.staff import StaffWatch

            yield StaffWatch(self.audit, alerts.roles)
        if section.tenants is not None:
            # Memory for those alone who want it.
            from sidecar.adapters.telemetry.tenants import TenantLedger

            tenants = TenantLedger(section.tenants.max)
            self.metrics.ask(tenants.rows)
            yield tenants

    def _time_steps(self, section: Metrics) -> None:
        """Have the steps of a sample of the exchanges timed."""
        if section.step_sample:
            times = StepTimes()
            self.metrics.ask(times.rows)
            sampling = Sampling(section.step_sample, time.perf_counter, random.random, times.note)
            self._context.sample(sampling)

    def _collect(self, *, is_audited: bool) -> None:
        """Take what browsers report; a policy without it pays no memory for what does."""
        from sidecar.decision.steps.reports import COLLECTOR
        from sidecar.fronts.proxy.collector import Collector

        def taken(report: "Report", address: str) -> None:
            self.metrics.note_report(report.directive, report.disposition)
            if is_audited:
                details = {
                    "disposition": report.disposition,
                    "document": report.document,
                    "blocked": report.blocked,
                }
                event = Event("csp.report", "browser", None, "csp", report.directive, None, details)
                self.audit.note_event(replace(event, address=address))

        self._context.pools.adopt(COLLECTOR, Collector(self._context, taken))

    def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain a decision; None for one that is not kept."""
        return None if self._recent is None else self._recent.explained(request_id)

    @property
    def port(self) -> int:
        """Port of the proxy listener."""
        return self._listener.port

    def _watch(self) -> None:
        live, pools, watch = self._context.live, self._context.pools, self.metrics.watch
        watch("sidecar_connections", lambda: len(live.connections))
        watch("sidecar_requests_in_flight", lambda: live.requests)
        watch("sidecar_websockets", lambda: live.websockets)
        room = self._context.room
        watch("sidecar_body_buffer_bytes", lambda: room.used)
        watch("sidecar_body_buffer_refusals_total", lambda: room.refused)
        watch("sidecar_upstream_connections", lambda: pools.counts()[0], "idle")
        watch("sidecar_upstream_connections", lambda: pools.counts()[1], "busy")
        for sink in self.audit.sinks:
            watch("sidecar_audit_records_total", partial(getattr, sink, "written"), sink.name)
            watch("sidecar_audit_queue_records", partial(getattr, sink, "waiting"), sink.name)
            watch("sidecar_audit_dropped_total", partial(getattr, sink, "dropped"), sink.name)
            watch("sidecar_audit_errors_total", partial(getattr, sink, "errors"), sink.name)
        if (alarm := self.audit.alarm) is not None:
            watch("sidecar_alert_failures_total", lambda: alarm.failed)
        sinks = self.audit.sinks
        watch("sidecar_degraded", lambda: any(sink.is_failing for sink in sinks), "audit")
        self.metrics.ask(self._certificates.rows)
        if (spans := self._spans) is not None:
            watch("sidecar_traced_requests_waiting", lambda: spans.waiting)
            for outcome in ("dropped", "exported", "failed"):
                reading = partial(getattr, spans, outcome)
                watch("sidecar_traced_requests_total", reading, outcome)
        self.outside.watch(watch)
        if (text := self.policy.security_txt) is not None:
            watch("sidecar_security_txt_expires_timestamp_seconds", lambda: text.expires_at)

    def missing(self) -> list[str]:
        """Say what is not there that requests may need."""
        return self.outside.missing()

    async def start(self) -> None:
        """Open sinks, store and socket, in this order: nothing is served without its audit.

        Raises:
            OSError: a sink, the address or a TLS file cannot be used.
            StoreUnavailableError: the state store cannot be used.
        """
        if any(r.webhook or self.policy.reads_bodies(r) for r in self.policy.routes):
            self._context.room.prove()
        await self.audit.start()
        try:
            await self.outside.start()
            await self._listener.start()
            self._certificates.load(self.policy)
        except (OSError, StoreUnavailableError):
            await self.outside.close()
            await self.audit.close()
            raise
        if self._spans is not None:
            self._spans.start()

    async def stop(self) -> None:
        """Drain the listener, then write the last records."""
        await self._listener.drain()
        self._context.alarm.close()
        await self.outside.close()
        if self._spans is not None:
            await self._spans.close()
        await self.audit.close()

    @property
    def is_draining(self) -> bool:
        """Whether the listener shuts down."""
        return self._context.live.is_draining


def _with_randomness(policy: Policy, at_hand: AtHand) -> AtHand:
    """Add what steps cannot make themselves."""
    span_ids = None if policy.tracing is None else RandomSpanIds(os.urandom)
    return replace(at_hand, nonces=RandomNonces(os.urandom), span_ids=span_ids)


def _span_ledger(policy: Policy, new_id: RequestIds) -> "SpanLedger | None":
    """Make what sends spans; whoever sends none imports none of it."""
    section = policy.tracing
    if section is None or section.otlp is None:
        return None
    from sidecar.adapters.telemetry.otlp import OtlpExporter
    from sidecar.adapters.telemetry.spans import SpanLedger

    return SpanLedger(OtlpExporter(section, new_id().decode()))


def keeps_decisions(policy: Policy) -> bool:
    """Tell whether decisions are kept: only where the admin API may tell them to somebody."""
    return policy.explain is not None and bool(policy.admin.tokens)


def _recent(policy: Policy, generation: Generation) -> "Recent | None":
    section = policy.explain
    if section is None or not keeps_decisions(policy):
        return None
    # Memory for those alone who can ask.
    from sidecar.fronts.proxy.recent import Recent

    return Recent(section, generation)
