"""Runs a module of the bench in the interpreter of the sidecar, on the core of the contenders."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.contenders import ROOT
from bench.processes import BenchError, pinned

_LIMIT_SECONDS: Final = 300
# The bench is found last: the package that was installed there, perhaps compiled, comes before the
# sources beside the bench.
_START: Final = """\
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def printed_by(module: str, python: Path, core: int, words: Sequence[str] = ()) -> str:
    """Run a module and return what it prints.

    Raises:
        BenchError: it does not run there.
    """
    start = [str(python), "-P", "-c", _START, str(ROOT), module, *words]
    command = pinned(start, core)
    try:
        ran = subprocess.run(  # noqa: S603 - our own command, no shell
            command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{module} did not run: {error}") from error
    if ran.returncode != 0:
        raise BenchError(f"{module} did not run: {ran.stderr.strip().rpartition(chr(10))[2]}")
    return ran.stdout
