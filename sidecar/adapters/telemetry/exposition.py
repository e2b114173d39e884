"""From the snapshots of all processes to the text that Prometheus reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from sidecar.adapters.telemetry.metrics import EXEMPLARS, Row, Snapshot
from sidecar.adapters.telemetry.table import METRICS, Kind, Merge, Metric

_MERGING: Final[Mapping[Merge, Callable[[float, float], float]]] = {
    Merge.SUM: lambda one, other: one + other,
    Merge.LARGEST: max,
    Merge.SMALLEST: min,
}
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
_WITH_EXEMPLARS: Final = "sidecar_request_duration_seconds"
_LONGEST_EXEMPLAR: Final = 128
"""Characters of all names and values of an exemplar's labels (OpenMetrics 1.0, "Exemplars")."""

_Exemplars = dict[tuple[str, int], Exemplar]


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Make one snapshot of those of several processes, number by number."""
    merged: dict[str, dict[tuple[str, ...], Sequence[float]]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot.items():
            # Of two processes' exemplars of a bucket `render` takes the newer one.
            joined = Merge.LARGEST if name == EXEMPLARS else METRICS[name].merge
            _join(merged.setdefault(name, {}), rows, _MERGING[joined])
    return {name: list(rows.items()) for name, rows in merged.items()}


def _join(
    known: dict[tuple[str, ...], Sequence[float]],
    rows: Iterable[Row],
    join: Callable[[float, float], float],
) -> None:
    for labels, numbers in rows:
        key = tuple(labels)
        known[key] = [*map(join, known[key], numbers)] if key in known else numbers


def lasting(snapshot: Snapshot) -> Snapshot:
    """Keep of a process that ended what must not be forgotten: what it counted.

    If its share were missing, the sums would fall, and Prometheus would read that as a restart of
    all workers and count what the others had done a second time.
    """
    return {
        name: rows
        for name, rows in snapshot.items()
        if name != EXEMPLARS
        and METRICS[name].kind is not Kind.GAUGE
        and "worker" not in METRICS[name].labels
    }


def render(snapshot: Snapshot, *, is_openmetrics: bool) -> tuple[str, bytes]:
    """Write a snapshot as text.

    Args:
        snapshot: the numbers.
        is_openmetrics: whether in OpenMetrics, which has exemplars.

    Returns:
        The content type and the text.
    """
    registry = CollectorRegistry()
    registry.register(_Shown(snapshot))
    # Never what a reader sent: the library raises for versions that are no numbers.
    encode, content_type = choose_encoder(_OPENMETRICS if is_openmetrics else "")
    return content_type, encode(registry)


class _Shown(Collector):
    """A snapshot, as prometheus_client wants to see it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        for name, metric in METRICS.items():
            if rows := self._snapshot.get(name):
                is_meant = name == _WITH_EXEMPLARS
                exemplars = _exemplars(self._snapshot.get(EXEMPLARS, ())) if is_meant else {}
                yield _family(metric, rows, exemplars)


def _exemplars(rows: Iterable[Row]) -> _Exemplars:
    """Choose the newest exemplar of each bucket; the text format leaves them out."""
    chosen: _Exemplars = {}
    for (route, bucket, request_id, trace_id), (seconds, ended) in rows:
        labels = _exemplar_labels(request_id, trace_id)
        if not labels:
            continue
        place = route, int(bucket)
        known = chosen.get(place)
        if known is None or float(known.timestamp or 0) < ended:
            chosen[place] = Exemplar(labels, seconds, ended)
    return chosen


def _exemplar_labels(request_id: str, trace_id: str) -> dict[str, str]:
    """Say which request it was, in as many words as OpenMetrics has room for."""
    whole = {"request_id": request_id, "trace_id": trace_id}
    if not trace_id or _length(whole) > _LONGEST_EXEMPLAR:
        whole.pop("trace_id")
    return whole if _length(whole) <= _LONGEST_EXEMPLAR else {}


def _length(labels: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in labels.items())


def _family(metric: Metric, rows: Iterable[Row], exemplars: _Exemplars) -> Family:
    match metric.kind:
        case Kind.COUNTER:
            counter = CounterMetricFamily(metric.name, metric.text, labels=metric.labels)
            for labels, numbers in rows:
                counter.add_metric(_encodable(labels), numbers[0])
            return counter
        case Kind.GAUGE:
            gauge = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
            for labels, numbers in rows:
                gauge.add_metric(_encodable(labels), numbers[0])
            return gauge
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
            for labels, numbers in rows:
                *counts, total = numbers
                pairs = zip(metric.bounds, accumulate(counts), strict=True)
                buckets = [
                    (bound, count, exemplar)
                    if exemplars and (exemplar := exemplars.get((labels[0], at)))
                    else (bound, count)
                    for at, (bound, count) in enumerate(pairs)
                ]
                histogram.add_metric(_encodable(labels), buckets, total)
            return histogram


def _encodable(labels: Iterable[str]) -> list[str]:
    """Write as an escape what is no UTF-8: a variable may have put it into the name of a file."""
    return [
        label if label.isascii() else label.encode(errors="backslashreplace").decode()
        for label in labels
    ]
