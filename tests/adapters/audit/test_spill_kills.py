"""A process that is killed at any step of an erasure of what waits loses nothing (AU-1, AU-7)."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sidecar.adapters.audit.spill import SpillFile, erase_waiting

TAKEN: Final = b"globex-taken"
RECORDS: Final = [b"acme-%d" % at if at % 2 else b"globex-%d" % at for at in range(9)]
KEPT: Final = [record for record in RECORDS if record.startswith(b"acme")]
# Kills itself when the system is about to be called for the n-th time to change the file.
ERASING: Final = """
import os, signal, sys
from sidecar.adapters.audit.spill import erase_waiting

name, left = sys.argv[1], int(sys.argv[2])
changing = {os.pwrite, os.fsync, os.ftruncate}

def watch(frame, event, called):
    global left
    if event == "c_call" and called in changing:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(watch)
erase_waiting(name, lambda record: record.startswith(b"globex"), 0.0)
"""


def opened(name: Path) -> SpillFile:
    file = SpillFile(str(name), 1000)
    file.open()
    return file


def waiting(name: Path) -> list[bytes]:
    file = opened(name)
    found = list(file.lines())
    file.close()
    return found


def erased(name: Path, steps: int) -> int:
    words = [sys.executable, "-c", ERASING, str(name), str(steps)]
    return subprocess.run(words, check=False, timeout=30).returncode  # noqa: S603 -- our own words


@pytest.mark.control("AU-7")
def test_an_erasure_that_is_killed_at_any_step_loses_nothing_and_can_be_done_again(
    tmp_path: Path,
) -> None:
    killed = 0
    while True:
        name = tmp_path / f"spill-{killed}"
        file = opened(name)
        file.append([TAKEN, *RECORDS])
        file.take([TAKEN])
        file.close()
        if erased(name, killed) == 0:
            break
        found = waiting(name)
        # What stays is there, in its order and whole; after the kill perhaps twice.
        assert set(found) <= set(RECORDS)
        assert found[: len(KEPT)] == KEPT or found == RECORDS
        assert erase_waiting(str(name), lambda record: record.startswith(b"globex"), 0.0)
        assert waiting(name) in (KEPT, KEPT * 2)
        assert b"globex" not in name.read_bytes()
        killed += 1
    # Each step was one to be killed at: written anew, the front, its end, what was before.
    assert killed >= 6
    assert waiting(name) == KEPT


@pytest.mark.control("AU-7")
def test_what_was_taken_off_before_leaves_nothing_behind_an_erasure(tmp_path: Path) -> None:
    name = tmp_path / "spill"
    file = opened(name)
    file.append([TAKEN, *KEPT])
    file.take([TAKEN])
    with file.replaying() as is_ours:
        assert is_ours
        # None of those that wait goes; the one that was written already is still in the file.
        file.erase(lambda record: record.startswith(b"globex"))
    assert list(file.lines()) == KEPT
    file.prepend([b"older"])
    assert list(file.lines()) == [b"older", *KEPT]
    file.close()
    assert b"globex" not in name.read_bytes()
