"""`sidecar audit erase-tenant`: nothing of a tenant is left in the files, and verify says so."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from sidecar.adapters.audit.spill import SpillFile
from sidecar.knowledge.audit.certificate import tenant_digest
from tests.cli.trails import POLICY, Trail, a_trail, an_event

pytestmark = pytest.mark.control("AU-7")

CONFIRMED = ("--reason", "T-7", "--confirm", "acme")


@pytest.fixture
def trail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Trail:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDECAR_POLICY", raising=False)
    trail = a_trail(tmp_path, capfd)
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


def test_what_waits_to_be_written_is_told(trail: Trail) -> None:
    spilling = "file: audit.jsonl, on_full: spill, spill: {file: spill}, "
    policy = POLICY.replace("file: audit.jsonl, ", spilling)
    (trail.folder / "policy.yaml").write_text(policy)
    file = SpillFile("spill", 10**6)
    file.open()
    file.append([b'{"timestamp":"","action":"request","tenant_id":"acme"}', b'{"x":1}'])
    file.close()
    done = trail.erase("acme", "--reason", "T-7", "--dry-run")
    assert (done.code, "1 wait in its spill file" in done.out[-1]) == (1, True)


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
