"""Wheel and archive of the source are the same bytes, wherever and whenever they are built."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.control("RT-2")
HOUSE: Final = Path(__file__).parents[2]
EPOCH: Final = "1790000000"
FILES: Final = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md")


def clone(folder: Path, *, mode: int, age: int) -> Path:
    """Copy what is packed, with other rights and times than any other copy."""
    for name in ("sidecar", "ci", "config"):
        left_out = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(HOUSE / name, folder / name, ignore=left_out)
    for name in FILES:
        shutil.copy(HOUSE / name, folder)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.chmod(mode | (path.stat().st_mode & 0o111 and 0o100))
        os.utime(path, (age, age))
    return folder


def build(folder: Path, **variables: str) -> dict[str, bytes]:
    done = subprocess.run(
        ["ci/wheel.sh", "out"],  # noqa: S607 - our own script in the folder that it runs in
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = clone(tmp_path_factory.mktemp("one") / "source", mode=0o644, age=1_700_000_000)
    build(folder, SOURCE_DATE_EPOCH=EPOCH)
    return folder / "out"


def test_two_builds_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    other = clone(tmp_path / "elsewhere" / "longer", mode=0o600, age=1_600_000_000)
    again = build(other, SOURCE_DATE_EPOCH=EPOCH, TZ="Asia/Tokyo", PYTHONHASHSEED="7")
    assert {path.name: path.read_bytes() for path in built.iterdir()} == again
    assert sorted(name.rpartition(".")[2] for name in again) == ["gz", "whl"]


def test_they_are_dated_with_the_moment_that_was_given(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert {one.date_time[:5] for one in packed.infolist()} == {(2026, 9, 21, 14, 13)}
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        assert {one.mtime for one in packed} == {int(EPOCH)}


def test_the_wheel_holds_the_package_and_no_more(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert "-py3-none-any" in wheel.name
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert [top for top in tops if top != "sidecar"] == [
        "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    ]
    sources = {str(path.relative_to(HOUSE)) for path in (HOUSE / "sidecar").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources


def test_without_a_commit_or_a_moment_it_says_what_is_missing(tmp_path: Path) -> None:
    folder = clone(tmp_path / "source", mode=0o644, age=1_700_000_000)
    done = subprocess.run(
        ["ci/wheel.sh"],  # noqa: S607 - our own script in the folder that it runs in
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert "set SOURCE_DATE_EPOCH" in done.stderr
