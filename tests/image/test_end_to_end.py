"""The end-to-end tests within the image: its Python, its packages, its compiled hot path, its user.

In a container as confined as the documented one: user 65532, no file that can be written but in
/tmp, no capability, no network but loopback.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.image.builders import HOUSE, IMAGE, Containers
from tests.image.locks import FOR_TESTS, install
from tests.image.pods import CONFINED

# Five minutes on two cores that have nothing else to do.
_SECONDS: Final = 900
# What the tests read beside themselves.
_BESIDE: Final = ("tests", "config", "docs/examples", "ci")
# What fails beside others for want of a core passes alone, as in every other tier.
_TWICE: Final = """\
import pathlib, sys
from ci.twice import main
sys.exit(main(sys.argv[1:], pathlib.Path("/tmp/cache/v/cache/lastfailed")))
"""
_PYTEST: Final = (
    "-P", "-c", _TWICE, "/opt/sidecar/bin/python",
    "-P", "-m", "pytest", "-q", "-n2", "--dist=worksteal", "-o", "cache_dir=/tmp/cache",
    "-o", "pythonpath=", "--basetemp=/tmp/pytest",
    # What ends a test at its limit may end all of them; here it is for one that hangs.
    "--timeout=240",
    # What mypyc makes of `await` throws in the old way; Python tells nobody else of it.
    "-W", "ignore:the (type, exc, tb) signature of throw() is deprecated:DeprecationWarning",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the tests and what they import, which holds no code of the sidecar."""
    folder = tmp_path_factory.mktemp("house")
    for name in _BESIDE:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HOUSE / name, folder / name, ignore=ignored)
    shutil.copy(HOUSE / "pyproject.toml", folder)
    install("dev.txt", FOR_TESTS, folder / "site")
    for at, _, names in os.walk(folder):
        Path(at).chmod(0o755)
        for name in names:
            path = Path(at, name)
            path.chmod(path.stat().st_mode | 0o444)
    yield folder
    shutil.rmtree(folder)


def python(containers: Containers, house: Path, *words: str) -> str:
    """Run the image's Python in a container as confined as the documented one."""
    return containers.podman(
        "run", "--rm", "--network=none", "--no-healthcheck", *CONFINED, "--tmpfs=/tmp",
        f"--volume={house}:/house:ro", "--workdir=/house", "--env=PYTHONPATH=/house/site:/house",
        # Somebody has to bury what tests leave, and the image names a policy that no test has.
        "--init", "--unsetenv=SIDECAR_POLICY",
        "--entrypoint=/opt/sidecar/bin/python", IMAGE, *words,
        seconds=_SECONDS,
    )  # fmt: skip


def test_the_sidecar_under_test_is_the_compiled_one_of_the_image(
    containers: Containers, house: Path
) -> None:
    probe = "from sidecar.fronts.proxy import driver; print(driver.__file__)"
    shown = python(containers, house, "-P", "-c", probe)
    assert shown.startswith("/opt/sidecar/lib/")
    assert shown.strip().endswith(".so")


@pytest.mark.timeout(_SECONDS + 60)
def test_it_passes_the_end_to_end_tests(
    containers: Containers, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = python(containers, house, *_PYTEST, "tests/e2e")
    assert " passed" in shown
    assert " skipped" not in shown
    _, unsteady, names = shown.partition("UNSTEADY")
    with capsys.disabled():
        sys.stdout.write(unsteady + names)
