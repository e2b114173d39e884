"""What operators see and call: the admin and health listeners over a sidecar, whatever it is."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sidecar import __version__
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.telemetry.metrics import Snapshot
from sidecar.adapters.telemetry.scrapes import Scrapes, asks_openmetrics
from sidecar.fronts.admin.applications import admin_app, health_app
from sidecar.fronts.admin.listener import Listener as AdminListener
from sidecar.fronts.admin.state import State
from sidecar.knowledge.auth.assertion import Signer
from sidecar.lifecycle.errors import ConflictError
from sidecar.model.ports import Events, Store
from sidecar.noting import keeps_decisions
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy
from sidecar.reload import Reloader, Result, Wish, shown

if TYPE_CHECKING:
    from sidecar.lifecycle.operations import Operation
    from sidecar.lifecycle.reload_operations import Reloading

_DONE: Final = frozenset({Result.ADMITTED, Result.PLANNED, Result.UNCHANGED})


class Status(State):
    """What admin and health listeners show, for one process and for several."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._started = time.time()
        self._reloader: Reloader | None = None
        self._scrapes = Scrapes(self._exposed, time.monotonic)

    @property
    def loaded(self) -> Loaded:
        """The policy in force."""
        return self._loaded

    def reopen(self) -> None:
        """Open the audit files again after their rotation."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Do what SIGHUP asks for: open the audit files again, and read the policy anew."""
        self.reopen()
        if self._reloader is not None:
            self._reloader.order()

    def be_reloaded(self, reloader: Reloader) -> None:
        """Say who brings other policies into force."""
        self._reloader = reloader

    async def reload(self, actor: str, *, is_dry: bool, acknowledged: str) -> Mapping[str, object]:
        """Bring the policy file into force, or say what would change.

        Raises:
            ConflictError: it is not in force; the message says why.
        """
        if self._reloader is None or not self._loaded.name:
            message = "the policy of this sidecar is no file"
            raise ConflictError(message, "start it with sidecar run FILE")
        outcome = await self._reloader.reload(Wish(actor, is_dry, acknowledged))
        if outcome.result not in _DONE:
            lines = outcome.problems
            if outcome.result is Result.UNACKNOWLEDGED and outcome.report is not None:
                lines = tuple(outcome.report.diff.lines)
            raise ConflictError("\n".join((outcome.reason, *lines)))
        return shown(outcome)

    def reloads(self) -> Sequence[Snapshot]:
        """Return the numbers of the reloader."""
        return () if self._reloader is None else (self._reloader.snapshot(),)

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text of all metrics."""
        return await self._scrapes.read(is_openmetrics=asks_openmetrics(accept))

    async def _exposed(self, is_openmetrics: bool) -> tuple[str, bytes]:  # noqa: FBT001 -- as `Scrapes` calls it
        snapshots = await self.snapshots()
        return await asyncio.to_thread(_exposed, snapshots, is_openmetrics=is_openmetrics)

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
            "reload": None if self._reloader is None else self._reloader.told,
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


def _exposed(snapshots: Sequence[Snapshot], *, is_openmetrics: bool) -> tuple[str, bytes]:
    # prometheus_client brings a web server and a client along: 1 MB for those who scrape, and a
    # long text to write; both in a thread, so that nobody waits for them.
    from sidecar.adapters.telemetry.exposition import merge, render

    return render(merge(snapshots), is_openmetrics=is_openmetrics)


class Front:
    """The admin and health listeners over a state."""

    def __init__(
        self, policy: Policy, status: Status, audit: AuditLedger, store: Store | None
    ) -> None:
        self._status, self._audit = status, audit
        listen = policy.listen
        app = self._admin(policy, store)
        self._listeners = [AdminListener(app, listen.admin.host, listen.admin.port)]
        if listen.health is not None:
            app = health_app(status, [listen.health.host])
            self._listeners.append(AdminListener(app, listen.health.host, listen.health.port))

    def _admin(self, policy: Policy, store: Store | None) -> web.Application:
        return admin_app(
            self._status,
            policy.admin.tokens,
            self._audit.note_denied,
            [policy.listen.admin.host],
            operations=(
                *_operations(policy, store, self._audit, self._status.reload),
                *_explaining(policy, self._status, self._audit),
            ),
        )

    @property
    def ports(self) -> list[int]:
        """Ports of the listeners, the admin listener's first."""
        return [listener.port for listener in self._listeners]

    async def start(self) -> None:
        """Serve.

        Raises:
            OSError: an address cannot be used.
        """
        for listener in self._listeners:
            await listener.start()

    async def stage(self, policy: Policy, store: Store | None) -> Callable[[], None]:
        """Prepare the admin listener for another policy; what is returned puts it in force."""
        return await self._listeners[0].stage(self._admin(policy, store))

    async def close(self) -> None:
        """Stop, after answers that are under way."""
        for listener in self._listeners:
            await listener.close()


def _operations(
    policy: Policy, store: Store | None, events: Events, reload: "Reloading"
) -> Sequence["Operation"]:
    """List what the admin API can do: nothing without tokens, little without a store."""
    if not policy.admin.tokens:
        return ()
    # Memory for those alone who can use it.
    from sidecar.lifecycle.reload_operations import reload_operations

    reloading = reload_operations(reload)
    if store is None:
        from sidecar.lifecycle.audit_operations import audit_operations

        return (*reloading, *audit_operations(policy, None, events, time.time))
    from sidecar.lifecycle.desk import operations_of
    from sidecar.lifecycle.keys import Source

    source = Source(time.time, os.urandom, UuidV7(time.time, os.urandom))
    return (*reloading, *operations_of(policy, store, events, source))


def _explaining(policy: Policy, status: Status, events: Events) -> Sequence["Operation"]:
    """List what may be asked of decisions: nothing where none are kept."""
    if not keeps_decisions(policy):
        return ()
    from sidecar.lifecycle.explain_operations import ExplainDesk

    operations = ExplainDesk(status.explained, events).operations()
    if policy.audit.alerts is None:
        return operations
    from sidecar.lifecycle.alerts import alerting

    return alerting(operations, events)
