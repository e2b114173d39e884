"""What the machine must give, and what an earlier run that was killed has left on it."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.image.builders import Containers, run
from tests.image.pods import a_pod

# Gigabytes are not for a /tmp in memory.
PLACE: Final = Path("/var/tmp")  # noqa: S108 -- what is made there has a name of its own
GIGABYTE: Final = 1_000_000_000
# Measured: 1.5 GB at most.
NEEDED_BYTES: Final = 3 * GIGABYTE
_PREFIX: Final = "sidecar-image-"
_WITHIN: Final = (
    "a container that they run in needs --privileged, --cgroupns=host, and a volume at the folder:"
    " what lies on an overlay can hold no other"
)
_CAP_SYS_ADMIN: Final = 1 << 21


@contextmanager
def a_folder(place: Path = PLACE) -> Iterator[Path]:
    """Have a folder for images and containers, which is removed with them.

    However the process ends, the next one that has such a folder removes what is left of this.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    folder.chmod(0o711)  # apt fetches as another user
    with held(folder):
        try:
            yield folder
        finally:
            remove(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder for this process alone, until it ends, in whichever way.

    Raises:
        BlockingIOError: another process keeps it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def sweep(place: Path = PLACE) -> list[str]:
    """Remove what runs that were killed have left: containers that run on, mounts, gigabytes.

    Returns:
        What could not be removed, and why.
    """
    left = []
    for folder in sorted(place.glob(f"{_PREFIX}*")):
        try:
            with held(folder):
                remove(folder)
        except BlockingIOError:
            continue  # its run goes on
        except (AssertionError, OSError) as error:
            left.append(f"{folder}: {error}")
    return left


def remove(folder: Path) -> None:
    """End all that runs from a folder, and remove it."""
    for process in processes_of(folder):
        if (process / "comm").read_text().strip() != "conmon":  # by it podman ends containers
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
    containers = Containers(folder)
    if containers.is_configured:
        containers.remove()
    for mount in mounts_under(folder):
        run(["umount", str(mount)])
    # Never into what is mounted: it may be the /dev of this machine.
    assert not mounts_under(folder), f"still mounted: {mounts_under(folder)}"
    shutil.rmtree(folder)


def processes_of(folder: Path) -> list[Path]:
    """List what was started for a folder, or runs in a root below it."""
    name = os.fsencode(folder)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            root = (process / "root").readlink()
            if name in (process / "environ").read_bytes() or root.is_relative_to(folder):
                found.append(process)
    return found


def mounts_under(folder: Path) -> list[Path]:
    """List what is mounted in a folder, the last one first."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return [point for point in reversed(points) if point.is_relative_to(folder)]


def lacking(containers: Containers) -> str:
    """Say what this machine lacks for the tests; nothing if it has all.

    That it can run a container is seen by running one: a pod of nothing but what holds its network,
    which takes mounts, an overlay, control groups and namespaces, and two seconds.
    """
    if os.geteuid() != 0:
        return "root: they mount, and step into containers (sudo make test-image)"
    if not _may_mount():
        return f"the right to mount, CAP_SYS_ADMIN ({_WITHIN})"
    free = shutil.disk_usage(containers.folder).free
    if free < NEEDED_BYTES:
        return (
            f"space: {containers.folder} has {free / GIGABYTE:.1f} GB free, and"
            f" {NEEDED_BYTES / GIGABYTE:.0f} GB are needed (IMAGE_FOLDER names another folder)"
        )
    try:
        with a_pod(containers, "probe"):
            containers.podman("pod", "start", "probe")
    except AssertionError as error:
        return f"a system that lets podman run a pod ({_WITHIN}):\n{error}"
    return ""


def _may_mount() -> bool:
    """Without it podman would make a user namespace and mount there, where no test sees it."""
    (held_rights,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line
    )
    return bool(int(held_rights.split()[1], 16) & _CAP_SYS_ADMIN)
