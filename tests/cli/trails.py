"""A trail with a past: records of many months, in rotated files, and the commands that read it."""

import gzip
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.cli.main import invoke
from sidecar.model.ports import Event
from sidecar.policy.load import load
from sidecar.policy.schema.policy import Policy
from tests.cli.acting import Said, said

DAY: Final = 86400.0
POLICY: Final = """\
version: 1
upstream: http://127.0.0.1:3000
audit:
  sinks: [{file: audit.jsonl, rotate: {size: 1GB}}]
  signing_key: file:audit.pem
  retention: {default: 90d, admin: 400d}
routes: [{path: /**, public: true}]
"""
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def an_event(action: str, tenant: str | None, about: str) -> Event:
    return Event(action, "ops", tenant, action.partition(".")[0], about)


@dataclass
class Trail:
    """A folder with a policy and its trail."""

    folder: Path
    capfd: pytest.CaptureFixture[str]

    @property
    def file(self) -> Path:
        return self.folder / "audit.jsonl"

    def policy(self) -> Policy:
        name = str(self.folder / "policy.yaml")
        return load(name, lambda file: Path(file).read_bytes(), {}).policy

    async def write(self, days_ago: float, *events: Event, role: str = "0") -> None:
        """Be a process that writes records and ends, some days ago."""
        now = time.time() - days_ago * DAY
        section = self.policy().audit
        ledger = AuditLedger(section, lambda: now, UuidV7(lambda: now, os.urandom), role=role)
        await ledger.start()
        for event in events:
            ledger.note_event(event)
        await ledger.close()

    def rotate(self, name: str, days_ago: float) -> Path:
        """Give the file that is written another name; packed, if it ends so."""
        rotated = self.folder / f"audit.jsonl.{name}"
        content = self.file.read_bytes()
        rotated.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        self.file.unlink()
        moment = time.time() - days_ago * DAY
        os.utime(rotated, (moment, moment))
        return rotated

    def run(self, *words: str) -> Said:
        return said(invoke(list(words)), self.capfd)

    def purge(self, *words: str) -> Said:
        return self.run("audit", "purge", "--policy", str(self.folder / "policy.yaml"), *words)

    def erase(self, *words: str) -> Said:
        policy = str(self.folder / "policy.yaml")
        return self.run("audit", "erase-tenant", "--policy", policy, *words)

    def verify(self, *words: str) -> Said:
        key = str(self.folder / "audit.pub")
        return self.run("audit", "verify", str(self.file), "--public-key", key, *words)

    def lines(self) -> list[bytes]:
        """All lines of all files."""
        found: list[bytes] = []
        for path in sorted(self.folder.glob("audit.jsonl*")):
            content = path.read_bytes()
            found += (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
        return found

    def about(self, words: Sequence[str]) -> list[str]:
        """Those of some words that stand somewhere in the trail, in their order."""
        text = b"\n".join(self.lines()).decode()
        return [word for word in words if f'"{word}"' in text]


def a_trail(folder: Path, capfd: pytest.CaptureFixture[str], policy: str = POLICY) -> Trail:
    """Lay a policy and its keys into a folder."""
    (folder / "audit.pem").write_bytes(
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "audit.pub").write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "policy.yaml").write_text(policy)
    return Trail(folder, capfd)


def a_trail_here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Trail:
    """Make a trail whose policy commands find by themselves: they run in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDECAR_POLICY", raising=False)
    return a_trail(tmp_path, capfd)
