"""A run that is killed leaves nothing that the next one does not remove; what lacks is said."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.image import machine
from tests.image.builders import HOUSE, Containers, run
from tests.image.machine import a_folder, held, lacking, mounts_under, processes_of, sweep
from tests.image.pods import until

# A run that has a pod and is then too busy to notice anything.
RUN: Final = """\
import sys, time
from pathlib import Path
from tests.image.builders import Containers
from tests.image.machine import a_folder
from tests.image.pods import a_pod
with a_folder(Path(sys.argv[1])) as folder:
    containers = Containers(folder)
    containers.configure()
    with a_pod(containers, "left") as pod:
        containers.podman("pod", "start", "left")
        print(folder, flush=True)
        time.sleep(600)
"""
PATIENCE_SECONDS: Final = 60


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run that was killed while its pod ran."""
    other = subprocess.Popen(  # noqa: S603 -- our own words
        [sys.executable, "-c", RUN, str(tmp_path)], cwd=HOUSE, text=True, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
    finally:
        other.kill()
        other.communicate(timeout=PATIENCE_SECONDS)
    yield folder
    assert not sweep(tmp_path)


def pause(folder: Path) -> Path:
    """The process that holds the network of the pod, as the machine numbers it."""
    containers = Containers(folder)
    (name,) = containers.podman("ps", "--quiet", "--no-trunc").split()
    return Path("/proc") / containers.podman("inspect", "--format={{.State.Pid}}", name).strip()


def test_what_a_killed_run_has_left_is_removed_by_the_next(killed: Path) -> None:
    holder = pause(killed)
    assert holder.exists()
    assert processes_of(killed)
    assert mounts_under(killed)
    assert sweep(killed.parent) == []
    assert not killed.exists()
    until(lambda: not holder.exists() and not processes_of(killed))
    assert not mounts_under(killed)


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    with a_folder(tmp_path) as folder:
        assert sweep(tmp_path) == []
        assert folder.exists()
        with pytest.raises(BlockingIOError), held(folder):
            pass
    assert not folder.exists()


def test_what_was_never_configured_is_no_reason_to_end_containers_of_others(tmp_path: Path) -> None:
    with a_folder(tmp_path) as folder, pytest.raises(AssertionError, match=r"storage\.conf"):
        Containers(folder).remove()


def test_what_is_mounted_within_is_not_emptied(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "dear").touch()
    with a_folder(tmp_path) as folder:
        (folder / "dev").mkdir()
        run(["mount", "--bind", str(beside), str(folder / "dev")])
    assert not folder.exists()
    assert (beside / "dear").exists()


def test_a_machine_without_the_space_is_told_how_much_is_missing(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "NEEDED_BYTES", 10**18)
    assert lacking(containers).startswith(f"space: {containers.folder} has ")
    assert "IMAGE_FOLDER" in lacking(containers)


def test_root_that_may_not_mount_is_told_so(tmp_path: Path) -> None:
    """As in a container that was not given the rights."""
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.image.builders import Containers\n"
        "from tests.image.machine import lacking\n"
        "print(lacking(Containers(Path(sys.argv[1]))))"
    )
    confined = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    said = run([*confined, sys.executable, "-c", program, str(tmp_path)])
    assert said.startswith("the right to mount, CAP_SYS_ADMIN (")
    assert "--privileged" in said


def test_a_folder_on_an_overlay_is_told_to_be_a_volume(tmp_path: Path) -> None:
    """As in a container that was given all rights, and has its /var/tmp in an image."""
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for folder in (lower, upper, work, merged):
        folder.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, str(merged)])
    try:
        containers = Containers(merged)
        containers.configure()
        said = lacking(containers)
    finally:
        for mount in mounts_under(merged):
            run(["umount", str(mount)])
    assert said.startswith("a system that lets podman run a pod (")
    assert "a volume at the folder" in said.splitlines()[0]
    assert "overlay" in said.splitlines()[-1]
