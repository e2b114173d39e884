"""What is in the image, what is not, and whose it is."""

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

import pytest

from sidecar import __version__
from tests.image.builders import BASE, HOUSE, IMAGE, Containers
from tests.image.locks import pins

MEGABYTE: Final = 1_000_000
# Measured: 145 MB, of which the hot path has 11.
MOST_BYTES_OVER_THE_BASE: Final = 170 * MEGABYTE
OWNED: Final = ("var/lib/sidecar", "var/log/sidecar")
SITE: Final = "opt/sidecar/lib/python3.13/site-packages"


@pytest.fixture(scope="module")
def facts(containers: Containers) -> Mapping[str, object]:
    """What podman tells of the image."""
    (found,) = json.loads(containers.podman("image", "inspect", IMAGE))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def settings(facts: Mapping[str, object]) -> Mapping[str, object]:
    """Its configuration."""
    found = facts["Config"]
    assert isinstance(found, dict)
    return found


def under(folder: Path) -> Iterator[Path]:
    """List all that lies in a folder; devices are the container's, not the image's."""
    for at, folders, names in os.walk(folder):
        if Path(at) == folder:
            folders[:] = [name for name in folders if name not in {"dev", "proc", "sys"}]
        yield from (Path(at, name) for name in [*folders, *names])


def git(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 -- our own words
        ["/usr/bin/git", *words], cwd=HOUSE, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def test_its_labels_name_version_revision_and_time_of_the_source(
    settings: Mapping[str, object],
) -> None:
    labels = settings["Labels"]
    assert isinstance(labels, dict)
    told = {name.rpartition(".")[2]: value for name, value in labels.items() if "opencont" in name}
    assert told["title"] == "tenant-sidecar"
    assert told["licenses"] == "Apache-2.0"
    assert told["version"] == __version__
    assert told["revision"] == git("rev-parse", "HEAD")
    assert told["created"] == git("log", "-1", "--format=%cI")


def test_it_runs_the_sidecar_as_a_user_without_a_name(
    settings: Mapping[str, object], facts: Mapping[str, object]
) -> None:
    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["/opt/sidecar/bin/sidecar"]
    assert settings["Cmd"] == ["run"]
    assert settings["StopSignal"] == "SIGTERM"
    assert settings["ExposedPorts"] == {"8080/tcp": {}, "9902/tcp": {}}
    check = facts["HealthCheck"] if "HealthCheck" in facts else facts["Healthcheck"]
    assert isinstance(check, dict)
    assert check["Test"] == ["CMD", "/opt/sidecar/bin/sidecar", "health"]


def test_every_distribution_has_the_version_of_the_lock_and_none_is_added(root: Path) -> None:
    found = {
        re.sub(r"[-_.]+", "-", each.name).lower(): each.version
        for each in distributions(path=[str(root / SITE)])
    }
    assert found.pop("tenant-sidecar") == __version__
    assert found == dict(pins("image.txt"))
    assert len(found) > 40


def test_its_hot_path_is_compiled(root: Path) -> None:
    (package,) = (root / SITE).glob("tenant_sidecar-*.dist-info")
    files = Distribution.at(package).files
    assert files is not None
    compiled = {str(file).partition(".cpython-313-")[0] for file in files if file.suffix == ".so"}
    assert {"sidecar/fronts/proxy/driver", "sidecar/knowledge/http1/request"} <= compiled


def test_it_holds_no_compiler_and_the_sidecar_no_installer(root: Path) -> None:
    programs = {path.name for folder in ("usr/bin", "usr/lib") for path in under(root / folder)}
    assert programs.isdisjoint({"cc1", "cc", "gcc", "as", "ld"})
    assert not list((root / SITE).glob("pip*"))
    assert not list((root / SITE).glob("mypy*"))
    assert not (root / "source").exists()
    assert not (root / "opt/build").exists()


def test_its_user_owns_two_empty_folders_and_nothing_else(root: Path) -> None:
    owned = [path for path in under(root) if path.lstat().st_uid == 65_532]
    assert {str(path.relative_to(root)) for path in owned} == set(OWNED)
    for path in owned:
        assert stat.S_IMODE(path.stat().st_mode) == 0o750
        assert path.stat().st_gid == 65_532
        assert not list(path.iterdir())


def test_no_one_but_root_may_write_what_was_added_to_the_base(root: Path) -> None:
    added = [root / "opt", *under(root / "opt"), root / "etc/sidecar"]
    assert len(added) > 1000
    for path in added:
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0)
        assert stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o022, path
        assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID), path


def test_anyone_may_write_in_folders_that_are_for_that_only(root: Path) -> None:
    open_to_all = [
        path
        for path in under(root)
        if path.lstat().st_mode & 0o002 and not path.is_symlink() and not path.is_socket()
    ]
    assert all(path.is_dir() and path.stat().st_mode & stat.S_ISVTX for path in open_to_all)


def of_this_machine() -> set[str]:
    """Words that only the machine that built it knows: its name, its package indexes, secrets.

    A machine that is called `debian`, a clone in `/sidecar` and a proxy for all but `127.0.0.1`
    cannot be told from what any image holds.
    """
    words = {os.uname().nodename} if re.search(r"[\d.-]", os.uname().nodename) else set()
    if len(HOUSE.parts) > 3:
        words.add(str(HOUSE))
    for name, value in os.environ.items():
        if re.search(r"INDEX_URL|_PROXY|TOKEN|SECRET|PASSWORD|FIND_LINKS", name, re.IGNORECASE):
            words |= set() if name.lower() == "no_proxy" else {value}
    return {word for word in words if len(word) > 5 and not word.startswith("localhost")}


def holding(root: Path, words: set[str]) -> list[Path]:
    """List the files of what was added to the base, and of its settings, that hold one of words."""
    sought = [word.encode() for word in words]
    files = [
        path
        for folder in ("opt", "etc", "root")
        for path in under(root / folder)
        if path.is_file() and not path.is_symlink()
    ]
    return [path for path in files if any(word in path.read_bytes() for word in sought)]


def test_nothing_of_the_machine_that_built_it_is_in_it(containers: Containers, root: Path) -> None:
    told = containers.podman("history", "--no-trunc", "--format=json", IMAGE)
    told += containers.podman("image", "inspect", IMAGE).partition('"GraphDriver"')[0]
    words = of_this_machine()
    assert not [word for word in words if word in told]
    assert not holding(root, words)
    assert holding(root, {"/opt/sidecar/bin/python"})  # where it is, and is found
    assert not (root / "etc/pip.conf").exists()
    assert not (root / "root/.cache").exists()


def test_it_is_as_small_as_the_documentation_says(
    containers: Containers, facts: Mapping[str, object]
) -> None:
    (base,) = json.loads(containers.podman("image", "inspect", BASE))
    size = facts["Size"]
    assert isinstance(size, int)
    added = size - base["Size"]
    assert 50 * MEGABYTE < added < MOST_BYTES_OVER_THE_BASE
