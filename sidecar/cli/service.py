"""What `sidecar run` becomes: one process, or a supervisor or worker of several.

click alone would be 2.8 MB for the life of every process, so nothing here may import it.
"""

import os
import sys
from functools import partial
from typing import Final

import uvloop

from sidecar.adapters.sockets import descriptors_missing
from sidecar.app import Sidecar, Supervisor, obey_signals, run_worker
from sidecar.cli.exit_codes import DONE, FAILED
from sidecar.fronts.proxy.workers import Program, WorkerError
from sidecar.model.errors import InstallationError, StoreUnavailableError
from sidecar.policy.loaded import Loaded
from sidecar.reload import Reloader

TRY: Final = "upstream"
"""Kind of a policy that nobody wrote."""
_PROGRAM: Final = (sys.executable, "-P", "-m", "sidecar.cli.serving")


def serve(loaded: Loaded, kind: str, descriptor: int, worker: str | None = None) -> int:
    """Serve until told to stop.

    Args:
        loaded: the policy.
        kind: `policy` or `upstream`.
        descriptor: where the policy came over, for the workers.
        worker: for a worker the descriptor of its socket and its number, as `5:0`.

    Returns:
        The exit code; a user's mistake is one readable line on stderr.
    """
    try:
        if worker is not None:
            os.close(descriptor)
            socket, _, number = worker.partition(":")
            return uvloop.run(_work(loaded, int(socket), int(number)))
        _warn(loaded)
        return uvloop.run(_serve(loaded, kind, descriptor))
    except (WorkerError, InstallationError) as error:
        _say(f"sidecar: {error}")
        return FAILED
    except StoreUnavailableError as error:
        return _without_store(error)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _without_store(error: StoreUnavailableError) -> int:
    _say(f"sidecar: the state store cannot be used: {error.reason}")
    return FAILED


def _warn(loaded: Loaded) -> None:
    for problem in loaded.warnings:
        _say(str(problem))
    if missing := descriptors_missing(loaded.policy.listen.limits.connections):
        _say(
            f"sidecar: warning: {missing} file descriptors too few for listen.limits.connections"
            " (raise `ulimit -n` or lower the limit)"
        )


async def _work(loaded: Loaded, descriptor: int, number: int) -> int:
    try:
        await run_worker(loaded, descriptor, number)
    except StoreUnavailableError as error:
        # Said before the loop ends: the supervisor, who sees it end, kills what is left.
        return _without_store(error)
    except OSError as error:
        _say(f"sidecar: {_reason(loaded, error)}")
        return FAILED
    return DONE


async def _serve(loaded: Loaded, kind: str, descriptor: int) -> int:
    if loaded.policy.workers > 1:
        sidecar: Sidecar | Supervisor = Supervisor(loaded, partial(_program, kind), descriptor)
    else:
        sidecar = Sidecar(loaded)
    reloader = Reloader(sidecar, descriptor, sidecar.events)
    sidecar.be_reloaded(reloader)
    stopped = obey_signals(sidecar)
    try:
        await sidecar.start()
    except OSError as error:
        _say(f"sidecar: {_reason(loaded, error)}")
        return FAILED
    reloader.start()
    _announce(loaded, sidecar, is_try=kind == TRY)
    await stopped.wait()
    await reloader.close()
    await sidecar.stop()
    return DONE


def _program(kind: str, descriptor: int) -> Program:
    return Program([*_PROGRAM, str(descriptor), kind], descriptor)


def _reason(loaded: Loaded, error: OSError) -> str:
    if error.filename:
        return f"{error.filename}: {error.strerror}"
    listen = loaded.policy.listen
    addresses = [str(listen.proxy), str(listen.admin)]
    if listen.health is not None:
        addresses.append(str(listen.health))
    reason = error.strerror or str(error)
    return f"cannot listen or open a file: {reason} (listeners: {', '.join(addresses)})"


def _announce(loaded: Loaded, sidecar: Sidecar | Supervisor, *, is_try: bool) -> None:
    listen = loaded.policy.listen
    scheme = "https" if listen.tls else "http"
    _say(
        f"sidecar: {scheme}://{listen.proxy.host}:{sidecar.port} -> {loaded.policy.upstream.url}"
        f", admin on http://{listen.admin.host}:{sidecar.admin_port}"
    )
    if loaded.policy.mode == "shadow":
        _say("sidecar: mode shadow: refusals are recorded, not enforced")
    if is_try:
        _say(
            "sidecar: this is the policy `try`: every route is public and only this machine can"
            " connect; write a policy of your own before others do"
        )
