"""One process that proxies: its parts, built from the policy, started and stopped in order."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sidecar.adapters.audit.sink_writer import SinkWriter
from sidecar.adapters.ids import RandomNonces, RandomSpanIds
from sidecar.decision.pipeline import Generation, build
from sidecar.decision.steps.upstream import target_of
from sidecar.fronts.proxy.context import Context, Sources
from sidecar.fronts.proxy.deadlines import Wheel
from sidecar.fronts.proxy.listener import Listener
from sidecar.fronts.proxy.live import Revoker
from sidecar.fronts.proxy.pool import Pools
from sidecar.fronts.proxy.spool import Room
from sidecar.lasting import Around
from sidecar.memory import forget_former
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Event
from sidecar.noting import Noting, recent
from sidecar.outside import Outside
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.clients.alert_webhook import AlertSender
    from sidecar.adapters.telemetry.spans import SpanLedger
    from sidecar.fronts.proxy.recent import Recent
    from sidecar.knowledge.reports import Report

_RETIRE_SECONDS: Final = 30.0
"""How long exchanges may still ask what their policy asks, once another one is in force."""
_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Staged:
    """A policy that is built and serves nobody yet.

    Attributes:
        loaded: the policy.
        outside: what it asks outside of itself, started.
        generation: the policy, compiled.
        sinks: where its audit records go, open.
        spans: what sends its spans, not started; None for nothing.
        server: what accepts connections by its TLS; None where that stays as it is.
        changed: names of files whose content differs from that under the policy before.
    """

    loaded: Loaded
    outside: Outside
    generation: Generation
    sinks: tuple[SinkWriter, ...]
    spans: "SpanLedger | None"
    server: asyncio.Server | None
    changed: frozenset[str]


class Proxy:
    """The proxy of one process: decision core, proxy listener, audit and metrics.

    Attributes:
        policy: the policy in force.
        audit: the audit trail of the process.
        metrics: the numbers of the process.
        outside: the store and the issuers that it asks.
    """

    def __init__(self, loaded: Loaded, worker: str = "0") -> None:
        policy = loaded.policy
        self._loaded = loaded
        self._noting = noting = Noting(loaded, worker)
        self.audit, self.metrics = noting.audit, noting.metrics
        self._around = Around(
            os.environ,
            time.time,
            time.monotonic,
            self.audit,
            self.metrics.note_revocation,
            self.metrics.note_store_error,
        )
        outside = self.outside = Outside(policy, self._around)
        self._context = Context(
            _build(policy, outside),
            tuple(noting.ledgers(outside.uses)),
            Sources(noting.new_id, time.time, time.monotonic, outside.answers),
            Wheel(time.monotonic()),
            Pools(),
        )
        self._revoker = Revoker(self._context)
        self._retiring: set[asyncio.Task[None]] = set()
        self._recent: Recent | None = None
        self._listener = Listener(self._context, policy.listen, is_shared=policy.workers > 1)
        self._take(loaded, outside)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._loaded.policy

    @property
    def generation(self) -> Generation:
        """The same, compiled."""
        return self._context.generation

    def _take(self, loaded: Loaded, outside: Outside) -> None:
        """Go by a policy in all that is no part of its generation."""
        self._loaded, self.outside = loaded, outside
        policy, context = loaded.policy, self._context
        self._recent = recent(loaded, context.generation, self._recent)
        ledgers = tuple(self._noting.ledgers(outside.uses))
        context.ledgers = ledgers if self._recent is None else (*ledgers, self._recent)
        context.full_sink = self.audit.full_sink if self.audit.blocks else None
        context.sample(self._noting.sampling(policy))
        if policy.reports is not None:
            self._collect(is_audited=policy.reports.audit)
        if outside.feed is not None:
            outside.feed.listen(self._revoker.changed)
            outside.feed.listen_to_blocks(self._revoker.blocked)
        self._watch()

    async def stage(self, loaded: Loaded) -> Staged:
        """Build everything that another policy needs; nothing of it is in force yet.

        Args:
            loaded: the policy.

        Raises:
            OSError: a sink or a file that it names cannot be used.
            StoreUnavailableError: the state store cannot be used.
        """
        policy = loaded.policy
        changed = frozenset(dict(set(loaded.files) ^ set(self._loaded.files)))
        if any(r.webhook or policy.reads_bodies(r) for r in policy.routes):
            Room(policy.bodies.memory, policy.bodies.total, policy.bodies.folder).prove()
        spans = self._noting.spans(policy)
        sinks = await self.audit.stage(policy.audit.on(policy.state))
        outside = Outside(policy, self._around, self.outside.lasting)
        try:
            await outside.start(self.outside)
            # It may take seconds for thousands of routes, and others are served meanwhile.
            generation = await asyncio.to_thread(_build, policy, outside)
            is_changed = any(name in changed for name in _tls_files(policy))
            server = await self._listener.stage(policy.listen, is_changed=is_changed)
        except BaseException:
            self.audit.unstage(sinks)
            await outside.retire()
            raise
        return Staged(loaded, outside, generation, sinks, spans, server, changed)

    async def discard(self, staged: Staged) -> None:
        """Let go of a policy that is not to come into force."""
        self.audit.unstage(staged.sinks)
        if staged.server is not None:
            staged.server.close()
        await staged.outside.retire()

    async def renew(self, staged: Staged) -> None:
        """Put a policy in force, for the next request of every connection.

        What is under way ends on the policy that it began with, or is judged by the new one
        (`Revoker`); what the old one alone needs goes when nobody asks it any more.
        """
        former, gone = self.outside, self._targets() - _targets(staged.loaded.policy)
        recently = self._recent
        context, policy = self._context, staged.loaded.policy
        alarm = self.audit.renew(policy.audit.on(policy.state), staged.sinks)
        context.renew(staged.generation, staged.outside.answers)
        context.pools.renew(gone, staged.changed)
        former.silence()
        spans = self._noting.adopt(staged.loaded, staged.spans)
        self._noting.start_spans()
        self._take(staged.loaded, staged.outside)
        staged.outside.lasting.adopt(policy)
        self._revoker.renewed()
        await self._listener.renew(policy.listen, staged.server)
        await asyncio.to_thread(self._noting.certificates.load, policy)
        task = asyncio.create_task(self._retire(former, alarm, spans))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        if recently is not None and self._recent is not None:
            self._recent.put_before(await asyncio.to_thread(recently.told))

    def _targets(self) -> frozenset[tuple[object, ...]]:
        return _targets(self.policy)

    async def _retire(self, former: Outside, *senders: "AlertSender | SpanLedger | None") -> None:
        patience = _RETIRE_SECONDS
        while patience > 0 and not self.is_draining and self._context.is_asked(former.answers):
            await asyncio.sleep(_LOOK_SECONDS)
            patience -= _LOOK_SECONDS
        await former.retire()
        for sender in senders:
            if sender is not None:
                await sender.close()
        del former, senders
        await forget_former()

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
        self.outside.watch(watch)

    def missing(self) -> list[str]:
        """Say what is not there that requests may need."""
        full = self.audit.full_sink()
        return [*self.outside.missing(), *([f"the audit sink {full} is full"] if full else ())]

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
            self._noting.certificates.load(self.policy)
        except (OSError, StoreUnavailableError):
            await self.outside.close()
            await self.audit.close()
            raise
        self._noting.start_spans()

    async def stop(self) -> None:
        """Drain the listener, then write the last records."""
        await self._listener.drain()
        # At once: whoever stops us may not wait for a collector or a store that does not answer.
        self.audit.flush()
        self._context.alarm.close()
        await asyncio.gather(*self._retiring)
        await self.outside.close()
        await self._noting.close()

    @property
    def is_draining(self) -> bool:
        """Whether the listener shuts down."""
        return self._context.live.is_draining


def _build(policy: Policy, outside: Outside) -> Generation:
    """Compile a policy, with what steps cannot make themselves."""
    span_ids = None if policy.tracing is None else RandomSpanIds(os.urandom)
    nonces = RandomNonces(os.urandom)
    return build(policy, replace(outside.at_hand, nonces=nonces, span_ids=span_ids))


def _targets(policy: Policy) -> frozenset[tuple[object, ...]]:
    sections = (policy.upstream, *(policy.upstream_of(route) for route in policy.routes))
    return frozenset(target_of(section).key for section in sections)


def _tls_files(policy: Policy) -> tuple[str, ...]:
    tls = policy.listen.tls
    return () if tls is None else (tls.certificate, tls.key)
