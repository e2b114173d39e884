"""A command under test, as a shell would call it, on a store or on a running admin listener."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.fronts.admin.applications import admin_app
from sidecar.fronts.admin.listener import Listener
from tests.fronts.admin.listening import ADMIN, READ, Sidecar
from tests.lifecycle.desks import Installation

POLICY = """\
version: 1
upstream: http://127.0.0.1:3000
state: "sqlite:state.db"
secrets: {pepper: "file:pepper"}
authentication:
  api_keys: {formats: [{kind: secret, prefix: sk_live}, {kind: publishable, prefix: pk}]}
tenants: {acme: {projects: {shop: {}}}, globex: {}}
audit: {sinks: [{file: audit.jsonl}]}
routes: [{path: /**, role: viewer}]
"""


@dataclass(frozen=True)
class Said:
    """What a command said.

    Attributes:
        code: exit code.
        out: lines of standard output.
        err: text of standard error.
    """

    code: int
    out: list[str]
    err: str


def a_folder(path: Path, policy: str = POLICY) -> Path:
    """Put a policy and its secrets into a folder; returns the policy's file."""
    (path / "pepper").write_text("a pepper of some length\n")
    (path / "policy.yaml").write_text(policy)
    return path / "policy.yaml"


def said(code: int, capfd: pytest.CaptureFixture[str]) -> Said:
    """Collect what a command said."""
    captured = capfd.readouterr()
    return Said(code, captured.out.splitlines(), captured.err)


@asynccontextmanager
async def listening(installation: Installation, path: Path) -> AsyncIterator[Sequence[str]]:
    """Serve an installation; gives the options that reach it with a token that may change it."""
    operations = installation.operations.values()
    app = admin_app(Sidecar(), [READ, ADMIN], Sidecar().note, operations=operations)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    token = path / "token"
    token.write_text("admin-token\n")
    try:
        yield ["--admin", f"http://127.0.0.1:{listener.port}", "--token-file", str(token)]
    finally:
        await listener.close()
