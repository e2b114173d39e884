"""The script of CI runs every tier, leaves none out, and says what it lacks."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

HOUSE: Final = Path(__file__).parents[2]
TIERS: Final = ["make check", "make test-system", "make test-image"]
INSTALLS: Final = [f"apt.sh install {path.name}" for path in sorted(HOUSE.glob("ci/apt*.txt"))]
# Notes what it is called with, and fails if the words are those of FAILS.
RECORDER: Final = """\
#!/bin/sh
echo "${0##*/} $*" >>"$NOTES"
test "${0##*/} $*" != "$FAILS"
"""
SYSTEM: Final = ("bash", "dirname")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A clone whose `make` and `ci/apt.sh` note what they are asked, and do nothing."""
    for folder in (".ci", "ci", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(HOUSE / ".ci/run", tmp_path / ".ci/run")
    for name in ("ci/apt.sh", "bin/make"):
        (tmp_path / name).write_text(RECORDER)
        (tmp_path / name).chmod(0o755)
    for name in SYSTEM:
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    return tmp_path


def ran(house: Path, user: int = 0, fails: str = "") -> tuple[int, str, list[str]]:
    """Run the script; its status, what it said, and what it had done."""
    (house / "bin/id").write_text(f"#!/bin/sh\necho {user}\n")
    (house / "bin/id").chmod(0o755)
    notes = house / "notes"
    variables: Mapping[str, str] = {
        "PATH": str(house / "bin"), "NOTES": str(notes), "FAILS": fails
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603 -- our own script
        ["/usr/bin/bash", house / ".ci/run"],
        env=variables, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    noted = notes.read_text().splitlines() if notes.exists() else []
    return done.returncode, done.stderr, noted


def test_root_installs_every_list_and_runs_every_tier(house: Path) -> None:
    assert len(INSTALLS) == 2
    status, said, noted = ran(house)
    assert (status, said) == (0, "")
    assert sorted(noted[:2]) == sorted(INSTALLS)
    assert noted[2:] == TIERS


@pytest.mark.parametrize("step", [*INSTALLS, *TIERS])
def test_what_fails_ends_it(step: str, house: Path) -> None:
    status, _, noted = ran(house, fails=step)
    assert status != 0
    assert noted[-1] == step


def test_without_root_it_says_so_before_anything_else(house: Path) -> None:
    status, said, noted = ran(house, user=1000)
    assert (status, noted) == (3, [])
    assert said.startswith(".ci/run: needs root, ")
    assert said.count("\n") == 1


def test_the_container_of_the_workflow_may_run_containers() -> None:
    """What tests/image/machine.py asks of it."""
    workflow = yaml.safe_load((HOUSE / ".github/workflows/test.yml").read_text("utf-8"))
    (job,) = (
        job for job in workflow["jobs"].values()
        if any(step.get("run") == "bash .ci/run" for step in job["steps"])
    )  # fmt: skip
    assert job["container"]["options"].split() == ["--privileged", "--cgroupns=host"]
    assert job["container"]["volumes"] == ["/var/tmp"]  # noqa: S108 -- where the images lie
