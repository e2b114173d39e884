"""`sidecar demo`: a real sidecar in front of a bundled service, and a tour of what it does."""

import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import uvloop

from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import read_file
from sidecar.app import Sidecar, serve
from sidecar.cli.exit_codes import DONE, FAILED, NO
from sidecar.fronts.demo.stops import ACME_KEY, REVOKED_KEY
from sidecar.fronts.demo.tour import Tour
from sidecar.fronts.demo.upstream import serving
from sidecar.knowledge.auth.digest import DigestRing
from sidecar.lifecycle.key_drafts import DraftRules, KeyDraft
from sidecar.lifecycle.keys import Keys, Source
from sidecar.policy.load import load
from sidecar.policy.schema.policy import Policy

_ACTOR: Final = "demo"
_HOST: Final = "127.0.0.1"
_PORT = click.IntRange(1, 65535)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo takes place.

    Attributes:
        policy: the demo's policy file.
        audit: the file of audit records.
        port: port of the proxy listener.
        admin_port: port of the admin listener.
    """

    policy: Path
    audit: Path
    port: int
    admin_port: int


@click.command(epilog="Example: sidecar demo --once")
@click.option("--once", is_flag=True, help="End after the tour; exit status 1 if a stop failed.")
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Port of the proxy.")
@click.option("--admin-port", type=_PORT, default=9901, show_default=True, help="Port of metrics.")
def command(*, once: bool, port: int, admin_port: int) -> int:
    """Take a tour: the sidecar, a small service behind it, and the reason of every answer.

    Everything runs on this machine and needs no network. Exit status: 0 every stop was as
    expected, 1 one was not, 3 a port cannot be used.
    """
    if port == admin_port:
        raise click.UsageError("--port and --admin-port must differ")
    for option, number in (("--port", port), ("--admin-port", admin_port)):
        if obstacle := _obstacle(number):
            click.echo(
                f"sidecar: port {number} cannot be used: {obstacle} (choose another: {option})",
                err=True,
            )
            return FAILED
    with (
        TemporaryDirectory(prefix="sidecar-demo-") as folder,
        as_file(files("sidecar.fronts.demo")) as package,
    ):
        stage = _Stage(package / "demo.yaml", Path(folder) / "audit.jsonl", port, admin_port)
        return uvloop.run(_show(stage, once=once))


def _obstacle(port: int) -> str | None:
    """Say why a port cannot be bound.

    The sidecar's own listener shares its port (SO_REUSEPORT), so that a second one would start
    and get half of the first one's connections; this bind shares nothing.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


async def _show(stage: _Stage, *, once: bool) -> int:
    async with serving(_HOST) as upstream_port, _sidecar(stage, upstream_port) as running:
        sidecar, keys = running
        click.echo(
            f"A sidecar on http://{_HOST}:{stage.port}, and behind it a small service on port"
            f" {upstream_port}.\nIts policy is {stage.policy}\n"
        )
        has_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        origin = (_HOST, stage.port)
        is_good = await Tour(origin, stage.audit, click.echo, has_colour, keys).walk()
        if not once:
            click.echo(_suggestions(stage, keys[ACME_KEY]))
            await serve(sidecar)
    return DONE if is_good else NO


@asynccontextmanager
async def _sidecar(
    stage: _Stage, upstream_port: int
) -> AsyncIterator[tuple[Sidecar, Mapping[str, str]]]:
    """Run the sidecar as `sidecar run` does, with the variables that the policy names.

    Yields:
        The sidecar, and its keys by what stands for them in the tour.
    """
    variables = {
        "SIDECAR_DEMO_PORT": str(stage.port),
        "SIDECAR_DEMO_ADMIN_PORT": str(stage.admin_port),
        "SIDECAR_DEMO_UPSTREAM_PORT": str(upstream_port),
        "SIDECAR_DEMO_AUDIT": str(stage.audit),
        "SIDECAR_DEMO_PEPPER": os.urandom(32).hex(),
    }
    loaded = load(str(stage.policy), read_file, variables)
    sidecar = Sidecar(loaded)
    await sidecar.start()
    try:
        yield sidecar, await _make_keys(sidecar, loaded.policy)
    finally:
        await sidecar.stop()


async def _make_keys(sidecar: Sidecar, policy: Policy) -> Mapping[str, str]:
    """Make the keys of the tour, as `sidecar keys` would."""
    store = sidecar.proxy.outside.store
    if store is None:
        raise RuntimeError("the demo's policy has no API keys")
    rules, ring = DraftRules(policy, store), DigestRing(policy.secrets.pepper or ())
    source = Source(time.time, os.urandom, UuidV7(time.time, os.urandom))
    keys = Keys(store, rules, ring, sidecar.proxy.audit, source)
    draft = KeyDraft(tenant="acme", roles=("developer",))
    good, revoked = await keys.create(_ACTOR, draft), await keys.create(_ACTOR, draft)
    await keys.revoke(_ACTOR, revoked.record.id)
    made = {ACME_KEY: good, REVOKED_KEY: revoked}
    return {name: one.key.reveal().decode() for name, one in made.items()}


def _suggestions(stage: _Stage, key: str) -> str:
    origin = f"http://{_HOST}:{stage.port}"
    return f"""
It keeps serving until you press Ctrl-C. Try:

  {origin}/ in a browser
  curl -i {origin}/leaky
  curl -s -H 'X-User-Id: root' {origin}/echo/who
  curl -s -H 'X-API-Key: {key}' {origin}/echo/orgs/acme/who
  curl -i --path-as-is {origin}/api/items/../../internal/report
  curl -N {origin}/events?count=20
  curl -s -T FILE {origin}/upload
  curl -s http://{_HOST}:{stage.admin_port}/metrics | grep sidecar_requests_total
  tail -f {stage.audit}

A policy of your own begins with a copy of this one; `sidecar check` tells what is wrong with it."""
