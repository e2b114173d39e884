"""Records in other words: CSV for people's tables, OCSF for systems that collect events (AU-3)."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

Record = Mapping[str, object]

_PLAIN: Final = (
    "id", "timestamp", "tenant_id", "user_id", "actor", "action", "resource_type", "resource_id",
    "ip_address", "user_agent", "outcome", "reason", "request_id",
)  # fmt: skip
_TRAFFIC: Final = (
    "method", "host", "path", "status", "code", "step", "duration_ms", "upstream_ms",
    "received_bytes", "sent_bytes",
)  # fmt: skip
_CHAIN: Final = ("writer", "seq", "hash")
COLUMNS: Final = (*_PLAIN, *_TRAFFIC, "details", *_CHAIN)
# Programs for tables take what begins so for a formula (CWE-1236), wide forms of Asia included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 -- those are meant


def csv_header() -> str:
    """Write the line of names, with its end (RFC 4180)."""
    return _row(COLUMNS)


def csv_line(record: Record) -> str:
    """Write a record as a line of CSV.

    Text that a program would take for a formula gets an apostrophe before it: none of it can be
    made to run there, and a program that reads it back has to take the apostrophe away.
    """
    metadata = _metadata(record)
    more = {name: value for name, value in metadata.items() if name not in _TRAFFIC}
    return _row(
        [
            *(_cell(record.get(name)) for name in _PLAIN),
            *(_cell(metadata.get(name)) for name in _TRAFFIC),
            _cell(json.dumps(more, ensure_ascii=False) if more else None),
            *(_cell(record.get(name)) for name in _CHAIN),
        ]
    )


def _row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    is_text = isinstance(value, str)
    return f"'{text}" if is_text and text.startswith(_FORMULA) else text


# --- OCSF

OCSF_VERSION: Final = "1.3.0"
_HTTP: Final = 4002
_API: Final = 6003
_AUTHENTICATION: Final = 3002
_METHODS: Final = {
    "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8,
}  # fmt: skip
_VERBS: Final = {
    1: frozenset({"create", "import", "set", "start", "add"}),
    2: frozenset({"access", "read", "export", "admin_access", "staff_access"}),
    3: frozenset({"update", "rotate", "resume", "suspend", "enable", "disable", "reseal"}),
    4: frozenset({"delete", "revoke", "remove", "purge", "erase"}),
}
_LOGONS: Final = frozenset({"auth.failure", "auth.login", "admin.authenticate"})
_LOGOFF: Final = "auth.logout"
_OTHER: Final = 99
_SEVERITIES: Final = {"refused": 2, "failed": 3}
_ALERT: Final = 4


def ocsf(record: Record, version: str) -> dict[str, object]:
    """Write a record as an event of OCSF.

    Authentication (3002)  `auth.failure`, `auth.login`, `auth.logout`, `admin.authenticate`
    HTTP Activity (4002)   all other requests
    API Activity (6003)    calls of tools, and what operators and the sidecar itself did

    Args:
        record: the record.
        version: of the sidecar.
    """
    metadata = _metadata(record)
    class_uid, activity = _class_of(str(record.get("action")), metadata)
    succeeded = record.get("outcome") in {"admitted", "answered"}
    event: dict[str, object] = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "time": _milliseconds(record),
        "severity_id": _severity(record),
        "status_id": 1 if succeeded else 2,
        "status_detail": record.get("reason"),
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Sidecar", "vendor_name": "Tenant Sidecar", "version": version},
            "uid": record.get("id"),
            "event_code": record.get("action"),
            "correlation_uid": record.get("request_id"),
            "tenant_uid": record.get("tenant_id"),
            "sequence": record.get("seq"),
            "logged_time": _milliseconds(record),
        },
        "src_endpoint": {"ip": record.get("ip_address")},
        "unmapped": {
            "outcome": record.get("outcome"),
            "resource_type": record.get("resource_type"),
            "resource_id": record.get("resource_id"),
            **{name: record.get(name) for name in ("writer", "hash")},
            **{name: value for name, value in metadata.items() if name not in _MAPPED},
        },
        **_of_class(class_uid, record, metadata),
    }
    return _without_nothing(event)


_MAPPED: Final = frozenset({"method", "host", "path", "status"})


def _class_of(action: str, metadata: Mapping[str, object]) -> tuple[int, int]:
    if action in _LOGONS:
        return _AUTHENTICATION, 1
    if action == _LOGOFF:
        return _AUTHENTICATION, 2
    if action != "tool.call" and "duration_ms" in metadata:
        return _HTTP, _METHODS.get(str(metadata.get("method")), _OTHER)
    verb = action.rpartition(".")[2]
    return _API, next((number for number, verbs in _VERBS.items() if verb in verbs), _OTHER)


def _of_class(class_uid: int, record: Record, metadata: Mapping[str, object]) -> dict[str, object]:
    user = {"uid": record.get("user_id"), "credential_uid": record.get("actor")}
    answered: dict[str, object] = {}
    if "path" in metadata:
        answered["http_request"] = {
            "http_method": metadata.get("method"),
            "url": {"hostname": metadata.get("host"), "path": metadata.get("path")},
            "user_agent": record.get("user_agent"),
        }
    if "status" in metadata:
        answered["http_response"] = {"code": metadata.get("status")}
    if class_uid == _AUTHENTICATION:
        # The class demands a user, and whoever failed has none.
        is_known = any(user.values())
        return {**answered, "user": user if is_known else {"name": "unknown"}}
    if class_uid == _API:
        answered["api"] = {"operation": record.get("action")}
        answered["resources"] = [
            {"type": record.get("resource_type"), "uid": record.get("resource_id")}
        ]
    return {**answered, "actor": {"user": user}}


def _severity(record: Record) -> int:
    if str(record.get("action")).startswith("alert."):
        return _ALERT
    return _SEVERITIES.get(str(record.get("outcome")), 1)


def _milliseconds(record: Record) -> int:
    at = datetime.fromisoformat(str(record.get("timestamp")))
    return int(at.timestamp() * 1000 + 0.5)


def _without_nothing(event: dict[str, object]) -> dict[str, object]:
    """Leave out members that say nothing, and objects of nothing else."""
    kept: dict[str, object] = {}
    for name, value in event.items():
        inner = _without_nothing(value) if isinstance(value, dict) else value
        if inner is not None and inner != {}:
            kept[name] = inner
    return kept


def _metadata(record: Record) -> Mapping[str, object]:
    metadata = record.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}
