"""What `sidecar run` becomes: the process that serves, without what only a command line needs.

It is started as `python -P -m sidecar.cli.serving KIND NAME [FD:NUMBER]`, by `sidecar run` and by
the supervisor for each worker; its arguments were checked already. click alone would be 2.8 MB for
the life of every process, so nothing here may import it.
"""

import os
import resource
import sys
from pathlib import Path
from typing import Final

import uvloop

from sidecar.adapters.sockets import descriptors_missing
from sidecar.adapters.telemetry.logs import set_up
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.knowledge.conditions.rule import RULES
from sidecar.model.errors import InstallationError, PolicyError, StoreUnavailableError
from sidecar.policy.load import Loaded, load, load_try

try:
    from sidecar.app import Sidecar, Supervisor, obey_signals, run_worker
    from sidecar.fronts.proxy.workers import WorkerError
except InstallationError as error:
    sys.stderr.write(f"sidecar: {error}\n")
    sys.exit(FAILED)

_UPSTREAM: Final = "upstream"
# Its name, since this module runs as `__main__`.
_THIS: Final = "sidecar.cli.serving"


def main(arguments: list[str]) -> int:
    """Serve until told to stop.

    Args:
        arguments: `policy` and a file, or `upstream` and a URL; for a worker the file descriptor
            of its socket and its number too.

    Returns:
        The exit code; a user's mistake is one readable line on stderr.
    """
    kind, name, *worker = arguments
    set_up(sys.stderr)
    _forbid_core_dumps()
    try:
        if kind == _UPSTREAM:
            loaded = load_try(name, _read, os.environ)
        else:
            loaded = load(name, _read, os.environ, RULES)
        if worker:
            descriptor, _, number = worker[0].partition(":")
            return uvloop.run(_work(loaded, int(descriptor), int(number)))
        _warn(loaded)
        return uvloop.run(_serve(loaded, kind, name))
    except PolicyError as error:
        _say(str(error))
        return NO
    except WorkerError as error:
        _say(f"sidecar: {error}")
        return FAILED
    except StoreUnavailableError as error:
        return _without_store(error)
    except OSError as error:
        _say(f"sidecar: {error.filename}: {error.strerror}")
        return USAGE


def _forbid_core_dumps() -> None:
    """Keep what is in memory, keys and peppers among it, out of core files; workers inherit it.

    The programs to which distributions pipe dumps (systemd-coredump, apport) obey the limit too.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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


def _read(name: str) -> bytes:
    return Path(name).read_bytes()


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


async def _serve(loaded: Loaded, kind: str, name: str) -> int:
    if loaded.policy.workers > 1:
        sidecar: Sidecar | Supervisor = Supervisor(
            loaded, [sys.executable, "-P", "-m", _THIS, kind, name]
        )
    else:
        sidecar = Sidecar(loaded)
    stopped = obey_signals(sidecar)
    try:
        await sidecar.start()
    except OSError as error:
        _say(f"sidecar: {_reason(loaded, error)}")
        return FAILED
    _announce(loaded, sidecar, is_try=kind == _UPSTREAM)
    await stopped.wait()
    await sidecar.stop()
    return DONE


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
