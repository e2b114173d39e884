"""Composition: builds all parts of a sidecar from its policy, starts and stops them in order.

One process: `Sidecar` is proxy, admin and health listeners in one. Several workers: each is a
`Proxy`, and `Supervisor` owns the other listeners.
"""

import asyncio
import os
import signal
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from sidecar.adapters.audit.scribe import SUPERVISOR
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.handover import Handover
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.sockets import open_socket
from sidecar.adapters.telemetry.metrics import Snapshot
from sidecar.admin import Front, Status
from sidecar.fronts.proxy.workers import Message, Program, Supervised, WorkerError, Workers
from sidecar.lasting import Around
from sidecar.memory import forget_former, settle
from sidecar.model.errors import (
    InstallationError,
    KeySetMissingError,
    StoreUnavailableError,
)
from sidecar.model.ports import Events
from sidecar.noting import told_of
from sidecar.outside import Outside
from sidecar.policy.loaded import Loaded
from sidecar.reload import Ready, StagingError
from sidecar.worker import Proxy, Staged

_STOP_SECONDS: Final = 5.0


class Sidecar(Status):
    """A sidecar in one process.

    Attributes:
        proxy: its proxy.
    """

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.proxy = Proxy(loaded)
        store = self.proxy.outside.store
        self._front = Front(loaded.policy, self, self.proxy.audit, store)
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
        settle()
        self._is_started = True

    async def stop(self) -> None:
        """Drain the proxy while health still answers, then stop."""
        await self.proxy.stop()
        await self._front.close()

    def reopen(self) -> None:
        """Open the audit files again after their rotation."""
        self.proxy.audit.reopen()

    @property
    def events(self) -> Events:
        """The audit."""
        return self.proxy.audit

    async def stage(self, handover: Handover) -> Ready:
        """Build everything for another policy.

        Raises:
            OSError: a file or sink that it names cannot be used.
            StoreUnavailableError: the state store cannot be used.
        """
        return await self.stage_loaded(await asyncio.to_thread(handover.reopen))

    async def stage_loaded(self, loaded: Loaded) -> Ready:
        """Do the same for a policy that is decoded.

        Raises:
            OSError: a file or sink that it names cannot be used.
            StoreUnavailableError: the state store cannot be used.
        """
        staged = await self.proxy.stage(loaded)
        change = await self._front.stage(loaded.policy, staged.outside.store)

        async def commit(_: int) -> None:
            self._loaded = loaded
            change()
            await self.proxy.renew(staged)

        return Ready(commit, lambda: self.proxy.discard(staged))

    def is_ready(self) -> Sequence[str]:
        """Return the reasons why it should get no traffic."""
        if self.proxy.is_draining:
            return ["draining"]
        return self.proxy.missing() if self._is_started else ["starting"]

    async def snapshots(self) -> Sequence[Snapshot]:
        """Return the numbers of the process."""
        return [self.proxy.metrics.snapshot(), *self.reloads()]

    async def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain a decision that is kept."""
        return self.proxy.explained(request_id)


class Supervisor(Status):
    """A sidecar of several worker processes; it takes no traffic of clients itself."""

    def __init__(self, loaded: Loaded, program: Callable[[int], Program], descriptor: int) -> None:
        """Prepare the workers.

        Args:
            loaded: the policy.
            program: says how a worker is started that finds its policy in a descriptor.
            descriptor: where this one is.
        """
        super().__init__(loaded)
        policy = loaded.policy
        new_id = UuidV7(time.time, os.urandom)
        self._audit = AuditLedger(policy.audit.on(policy.state), time.time, new_id, role=SUPERVISOR)
        self._program = program
        self._workers = Workers(policy.workers, program(descriptor), self._remember)
        # The workers have stores of their own; this one is for the admin API.
        outside = self._outside = Outside(policy, _unwatched(self._audit))
        self._front = Front(policy, self, self._audit, outside.store)
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

    @property
    def events(self) -> Events:
        """The audit."""
        return self._audit

    async def stage(self, handover: Handover) -> Ready:
        """Have every process build another policy; none takes it unless all can.

        Raises:
            OSError: a sink that it names cannot be used.
            StoreUnavailableError: the state store cannot be used.
            StagingError: a worker cannot build it; the message says why.
        """
        loaded = await asyncio.to_thread(handover.reopen)
        policy = loaded.policy
        sinks = await self._audit.stage(policy.audit.on(policy.state))
        try:
            outside = Outside(policy, _unwatched(self._audit), self._outside.lasting)
            await outside.open_store()
            change = await self._front.stage(policy, outside.store)
            await self._workers.stage(b64encode(handover.content).decode())
        except WorkerError as error:
            self._audit.unstage(sinks)
            raise StagingError(str(error)) from error
        except BaseException:
            self._audit.unstage(sinks)
            raise

        async def commit(descriptor: int) -> None:
            self._loaded, self._outside = loaded, outside
            change()
            alarm = self._audit.renew(policy.audit.on(policy.state), sinks)
            await self._workers.commit(self._program(descriptor))
            if alarm is not None:
                await alarm.close()
            await forget_former()

        async def discard() -> None:
            self._audit.unstage(sinks)
            await self._workers.discard()

        return Ready(commit, discard)

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
        answers, silent = await self._workers.numbers()
        return [
            told_of(self._audit),
            {"sidecar_worker_restarts_total": [((), (float(self._workers.restarts),))]},
            *self._ended,
            *(_snapshot_of(answer) for answer in answers),
            *(_lasting(answer) for answer in silent),
            *self.reloads(),
        ]

    async def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Have the worker that decided a request explain it; None if none keeps it."""
        # Whoever can ask has it in memory already.
        from sidecar.lifecycle.explain_operations import chosen

        answers = await self._workers.ask("explain", request_id)
        found = [answer.get("explained") for answer in answers]
        return chosen([one for one in found if isinstance(one, dict)], request_id)

    def _remember(self, answer: Mapping[str, object]) -> None:
        from sidecar.adapters.telemetry.exposition import merge

        self._ended = [merge([*self._ended, _lasting(answer)])]


def _unwatched(events: Events) -> Around:
    return Around(os.environ, time.time, time.monotonic, events, lambda _: None, lambda _: None)


def _lasting(answer: Mapping[str, object]) -> Snapshot:
    from sidecar.adapters.telemetry.exposition import lasting

    return lasting(_snapshot_of(answer))


def _snapshot_of(answer: Mapping[str, object]) -> Snapshot:
    snapshot = answer.get("snapshot")
    if not isinstance(snapshot, dict):
        raise TypeError("a worker's answer holds no snapshot")
    return snapshot


class _Staging:
    """A worker's part in a reload: it builds a policy, then takes it or lets go of it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._staged: Staged | None = None

    def answers(self) -> Mapping[str, Callable[[str], Awaitable[Message]]]:
        """Return what is done for each question of the supervisor."""
        return {"stage": self._stage, "commit": self._commit, "discard": self._discard}

    async def _stage(self, policy: str) -> Message:
        await self._discard("")
        content = b64decode(policy)
        try:
            loaded = await asyncio.to_thread(Handover(content).reopen)
            self._staged = await self._proxy.stage(loaded)
        except KeySetMissingError as error:
            return {"reason": error.reason}
        except StoreUnavailableError as error:
            return {"reason": f"the state store cannot be used: {error.reason}"}
        except InstallationError as error:
            return {"reason": str(error)}
        except OSError as error:
            reason = error.strerror or str(error)
            return {"reason": f"{error.filename}: {reason}" if error.filename else reason}
        return {"is_done": True}

    async def _commit(self, _: str) -> Message:
        staged, self._staged = self._staged, None
        if staged is None:
            return {"reason": "there is nothing to take"}
        await self._proxy.renew(staged)
        return {"is_done": True}

    async def _discard(self, _: str) -> Message:
        staged, self._staged = self._staged, None
        if staged is not None:
            await self._proxy.discard(staged)
        return {"is_done": True}


async def run_worker(loaded: Loaded, descriptor: int, number: int) -> None:
    """Be one worker of a supervisor until it says stop or is gone.

    Raises:
        OSError: a sink, the address or a TLS file cannot be used.
    """
    proxy = Proxy(loaded, str(number))
    stopped = _stop_signal()

    async def start(_: str) -> Message:
        await proxy.start()
        settle()
        return {"port": proxy.port}

    async def snapshot(_: str) -> Message:
        return {"snapshot": proxy.metrics.snapshot()}

    async def explain(request_id: str) -> Message:
        return {"explained": proxy.explained(request_id)}

    async def missing(_: str) -> Message:
        return {"missing": proxy.missing()}

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, proxy.audit.reopen)
    own = {"start": start, "snapshot": snapshot, "explain": explain, "missing": missing}
    supervised = Supervised(descriptor, {**own, **_Staging(proxy).answers()})
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
    """Have SIGHUP open the audit files again and reload, SIGTERM and SIGINT set the event returned.

    Call it before the start: whoever sees that the sidecar serves may send a signal at once.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, sidecar.hang_up)
    return _stop_signal()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # What came since the command began was held (sidecar/cli/main.py).
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return stopped
