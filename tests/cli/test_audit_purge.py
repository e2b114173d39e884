"""`sidecar audit purge`: what it takes, what it leaves, and what verify says afterwards."""

import asyncio
import gzip
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.adapters.audit.exchanges import Timestamps
from sidecar.adapters.audit.removal import held_trail
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.knowledge.audit.removal import Expiry, Facts
from sidecar.lifecycle.audit_expiry import purge_rule
from sidecar.lifecycle.audit_removal import TrailRemoval, Wish
from sidecar.lifecycle.errors import ConflictError
from tests.cli.trails import DAY, POLICY, Trail, a_trail, a_trail_here, an_event

pytestmark = pytest.mark.control("AU-4")

Forge = Callable[[bytes], bytes]
ABOUT = ["block-500", "key-500", "block-200", "key-200", "block-100", "key-100", "key-1"]


@pytest.fixture
def trail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Trail:
    trail = a_trail_here(tmp_path, capfd, monkeypatch)
    asyncio.run(a_past(trail))
    return trail


async def a_past(trail: Trail) -> None:
    for name, days in (("3.gz", 500), ("2", 200), ("1", 100)):
        block = an_event("block.create", None, f"block-{days}")
        await trail.write(days, block, an_event("key.create", "acme", f"key-{days}"))
        trail.rotate(name, days)
    await trail.write(1, an_event("key.create", "acme", "key-1"))


def test_what_is_past_the_retention_of_its_class_goes_and_the_rest_is_whole(trail: Trail) -> None:
    assert trail.verify().code == 0
    done = trail.purge("--reason", "T-1")
    assert (done.code, done.err) == (0, "")
    assert done.out == [
        f"{trail.file}: 8 records (admin 1, security 3, trail 4) removed from 3 files"
    ]
    assert trail.about(ABOUT) == ["key-200", "key-100", "key-1"]
    checked = trail.verify()
    assert (checked.code, checked.err) == (0, "")
    assert checked.out[-1].endswith("8 removed by statement: whole")
    (note,) = [line for line in checked.out if "says that" in line]
    assert "8 records were removed" in note
    assert "by cli:" in note
    assert note.endswith("retention: T-1")
    assert not (trail.folder / "audit.jsonl.3.gz").exists()


def test_a_dry_run_says_so_and_changes_nothing(trail: Trail) -> None:
    before = {path.name: path.read_bytes() for path in trail.folder.glob("*audit*")}
    done = trail.purge("--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out == [f"{trail.file}: 8 records (admin 1, security 3, trail 4) would be removed"]
    after = {path.name: path.read_bytes() for path in trail.folder.glob("*audit*")}
    assert after.pop(".audit.jsonl.removal") == b""
    assert after == before


def test_what_is_left_of_a_file_keeps_its_mode_its_time_and_its_packing(
    trail: Trail,
) -> None:
    packed = trail.folder / "audit.jsonl.2.gz"
    packed.write_bytes(gzip.compress((trail.folder / "audit.jsonl.2").read_bytes()))
    (trail.folder / "audit.jsonl.2").unlink()
    packed.chmod(0o640)
    os.utime(packed, (1_700_000_000, 1_700_000_000))
    assert trail.purge().code == 0
    found = packed.stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o640, 1_700_000_000)
    (line,) = gzip.decompress(packed.read_bytes()).splitlines()
    assert b"key-200" in line
    assert trail.verify().code == 0


def test_the_file_that_is_written_is_never_touched(trail: Trail) -> None:
    asyncio.run(trail.write(300, an_event("block.create", None, "block-300")))
    inode = trail.file.stat().st_ino
    assert trail.purge().code == 0
    assert trail.file.stat().st_ino == inode
    assert trail.about(["block-300"]) == ["block-300"]
    assert trail.verify().code == 0


def test_a_second_purge_finds_nothing_and_is_recorded_all_the_same(trail: Trail) -> None:
    trail.purge()
    done = trail.purge("--json")
    (told,) = json.loads("\n".join(done.out))
    assert (done.code, told["files"], told["removed"], told["signed"]) == (0, 0, {}, True)
    purges = [line for line in trail.lines() if b'"action":"audit.purge"' in line]
    assert [json.loads(line)["metadata"]["details"]["records"] for line in purges] == [8, 0]


async def purge_as_of(trail: Trail, days_ago: float) -> None:
    """Purge as if it were so many days ago."""
    now = time.time() - days_ago * DAY
    section = trail.policy().audit
    ids = UuidV7(lambda: now, os.urandom)
    ledger = AuditLedger(section, lambda: now, ids, role="command")
    await ledger.start()
    rule = purge_rule(section, Timestamps().text, now)
    wish = Wish(rule, "cli:ops", "retention", "then", frozenset({"clock"}))
    await TrailRemoval(section, ledger).remove(wish)
    await ledger.close()


def stated(trail: Trail) -> list[tuple[str, int]]:
    """Say why statements stand in the trail, and how many runs each has."""
    found = [json.loads(one) for one in trail.lines() if b'"action":"audit.purge"' in one]
    details = [record["metadata"]["details"] for record in found]
    return sorted((one["why"], len(one["runs"])) for one in details)


async def years(trail: Trail) -> None:
    """Write and purge, again and again; the trail is rotated each time."""
    for year in range(4):
        days = 2000 - 300 * year
        for number in range(2):
            block = an_event("block.create", None, f"block-{days}-{number}")
            await trail.write(days, an_event("key.create", None, f"key-{days}-{number}"), block)
        trail.rotate(f"{days}", days)
        await purge_as_of(trail, days - 200)
        trail.rotate(f"{days - 200}", days - 200)


def test_statements_whose_time_is_over_are_said_again_as_one(
    trail: Trail, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old = a_trail(tmp_path_factory.mktemp("old"), trail.capfd)
    asyncio.run(years(old))
    assert old.about(["key-2000-1", "key-1100-1", "block-1100-1"]) == ["key-1100-1"]
    before = stated(old)
    assert old.purge("--trust-clock").code == 0
    checked = old.verify()
    assert (checked.code, checked.err) == (0, "")
    assert old.about(["key-1100-1"]) == []
    after = stated(old)
    assert sum(runs for _, runs in after) < sum(runs for _, runs in before)
    assert [why for why, _ in after] == ["retention", "said again"]
    assert old.purge("--trust-clock").code == 0
    assert old.verify().code == 0


@pytest.mark.control("AU-6")
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda line: line[:0], id="removed"),
        pytest.param(lambda line: line.replace(b"key-200", b"key-201") + b"\n", id="changed"),
        pytest.param(lambda line: line + b"\n" + line + b"\n", id="repeated"),
        pytest.param(lambda line: line + b"\n{}\n", id="inserted"),
    ],
)
def test_a_trail_that_is_not_whole_is_left_alone(trail: Trail, forge: Forge) -> None:
    file = trail.folder / "audit.jsonl.2"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([lines[0], forge(lines[1]) + lines[2], b""]))
    before = trail.lines()
    done = trail.purge()
    assert done.code == 1
    assert "the trail is not whole, and nothing was removed: " in done.err
    assert set(before) <= set(trail.lines())
    assert trail.verify().code == 1
    refused = [json.loads(line) for line in trail.lines() if b'"audit.purge"' in line]
    assert [record["outcome"] for record in refused] == ["refused"]


def test_a_hole_that_is_allowed_is_still_told(trail: Trail) -> None:
    (trail.folder / "audit.jsonl.2").unlink()
    done = trail.purge()
    assert (done.code, "--allow missing" in done.err) == (1, True)
    assert trail.purge("--allow", "missing").code == 0
    checked = trail.verify()
    assert checked.code == 1
    assert checked.err.count("are missing") == 1


def test_a_chain_that_was_never_signed_is_not_vouched_for_unasked(
    trail: Trail,
) -> None:
    policy = trail.folder / "policy.yaml"
    policy.write_text(POLICY.replace("  signing_key: file:audit.pem\n", ""))
    asyncio.run(trail.write(300, an_event("key.create", None, "key-300"), role="7"))
    trail.rotate("0", 300)
    policy.write_text(POLICY)
    done = trail.purge()
    assert (done.code, "--allow unsigned" in done.err) == (1, True)
    assert trail.purge("--allow", "unsigned").code == 0


def test_beginnings_that_rotation_removed_are_borne_and_still_told(trail: Trail) -> None:
    (trail.folder / "audit.jsonl.3.gz").unlink()
    assert trail.purge().code == 0
    assert trail.about(ABOUT) == ["key-200", "key-100", "key-1"]
    checked = trail.verify()
    assert (checked.code, checked.err.count("begins with record")) == (1, 1)
    assert trail.verify("--allow", "beginning").code == 0


@pytest.mark.parametrize(
    ("policy", "words", "code", "hint"),
    [
        (POLICY.replace("  retention: {default: 90d, admin: 400d}\n", ""), (), 1, "retention: 90d"),
        (POLICY.replace("{file: audit.jsonl, rotate: {size: 1GB}}", "stdout"), (), 1, "no file"),
        (POLICY, ("--reason", ""), 2, "one line of at most 200 characters"),
        (POLICY, ("--reason", "a\nb"), 2, "one line of at most 200 characters"),
        (POLICY, ("--allow", "changed"), 2, "changed"),
    ],
)
def test_a_mistake_is_one_line(
    trail: Trail, policy: str, words: tuple[str, ...], code: int, hint: str
) -> None:
    (trail.folder / "policy.yaml").write_text(policy)
    done = trail.purge(*words)
    assert (done.code, done.out) == (code, [])
    assert hint in done.err
    assert len(trail.about(ABOUT)) == 7


def test_a_packed_file_that_is_cut_off_is_named(trail: Trail) -> None:
    packed = trail.folder / "audit.jsonl.3.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    done = trail.purge()
    assert (done.code, "audit.jsonl.3.gz cannot be unpacked" in done.err) == (3, True)
    assert b"block-200" in (trail.folder / "audit.jsonl.2").read_bytes()


def test_two_commands_do_not_remove_at_once(trail: Trail) -> None:
    with held_trail(str(trail.file), rotates=True):
        done = trail.purge()
    assert (done.code, "another command is removing records" in done.err) == (1, True)


@pytest.mark.control("AU-3")
def test_a_purge_without_retention_is_recorded_as_refused(trail: Trail) -> None:
    policy = POLICY.replace("  retention: {default: 90d, admin: 400d}\n", "")
    (trail.folder / "policy.yaml").write_text(policy)
    assert trail.purge().code == 1
    records = [json.loads(line) for line in trail.file.read_bytes().splitlines()]
    (refused,) = [one for one in records if one["action"] == "audit.purge"]
    assert refused["outcome"] == "refused"
    assert "how long records are kept" in refused["reason"]


def test_sinks_that_others_keep_are_named(trail: Trail) -> None:
    stream = "{redis_stream: 'sidecar:audit', server: 'redis://127.0.0.1:9'}"
    policy = POLICY.replace("sinks: [", f"sinks: [{stream}, ")
    (trail.folder / "policy.yaml").write_text(policy)
    told = trail.purge("--dry-run").out[-1]
    assert told == "not purged, others hold it: redis:sidecar:audit (XDEL, XTRIM or maxlen)"


def test_a_record_from_the_future_stays(trail: Trail) -> None:
    asyncio.run(trail.write(-1000, an_event("key.create", "acme", "tomorrow")))
    trail.rotate("7", 0)
    assert trail.purge().code == 0
    assert trail.about(["tomorrow"]) == ["tomorrow"]
    assert trail.verify().code == 0


def test_what_is_no_file_is_no_part_of_the_trail(trail: Trail) -> None:
    """A FIFO would be waited for, under the lock that the sidecar needs to write."""
    os.mkfifo(trail.folder / "audit.jsonl.8")
    (trail.folder / "audit.jsonl.9").mkdir()
    assert trail.purge().code == 0
    assert trail.verify().code == 0


class Meddling:
    """The rule of a purge; while it plans, somebody changes a line that was verified."""

    def __init__(self, rule: Expiry, victim: Path) -> None:
        self._rule = rule
        self._victim = victim
        self.is_done = False

    def takes(self, facts: Facts) -> bool:
        if not self.is_done:
            self.is_done = True
            content = self._victim.read_bytes()
            assert content.count(b'"kept"') == 1
            with self._victim.open("r+b") as file:
                file.seek(content.index(b'"kept"'))
                file.write(b'"fake"')
        return self._rule.takes(facts)

    def spares(self, facts: Facts) -> bool:
        return self._rule.spares(facts)

    def takes_fragment(self, fragment: bytes, at: str) -> bool:
        return self._rule.takes_fragment(fragment, at)


@pytest.mark.control("AU-6")
def test_what_is_changed_between_verifying_and_stating_is_not_vouched_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trail = a_trail(tmp_path, capfd)
    # More than a reader holds at once: it reads the file anew.
    events = [an_event("request", "acme", f"r{at}") for at in range(99)]
    kept, more = an_event("key.create", "acme", "kept"), an_event("request", "acme", "last")
    asyncio.run(trail.write(200, *events, kept, more, more))
    victim = trail.rotate("1", 200)
    removal = TrailRemoval(trail.policy().audit, None)
    wish = Wish(Expiry({}), "ops", "retention", "nightly")
    wish = removal.expiry(wish, Timestamps().text, time.time())
    assert isinstance(wish.rule, Expiry)
    meddling = replace(wish, rule=Meddling(wish.rule, victim))
    before = victim.read_bytes()
    with pytest.raises(ConflictError, match="changed while it was read"):
        asyncio.run(removal.remove(meddling))
    assert victim.read_bytes() == before.replace(b'"kept"', b'"fake"')


def test_a_link_in_the_place_of_the_new_file_has_nothing_else_written(trail: Trail) -> None:
    victim = trail.folder / "victim"
    victim.write_bytes(b"mine\n")
    os.utime(victim, (1, 1))
    name = str(trail.file)
    with held_trail(name, rotates=True) as held:
        (written,) = [one for one in held.files if one.is_written]
        before = trail.file.read_bytes()
        # Something is appended meanwhile, and has to be copied over.
        with trail.file.open("ab") as file:
            file.write(b"{}\n")
        cutter = Planting(trail.folder / ".audit.jsonl.purge", victim)
        with pytest.raises(OSError, match="another file in its place"):
            held.cut(written, cutter)
    assert cutter.is_done
    assert (victim.read_bytes(), victim.stat().st_mtime) == (b"mine\n", 1)
    assert trail.file.read_bytes() == before + b"{}\n"
    assert not trail.file.is_symlink()


class Planting:
    """Takes no line; while it is asked, somebody puts a link in the place of the new file."""

    def __init__(self, place: Path, victim: Path) -> None:
        self._place = place
        self._victim = victim
        self.is_done = False

    def takes(self, line: bytes) -> bool:
        del line
        if not self.is_done:
            self.is_done = True
            self._place.unlink()
            self._place.symlink_to(self._victim)
        return False
