"""`sidecar run`: serve a policy, or protect an upstream without one."""

import os
import sys
from pathlib import Path

import click
import uvloop

from sidecar.adapters.telemetry.logs import set_up
from sidecar.app import Sidecar, Supervisor, descriptors_missing, obey_signals, run_worker
from sidecar.cli.exit_codes import DONE, FAILED
from sidecar.fronts.proxy.workers import WorkerError
from sidecar.policy.load import Loaded, load, load_try


@click.command(
    epilog="Example: sidecar run policy.yaml, or: sidecar run --upstream http://127.0.0.1:3000"
)
@click.argument(
    "policy", required=False, envvar="SIDECAR_POLICY", type=click.Path(exists=True, dir_okay=False)
)
@click.option("--upstream", metavar="URL", help="Try the sidecar in front of URL without a policy.")
@click.option("--worker", hidden=True, help="Be a worker: file descriptor and number.")
def command(policy: str | None, upstream: str | None, worker: str | None) -> int:
    """Serve POLICY, or with --upstream the policy `try`: local, all routes public, hardening on.

    SIGTERM drains and ends; SIGHUP opens the audit files again. Exit status: 0 ended, 1 the policy
    is wrong, 2 usage or a missing file, 3 it could not start.
    """
    if (policy is None) == (upstream is None):
        raise click.UsageError("give either a policy file or --upstream URL")
    set_up(sys.stderr)
    read = _read
    if upstream is not None:
        loaded = load_try(upstream, read, os.environ)
        arguments = ["run", "--upstream", upstream]
    else:
        loaded = load(str(policy), read, os.environ)
        arguments = ["run", str(policy)]
    if worker is not None:
        descriptor, _, number = worker.partition(":")
        uvloop.run(_work(loaded, int(descriptor), int(number)))
        return DONE
    for problem in loaded.warnings:
        click.echo(str(problem), err=True)
    if missing := descriptors_missing(loaded.policy):
        click.echo(
            f"sidecar: warning: {missing} file descriptors too few for listen.limits.connections"
            " (raise `ulimit -n` or lower the limit)",
            err=True,
        )
    try:
        return uvloop.run(_serve(loaded, arguments, is_try=upstream is not None))
    except WorkerError as error:
        click.echo(f"sidecar: {error}", err=True)
        return FAILED


def _read(name: str) -> bytes:
    return Path(name).read_bytes()


async def _work(loaded: Loaded, descriptor: int, number: int) -> None:
    try:
        await run_worker(loaded, descriptor, number)
    except OSError as error:
        raise click.ClickException(_reason(loaded, error)) from error


async def _serve(loaded: Loaded, arguments: list[str], *, is_try: bool) -> int:
    if loaded.policy.workers > 1:
        sidecar: Sidecar | Supervisor = Supervisor(loaded, arguments)
    else:
        sidecar = Sidecar(loaded)
    stopped = obey_signals(sidecar)
    try:
        await sidecar.start()
    except OSError as error:
        click.echo(f"sidecar: {_reason(loaded, error)}", err=True)
        return FAILED
    _announce(loaded, sidecar, is_try=is_try)
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
    click.echo(
        f"sidecar: {scheme}://{listen.proxy.host}:{sidecar.port} -> {loaded.policy.upstream.url}"
        f", admin on http://{listen.admin.host}:{sidecar.admin_port}",
        err=True,
    )
    if loaded.policy.mode == "shadow":
        click.echo("sidecar: mode shadow: refusals are recorded, not enforced", err=True)
    if is_try:
        click.echo(
            "sidecar: this is the policy `try`: every route is public and only this machine can"
            " connect; write a policy of your own before others do",
            err=True,
        )
