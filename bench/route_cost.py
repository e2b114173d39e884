"""Runs `bench.routes` in the interpreter of the sidecar, on the core of the contenders."""

import json
import subprocess
from pathlib import Path
from typing import Final

from bench.contenders import ROOT
from bench.processes import BenchError, pinned
from bench.results import RouteCost

_LIMIT_SECONDS: Final = 300


def measure_in(python: Path, core: int) -> RouteCost:
    """Measure in another interpreter, on one core.

    Raises:
        BenchError: if it does not run there.
    """
    command = pinned([str(python), "-m", "bench.routes"], core)
    try:
        ran = subprocess.run(  # noqa: S603 - our own command, no shell
            command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"the cost of routes was not measured: {error}") from error
    if ran.returncode != 0:
        last = ran.stderr.strip().rpartition("\n")[2]
        raise BenchError(f"the cost of routes was not measured: {last}")
    return RouteCost(**json.loads(ran.stdout))
