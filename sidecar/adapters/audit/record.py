"""One line of the audit trail: what it says, and what it never says (AU-1).

No field holds a query, a credential, another header than User-Agent and Host, or a byte of a body.
`record.schema.json` beside this module describes the line for those who read it.
"""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Encoder

from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict

PATH_CHARACTERS: Final = 1024
USER_AGENT_CHARACTERS: Final = 256
HOST_CHARACTERS: Final = 255
REASON_CHARACTERS: Final = 512
METHOD_CHARACTERS: Final = 32

SCHEMA_NAME: Final = "record.schema.json"
UNROUTED: Final = "-"


class Shadowed(Struct, gc=False, frozen=True):
    """A refusal that shadow mode only recorded."""

    code: RefusalCode
    reason: str


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
        would_refuse: what shadow mode let pass; absent when there was nothing.
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


class Record(Struct, gc=False):
    """One line of the audit trail.

    Attributes:
        id: UUIDv7 of this record.
        timestamp: when the head was complete or the event happened: RFC 3339, UTC, milliseconds.
        tenant_id: tenant of the caller, if one is known.
        user_id: subject of the caller, if one is known.
        actor: credential or operator that acted, if one is known.
        action: `request`, `websocket`, `admin.authenticate` or `audit.gap`.
        resource_type: `route`, `admin` or `audit`.
        resource_id: template of the route; `-` for what no route matched.
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
    metadata: Traffic | Asked | Gap


_ENCODER: Final = Encoder()


def encode_lines(records: list[Record]) -> bytes:
    """Encode records as JSON lines, each with its line feed."""
    return _ENCODER.encode_lines(records)


def json_schema() -> bytes:
    """Read the JSON Schema of a line, which ships with the package."""
    return (files("sidecar.adapters.audit") / SCHEMA_NAME).read_bytes()


class Timestamps:
    """Writes Unix seconds as RFC 3339 in UTC with milliseconds; the last one is remembered."""

    __slots__ = ("_millisecond", "_text")

    def __init__(self) -> None:
        self._millisecond = -1
        self._text = ""

    def __call__(self, now: float) -> str:
        """Return the time as text, cut to the millisecond."""
        millisecond = int(now * 1000)
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1000)
            moment = datetime.fromtimestamp(second, UTC)
            self._text = f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
            self._millisecond = millisecond
        return self._text


def of_exchange(exchange: Exchange, verdict: Verdict, timestamp: str) -> Record:
    """Write the record of an exchange; facts that no step came to write are left out.

    Args:
        exchange: the exchange; its head is None when it could not be parsed.
        verdict: how it ended.
        timestamp: its time as text.
    """
    own_id = exchange.own_id.decode()
    head = exchange.head
    route = getattr(exchange, "route", None)
    request_id = getattr(exchange, "request_id", None)
    return Record(
        own_id,
        timestamp,
        None,
        None,
        None,
        "websocket" if verdict.is_upgraded else "request",
        "route",
        UNROUTED if route is None else route.name,
        getattr(exchange, "client", exchange.connection.peer),
        None if head is None else _user_agent(head),
        verdict.ending,
        printable(verdict.reason) if verdict.reason else None,
        own_id if request_id is None else request_id.decode("latin-1"),
        _traffic(exchange, head, verdict),
    )


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


def _spelled_out(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _ascii(value: bytes, characters: int) -> str:
    # Bytes beyond ASCII are spelled out: as text some of them would steer a reader's terminal.
    return value.decode("ascii", "backslashreplace")[:characters]


def _user_agent(head: RequestHead) -> str | None:
    for line in head.lines:
        # The colon first: nine fields of ten are not worth a new lower-case name.
        if line[10:11] == b":" and line[:10].lower() == b"user-agent":
            return _ascii(line[11:].strip(b" \t"), USER_AGENT_CHARACTERS)
    return None


def _traffic(exchange: Exchange, head: RequestHead | None, verdict: Verdict) -> Traffic:
    upstream_seconds = verdict.upstream_seconds
    traffic = Traffic(
        None if head is None else _ascii(head.method, METHOD_CHARACTERS),
        None if head is None or head.host is None else _ascii(head.host, HOST_CHARACTERS),
        None if head is None else _ascii(head.path, PATH_CHARACTERS),
        verdict.status,
        verdict.code,
        verdict.step or None,
        _milliseconds(verdict.seconds),
        None if upstream_seconds is None else _milliseconds(upstream_seconds),
        verdict.received_bytes,
        verdict.sent_bytes,
    )
    if exchange.shadow:
        traffic.would_refuse = [Shadowed(r.code, printable(r.reason)) for r in exchange.shadow]
    return traffic


def _milliseconds(seconds: float) -> float:
    # Cutting to the microsecond by an integer takes a third of the time that round() takes.
    return int(seconds * 1_000_000) / 1000
