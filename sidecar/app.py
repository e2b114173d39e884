"""Composition: builds all parts of a sidecar from its policy, starts and stops them in order.

One process: `Sidecar` is proxy, admin and health listeners in one. Several workers: each is a
`Proxy`, and `Supervisor` owns the other listeners.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sidecar import __version__
from sidecar.adapters.audit.scribe import SUPERVISOR
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.sockets import open_socket
from sidecar.adapters.telemetry.metrics import Snapshot
from sidecar.fronts.admin.applications import admin_app, health_app
from sidecar.fronts.admin.listener import Listener as AdminListener
from sidecar.fronts.admin.state import State
from sidecar.fronts.proxy.workers import Program, Supervised, Workers
from sidecar.knowledge.auth.assertion import Signer
from sidecar.model.ports import Events, Store
from sidecar.outside import Around, Outside
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy
from sidecar.worker import Proxy, keeps_decisions

if TYPE_CHECKING:
    from sidecar.lifecycle.operations import Operation

# Collecting young objects rarely is worth 3 % of throughput; a request leaves no cycles behind.
_GC_THRESHOLDS: Final = (50_000, 20, 50)
_STOP_SECONDS: Final = 5.0


class Status(State):
    """What admin and health listeners show, for one process and for several."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._started = time.time()

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text of all metrics."""
        return await asyncio.to_thread(_exposed, await self.snapshots(), accept)

    async def snapshots(self) -> Sequence[Snapshot]:
        """Return the numbers of every process."""
        raise NotImplementedError

    async def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain a decision that one of the processes keeps; None for one that is not kept."""
        raise NotImplementedError

    async def status(self) -> Mapping[str, object]:
        """Return what runs, since when, on which policy."""
        policy = self._loaded.policy
        return {
            "version": __version__,
            "python": sys.version.split()[0],
            "started": round(self._started, 3),
            "policy": {"sha256": self._loaded.sha256, "mode": policy.mode},
            "workers": policy.workers,
            "not_ready": list(self.is_ready()),
        }

    def routes(self) -> Sequence[Mapping[str, object]]:
        """Return the routes in the order in which they are tried."""
        policy = self._loaded.policy
        return [
            {
                "host": route.host,
                "path": route.path,
                "methods": None if route.methods is None else sorted(route.methods),
                "public": route.public,
                "mode": policy.mode_of(route),
                "upstream": str(policy.upstream_of(route).url),
            }
            for route in sorted(policy.routes, key=lambda route: route.template.order)
        ]

    def assertion_keys(self) -> bytes | None:
        """Return the public keys of the assertion as a JWK Set; None when nothing is signed."""
        section = self._loaded.policy.assertion
        return None if section is None else Signer(section).key_set


def _exposed(snapshots: Sequence[Snapshot], accept: str) -> tuple[str, bytes]:
    # prometheus_client brings a web server and a client along: 1 MB for those who scrape, and a
    # long text to write; both in a thread, so that nobody waits for them.
    from sidecar.adapters.telemetry.exposition import merge, render

    return render(merge(snapshots), accept)


class _Front:
    """The admin and health listeners over a state."""

    def __init__(
        self, policy: Policy, state: Status, audit: AuditLedger, store: Store | None
    ) -> None:
        listen = policy.listen
        app = admin_app(
            state,
            policy.admin.tokens,
            audit.note_denied,
            [listen.admin.host],
            operations=(*_operations(policy, store, audit), *_explaining(policy, state, audit)),
        )
        self._listeners = [AdminListener(app, listen.admin.host, listen.admin.port)]
        if listen.health is not None:
            app = health_app(state, [listen.health.host])
            self._listeners.append(AdminListener(app, listen.health.host, listen.health.port))

    @property
    def ports(self) -> list[int]:
        return [listener.port for listener in self._listeners]

    async def start(self) -> None:
        for listener in self._listeners:
            await listener.start()

    async def close(self) -> None:
        for listener in self._listeners:
            await listener.close()


def _operations(policy: Policy, store: Store | None, events: Events) -> Sequence["Operation"]:
    """List what the admin API can do: nothing without tokens, and little without a store."""
    if not policy.admin.tokens:
        return ()
    # Memory for those alone who can use it.
    if store is None:
        from sidecar.lifecycle.audit_operations import audit_operations

        return audit_operations(policy, None, events, time.time)
    from sidecar.lifecycle.desk import operations_of
    from sidecar.lifecycle.keys import Source

    source = Source(time.time, os.urandom, UuidV7(time.time, os.urandom))
    return operations_of(policy, store, events, source)


def _explaining(policy: Policy, state: Status, events: Events) -> Sequence["Operation"]:
    """List what may be asked of decisions: nothing where none are kept."""
    if not keeps_decisions(policy):
        return ()
    from sidecar.lifecycle.explain_operations import ExplainDesk

    return ExplainDesk(state.explained, events).operations()


class Sidecar(Status):
    """A sidecar in one process.

    Attributes:
        proxy: its proxy.
    """

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.proxy = Proxy(loaded)
        store = self.proxy.outside.store
        self._front = _Front(loaded.policy, self, self.proxy.audit, store)
        self._is_started = False

    @property
    def port(self) -> int:
        """Port of the proxy listener."""
        return self.proxy.port

    @property
    def admin_port(self) -> int:
        """Port of the admin listener."""
        return self._front.ports[0]

    @property
    def health_port(self) -> int:
        """Port of the health listener; the admin listener's without one."""
        return self._front.ports[-1]

    async def start(self) -> None:
        """Start all parts; those that started are stopped again if one cannot.

        Raises:
            OSError: a sink, an address or a TLS file cannot be used.
        """
        await self.proxy.start()
        try:
            await self._front.start()
        except OSError:
            await self._front.close()
            await self.proxy.stop()
            raise
        _settle()
        self._is_started = True

    async def stop(self) -> None:
        """Drain the proxy while health still answers, then stop."""
        await self.proxy.stop()
        await self._front.close()

    def reopen(self) -> None:
        """Open the audit files again after their rotation."""
        self.proxy.audit.reopen()

    def is_ready(self) -> Sequence[str]:
        """Return the reasons why it should get no traffic."""
        if self.proxy.is_draining:
            return ["draining"]
        return self.proxy.missing() if self._is_started else ["starting"]

    async def snapshots(self) -> Sequence[Snapshot]:
        """Return the numbers of the process."""
        return [self.proxy.metrics.snapshot()]

    async def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain a decision that is kept."""
        return self.proxy.explained(request_id)


class Supervisor(Status):
    """A sidecar of several worker processes; it takes no traffic of clients itself."""

    def __init__(self, loaded: Loaded, program: Program) -> None:
        """Prepare the workers.

        Args:
            loaded: the policy.
            program: how a worker is started.
        """
        super().__init__(loaded)
        policy = loaded.policy
        new_id = UuidV7(time.time, os.urandom)
        self._audit = AuditLedger(policy.audit, time.time, new_id, role=SUPERVISOR)
        self._workers = Workers(policy.workers, program, self._remember)
        # The workers have stores of their own; this one is for the admin API.
        outside = self._outside = Outside(policy, _unwatched(self._audit))
        self._front = _Front(policy, self, self._audit, outside.store)
        self._ended: list[Snapshot] = []
        self._patience = policy.listen.drain + _STOP_SECONDS * 2
        self._is_draining = False

    @property
    def port(self) -> int:
        """Port of the proxy listeners."""
        return self._workers.port

    @property
    def admin_port(self) -> int:
        """Port of the admin listener."""
        return self._front.ports[0]

    async def start(self) -> None:
        """Start the workers, then the listeners.

        Raises:
            OSError: a sink or an address cannot be used.
            WorkerError: a worker cannot serve.
        """
        # Workers share their port with whoever may; no other program is to be among them.
        address = self._loaded.policy.listen.proxy
        open_socket(address.host, address.port, is_shared=False).close()
        await self._audit.start()
        await self._outside.open_store()
        await self._workers.start()
        try:
            await self._front.start()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drain the workers while health still answers, then stop."""
        self._is_draining = True
        await self._workers.stop(self._patience)
        await self._front.close()
        await self._outside.close()
        await self._audit.close()

    def reopen(self) -> None:
        """Have every process open its audit files again."""
        self._audit.reopen()
        self._workers.order(signal.SIGHUP)

    def is_ready(self) -> Sequence[str]:
        """Return the reasons why it should get no traffic."""
        return ["draining"] if self._is_draining else self._workers.missing()

    async def snapshots(self) -> Sequence[Snapshot]:
        """Return the numbers of all workers, and what ended ones had counted."""
        answers = await self._workers.numbers()
        own: list[Snapshot] = []
        if (alarm := self._audit.alarm) is not None:
            # Alerts on operators are raised here, where their listener is.
            own.append({"sidecar_alert_failures_total": [([], [float(alarm.failed)])]})
        return [*own, *self._ended, *(_snapshot_of(answer) for answer in answers)]

    async def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Have the worker that decided a request explain it; None if none keeps it."""
        answers = await self._workers.ask("explain", request_id)
        found = (answer.get("explained") for answer in answers)
        return next((one for one in found if isinstance(one, dict)), None)

    def _remember(self, answer: Mapping[str, object]) -> None:
        from sidecar.adapters.telemetry.exposition import lasting, merge

        self._ended = [merge([*self._ended, lasting(_snapshot_of(answer))])]


def _unwatched(events: Events) -> Around:
    return Around(os.environ, time.time, time.monotonic, events, lambda _: None, lambda _: None)


def _snapshot_of(answer: Mapping[str, object]) -> Snapshot:
    snapshot = answer.get("snapshot")
    if not isinstance(snapshot, dict):
        raise TypeError("a worker's answer holds no snapshot")
    return snapshot


async def run_worker(loaded: Loaded, descriptor: int, number: int) -> None:
    """Be one worker of a supervisor until it says stop or is gone.

    Raises:
        OSError: a sink, the address or a TLS file cannot be used.
    """
    proxy = Proxy(loaded, str(number))
    stopped = _stop_signal()

    async def start(_: str) -> Mapping[str, object]:
        await proxy.start()
        _settle()
        return {"port": proxy.port}

    async def snapshot(_: str) -> Mapping[str, object]:
        return {"snapshot": proxy.metrics.snapshot()}

    async def explain(request_id: str) -> Mapping[str, object]:
        return {"explained": proxy.explained(request_id)}

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, proxy.audit.reopen)
    supervised = Supervised(descriptor, {"start": start, "snapshot": snapshot, "explain": explain})
    serving = asyncio.create_task(supervised.serve())
    waiting = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        serving.result()
        await waiting
    await proxy.stop()
    serving.cancel()


async def serve(sidecar: Sidecar | Supervisor) -> None:
    """Wait until the process is told to stop, then drain."""
    stopped = obey_signals(sidecar)
    await stopped.wait()
    await sidecar.stop()


def obey_signals(sidecar: Sidecar | Supervisor) -> asyncio.Event:
    """Have SIGHUP open the audit files again, and SIGTERM and SIGINT set the event returned.

    Call it before the start: whoever sees that the sidecar serves may send a signal at once.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, sidecar.reopen)
    return _stop_signal()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _settle() -> None:
    """Leave what was built at start out of all later garbage collections."""
    gc.collect()
    # What loading the policy took is given back: 1.7 MB less for the life of the process.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
