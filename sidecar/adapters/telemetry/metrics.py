"""Every metric of the sidecar, how it is counted, and how the workers' numbers become one.

A process counts into plain dictionaries and lists: 1 µs an exchange for all of them, where
prometheus_client takes 6 µs for one counter and one histogram. It writes its numbers down as a
snapshot, which travels as JSON; whoever answers /metrics merges the snapshots (`exposition.py`).
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sidecar.model.exchange import Exchange
from sidecar.model.limits import Outcome, Taken
from sidecar.model.ports import Ledger
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict

UNROUTED: Final = "-"
OTHER: Final = "OTHER"
# A method is a label only if it is one of these: a client may send any token.
METHODS: Final[dict[bytes, str]] = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
# Seconds; a sidecar adds less than one millisecond, an upstream may take a minute.
BUCKETS: Final[tuple[float, ...]] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
BOUNDS: Final = (*map(str, BUCKETS), "+Inf")


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the numbers of several workers become one."""

    SUM = "sum"
    LARGEST = "largest"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what operators, dashboards and the reference manual know of it.

    Attributes:
        name: as exposed, with its unit; a counter ends in `_total`.
        kind: counter, gauge or histogram.
        labels: names of its labels; the values of each are bounded.
        text: what it counts.
        merge: how the numbers of several workers become one.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    merge: Merge = Merge.SUM


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric(
            "sidecar_requests_total", _C, ("route", "method", "code", "outcome"),
            "Exchanges by route template, method (others: OTHER), status and how they ended",
        ),
        Metric(
            "sidecar_request_duration_seconds", _H, ("route",),
            "From the complete head to the last byte of the answer; WebSockets left out",
        ),
        Metric(
            "sidecar_upstream_duration_seconds", _H, ("route",),
            "From the hand-over of a request to the head of the upstream's answer",
        ),
        Metric(
            "sidecar_refusals_total", _C, ("step", "code"),
            "Answers of the sidecar itself by the step that gave them and the refusal code",
        ),
        Metric(
            "sidecar_shadow_refusals_total", _C, ("route", "code"),
            "Refusals that mode shadow only recorded",
        ),
        Metric(
            "sidecar_rate_limit_decisions_total", _C, ("limit", "outcome"),
            "Charges to rate limits, by limit or tier, and what became of them",
        ),
        Metric(
            "sidecar_rate_limit_callers", _G, (), "Callers that are counted in this process"
        ),
        Metric(
            "sidecar_rate_limit_held", _G, (),
            "Requests that go on now and are held by limits of concurrency, once for each limit",
        ),
        Metric(
            "sidecar_rate_limit_shared_total", _C, (),
            "Charges to counters that callers share, since there is no room for their own",
        ),
        Metric(
            "sidecar_rate_limit_degraded_total", _C, (),
            "Requests that limits let pass, or counted in this process alone, without the store",
        ),
        Metric(
            "sidecar_rate_limit_leased_total", _C, (),
            "Requests that limits admitted from shares taken in advance",
        ),
        Metric(
            "sidecar_security_txt_expires_timestamp_seconds", _G, (),
            "Unix time from which security.txt is not to be trusted any more",
        ),
        Metric(
            "sidecar_csp_reports_total", _C, ("directive", "disposition"),
            "Reports of browsers of what Content-Security-Policy blocked, or would have",
        ),
        Metric("sidecar_received_bytes_total", _C, ("route",), "Body bytes from clients"),
        Metric("sidecar_sent_bytes_total", _C, ("route",), "Body bytes to clients"),
        Metric(
            "sidecar_body_buffer_bytes", _G, (),
            "Bytes of bodies that rules read, in memory and in files",
        ),
        Metric(
            "sidecar_body_buffer_refusals_total", _C, (),
            "Bodies for which there was no room",
        ),
        Metric("sidecar_connections", _G, (), "Open client connections"),
        Metric("sidecar_requests_in_flight", _G, (), "Requests in flight"),
        Metric("sidecar_websockets", _G, (), "Open WebSockets"),
        Metric(
            "sidecar_upstream_connections", _G, ("state",),
            "Connections to upstreams, idle or busy",
        ),
        Metric(
            "sidecar_audit_records_total", _C, ("sink",), "Audit records that a sink has taken"
        ),
        Metric("sidecar_audit_queue_records", _G, ("sink",), "Audit records that wait for a sink"),
        Metric(
            "sidecar_audit_dropped_total", _C, ("sink",),
            "Audit records given up because the sink's queue was full",
        ),
        Metric(
            "sidecar_audit_errors_total", _C, ("sink",), "Attempts to write to a sink that failed"
        ),
        Metric(
            "sidecar_revocation_latency_seconds", _H, (),
            "From a change of a key, tenant or revocation to its being in force in this process",
        ),
        Metric(
            "sidecar_state_staleness_seconds", _G, (),
            "Time since the state store last said what changed", Merge.LARGEST,
        ),
        Metric(
            "sidecar_blocks", _G, (),
            "Blocks of addresses, keys and tenants that are in force", Merge.LARGEST,
        ),
        Metric(
            "sidecar_store_errors_total", _C, ("operation",),
            "Calls of the state store that failed",
        ),
        Metric(
            "sidecar_jwks_errors_total", _C, ("issuer",),
            "Attempts to fetch the keys of an issuer that failed",
        ),
        Metric(
            "sidecar_introspection_errors_total", _C, (),
            "Questions about opaque tokens that their issuer did not answer",
        ),
        Metric(
            "sidecar_jwks_age_seconds", _G, ("issuer",),
            "Time since the keys of an issuer were fetched", Merge.LARGEST,
        ),
        Metric(
            "sidecar_build_info", _G, ("version", "python"), "Always 1; what is running",
            Merge.LARGEST,
        ),
        Metric(
            "sidecar_policy_info", _G, ("sha256",), "Always 1; the policy in force", Merge.LARGEST
        ),
        Metric("process_cpu_seconds_total", _C, ("worker",), "CPU time, user and system"),
        Metric("process_resident_memory_bytes", _G, ("worker",), "Resident memory"),
        Metric("process_virtual_memory_bytes", _G, ("worker",), "Virtual memory"),
        Metric("process_open_fds", _G, ("worker",), "Open file descriptors"),
        Metric("process_max_fds", _G, ("worker",), "File descriptors that may be open"),
        Metric("process_start_time_seconds", _G, ("worker",), "Unix time of the start"),
    )
}  # fmt: skip

Reading = Callable[[], float]
# By metric, rows of label values and numbers: one number, of a histogram the count of each bucket
# and then the sum of what was observed.
Row = tuple[Sequence[str], Sequence[float]]
Snapshot = dict[str, list[Row]]
_NamedRow = tuple[str, Sequence[str], Sequence[float]]


class _Route:
    """What is counted for one route."""

    __slots__ = ("durations", "endings", "received", "seconds", "sent", "wait_seconds", "waits")

    def __init__(self) -> None:
        self.endings: dict[tuple[str, int, Ending], int] = {}
        self.durations = [0] * len(BOUNDS)
        self.seconds = 0.0
        self.waits = [0] * len(BOUNDS)
        self.wait_seconds = 0.0
        self.received = 0
        self.sent = 0


class MetricsLedger(Ledger):
    """Counts exchanges, and reads the numbers of others when it is asked.

    Args:
        version: version of the sidecar.
        worker: name of this process among those of one sidecar.
    """

    def __init__(self, version: str, worker: str = "0") -> None:
        self._routes: dict[str, _Route] = {}
        self._refusals: dict[tuple[str, RefusalCode], int] = {}
        self._shadow: dict[tuple[str, RefusalCode], int] = {}
        self._taken: dict[tuple[str, Outcome], int] = {}
        self._readings: list[tuple[str, tuple[str, ...], Reading]] = []
        self._worker = worker
        self._policy = ""
        self._revocations = [0] * len(BOUNDS)
        self._revocation_seconds = 0.0
        self._store_errors: dict[str, int] = {}
        self._reports: dict[tuple[str, str], int] = {}
        self.watch("sidecar_build_info", lambda: 1, version, platform.python_version())

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Count an exchange."""
        try:
            name = exchange.route.name
        except AttributeError:
            name = UNROUTED
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = _Route()
        head = exchange.head
        method = OTHER if head is None else METHODS.get(head.method, OTHER)
        key = (method, verdict.status, verdict.ending)
        count = route.endings.get(key)
        route.endings[key] = 1 if count is None else count + 1
        route.received += verdict.received_bytes
        route.sent += verdict.sent_bytes
        if not verdict.is_upgraded:
            seconds = verdict.seconds
            route.durations[_bucket_of(seconds)] += 1
            route.seconds += seconds
        wait_seconds = verdict.upstream_seconds
        if wait_seconds is not None:
            route.waits[_bucket_of(wait_seconds)] += 1
            route.wait_seconds += wait_seconds
        if verdict.code is not None:
            refusal = (verdict.step, verdict.code)
            self._refusals[refusal] = self._refusals.get(refusal, 0) + 1
        if exchange.taken:
            self._note_taken(exchange.taken, is_limited=verdict.code is RefusalCode.RATE_LIMITED)
        for refused in exchange.shadow:
            passed = (name, refused.code)
            self._shadow[passed] = self._shadow.get(passed, 0) + 1

    def _note_taken(self, charges: Sequence[Taken], *, is_limited: bool) -> None:
        for taken in charges:
            outcome = taken.outcome
            if outcome is Outcome.REFUSED and not is_limited:
                # Mode shadow let it pass.
                outcome = Outcome.SHADOWED
            charge = (taken.limit.name, outcome)
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

    def note_revocation(self, seconds: float) -> None:
        """Count a change of the state store that came to be in force here."""
        self._revocations[_bucket_of(seconds)] += 1
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

    def _rows(self) -> Iterator[_NamedRow]:
        for name, route in self._routes.items():
            yield from _route_rows(name, route)
        for refusal, count in self._refusals.items():
            yield "sidecar_refusals_total", refusal, (count,)
        for charge, count in self._taken.items():
            yield "sidecar_rate_limit_decisions_total", charge, (count,)
        for passed, count in self._shadow.items():
            yield "sidecar_shadow_refusals_total", passed, (count,)
        for name, labels, reading in self._readings:
            yield name, labels, (reading(),)
        yield from self._process_rows()

    def _process_rows(self) -> Iterator[_NamedRow]:
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


def _bucket_of(seconds: float) -> int:
    """Find the first bucket that holds a duration; most are in the first few, so no bisection."""
    for bucket, bound in enumerate(BUCKETS):
        if seconds <= bound:
            return bucket
    return len(BUCKETS)


def _route_rows(name: str, route: _Route) -> Iterator[_NamedRow]:
    for (method, status, ending), count in route.endings.items():
        yield "sidecar_requests_total", (name, method, str(status), ending), (count,)
    yield "sidecar_request_duration_seconds", (name,), (*route.durations, route.seconds)
    yield "sidecar_upstream_duration_seconds", (name,), (*route.waits, route.wait_seconds)
    yield "sidecar_received_bytes_total", (name,), (route.received,)
    yield "sidecar_sent_bytes_total", (name,), (route.sent,)
