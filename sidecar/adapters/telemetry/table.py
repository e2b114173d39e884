"""Every metric of the sidecar: what operators, dashboards, rules and the manual know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BUCKETS: Final[tuple[float, ...]] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Seconds of what waits for others: an upstream may take a minute."""

OVERHEAD_BUCKETS: Final[tuple[float, ...]] = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
)  # fmt: skip
"""Seconds of what the sidecar adds: a tenth of a millisecond, and more where it asks a store."""

STEP_BUCKETS: Final[tuple[float, ...]] = (
    0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.01, 0.1,
)  # fmt: skip
"""Seconds of one step: a microsecond, and a tenth of a millisecond for a signature."""


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the numbers of several workers become one."""

    SUM = "sum"
    LARGEST = "largest"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what operators, dashboards and the reference manual know of it.

    Attributes:
        name: as exposed, with its unit; a counter ends in `_total`.
        kind: counter, gauge or histogram.
        labels: names of its labels; the values of each are bounded.
        text: what it counts.
        merge: how the numbers of several workers become one.
        buckets: upper bounds of a histogram's buckets, in seconds; the last one has none.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    merge: Merge = Merge.SUM
    buckets: tuple[float, ...] = BUCKETS

    @property
    def bounds(self) -> tuple[str, ...]:
        """Values of the label `le` of a histogram."""
        return (*map(str, self.buckets), "+Inf")


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
            "sidecar_overhead_seconds", _H, ("route",),
            "What the sidecar itself took, its store and issuers included; not the upstream, the "
            "client's body, a time floor",
            buckets=OVERHEAD_BUCKETS,
        ),
        Metric(
            "sidecar_step_duration_seconds", _H, ("step",),
            "What a step took, waits for answers left out; of one request in `metrics.step_sample`",
            buckets=STEP_BUCKETS,
        ),
        Metric(
            "sidecar_tenant_requests_total", _C, ("tenant", "outcome"),
            "Exchanges by tenant and how they ended; with `metrics.tenants` alone",
        ),
        Metric(
            "sidecar_tenant_rate_limit_decisions_total", _C, ("tenant", "outcome"),
            "Charges to rate limits by tenant; with `metrics.tenants` alone",
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
            "sidecar_rate_limit_leased_units_total", _C, (),
            "Units of limits that were taken in advance, used later or not",
        ),
        Metric(
            "sidecar_rate_limit_leased_units_used_total", _C, (),
            "Units taken in advance that were used; the others were lost to their callers",
        ),
        Metric(
            "sidecar_rate_limit_waiting", _G, (),
            "Requests whose charges wait for the store, or are under way to it",
        ),
        Metric(
            "sidecar_security_txt_expires_timestamp_seconds", _G, (),
            "Unix time from which security.txt is not to be trusted any more", Merge.SMALLEST,
        ),
        Metric(
            "sidecar_certificate_expiry_timestamp_seconds", _G, ("used_by", "file"),
            "Unix time from which a file has no valid certificate left; of a chain, its first end",
            Merge.SMALLEST,
        ),
        Metric(
            "sidecar_degraded", _G, ("what",),
            "1 while a part goes on with less than it should have, else 0", Merge.LARGEST,
        ),
        Metric(
            "sidecar_csp_reports_total", _C, ("directive", "disposition"),
            "Reports of browsers of what Content-Security-Policy blocked, or would have",
        ),
        Metric(
            "sidecar_traced_requests_total", _C, ("outcome",),
            "Requests with spans: exported, failed (the collector did not take them), or dropped"
            " (no room)",
        ),
        Metric("sidecar_traced_requests_waiting", _G, (), "Requests whose spans wait to be sent"),
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
        Metric(
            "sidecar_body_judgements_waiting", _G, (),
            "Large bodies that wait for another process to judge them, or are judged there",
        ),
        Metric(
            "sidecar_key_uses_waiting", _G, (),
            "Keys whose last use is not written to the store yet",
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
            "sidecar_alert_failures_total", _C, (),
            "Alerts on privileged access that the webhook did not take",
        ),
        Metric(
            "sidecar_audit_spilled_total", _C, ("sink",),
            "Audit records put on disk because the sink's queue was full or the process ended",
        ),
        Metric(
            "sidecar_audit_spill_bytes", _G, ("sink",),
            "Audit records on disk that wait for a sink; one file for all processes", Merge.LARGEST,
        ),
        Metric(
            "sidecar_audit_blocked", _G, ("sink",),
            "1 while new requests are refused because the sink's queue is full", Merge.LARGEST,
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
        Metric(
            "sidecar_policy_reload_total", _C, ("result",),
            "Attempts to put another policy in force, by what became of them",
        ),
        Metric(
            "sidecar_policy_reload_timestamp_seconds", _G, (),
            "Unix time when the policy in force came into force", Merge.LARGEST,
        ),
        Metric(
            "sidecar_injections_total", _C, ("kind", "result"),
            "Reviews that `sidecar webhook` answered: injected, unchanged, refused, malformed,"
            " overloaded (no room for it) or failed (a mistake of its own)",
        ),
        Metric(
            "sidecar_injection_duration_seconds", _H, ("kind",),
            "From the head of a review to its answer",
        ),
        Metric(
            "sidecar_injector_connections", _G, (), "Open connections of those who ask for reviews"
        ),
        Metric(
            "sidecar_injector_connections_cut_total", _C, ("why",),
            "Connections that were cut: full (as many as may be), handshake (no TLS), silent (no"
            " request in time)",
        ),
        Metric(
            "sidecar_worker_restarts_total", _C, (),
            "Workers that ended by themselves or were killed, and were started again; not there"
            " with one process",
        ),
        Metric("process_cpu_seconds_total", _C, ("worker",), "CPU time, user and system"),
        Metric("process_resident_memory_bytes", _G, ("worker",), "Resident memory"),
        Metric("process_virtual_memory_bytes", _G, ("worker",), "Virtual memory"),
        Metric("process_open_fds", _G, ("worker",), "Open file descriptors"),
        Metric("process_max_fds", _G, ("worker",), "File descriptors that may be open"),
        Metric("process_start_time_seconds", _G, ("worker",), "Unix time of the start"),
    )
}  # fmt: skip
