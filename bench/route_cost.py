"""Runs `bench.routes` in the interpreter of the sidecar, on the core of the contenders."""

import json
from pathlib import Path

from bench.elsewhere import printed_by
from bench.results import RouteCost


def measure_in(python: Path, core: int) -> RouteCost:
    """Measure in another interpreter, on one core.

    Raises:
        BenchError: if it does not run there.
    """
    return RouteCost(**json.loads(printed_by("bench.routes", python, core)))
