"""One line of the audit trail: what it says, and what it never says (AU-1).

No field holds a query, a credential, another header than User-Agent and Host, or a byte of a body.
`record.schema.json` beside this module describes the line for those who read it.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Encoder

from sidecar.model.ports import Event
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending

PATH_CHARACTERS: Final = 1024
REASON_CHARACTERS: Final = 512
METHOD_CHARACTERS: Final = 32

SCHEMA_NAME: Final = "record.schema.json"
UNROUTED: Final = "-"


class Shadowed(Struct, gc=False, frozen=True):
    """A refusal that shadow mode only recorded."""

    code: RefusalCode
    reason: str


class Tool(Struct, gc=False, frozen=True, omit_defaults=True):
    """A call of a tool (RQ-6).

    Attributes:
        name: name of the tool.
        arguments_sha256: digest of its arguments as received.
        cleaned_sha256: digest of the arguments that went on, where they were cleaned.
    """

    name: str
    arguments_sha256: str
    cleaned_sha256: str | UnsetType = UNSET


class Traffic(Struct, gc=False):
    """What is known of a proxied exchange.

    Attributes:
        method: as sent; null when the head could not be read, and so for host and path.
        host: value of Host in lower case.
        path: path as received, without the query.
        status: status that the client got; 499 if it left before.
        code: refusal code; null for what the upstream answered.
        step: step that refused, `framing` or `upstream`; null when nothing did.
        duration_ms: from the complete head to the last byte of the answer.
        upstream_ms: from the hand-over to the upstream's head; null without one.
        received_bytes: body bytes from the client.
        sent_bytes: body bytes to the client.
        would_refuse: what shadow mode, or `report` of MCP, let pass; absent when there was nothing.
        tools: calls of tools that the request made; absent when there was none.
        trace_id: the trace that it is part of; absent when none is known.
    """

    method: str | None
    host: str | None
    path: str | None
    status: int
    code: RefusalCode | None
    step: str | None
    duration_ms: float
    upstream_ms: float | None
    received_bytes: int
    sent_bytes: int
    would_refuse: list[Shadowed] | UnsetType = UNSET
    tools: list[Tool] | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET


class Asked(Struct, gc=False):
    """What is known of a call of the admin API.

    Attributes:
        method: as sent.
        path: path without the query.
        status: status of the answer.
    """

    method: str
    path: str
    status: int


class Gap(Struct, gc=False):
    """Records that are missing before this one.

    Attributes:
        dropped: how many.
    """

    dropped: int


class Deed(Struct, gc=False):
    """What an action of an operator, or of the sidecar itself, has beside what it was about.

    Attributes:
        details: facts by name: text, numbers, flags, and lists of these; never a secret.
    """

    details: dict[str, object]


class Record(Struct, gc=False):
    """One line of the audit trail.

    Attributes:
        id: UUIDv7 of this record.
        timestamp: when the head was complete or the event happened: RFC 3339, UTC, milliseconds.
        tenant_id: tenant of the caller, if one is known.
        user_id: subject of the caller, if one is known.
        actor: credential or operator that acted, if one is known.
        action: `request`, `websocket`, `tool.call`, `admin.authenticate`, `audit.gap`, what the
            trail says about itself, such as `audit.start`, or what an operator did, such as
            `key.create`.
        resource_type: `route`, `admin`, `audit`, or what was acted on, such as `key`.
        resource_id: template of the route, `-` for what no route matched; id of what was acted on.
        ip_address: the client's, after trusted proxies.
        user_agent: User-Agent, cut short.
        outcome: how it ended.
        reason: why, in words that no client sees.
        request_id: as in X-Request-Id.
        metadata: what the action has beside that.
    """

    id: str
    timestamp: str
    tenant_id: str | None
    user_id: str | None
    actor: str | None
    action: str
    resource_type: str
    resource_id: str
    ip_address: str | None
    user_agent: str | None
    outcome: Ending
    reason: str | None
    request_id: str | None
    metadata: Traffic | Asked | Gap | Deed


_ENCODER: Final = Encoder()


def encode_record(record: Record) -> bytes:
    """Encode a record as a JSON object."""
    return _ENCODER.encode(record)


def open_record(record: Record) -> bytes:
    """Encode a record without the brace at its end: a line's members follow it (AU-6)."""
    return encode_record(record)[:-1]


def opened(records: Sequence[bytes]) -> list[bytes]:
    """Take the brace off the end of each record."""
    return [record[:-1] for record in records]


def closed(records: Sequence[bytes]) -> list[bytes]:
    """Put the brace back to the end of each open record."""
    return [record + b"}" for record in records]


def json_schema() -> bytes:
    """Read the JSON Schema of a line, which ships with the package."""
    return (files("sidecar.adapters.audit") / SCHEMA_NAME).read_bytes()


def of_admin(
    asked: Asked, *, record_id: str, timestamp: str, address: str | None, reason: str
) -> Record:
    """Write the record of a call of the admin API that nobody was entitled to.

    Args:
        asked: the call.
        record_id: a fresh UUIDv7.
        timestamp: its time as text.
        address: the caller's IP address.
        reason: why it was refused.
    """
    return Record(
        id=record_id,
        timestamp=timestamp,
        tenant_id=None,
        user_id=None,
        actor=None,
        action="admin.authenticate",
        resource_type="admin",
        resource_id="/v1",
        ip_address=address,
        user_agent=None,
        outcome=Ending.REFUSED,
        reason=printable(reason),
        request_id=None,
        metadata=Asked(
            printable(asked.method, METHOD_CHARACTERS),
            printable(asked.path, PATH_CHARACTERS),
            asked.status,
        ),
    )


def of_event(event: Event, *, record_id: str, timestamp: str) -> Record:
    """Write the record of an action (AU-2).

    Args:
        event: the action.
        record_id: a fresh UUIDv7.
        timestamp: its time as text.
    """
    return Record(
        id=record_id,
        timestamp=timestamp,
        tenant_id=None if event.tenant is None else printable(event.tenant),
        user_id=None if event.subject is None else printable(event.subject),
        actor=printable(event.actor),
        action=event.action,
        resource_type=event.resource_type,
        resource_id=printable(event.resource_id),
        ip_address=event.address,
        user_agent=None,
        outcome=Ending.ADMITTED if event.reason is None else Ending.REFUSED,
        reason=None if event.reason is None else printable(event.reason),
        request_id=event.request_id,
        metadata=Deed(_shown(event.details or {})),
    )


def of_gap(dropped: int, *, record_id: str, timestamp: str) -> Record:
    """Write the record that stands in for records which a full queue could not take."""
    return Record(
        id=record_id,
        timestamp=timestamp,
        tenant_id=None,
        user_id=None,
        actor=None,
        action="audit.gap",
        resource_type="audit",
        resource_id=UNROUTED,
        ip_address=None,
        user_agent=None,
        outcome=Ending.FAILED,
        reason="the queue of this sink was full",
        request_id=None,
        metadata=Gap(dropped),
    )


def printable(text: str, characters: int = REASON_CHARACTERS) -> str:
    """Cut text short, and spell out what a terminal would obey instead of showing."""
    text = text[:characters]
    return text if text.isprintable() else _spelled_out(text)[:characters]


def _shown(details: Mapping[str, object]) -> dict[str, object]:
    return {name: _printable_value(value) for name, value in details.items()}


def _printable_value(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_printable_value(item) for item in value]
    return value if isinstance(value, int | float | None) else printable(str(value))


def _spelled_out(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
