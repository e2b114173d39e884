"""What a purge does not believe: a clock that is far ahead, and that a file has one name."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from sidecar.adapters.audit.exchanges import Timestamps
from sidecar.adapters.audit.removal import Left, held_trail
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.lifecycle.audit_expiry import purge_rule
from sidecar.lifecycle.audit_removal import TrailRemoval, Wish
from sidecar.lifecycle.errors import ConflictError
from tests.cli.test_audit_purge import ABOUT, a_past
from tests.cli.trails import DAY, Trail, a_trail, a_trail_here, an_event

pytestmark = pytest.mark.control("AU-4")


@pytest.fixture
def trail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Trail:
    trail = a_trail_here(tmp_path, capfd, monkeypatch)
    asyncio.run(a_past(trail))
    return trail


async def purge_at(trail: Trail, days: float, *allows: str) -> None:
    """Purge on a machine whose clock is so many days ahead."""
    now = time.time() + days * DAY
    section = trail.policy().audit
    ledger = AuditLedger(section, lambda: now, UuidV7(lambda: now, os.urandom), role="command")
    await ledger.start()
    try:
        rule = purge_rule(section, Timestamps().text, now)
        wish = Wish(rule, "cli:ops", "retention", "nightly", frozenset(allows))
        await TrailRemoval(section, ledger).remove(wish)
    finally:
        await ledger.close()


@pytest.mark.parametrize("days", [8.5, 50, 5000])
def test_a_clock_that_is_far_ahead_has_nothing_removed(trail: Trail, days: float) -> None:
    # What the refused ones write, by the same clock, is no witness for the next one.
    for _ in range(2):
        with pytest.raises(ConflictError, match="the newest record is of"):
            asyncio.run(purge_at(trail, days))
    assert trail.about(ABOUT) == ABOUT
    refused = [json.loads(line) for line in trail.lines() if b'"action":"audit.purge"' in line]
    assert {one["outcome"] for one in refused} == {"refused"}
    assert trail.verify().code == 0
    asyncio.run(purge_at(trail, days, "clock"))
    assert trail.about(ABOUT) != ABOUT


def test_a_clock_that_is_a_little_ahead_is_borne(trail: Trail) -> None:
    asyncio.run(purge_at(trail, 7.5))
    assert trail.about(ABOUT) == ["key-200", "key-100", "key-1"]


def test_only_the_flag_that_names_it_has_a_quiet_trail_purged(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    quiet = a_trail(tmp_path_factory.mktemp("quiet"), capfd)
    asyncio.run(quiet.write(500, an_event("block.create", None, "block-500")))
    quiet.rotate("1", 500)
    asyncio.run(quiet.write(20, an_event("key.create", "acme", "key-20")))
    # A record of a clock that was ahead is no witness either.
    asyncio.run(quiet.write(-9, an_event("key.create", "acme", "key-9")))
    told = quiet.purge()
    assert (told.code, told.out) == (1, [])
    assert "so nothing was removed (set the clock; --trust-clock removes 3 records" in told.err
    assert quiet.purge("--dry-run").code == 1
    done = quiet.purge("--trust-clock")
    assert (done.code, done.err) == (0, "")
    assert quiet.about(["block-500", "key-20"]) == ["key-20"]
    assert quiet.verify().code == 0


def test_a_file_with_another_name_is_left_and_said(trail: Trail) -> None:
    copy = trail.folder / "backup"
    copy.hardlink_to(trail.folder / "audit.jsonl.2")
    before = copy.read_bytes()
    assert "it has another name" in trail.purge("--dry-run").out[-1]
    done = trail.purge()
    assert done.code == 1
    assert "audit.jsonl.2: 2 are left: it has another name (a hard link)" in done.out[-1]
    assert (trail.folder / "audit.jsonl.2").read_bytes() == before
    copy.unlink()
    assert trail.purge().code == 0
    assert trail.verify().code == 0


class Nothing:
    """Takes no line."""

    def takes(self, line: bytes) -> bool:
        return not line


def test_a_name_that_a_file_gets_meanwhile_is_seen_before_it_is_replaced(trail: Trail) -> None:
    with held_trail(str(trail.file), rotates=True) as held:
        [second] = [one for one in held.files if one.path.name == "audit.jsonl.2"]
        assert held.forbids(second) is None
        (trail.folder / "backup").hardlink_to(second.path)
        assert held.cut(second, Nothing()) is Left.NAMED


@pytest.mark.control("AU-7")
def test_a_certificate_says_what_another_name_of_a_file_keeps(trail: Trail) -> None:
    copy = trail.folder / "backup"
    copy.hardlink_to(trail.folder / "audit.jsonl.1")
    words = ("--reason", "T-1", "--confirm", "acme", "--certificate", "certificate.txt")
    assert trail.erase("acme", *words).code == 1
    text = (trail.folder / "certificate.txt").read_text()
    assert "audit.jsonl.1, 1 records: it has another name (a hard link)" in text
    assert b"key-100" in copy.read_bytes()
    assert b"key-200" not in (trail.folder / "audit.jsonl.2").read_bytes()
    assert trail.verify().code == 0
