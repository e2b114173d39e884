"""The wheel as it is shipped, its hot path compiled, does what the sources do."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_BUILD_SECONDS: Final = 540
_TEST_SECONDS: Final = 540
_SAME_TESTS: Final = ("tests/knowledge", "tests/decision", "tests/fronts/proxy", "tests/e2e")


def _run(command: list[str], seconds: int, cwd: Path, **variables: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def _wheel() -> Path:
    """Build the wheel for this interpreter, unless it was built since the last change."""
    tag = f"-cp{sys.version_info.major}{sys.version_info.minor}-"
    _run(["ci/setup.sh", "compiled"], _BUILD_SECONDS, _ROOT, PYTHON="")
    found = [wheel for wheel in (_ROOT / "dist").glob("*.whl") if tag in wheel.name]
    if not found:
        _run(["ci/setup.sh", "compiled"], _BUILD_SECONDS, _ROOT, PYTHON=sys.executable)
        found = [wheel for wheel in (_ROOT / "dist").glob("*.whl") if tag in wheel.name]
    return max(found, key=lambda wheel: wheel.stat().st_mtime)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with the tests, and one with the package of the wheel."""
    root = tmp_path_factory.mktemp("root")
    package = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(_wheel()) as wheel:
        wheel.extractall(package)
    shutil.copytree(_ROOT / "tests", root / "tests")
    shutil.copytree(_ROOT / "config", root / "config")
    shutil.copytree(_ROOT / "docs" / "examples", root / "docs" / "examples")
    shutil.copy(_ROOT / "pyproject.toml", root)
    return root, package


@pytest.mark.timeout(_BUILD_SECONDS + 60)
def test_the_wheel_holds_the_hot_path_compiled(unpacked: tuple[Path, Path]) -> None:
    root, package = unpacked
    probe = "from sidecar.fronts.proxy import driver; print(driver.__file__)"
    shown = _run([sys.executable, "-P", "-c", probe], 60, root, PYTHONPATH=str(package))
    assert shown.strip().endswith(".so")
    assert shown.startswith(str(package))


@pytest.mark.timeout(_TEST_SECONDS + 60)
def test_the_compiled_wheel_passes_the_tests_of_the_sources(unpacked: tuple[Path, Path]) -> None:
    root, package = unpacked
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-o", "pythonpath="]
    shown = _run(
        [*command, "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", *_SAME_TESTS],
        _TEST_SECONDS,
        root,
        PYTHONPATH=f"{package}{os.pathsep}{root}",
    )
    assert " passed" in shown
