"""Records leave the files of a sidecar that serves and rotates; a purge is killed amid it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.cli.main import invoke
from sidecar.knowledge.audit.chain import Head, chain_name
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.model.secret import Secret
from tests.cli.trails import DAY, Trail, a_trail, an_event
from tests.e2e.audit_kills import Load
from tests.e2e.launch import launched
from tests.e2e.wire import Echo, a_policy, a_service
from tests.knowledge.audit.chains import end_of, linked
from tests.knowledge.audit.removals import a_checkpoint, a_record, day

_LINES = 1500
_PATIENCE_SECONDS = 20.0


def all_paths(folder: Path) -> list[str]:
    records = [
        json.loads(line)
        for file in folder.glob("audit.jsonl*")
        for line in file.read_bytes().splitlines()
    ]
    return [one["metadata"]["path"] for one in records if one["action"] == "request"]


@pytest.mark.control("AU-4")
@pytest.mark.control("AU-7")
async def test_a_sidecar_that_writes_and_rotates_loses_nothing_to_purges_and_erasures(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], free_port: Callable[[], int]
) -> None:
    trail = a_trail(tmp_path, capfd)
    sinks = [{"file": str(trail.file), "rotate": {"size": "30KB", "keep": 1000}}]
    audit = {
        "sinks": sinks, "signing_key": f"file:{tmp_path / 'audit.pem'}", "flush": "20ms",
        "retention": "1d",
    }  # fmt: skip
    listen = {"proxy": f"127.0.0.1:{free_port()}"}
    async with a_service(Echo()) as service:
        policy = tmp_path / "policy.yaml"
        policy.write_text(a_policy(service.url, workers=2, listen=listen, audit=audit))
        old = [an_event("key.create", "acme", "old")] * 3
        await trail.write(30, *old)
        trail.rotate("9", 30)
        # These stand in the file that the sidecar goes on to write.
        await trail.write(0, an_event("key.create", "acme", "new"))
        load = Load()
        async with launched([str(policy)], trail.file) as sidecar:
            await sidecar.started()
            clients = [asyncio.create_task(load.go_on(sidecar.port)) for _ in range(2)]
            for words in (purge_of(trail), erasure_of(trail)):
                assert await asyncio.to_thread(invoke, words) == 0
                await asyncio.sleep(0.1)
            sidecar.order(signal.SIGTERM)
            await asyncio.gather(*clients)
            assert await sidecar.ended() == 0
    written = all_paths(tmp_path)
    assert set(load.answered) - set(written) == set()
    assert len(written) == len(set(written))
    checked = await asyncio.to_thread(trail.verify)
    assert (checked.code, checked.err) == (0, "")
    assert " in 1 files" not in checked.out[-1]
    assert not any(b"acme" in line for line in trail.lines())


def purge_of(trail: Trail) -> list[str]:
    # Nothing writes here but commands, so no record says that the clock is right.
    return ["audit", "purge", "--trust-clock", "--policy", str(trail.folder / "policy.yaml")]


def erasure_of(trail: Trail) -> list[str]:
    return [
        "audit", "erase-tenant", "acme", "--policy", str(trail.folder / "policy.yaml"),
        "--reason", "T-1", "--confirm", "acme",
    ]  # fmt: skip


# --- killed


def a_long_past(trail: Trail) -> None:
    """Write three files, in which every fiftieth record is of a class that is kept."""
    head = Head(chain_name("web", "0", bytes(6)))
    signer = StatementSigner(Secret(bytes(range(32))))
    for number in (3, 2, 1):
        actions = ["key.create", *["request"] * 49]
        records = [a_record(actions[n % 50], n % 100, "acme") for n in range(_LINES)]
        lines = linked(records, head)
        head = end_of(lines, head)
        signed = linked([a_checkpoint(head, day(200), signer)], head)
        head = end_of(signed, head)
        file = trail.folder / f"audit.jsonl.{number}"
        file.write_bytes(b"".join([*lines, *signed]))
        os.utime(file, (time.time() - number * DAY,) * 2)
    trail.file.touch()


def is_stated(trail: Trail) -> bool:
    return b'"audit.purge"' in trail.file.read_bytes()


def is_being_copied(trail: Trail) -> bool:
    return (trail.folder / ".audit.jsonl.purge").exists()


def is_partly_done(trail: Trail) -> bool:
    return (trail.folder / "audit.jsonl.3").stat().st_size < _LINES * 200


@pytest.mark.control("AU-4")
@pytest.mark.parametrize("moment", [is_stated, is_being_copied, is_partly_done])
def test_a_purge_that_is_killed_loses_nothing_else_and_can_be_run_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], moment: Callable[[Trail], bool]
) -> None:
    trail = a_trail(tmp_path, capfd)
    policy = tmp_path / "policy.yaml"
    text = policy.read_text().replace("admin: 400d", "admin: 3650d")
    policy.write_text(text.replace("audit.jsonl", str(trail.file)))
    a_long_past(trail)
    kept = [line for line in trail.lines() if b'"key.create"' in line]
    child = subprocess.Popen(  # noqa: S603 -- the words are ours
        [sys.executable, "-m", "sidecar", *purge_of(trail)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not moment(trail) and time.monotonic() < deadline:
        time.sleep(0.001)
    has_come = moment(trail) or child.poll() is None
    child.kill()
    child.wait()
    assert has_come
    for is_done in (False, True):
        checked = trail.verify()
        assert (checked.code, checked.err) == (0, "")
        assert [line for line in trail.lines() if b'"key.create"' in line] == kept
        if not is_done:
            assert trail.run(*purge_of(trail)).code == 0
    assert trail.about(["request"]) == []
    assert not (tmp_path / ".audit.jsonl.purge").exists()
