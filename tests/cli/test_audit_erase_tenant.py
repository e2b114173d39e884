"""`sidecar audit erase-tenant`: nothing of a tenant is left in the files, and verify says so."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.adapters.audit.scribe import COMMAND
from sidecar.adapters.audit.spill import SpillFile
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.knowledge.audit.certificate import tenant_digest
from sidecar.knowledge.audit.removal import OfTenant
from sidecar.lifecycle.audit_removal import TrailRemoval, Wish
from sidecar.lifecycle.audit_waiting import erase_spilled
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.events import RecordClass
from tests.cli.trails import POLICY, Trail, a_trail_here, an_event

pytestmark = pytest.mark.control("AU-7")

CONFIRMED = ("--reason", "T-7", "--confirm", "acme")


@pytest.fixture
def trail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Trail:
    trail = a_trail_here(tmp_path, capfd, monkeypatch)
    asyncio.run(a_past(trail))
    return trail


async def a_past(trail: Trail) -> None:
    for name, days in (("2.gz", 20), ("1", 10), ("", 1)):
        await trail.write(
            days,
            an_event("key.create", "acme", f"acme-{days}"),
            an_event("key.create", "globex", f"globex-{days}"),
            an_event("tenant.create", None, "acme"),
        )
        if name:
            trail.rotate(name, days)
    await trail.write(1, an_event("token.revoke", "acme", "legal"))


def acme(trail: Trail) -> list[str]:
    return [json.loads(line)["action"] for line in trail.lines() if b"acme" in line]


def test_a_tenant_leaves_all_files_and_the_rest_is_whole(trail: Trail) -> None:
    done = trail.erase("acme", *CONFIRMED)
    assert (done.code, done.err) == (0, "")
    assert done.out == [
        f"{trail.file}: 6 records (admin 6) removed from 3 files",
        f"{trail.file}: 1 records (security 1) stay for their legal window",
    ]
    assert acme(trail) == ["token.revoke"]
    assert trail.about(["globex-20", "globex-10", "globex-1"]) == [
        "globex-20", "globex-10", "globex-1",
    ]  # fmt: skip
    checked = trail.verify()
    assert (checked.code, checked.err) == (0, "")
    assert any(line.endswith("erasure: T-7") for line in checked.out)


def test_that_it_was_erased_is_recorded_without_its_name(trail: Trail) -> None:
    trail.erase("acme", *CONFIRMED)
    (record,) = [json.loads(one) for one in trail.lines() if b'"audit.erase"' in one]
    assert (record["tenant_id"], record["resource_id"]) == (None, tenant_digest("acme"))
    assert record["actor"].startswith("cli:")
    assert record["metadata"]["details"] == {
        "reason": "T-7",
        "removed": "6 records (admin 6)",
        "kept": "1 records (security 1)",
        "left": 0,
        "elsewhere": [],
    }


def test_erased_again_there_is_nothing(trail: Trail) -> None:
    trail.erase("acme", *CONFIRMED)
    again = trail.erase("acme", *CONFIRMED, "--json")
    told = json.loads("\n".join(again.out))
    assert (again.code, told["trails"][0]["removed"]) == (0, {})
    assert told["record"] == tenant_digest("acme")
    assert trail.verify().code == 0


def test_the_legal_window_is_the_policys_to_say(trail: Trail) -> None:
    policy = POLICY.replace("admin: 400d", "admin: 400d, legal: []")
    (trail.folder / "policy.yaml").write_text(policy)
    assert trail.erase("acme", *CONFIRMED).code == 0
    assert acme(trail) == []
    assert trail.verify().code == 0


def test_a_dry_run_needs_no_confirmation_and_changes_nothing(trail: Trail) -> None:
    before = trail.lines()
    done = trail.erase("acme", "--reason", "T-7", "--dry-run")
    assert done.code == 0
    assert done.out[0].endswith("6 records (admin 6) would be removed")
    assert trail.lines() == before


def test_a_certificate_is_signed_and_says_what_went_and_what_stays(trail: Trail) -> None:
    (trail.folder / "policy.yaml").write_text(POLICY.replace("sinks: [", "sinks: [stdout, "))
    done = trail.erase("acme", *CONFIRMED, "--certificate", "acme.txt")
    assert done.code == 0
    assert "not erased, others hold it: standard output, where it is collected" in done.out
    text = Path("acme.txt").read_text().splitlines()
    assert text[:2] == ["sidecar audit erasure 1", "tenant: acme"]
    assert f"erased from {trail.file}: 6 records (admin 6)" in text
    assert text[-1] == "not erased, others hold it: standard output, where it is collected"
    assert Path("acme.txt").stat().st_mode & 0o777 == 0o600
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "audit.pub", "-rawin"]
    checked = subprocess.run(  # noqa: S603 -- the words are ours
        [*check, "-in", "acme.txt", "-sigfile", "acme.txt.sig"], check=False, capture_output=True
    )
    assert checked.returncode == 0, checked.stderr
    again = trail.erase("acme", *CONFIRMED, "--certificate", "acme.txt")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_without_rotation_by_the_sidecar_the_file_that_is_written_is_left(trail: Trail) -> None:
    (trail.folder / "policy.yaml").write_text(POLICY.replace(", rotate: {size: 1GB}", ""))
    done = trail.erase("acme", *CONFIRMED)
    assert done.code == 1
    assert f"{trail.file}: 2 are left: it is being written" in done.out[-1]
    assert trail.about(["acme-20", "acme-10", "acme-1"]) == ["acme-1"]
    trail.rotate("0", 0)
    assert trail.erase("acme", *CONFIRMED).code == 0
    assert acme(trail) == ["token.revoke"]
    assert trail.verify().code == 0


def test_a_file_that_somebody_may_still_write_is_left(trail: Trail) -> None:
    (trail.folder / "policy.yaml").write_text(POLICY.replace(", rotate: {size: 1GB}", ""))
    rotated = trail.folder / "audit.jsonl.1"
    with rotated.open("ab"):
        done = trail.erase("acme", *CONFIRMED)
    assert done.code == 1
    assert any("a process still has it open to write" in line for line in done.out)
    assert b"acme" in rotated.read_bytes()
    assert trail.verify().code == 0
    trail.erase("acme", *CONFIRMED)
    assert b"acme" not in rotated.read_bytes()


def test_a_link_is_left_to_whoever_it_belongs_to(trail: Trail, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    (trail.folder / "audit.jsonl.1").rename(there)
    (trail.folder / "audit.jsonl.1").symlink_to(there)
    done = trail.erase("acme", *CONFIRMED)
    assert (done.code, "it is a link" in done.out[-1]) == (1, True)
    assert b"acme" in there.read_bytes()
    assert trail.verify().code == 0


SPILL = "on_full: spill, spill: {file: spill}"
SPILLED = POLICY.replace("file: audit.jsonl, ", f"file: audit.jsonl, {SPILL}, ")
FAR = POLICY.replace("sinks: [", f"sinks: [{{http: 'http://127.0.0.1:9/', {SPILL}}}, ")


@pytest.fixture
def spilled(trail: Trail) -> Iterator[SpillFile]:
    """Records that wait."""
    (trail.folder / "policy.yaml").write_text(SPILLED)
    file = SpillFile("spill", 10**6)
    file.open()
    file.append([waiting("1", "acme"), waiting("2", "globex"), b'{"x":1}', waiting("3", "acme")])
    file.append([waiting("4", "globex"), waiting("5", "acme", "token.revoke")])
    yield file
    file.close()


def waiting(name: str, tenant: str, action: str = "request") -> bytes:
    record = {"id": name, "timestamp": "", "action": action, "tenant_id": tenant}
    return json.dumps(record, separators=(",", ":")).encode()


def names(file: SpillFile) -> list[str | None]:
    found = [json.loads(line) for line in file.lines()]
    # What the command itself has to say waits for the sink as well.
    return [one.get("id") for one in found if len(str(one.get("id"))) < 9]


def test_what_waits_to_be_written_goes_too(trail: Trail, spilled: SpillFile) -> None:
    told = trail.erase("acme", "--reason", "T-7", "--dry-run")
    assert (told.code, "spill: 2 records (requests 2) would be removed" in told.out[2]) == (0, True)
    assert names(spilled) == ["1", "2", None, "3", "4", "5"]
    done = trail.erase("acme", *CONFIRMED)
    assert done.code == 0, done.err
    # What the command itself has written of it meanwhile, it has removed as well.
    written = [json.loads(line) for line in trail.lines()]
    left = [*names(spilled), *(one.get("id") for one in written)]
    assert [name for name in map(str, range(1, 6)) if name in left] == ["2", "4", "5"]
    assert trail.verify().code == 0


def test_what_waits_for_a_sink_elsewhere_goes_too(trail: Trail, spilled: SpillFile) -> None:
    (trail.folder / "policy.yaml").write_text(FAR)
    rule = OfTenant("acme", frozenset({RecordClass.SECURITY}))
    section = trail.policy().audit
    (counted,) = erase_spilled(section, rule, 9.0, is_dry=True)
    assert counted.tally.removed == {"requests": 2}
    (told,) = erase_spilled(section, rule, 9.0, is_dry=False)
    assert (told.file, told.why_left) == (str(trail.folder / "spill"), "")
    assert (told.tally.removed, told.tally.spared) == ({"requests": 2}, {"security": 1})
    assert names(spilled) == ["2", None, "4", "5"]
    (again,) = erase_spilled(section, rule, 9.0, is_dry=False)
    assert (again.tally.removed, again.tally.spared) == ({}, {"security": 1})
    Path("spill").write_bytes(b"something else")
    with pytest.raises(StoreUnavailableError, match="no spill file"):
        erase_spilled(section, rule, 9.0, is_dry=False)


def test_what_waits_goes_even_if_it_is_all_there_is(spilled: SpillFile) -> None:
    with spilled.replaying():
        spilled.erase(lambda line: b"acme" not in line)
        assert names(spilled) == ["1", "3", "5"]
        spilled.erase(lambda line: b"globex" in line)
        spilled.erase(lambda line: b"acme" in line)
    assert names(spilled) == []
    spilled.append([waiting("6", "acme")])
    assert names(spilled) == ["6"]


def test_what_a_process_is_writing_just_now_is_left(trail: Trail, spilled: SpillFile) -> None:
    with spilled.replaying() as is_ours:
        assert is_ours
        section = trail.policy().audit
        (told,) = erase_spilled(section, OfTenant("acme"), 0.0, is_dry=False)
    assert (told.tally.removed, "is writing" in told.why_left) == (
        {"requests": 2, "security": 1},
        True,
    )
    assert names(spilled) == ["1", "2", None, "3", "4", "5"]


@pytest.mark.control("AU-6")
async def test_nothing_goes_before_the_statement_of_it_stands_in_the_trail(
    trail: Trail, spilled: SpillFile
) -> None:
    """What waits goes first: behind it a statement would come after the lines are gone."""
    section = trail.policy().audit
    before = trail.lines()
    ids = UuidV7(time.time, os.urandom)
    ledger = AuditLedger(section, time.time, ids, role=COMMAND, standard=2)
    wish = Wish(OfTenant("acme"), "ops", "erasure", "T-7")
    with spilled.replaying():
        await ledger.start()
        removal = TrailRemoval(section, ledger, patience=0.1)
        with pytest.raises(StoreUnavailableError, match="so nothing was removed"):
            await removal.remove(wish)
        await ledger.close()
    assert trail.lines() == before
    assert trail.verify().code == 0


def test_an_erasure_that_was_refused_is_recorded_as_one(trail: Trail) -> None:
    with (trail.folder / "audit.jsonl.1").open("ab") as file:
        file.write(b'{"inserted":true}\n')
    done = trail.erase("acme", *CONFIRMED)
    assert (done.code, "not whole" in done.err) == (1, True)
    records = [json.loads(line) for line in trail.file.read_bytes().splitlines()]
    (refused,) = [one for one in records if one["outcome"] == "refused"]
    assert refused["action"] == "audit.erase"
    assert refused["resource_id"] == tenant_digest("acme")
    assert "not whole" in refused["reason"]
    assert "acme" not in json.dumps(refused)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("acme", "--reason", "T-7"), "--confirm acme says that it is meant"),
        (("acme", "--reason", "T-7", "--confirm", "globex"), "nothing was erased"),
        (("acme", "--confirm", "acme"), "--reason"),
        (("a b", "--reason", "T-7", "--confirm", "a b"), "tenant's id"),
        (("acme", "--reason", "a\nb", "--confirm", "acme"), "one line"),
    ],
)
def test_what_is_not_meant_is_not_done(trail: Trail, words: tuple[str, ...], hint: str) -> None:
    before = trail.lines()
    done = trail.erase(*words)
    assert (done.code, done.out) == (2, [])
    assert hint in done.err
    assert trail.lines() == before
