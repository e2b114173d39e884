"""What failed is run again alone, once, and what passes then is named."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

HOUSE: Final = Path(__file__).parents[2]
STEADY: Final = "def test_steady(): pass\n"
BROKEN: Final = "def test_broken(): assert 1 == 2\n"
# Fails the first time that it is run in a folder.
UNSTEADY: Final = """
from pathlib import Path
def test_unsteady():
    name = Path(__file__).with_name("was-here")
    was_here = name.exists()
    name.touch()
    assert was_here
"""


def run(folder: Path, content: str, workers: str = "0") -> tuple[int, str]:
    """Run pytest by `ci.twice` on a file with such tests; give its exit status and what it said."""
    (folder / "test_one.py").write_text(content)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "ci.twice", sys.executable, "-m", "pytest", "-p", "xdist"]
    done = subprocess.run(  # noqa: S603  our own module
        [*command, "-n", workers],
        cwd=folder,
        env={"PYTHONPATH": str(HOUSE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_test_that_passes_alone_is_named_and_fails_nothing(tmp_path: Path) -> None:
    status, said = run(tmp_path, STEADY + UNSTEADY, workers="2")
    assert status == 0
    assert "1 failed, 1 passed" in said
    assert "UNSTEADY: passed alone, and have to be mended:\n  test_one.py::test_unsteady" in said


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    status, said = run(tmp_path, STEADY + BROKEN + UNSTEADY)
    assert status == 1
    assert "1 failed, 1 passed" in said.splitlines()[-1]
    assert "UNSTEADY" not in said


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(STEADY, 0, id="nothing failed"),
        pytest.param("import no_such_module\n", 2, id="a file that cannot be read"),
        pytest.param(
            "\n".join(BROKEN.replace("broken", str(n)) for n in range(4)), 1, id="too many"
        ),
    ],
)
def test_all_else_is_run_once(tmp_path: Path, content: str, status: int) -> None:
    found, said = run(tmp_path, content)
    assert found == status
    assert said.count("test session starts") == 1


def test_what_failed_in_an_earlier_run_is_forgotten(tmp_path: Path) -> None:
    run(tmp_path, BROKEN)
    status, said = run(tmp_path, STEADY)
    assert status == 0
    assert said.count("test session starts") == 1
