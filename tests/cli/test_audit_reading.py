"""`sidecar audit tail`, `search`, `export`: on files of a policy, and on an admin listener."""

import asyncio
import csv
import gzip
import io
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.cli.main import invoke
from sidecar.fronts.admin.applications import admin_app
from sidecar.fronts.admin.listener import Listener
from sidecar.lifecycle.audit_operations import audit_operations
from sidecar.model.ports import Event
from sidecar.policy.load import load
from tests.cli.acting import POLICY, Said, a_folder, said
from tests.fronts.admin.listening import ADMIN, READ, Sidecar

pytestmark = pytest.mark.control("AU-3")

TRAIL = POLICY.replace(
    "audit: {sinks: [{file: audit.jsonl}]}",
    "audit: {sinks: [stdout, {file: audit.jsonl}], alerts: {}, export_tiers: [enterprise]}",
).replace("globex: {}", "globex: {tier: enterprise}")
EVENTS = [
    Event("key.create", "ops", "acme", "key", "k1"),
    Event("key.revoke", "anna", "globex", "key", "=cmd|' /C calc'!A0", "no such key"),
    Event("tenant.update", "ops", "acme", "tenant", "acme"),
]


@dataclass(frozen=True)
class Desk:
    """A trail and a way to read it."""

    folder: Path
    options: list[str]
    capfd: pytest.CaptureFixture[str]
    ledger: AuditLedger | None = None

    async def act(self, *words: str) -> Said:
        code = await asyncio.to_thread(invoke, ["audit", *words, *self.options])
        if self.ledger is not None:
            # A command has written its records when it ends; a listener writes them soon.
            self.ledger.flush()
            while any(sink.waiting for sink in self.ledger.sinks):  # noqa: ASYNC110 -- threads write
                await asyncio.sleep(0.002)
        return said(code, self.capfd)


async def write(folder: Path) -> None:
    """Write a trail, whose first record is in a file that was rotated and packed."""
    policy = load(str(folder / "policy.yaml"), lambda name: Path(name).read_bytes(), {}).policy
    section = policy.audit.model_copy(update={"sinks": policy.audit.sinks[1:]})
    for events in (EVENTS[:1], EVENTS[1:]):
        ledger = AuditLedger(section, time.time, UuidV7(time.time, os.urandom), role="0")
        await ledger.start()
        for event in events:
            ledger.note_event(event)
        await ledger.close()
        trail = folder / "audit.jsonl"
        if events == EVENTS[:1]:
            (folder / "audit.jsonl.1.gz").write_bytes(gzip.compress(trail.read_bytes()))
            os.utime(folder / "audit.jsonl.1.gz", (1, 1))
            trail.unlink()


@pytest.fixture(params=["policy", "admin"])
async def desk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    monkeypatch.chdir(tmp_path)
    for name in ("SIDECAR_POLICY", "SIDECAR_ADMIN", "SIDECAR_ADMIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    file = a_folder(tmp_path, TRAIL)
    await write(tmp_path)
    if request.param == "policy":
        yield Desk(tmp_path, ["--policy", str(file)], capfd)
        return
    policy = load(str(file), lambda name: Path(name).read_bytes(), {}).policy
    section = policy.audit.model_copy(update={"flush": 0.001})
    ledger = AuditLedger(section, time.time, UuidV7(time.time, os.urandom), role="0", standard=2)
    await ledger.start()
    rows = audit_operations(policy, None, ledger, time.time)
    app = admin_app(Sidecar(), [READ, ADMIN], Sidecar().note, operations=rows)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    (tmp_path / "token").write_text("read-token\n")
    url = f"http://127.0.0.1:{listener.port}"
    yield Desk(tmp_path, ["--admin", url, "--token-file", str(tmp_path / "token")], capfd, ledger)
    await listener.close()
    await ledger.close()


def records(done: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out]


def resources(done: Said) -> list[str]:
    return [r["resource_id"] for r in records(done) if not r["action"].startswith("audit.")]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), ["k1", EVENTS[1].resource_id, "acme"]),
        (("--tenant", "acme"), ["k1", "acme"]),
        (("--action", "key.*"), ["k1", EVENTS[1].resource_id]),
        (("--action", "key.revoke", "--action", "tenant.update"), [EVENTS[1].resource_id, "acme"]),
        (("--outcome", "refused"), [EVENTS[1].resource_id]),
        (("--actor", "anna"), [EVENTS[1].resource_id]),
        (("--since", "1h", "--tenant", "acme"), ["k1", "acme"]),
        (("--since", "2020-01-01", "--until", "2020-01-02T00:00:00Z"), []),
    ],
)
async def test_a_search_finds_what_fits_in_all_files(
    desk: Desk, words: tuple[str, ...], found: list[str]
) -> None:
    done = await desk.act("search", "--json", *words)
    assert resources(done) == found
    assert done.code == (DONE if found else NO)


async def test_the_last_ones_are_shown_as_a_table(desk: Desk) -> None:
    done = await desk.act("tail", "-n", "2", "--action", "key.*")
    assert done.code == DONE
    assert done.out[0].split() == [
        "TIME", "TENANT", "ACTOR", "ACTION", "OUTCOME", "STATUS", "RESOURCE", "REASON",
    ]  # fmt: skip
    assert [line.split()[2:4] for line in done.out[1:]] == [
        ["ops", "key.create"], ["anna", "key.revoke"],
    ]  # fmt: skip
    shown = await desk.act("tail", "--json", "-n", "1", "--tenant", "acme", "--action", "tenant.*")
    assert resources(shown) == ["acme"]


async def test_every_reading_is_in_the_trail(desk: Desk) -> None:
    await desk.act("tail")
    await desk.act("search", "--tenant", "acme", "--since", "1h")
    await desk.act("export", "--tenant", "globex")
    done = await desk.act("search", "--json", "--action", "audit.*", "--action", "alert.*")
    own = [r for r in records(done) if r["action"] not in {"audit.start", "audit.torn"}]
    assert [(r["action"], r["tenant_id"]) for r in own][:6] == [
        ("audit.read", None), ("alert.admin_access", None),
        ("audit.read", "acme"), ("alert.admin_access", "acme"),
        ("audit.export", "globex"), ("alert.admin_access", "globex"),
    ]  # fmt: skip
    assert own[2]["metadata"]["details"] == {"since": "1h", "limit": "500"}


async def test_json_lines_are_the_bytes_that_were_written(desk: Desk) -> None:
    done = await desk.act("export", "--action", "key.create")
    written = gzip.decompress((desk.folder / "audit.jsonl.1.gz").read_bytes()).decode()
    assert [line for line in written.splitlines() if "key.create" in line] == done.out
    assert "1 records" in done.err


async def test_a_table_has_no_formula(desk: Desk) -> None:
    done = await desk.act("export", "--format", "csv", "--output", "out.csv")
    assert done.code == DONE
    text = (desk.folder / "out.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["resource_id"] for row in rows if row["action"] == "key.revoke"] == [
        "'" + EVENTS[1].resource_id
    ]
    assert (desk.folder / "out.csv").stat().st_mode & 0o777 == 0o600


async def test_events_of_ocsf_are_lines_of_json(desk: Desk) -> None:
    done = await desk.act("export", "--format", "ocsf", "--action", "key.*")
    assert [(e["class_uid"], e["activity_id"], e["status_id"]) for e in records(done)] == [
        (6003, 1, 1), (6003, 4, 2),
    ]  # fmt: skip


async def test_an_export_needs_a_tier_that_has_one(desk: Desk) -> None:
    done = await desk.act("export", "--tenant", "acme", "--output", "out.jsonl")
    assert (done.code, done.out) == (NO, [])
    assert "the tier of the tenant acme has no export" in done.err
    assert "enterprise" in done.err
    assert not (desk.folder / "out.jsonl").exists()
    refused = records(await desk.act("search", "--json", "--action", "audit.export"))
    assert [record["outcome"] for record in refused] == ["refused"]
    assert (await desk.act("export", "--tenant", "globex")).code == DONE


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("search", "--since", "yesterday"), USAGE, "since is no point in time"),
        (("search", "--tenant", "a b"), USAGE, "tenant"),
        (("tail", "-n", "0"), USAGE, "1<=x<=500"),
        (("export", "--format", "xml"), USAGE, "xml"),
        (("export", "--output", "policy.yaml"), USAGE, "is there already"),
    ],
)
async def test_a_mistake_is_one_line(
    desk: Desk, words: tuple[str, ...], code: int, hint: str
) -> None:
    done = await desk.act(*words)
    assert (done.code, done.out) == (code, [])
    assert hint in done.err


async def test_a_packed_file_that_is_cut_off_is_named(desk: Desk) -> None:
    packed = desk.folder / "audit.jsonl.1.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    done = await desk.act("search")
    assert done.code == FAILED
    assert "audit.jsonl.1.gz cannot be unpacked" in done.err
