"""What is counted, and how it is exposed, read back with prometheus_client's own parsers."""

import json
from collections.abc import Mapping

import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from sidecar.adapters.telemetry.exposition import lasting, merge, render
from sidecar.adapters.telemetry.metrics import MetricsLedger, Snapshot
from sidecar.adapters.telemetry.table import BUCKETS, METRICS, Kind
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.trace import SAMPLED, Trace
from sidecar.model.verdict import Ending, Verdict
from tests.adapters.exchanges import (
    OWN_ID,
    a_head,
    admitted,
    an_exchange,
    an_unreadable_exchange,
    refused,
)


def families(snapshot: Snapshot) -> Mapping[str, Family]:
    content_type, text = render(snapshot, is_openmetrics=False)
    assert content_type.startswith("text/plain; version=")
    return {family.name: family for family in read_text(text.decode())}


def value(snapshot: Snapshot, sample: str, **labels: str) -> float | None:
    """Find the value of the sample with exactly these labels."""
    found = [
        one.value
        for family in families(snapshot).values()
        for one in family.samples
        if one.name == sample and one.labels == labels
    ]
    assert len(found) <= 1
    return found[0] if found else None


def a_ledger(worker: str = "0") -> MetricsLedger:
    return MetricsLedger("1.2.3", worker)


def test_exchanges_are_counted_by_route_method_status_and_ending() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted(201))
    ledger.note(an_exchange(), admitted(201))
    ledger.note(an_exchange(a_head(b"POST")), refused(RefusalCode.FORBIDDEN))
    taken = ledger.snapshot()
    name, route = "sidecar_requests_total", "/orders/{id}"
    assert value(taken, name, route=route, method="GET", code="201", outcome="admitted") == 2
    assert value(taken, name, route=route, method="POST", code="403", outcome="refused") == 1


def test_a_label_never_takes_what_a_client_made_up() -> None:
    ledger = a_ledger()
    for number in range(100):
        ledger.note(an_exchange(a_head(b"X%d" % number, b"/%d" % number)), admitted())
    ledger.note(an_unreadable_exchange(), refused(RefusalCode.BAD_REQUEST, step="framing"))
    rows = ledger.snapshot()["sidecar_requests_total"]
    assert sorted(tuple(labels) for labels, _ in rows) == [
        ("-", "OTHER", "400", "refused"),
        ("/orders/{id}", "OTHER", "200", "admitted"),
    ]


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, "0.001"), (0.001, "0.001"), (0.00101, "0.0025"), (60.0, "60.0"), (3600.0, "+Inf")],
)
def test_a_duration_falls_into_the_bucket_that_bounds_it(seconds: float, bound: str) -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted(seconds=seconds))
    taken = ledger.snapshot()
    name, route = "sidecar_request_duration_seconds", "/orders/{id}"
    bounds = [*map(str, BUCKETS), "+Inf"]
    counted = [b for b in bounds if value(taken, f"{name}_bucket", route=route, le=b) == 1]
    assert counted == bounds[bounds.index(bound) :]
    assert value(taken, f"{name}_count", route=route) == 1
    assert value(taken, f"{name}_sum", route=route) == seconds


def test_the_wait_for_the_upstream_is_a_duration_of_its_own() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted())
    ledger.note(an_exchange(), refused())
    name, route = "sidecar_upstream_duration_seconds", "/orders/{id}"
    assert value(ledger.snapshot(), f"{name}_count", route=route) == 1
    assert value(ledger.snapshot(), f"{name}_sum", route=route) == 0.01


def test_the_life_of_a_websocket_is_no_request_duration() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted(101, seconds=3600, is_upgraded=True))
    name = "sidecar_request_duration_seconds_count"
    assert value(ledger.snapshot(), name, route="/orders/{id}") == 0


def test_body_bytes_are_added_up() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted())
    ledger.note(an_exchange(), admitted())
    taken = ledger.snapshot()
    assert value(taken, "sidecar_received_bytes_total", route="/orders/{id}") == 24
    assert value(taken, "sidecar_sent_bytes_total", route="/orders/{id}") == 6912


def test_our_own_answers_are_counted_by_step_and_code() -> None:
    ledger = a_ledger()
    failed = Verdict(
        Ending.FAILED, 502, RefusalCode.BAD_GATEWAY, "cut short", "upstream", 0.1, 0.1, 0, 0,
        is_upgraded=False,
    )  # fmt: skip
    for verdict in (refused(), refused(), failed, admitted(404)):
        ledger.note(an_exchange(), verdict)
    taken = ledger.snapshot()
    assert value(taken, "sidecar_refusals_total", step="route", code="NOT_FOUND") == 2
    assert value(taken, "sidecar_refusals_total", step="upstream", code="BAD_GATEWAY") == 1
    assert len(taken["sidecar_refusals_total"]) == 2


def test_what_shadow_mode_let_pass_is_counted_by_route() -> None:
    ledger = a_ledger()
    exchange = an_exchange()
    exchange.shadow += [Refuse(RefusalCode.FORBIDDEN, ""), Refuse(RefusalCode.NOT_FOUND, "")]
    ledger.note(exchange, admitted())
    taken, name = ledger.snapshot(), "sidecar_shadow_refusals_total"
    assert value(taken, name, route="/orders/{id}", code="FORBIDDEN") == 1
    assert value(taken, name, route="/orders/{id}", code="NOT_FOUND") == 1
    assert "sidecar_refusals_total" not in taken


def test_the_numbers_of_others_are_read_when_asked_for() -> None:
    ledger, connections = a_ledger(), [1, 2, 3]
    ledger.watch("sidecar_connections", lambda: len(connections))
    ledger.watch("sidecar_upstream_connections", lambda: 7, "idle")
    connections.append(4)
    assert value(ledger.snapshot(), "sidecar_connections") == 4
    assert value(ledger.snapshot(), "sidecar_upstream_connections", state="idle") == 7


def test_a_reading_with_other_labels_than_the_table_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="sink"):
        a_ledger().watch("sidecar_audit_dropped_total", lambda: 0)


def test_what_runs_and_on_which_policy_is_told() -> None:
    ledger = a_ledger()
    assert "sidecar_policy_info" not in ledger.snapshot()
    ledger.set_policy("old")
    ledger.set_policy("new")
    taken = ledger.snapshot()
    assert [labels for labels, _ in taken["sidecar_policy_info"]] == [("new",)]
    assert [labels[0] for labels, _ in taken["sidecar_build_info"]] == ["1.2.3"]


def test_the_process_is_measured() -> None:
    taken = a_ledger("3").snapshot()
    assert (value(taken, "process_resident_memory_bytes", worker="3") or 0) > 1_000_000
    assert (value(taken, "process_open_fds", worker="3") or 0) > 2
    assert value(taken, "process_cpu_seconds_total", worker="3") is not None


def test_the_snapshots_of_workers_become_one() -> None:
    one, other = a_ledger("1"), a_ledger("2")
    for ledger in (one, other):
        ledger.note(an_exchange(), admitted(seconds=0.5))
        ledger.watch("sidecar_websockets", lambda: 2)
        ledger.set_policy("abc")
    other.note(an_exchange(route="/only-there"), admitted())
    carried: list[Snapshot] = json.loads(json.dumps([one.snapshot(), other.snapshot()]))
    merged = merge(carried)
    name, route = "sidecar_request_duration_seconds", "/orders/{id}"
    assert value(merged, f"{name}_count", route=route) == 2
    assert value(merged, f"{name}_bucket", route=route, le="0.25") == 0
    assert value(merged, f"{name}_bucket", route=route, le="0.5") == 2
    assert value(merged, f"{name}_sum", route=route) == 1
    assert value(merged, f"{name}_count", route="/only-there") == 1
    assert value(merged, "sidecar_websockets") == 4
    assert value(merged, "sidecar_policy_info", sha256="abc") == 1
    assert value(merged, "process_open_fds", worker="1") is not None
    assert value(merged, "process_open_fds", worker="2") is not None


def test_of_a_worker_that_ended_only_what_it_counted_lasts() -> None:
    ledger = a_ledger("1")
    ledger.note(an_exchange(), admitted())
    ledger.watch("sidecar_connections", lambda: 9)
    kept = lasting(ledger.snapshot())
    assert "sidecar_requests_total" in kept
    assert "sidecar_request_duration_seconds" in kept
    assert not {name for name in kept if name.startswith(("process_", "sidecar_connections"))}


def test_openmetrics_is_written_for_whoever_asks_for_it() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted())
    content_type, text = render(ledger.snapshot(), is_openmetrics=True)
    assert content_type.startswith("application/openmetrics-text")
    found = read_openmetrics(text.decode())  # type: ignore[no-untyped-call]  # the parser has none
    assert "sidecar_requests" in {family.name for family in found}


def test_a_route_template_cannot_break_the_text() -> None:
    ledger = a_ledger()
    odd = 'a"b\\c\nd'
    ledger.note(an_exchange(route=odd), admitted())
    assert value(ledger.snapshot(), "sidecar_sent_bytes_total", route=odd) == 3456


def test_every_metric_of_the_table_can_be_exposed_as_the_table_says() -> None:
    snapshot: Snapshot = {
        metric.name: [
            (
                ["x"] * len(metric.labels),
                [1] * (len(metric.bounds) + 1 if metric.kind is Kind.HISTOGRAM else 1),
            )
        ]
        for metric in METRICS.values()
    }
    exposed = families(snapshot)
    for metric in METRICS.values():
        family = exposed[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        assert set(family.samples[0].labels) - {"le"} == set(metric.labels)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_named_by_the_conventions(name: str) -> None:
    assert name.startswith(("sidecar_", "process_"))
    assert name.endswith("_total") == (METRICS[name].kind is Kind.COUNTER)


def test_reports_of_browsers_are_counted_by_directive() -> None:
    ledger = a_ledger()
    for _ in range(2):
        ledger.note_report("script-src", "report")
    found = value(
        ledger.snapshot(), "sidecar_csp_reports_total", directive="script-src", disposition="report"
    )
    assert found == 2


def test_what_the_sidecar_took_itself_is_a_duration_of_its_own() -> None:
    ledger = a_ledger()
    ledger.note(an_exchange(), admitted(own_seconds=0.0002))
    ledger.note(an_exchange(), admitted(own_seconds=0.002))
    ledger.note(an_exchange(), admitted(own_seconds=None))
    taken, name, route = ledger.snapshot(), "sidecar_overhead_seconds", "/orders/{id}"
    assert value(taken, f"{name}_count", route=route) == 2
    assert value(taken, f"{name}_sum", route=route) == pytest.approx(0.0022)
    assert value(taken, f"{name}_bucket", route=route, le="0.0001") == 0
    assert value(taken, f"{name}_bucket", route=route, le="0.00025") == 1


def exemplars(snapshot: Snapshot) -> list[tuple[str, str, float]]:
    """List what OpenMetrics shows: bucket, request id, seconds."""
    _, text = render(snapshot, is_openmetrics=True)
    found = read_openmetrics(text.decode())  # type: ignore[no-untyped-call]  # the parser has none
    return [
        (sample.labels["le"], sample.exemplar.labels["request_id"], sample.exemplar.value)
        for family in found
        for sample in family.samples
        if sample.exemplar is not None
    ]


def asked(request_id: bytes, now: float = 0.0) -> Exchange:
    exchange = an_exchange()
    exchange.request_id = request_id
    exchange.now = now
    return exchange


def test_a_bucket_shows_the_request_that_fell_into_it_last() -> None:
    ledger = a_ledger()
    ledger.note(asked(b"the-first"), admitted(seconds=0.003))
    ledger.note(asked(b"the-second"), admitted(seconds=0.004))
    ledger.note(asked(b"a-slow-one"), admitted(seconds=2.0))
    assert exemplars(ledger.snapshot()) == [
        ("0.005", "the-second", 0.004),
        ("2.5", "a-slow-one", 2.0),
    ]


def test_a_request_that_no_route_got_is_shown_by_the_sidecars_own_id() -> None:
    ledger = a_ledger()
    ledger.note(an_unreadable_exchange(), refused(RefusalCode.BAD_REQUEST, step="framing"))
    assert exemplars(ledger.snapshot()) == [("0.001", OWN_ID.decode(), 0.0005)]


def test_the_text_format_has_no_exemplars() -> None:
    ledger = a_ledger()
    ledger.note(asked(b"the-first"), admitted())
    assert b"the-first" not in render(ledger.snapshot(), is_openmetrics=False)[1]


def test_of_several_workers_the_newest_request_of_a_bucket_is_shown() -> None:
    one, other = a_ledger("1"), a_ledger("2")
    one.note(asked(b"the-newest", 3.0), admitted())
    other.note(asked(b"an-older-one", 2.0), admitted())
    for ledgers in ([one, other], [other, one]):
        carried = json.loads(json.dumps([ledger.snapshot() for ledger in ledgers]))
        assert [shown for _, shown, _ in exemplars(merge(carried))] == ["the-newest"]


def test_an_id_that_openmetrics_has_no_room_for_is_not_shown() -> None:
    ledger = a_ledger()
    ledger.note(asked(b"a" * 118), admitted(seconds=0.003))
    ledger.note(asked(b"b" * 119), admitted(seconds=2.0))
    assert [shown for _, shown, _ in exemplars(ledger.snapshot())] == ["a" * 118]


@pytest.mark.parametrize(
    ("flags", "characters", "shown"),
    [
        (SAMPLED, 78, {"request_id": "a" * 78, "trace_id": "ab" * 16}),
        (SAMPLED, 79, {"request_id": "a" * 79}),
        (0, 8, {"request_id": "a" * 8}),
    ],
)
def test_a_trace_that_is_recorded_is_shown_where_there_is_room(
    flags: int, characters: int, shown: dict[str, str]
) -> None:
    ledger, exchange = a_ledger(), asked(b"a" * characters)
    exchange.trace = Trace(b"ab" * 16, None, b"cd" * 8, flags=flags, state=b"")
    ledger.note(exchange, admitted())
    _, text = render(ledger.snapshot(), is_openmetrics=True)
    found = read_openmetrics(text.decode())  # type: ignore[no-untyped-call]  # the parser has none
    samples = [sample for family in found for sample in family.samples]
    assert [one.exemplar.labels for one in samples if one.exemplar is not None] == [shown]


def test_an_exemplar_does_not_outlast_its_worker() -> None:
    ledger = a_ledger()
    ledger.note(asked(b"the-first"), admitted())
    assert exemplars(lasting(ledger.snapshot())) == []


def test_rows_of_other_parts_are_asked_for_when_a_snapshot_is_taken() -> None:
    ledger, rows = a_ledger(), [("sidecar_degraded", ("store",), (0,))]
    ledger.ask(lambda: rows)
    rows[0] = ("sidecar_degraded", ("audit",), (1,))
    assert value(ledger.snapshot(), "sidecar_degraded", what="audit") == 1
    assert value(ledger.snapshot(), "sidecar_degraded", what="store") is None


@pytest.mark.parametrize(
    ("name", "merged"),
    [
        ("sidecar_security_txt_expires_timestamp_seconds", 1),
        ("sidecar_certificate_expiry_timestamp_seconds", 1),
        ("sidecar_degraded", 2),
        ("sidecar_body_judgements_waiting", 3),
    ],
)
def test_of_several_workers_the_number_that_matters_is_shown(name: str, merged: int) -> None:
    labels = ["x"] * len(METRICS[name].labels)
    assert merge([{name: [(labels, [1])]}, {name: [(labels, [2])]}]) == {
        name: [(tuple(labels), [merged])]
    }


@pytest.mark.parametrize("is_openmetrics", [False, True])
def test_a_label_that_is_no_utf8_does_not_keep_the_others_from_being_read(
    *, is_openmetrics: bool
) -> None:
    ledger = a_ledger()
    ledger.watch("sidecar_audit_records_total", lambda: 7, '/var/log/\udcff"\\\n\u00e9.jsonl')
    ledger.watch("sidecar_audit_queue_records", lambda: 8, "/var/log/\udcff")
    _, text = render(json.loads(json.dumps(ledger.snapshot())), is_openmetrics=is_openmetrics)
    lines = [line for line in text.decode().splitlines() if line.startswith("sidecar_audit")]
    assert lines == [
        'sidecar_audit_records_total{sink="/var/log/\\\\udcff\\"\\\\\\n\u00e9.jsonl"} 7.0',
        'sidecar_audit_queue_records{sink="/var/log/\\\\udcff"} 8.0',
    ]
