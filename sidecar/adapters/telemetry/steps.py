"""What steps took, of the requests whose steps are timed."""

from bisect import bisect_left
from collections.abc import Iterator

from sidecar.adapters.telemetry.metrics import NamedRow
from sidecar.adapters.telemetry.table import STEP_BUCKETS


class StepTimes:
    """Counts how long steps took; a source of rows for the metrics."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def note(self, step: str, seconds: float) -> None:
        """Note what a step took."""
        counts = self._counts.get(step)
        if counts is None:
            counts = self._counts[step] = [0] * (len(STEP_BUCKETS) + 1)
        counts[bisect_left(STEP_BUCKETS, seconds)] += 1
        self._seconds[step] = self._seconds.get(step, 0.0) + seconds

    def rows(self) -> Iterator[NamedRow]:
        """Give the rows of the metric."""
        for step, counts in self._counts.items():
            yield "sidecar_step_duration_seconds", (step,), (*counts, self._seconds[step])
