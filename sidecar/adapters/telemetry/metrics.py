"""How the metrics of the table are counted, and written down for whoever merges them.

A process counts into plain objects of its own: 0.2 µs an exchange for all of them, where
prometheus_client takes 6 µs for one counter and one histogram. It writes its numbers down as a
snapshot, which travels as JSON; whoever answers /metrics merges the snapshots (`exposition.py`).
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from sidecar.adapters.telemetry.table import BUCKETS, METRICS, OVERHEAD_BUCKETS
from sidecar.model.exchange import Exchange
from sidecar.model.limits import Outcome, Taken
from sidecar.model.message import METHOD_NAMES
from sidecar.model.ports import Ledger
from sidecar.model.refusals import RefusalCode
from sidecar.model.trace import Trace
from sidecar.model.verdict import Ending, Verdict

UNROUTED: Final = "-"
OTHER: Final = "OTHER"
# Names of this module: compiled, it finds them without asking another module.
_METHODS: Final = METHOD_NAMES
_BUCKETS: Final = BUCKETS
_OVERHEAD_BUCKETS: Final = OVERHEAD_BUCKETS

Reading = Callable[[], float]
# By metric, rows of label values and numbers: one number, of a histogram the count of each bucket
# and then the sum of what was observed.
Row = tuple[Sequence[str], Sequence[float]]
EXEMPLARS: Final = "exemplars"
"""What a snapshot has beside the metrics: by route, number of the bucket, request id and trace id,
how long the request took and when it was over; of each bucket the last one."""

Snapshot = dict[str, list[Row]]
NamedRow = tuple[str, Sequence[str], Sequence[float]]


class _Count:
    """How many exchanges ended alike."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class _Bucket:
    """How many requests took so long, and the last of them."""

    __slots__ = ("ended", "number", "request_id", "trace", "verdict")

    def __init__(self) -> None:
        self.number = 0
        self.verdict: Verdict | None = None
        self.request_id = b""
        self.trace: Trace | None = None
        self.ended = 0.0


class _Route:
    """What is counted for one route."""

    __slots__ = (
        "_ending", "_last", "_method", "_status", "durations", "endings", "own_seconds", "owns",
        "received", "seconds", "sent", "wait_seconds", "waits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.endings: dict[tuple[str, int, Ending], _Count] = {}
        # How the last exchange ended: most end as the one before did.
        self._method = b""
        self._status = -1
        self._ending = Ending.ADMITTED
        self._last = _Count()
        self.durations = [_Bucket() for _ in range(len(_BUCKETS) + 1)]
        self.seconds = 0.0
        self.owns = [_Count() for _ in range(len(_OVERHEAD_BUCKETS) + 1)]
        self.own_seconds = 0.0
        self.waits = [_Count() for _ in range(len(_BUCKETS) + 1)]
        self.wait_seconds = 0.0
        self.received = 0
        self.sent = 0

    def count(self, method: bytes, verdict: Verdict) -> None:
        """Count how an exchange ended."""
        is_alike = verdict.status == self._status and verdict.ending is self._ending
        if not is_alike or method != self._method:
            self._remember(method, verdict)
        self._last.number += 1

    def _remember(self, method: bytes, verdict: Verdict) -> None:
        key = (_METHODS.get(method, OTHER), verdict.status, verdict.ending)
        counted = self.endings.get(key)
        if counted is None:
            counted = self.endings[key] = _Count()
        self._method, self._status, self._ending = method, verdict.status, verdict.ending
        self._last = counted

    def note(self, verdict: Verdict, request_id: bytes, exchange: Exchange) -> None:
        """Add up what an exchange took."""
        self.received += verdict.received_bytes
        self.sent += verdict.sent_bytes
        if not verdict.is_upgraded:
            seconds = verdict.seconds
            bucket = self.durations[_bucket_of(seconds, _BUCKETS)]
            bucket.number += 1
            bucket.request_id = request_id
            bucket.verdict = verdict
            bucket.trace = exchange.trace
            bucket.ended = exchange.now + seconds
            self.seconds += seconds
        own_seconds = verdict.own_seconds
        if own_seconds is not None:
            self.owns[_bucket_of(own_seconds, _OVERHEAD_BUCKETS)].number += 1
            self.own_seconds += own_seconds
        wait_seconds = verdict.upstream_seconds
        if wait_seconds is not None:
            self.waits[_bucket_of(wait_seconds, _BUCKETS)].number += 1
            self.wait_seconds += wait_seconds


class MetricsLedger(Ledger):
    """Counts exchanges, and reads the numbers of others when it is asked.

    Args:
        version: version of the sidecar.
        worker: name of this process among those of one sidecar.
    """

    def __init__(self, version: str, worker: str = "0") -> None:
        self._routes: dict[str, _Route] = {}
        self._refusals: dict[tuple[str, RefusalCode], list[int]] = {}
        self._shadow: dict[tuple[str, RefusalCode], int] = {}
        self._taken: dict[tuple[str, Outcome], int] = {}
        self._readings: list[tuple[str, tuple[str, ...], Reading]] = []
        self._sources: list[Callable[[], Iterable[NamedRow]]] = []
        self._worker = worker
        self._policy = ""
        self._revocations = [0] * (len(_BUCKETS) + 1)
        self._revocation_seconds = 0.0
        self._store_errors: dict[str, int] = {}
        self._reports: dict[tuple[str, str], int] = {}
        self.watch("sidecar_build_info", lambda: 1, version, platform.python_version())

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Count an exchange."""
        try:
            name = exchange.route.name
            request_id = exchange.request_id
        except AttributeError:
            name = UNROUTED
            request_id = exchange.own_id
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = _Route()
        head = exchange.head
        route.count(b"" if head is None else head.method, verdict)
        route.note(verdict, request_id, exchange)
        if verdict.code is not None:
            self._note_refusal(verdict.step, verdict.code)
        if exchange.taken:
            self._note_taken(exchange.taken, is_limited=verdict.code is RefusalCode.RATE_LIMITED)
        for refused in exchange.shadow:
            passed = (name, refused.code)
            self._shadow[passed] = self._shadow.get(passed, 0) + 1

    def _note_refusal(self, step: str, code: RefusalCode) -> None:
        counted = self._refusals.get((step, code))
        if counted is None:
            self._refusals[step, code] = [1]
        else:
            counted[0] += 1

    def _note_taken(self, charges: Sequence[Taken], *, is_limited: bool) -> None:
        for taken in charges:
            charge = (taken.limit.name, outcome_of(taken, is_limited=is_limited))
            self._taken[charge] = self._taken.get(charge, 0) + 1

    def watch(self, name: str, reading: Reading, *labels: str) -> None:
        """Read a gauge, or a counter that another part keeps, whenever a snapshot is taken.

        Args:
            name: a metric of the table.
            reading: gives its number.
            labels: values of its labels, in the table's order.

        Raises:
            ValueError: the labels are not those of the table.
        """
        if len(labels) != len(METRICS[name].labels):
            raise ValueError(f"{name} has the labels {METRICS[name].labels}")
        self._readings.append((name, labels, reading))

    def ask(self, source: Callable[[], Iterable[NamedRow]]) -> None:
        """Take rows of another part, whose labels may change, whenever a snapshot is taken.

        Args:
            source: gives rows of the table's metrics: name, values of the labels, numbers.
        """
        self._sources.append(source)

    def unwatch(self) -> None:
        """Forget all readings and sources but what is running, for those of another policy."""
        self._readings = self._readings[:1]
        self._sources = []

    def note_revocation(self, seconds: float) -> None:
        """Count a change of the state store that came to be in force here."""
        self._revocations[_bucket_of(seconds, _BUCKETS)] += 1
        self._revocation_seconds += seconds

    def note_store_error(self, operation: str) -> None:
        """Count a call of the state store that failed."""
        self._store_errors[operation] = self._store_errors.get(operation, 0) + 1

    def note_report(self, directive: str, disposition: str) -> None:
        """Count what a browser reported; both words are of ours, whatever it sent."""
        reported = (directive, disposition)
        self._reports[reported] = self._reports.get(reported, 0) + 1

    def set_policy(self, sha256: str) -> None:
        """Say which policy is in force."""
        self._policy = sha256

    def snapshot(self) -> Snapshot:
        """Write all numbers down, in lists that JSON can carry."""
        taken: Snapshot = {}
        for name, labels, numbers in self._rows():
            taken.setdefault(name, []).append((labels, numbers))
        return taken

    def _rows(self) -> Iterator[NamedRow]:
        for name, route in self._routes.items():
            yield from _route_rows(name, route)
        for refusal, counted in self._refusals.items():
            yield "sidecar_refusals_total", refusal, tuple(counted)
        for charge, count in self._taken.items():
            yield "sidecar_rate_limit_decisions_total", charge, (count,)
        for passed, count in self._shadow.items():
            yield "sidecar_shadow_refusals_total", passed, (count,)
        for name, labels, reading in self._readings:
            yield name, labels, (reading(),)
        for source in self._sources:
            yield from source()
        yield from self._process_rows()

    def _process_rows(self) -> Iterator[NamedRow]:
        if any(self._revocations):
            numbers = (*self._revocations, self._revocation_seconds)
            yield "sidecar_revocation_latency_seconds", (), numbers
        for reported, count in self._reports.items():
            yield "sidecar_csp_reports_total", reported, (count,)
        for operation, count in self._store_errors.items():
            yield "sidecar_store_errors_total", (operation,), (count,)
        if self._policy:
            yield "sidecar_policy_info", (self._policy,), (1,)
        # Imported by the first scrape: only those who scrape pay the memory of what comes with it.
        from prometheus_client.process_collector import ProcessCollector

        # Reads /proc; where there is none, nothing comes.
        for family in ProcessCollector(registry=None).collect():
            for sample in family.samples:
                yield sample.name, (self._worker,), (sample.value,)


def outcome_of(taken: Taken, *, is_limited: bool) -> Outcome:
    """Say what became of a charge: refused in mode shadow, it passed all the same.

    Args:
        taken: what the limit said.
        is_limited: whether a limit refused the exchange.
    """
    outcome = taken.outcome
    return Outcome.SHADOWED if outcome is Outcome.REFUSED and not is_limited else outcome


def _bucket_of(seconds: float, buckets: tuple[float, ...]) -> int:
    """Find the first bucket that holds a duration.

    Most are in the first few: compiled, the loop takes a quarter of the time of `bisect`.
    """
    for bucket, bound in enumerate(buckets):
        if seconds <= bound:
            return bucket
    return len(buckets)


def _route_rows(name: str, route: _Route) -> Iterator[NamedRow]:
    for (method, status, ending), counted in route.endings.items():
        yield "sidecar_requests_total", (name, method, str(status), ending), (counted.number,)
    took = [bucket.number for bucket in route.durations]
    yield "sidecar_request_duration_seconds", (name,), (*took, route.seconds)
    waited = [count.number for count in route.waits]
    yield "sidecar_upstream_duration_seconds", (name,), (*waited, route.wait_seconds)
    added = [count.number for count in route.owns]
    yield "sidecar_overhead_seconds", (name,), (*added, route.own_seconds)
    yield "sidecar_received_bytes_total", (name,), (route.received,)
    yield "sidecar_sent_bytes_total", (name,), (route.sent,)
    for place, bucket in enumerate(route.durations):
        verdict, trace = bucket.verdict, bucket.trace
        if verdict is not None:
            # Of a trace that nobody records there is nothing to look up.
            trace_id = trace.trace_id.decode() if trace is not None and trace.is_sampled else ""
            labels = (name, str(place), bucket.request_id.decode("latin-1"), trace_id)
            yield EXEMPLARS, labels, (verdict.seconds, bucket.ended)
