"""Records as CSV that no table can run, and as events of OCSF."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.knowledge.audit.formats import COLUMNS, csv_header, csv_line, ocsf
from sidecar.model.events import EVENTS

pytestmark = pytest.mark.control("AU-3")

TRAFFIC: Mapping[str, object] = {
    "method": "DELETE", "host": "a.example", "path": "/x", "status": 403, "code": "FORBIDDEN",
    "step": "authorize", "duration_ms": 1.5, "upstream_ms": None, "received_bytes": 0,
    "sent_bytes": 9,
}  # fmt: skip


def a_record(action: str = "request", **more: object) -> dict[str, object]:
    return {
        "id": "i", "timestamp": "2026-01-31T09:30:00.125Z", "tenant_id": "acme", "user_id": "ann",
        "actor": "id-1", "action": action, "resource_type": "route", "resource_id": "/x",
        "ip_address": "192.0.2.7", "user_agent": None, "outcome": "refused", "reason": "no role",
        "request_id": "r", "metadata": TRAFFIC, "writer": "w/0/0", "seq": 4, "hash": "ab", **more,
    }  # fmt: skip


def cells(line: str) -> list[str]:
    [found] = csv.reader(io.StringIO(line))
    return found


def test_a_line_has_what_the_header_names() -> None:
    assert tuple(cells(csv_header())) == COLUMNS
    found = dict(zip(COLUMNS, cells(csv_line(a_record())), strict=True))
    assert (found["tenant_id"], found["status"], found["duration_ms"]) == ("acme", "403", "1.5")
    assert (found["user_agent"], found["upstream_ms"], found["details"]) == ("", "", "")
    assert (found["writer"], found["seq"], found["hash"]) == ("w/0/0", "4", "ab")
    assert csv_line(a_record()).endswith('"\r\n')


@pytest.mark.parametrize(
    "text",
    ['=HYPERLINK("x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1"],
)
def test_no_cell_can_be_taken_for_a_formula(text: str) -> None:
    line = csv_line(a_record(reason=text, user_agent=text, metadata={**TRAFFIC, "path": text}))
    assert cells(line).count("'" + text) == 3
    assert text not in cells(line)


def test_a_number_stays_a_number_and_what_else_is_known_is_json() -> None:
    line = csv_line(a_record(metadata={"details": {"a": "b, \u00e9"}}))
    assert dict(zip(COLUMNS, cells(line), strict=True))["details"] == '{"details": {"a": "b, é"}}'
    odd = csv_line(a_record(metadata=None, seq=-4))
    assert dict(zip(COLUMNS, cells(odd), strict=True))["seq"] == "-4"


# --- OCSF

DEED: Mapping[str, object] = {"details": {"a": 1}}
ASKED: Mapping[str, object] = {"method": "GET", "path": "/v1/keys", "status": 401}


@pytest.mark.parametrize(
    ("action", "metadata", "class_uid", "activity"),
    [
        ("request", TRAFFIC, 4002, 2),
        ("request", {**TRAFFIC, "method": "PATCH"}, 4002, 99),
        ("websocket", {**TRAFFIC, "method": "GET"}, 4002, 3),
        ("account.created", {**TRAFFIC, "method": "POST"}, 4002, 6),
        ("tool.call", TRAFFIC, 6003, 99),
        ("auth.failure", TRAFFIC, 3002, 1),
        ("auth.login", TRAFFIC, 3002, 1),
        ("auth.logout", TRAFFIC, 3002, 2),
        ("admin.authenticate", ASKED, 3002, 1),
        ("key.create", DEED, 6003, 1),
        ("audit.export", DEED, 6003, 2),
        ("tenant.update", DEED, 6003, 3),
        ("secret.delete", DEED, 6003, 4),
        ("csp.report", DEED, 6003, 99),
    ],
)
def test_an_action_has_its_class(
    action: str, metadata: Mapping[str, object], class_uid: int, activity: int
) -> None:
    event = ocsf(a_record(action, metadata=metadata), "1.2.3")
    assert (event["class_uid"], event["activity_id"]) == (class_uid, activity)
    assert event["category_uid"] == class_uid // 1000
    assert event["type_uid"] == class_uid * 100 + activity


def test_an_event_says_what_the_record_says() -> None:
    event: Any = ocsf(a_record(), "1.2.3")
    assert event["time"] == 1769851800125
    assert (event["severity_id"], event["status_id"], event["status_detail"]) == (2, 2, "no role")
    assert event["metadata"] == {
        "version": "1.3.0",
        "product": {"name": "Sidecar", "vendor_name": "Tenant Sidecar", "version": "1.2.3"},
        "uid": "i",
        "event_code": "request",
        "correlation_uid": "r",
        "tenant_uid": "acme",
        "sequence": 4,
        "logged_time": 1769851800125,
    }
    assert event["src_endpoint"] == {"ip": "192.0.2.7"}
    assert event["http_request"] == {
        "http_method": "DELETE",
        "url": {"hostname": "a.example", "path": "/x"},
    }
    assert event["http_response"] == {"code": 403}
    assert event["actor"] == {"user": {"uid": "ann", "credential_uid": "id-1"}}
    assert event["unmapped"]["code"] == "FORBIDDEN"


def test_whoever_failed_to_log_in_is_somebody_unknown() -> None:
    event = ocsf(a_record("auth.failure", user_id=None, actor=None), "1")
    assert event["user"] == {"name": "unknown"}
    known = ocsf(a_record("auth.login", outcome="admitted"), "1")
    assert (known["user"], known["status_id"], known["severity_id"]) == (
        {"uid": "ann", "credential_uid": "id-1"}, 1, 1,
    )  # fmt: skip


def test_an_alert_is_grave_and_a_deed_has_its_resource() -> None:
    event = ocsf(
        a_record("alert.staff_access", outcome="admitted", ip_address=None, metadata=DEED), "1"
    )
    assert event["severity_id"] == 4
    assert event["resources"] == [{"type": "route", "uid": "/x"}]
    assert event["api"] == {"operation": "alert.staff_access"}
    assert "src_endpoint" not in event


@pytest.mark.parametrize("action", list(EVENTS))
def test_every_action_of_the_catalogue_is_an_event(action: str) -> None:
    shapes = {"traffic": TRAFFIC, "asked": ASKED, "gap": {"dropped": 1}, "deed": DEED}
    event = ocsf(a_record(action, metadata=shapes[EVENTS[action].shape]), "1")
    assert event["class_uid"] in {3002, 4002, 6003}
