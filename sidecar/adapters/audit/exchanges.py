"""From an exchange to its record; compiled with the hot path, since every request passes here."""

from datetime import UTC, datetime
from typing import Final

from sidecar.adapters.audit.record import (
    METHOD_CHARACTERS,
    PATH_CHARACTERS,
    UNROUTED,
    Record,
    Shadowed,
    Traffic,
    printable,
)
from sidecar.model.exchange import Exchange
from sidecar.model.memo import LineMemo, Memo
from sidecar.model.message import RequestHead
from sidecar.model.verdict import Verdict

USER_AGENT_CHARACTERS: Final = 256
HOST_CHARACTERS: Final = 255

_FIELD: Final = b"user-agent:"


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


class Composer:
    """Writes the records of exchanges."""

    __slots__ = ("_agents", "_hosts", "_timestamp")

    def __init__(self) -> None:
        self._timestamp = Timestamps()
        self._agents: LineMemo[str] = LineMemo(_agent_of)
        self._hosts: Memo[bytes, str] = Memo(_host_of)

    def record(self, exchange: Exchange, verdict: Verdict) -> Record:
        """Write the record of an exchange; facts that no step came to write are left out.

        Args:
            exchange: the exchange; its head is None when it could not be parsed.
            verdict: how it ended.
        """
        own_id = exchange.own_id.decode()
        head = exchange.head
        route = getattr(exchange, "route", None)
        request_id = getattr(exchange, "request_id", None)
        principal = getattr(exchange, "principal", None)
        tenant = getattr(exchange, "tenant", None)
        return Record(
            own_id,
            self._timestamp(exchange.now),
            None if tenant is None else tenant.id,
            None if principal is None else printable(principal.subject) or None,
            None if principal is None else printable(principal.credential_id) or None,
            "websocket" if verdict.is_upgraded else "request",
            "route",
            UNROUTED if route is None else route.name,
            getattr(exchange, "client", exchange.connection.peer),
            None if head is None else self._user_agent(head),
            verdict.ending,
            printable(verdict.reason) if verdict.reason else None,
            own_id if request_id is None else request_id.decode("latin-1"),
            self._traffic(exchange, head, verdict),
        )

    def _user_agent(self, head: RequestHead) -> str | None:
        known = self._agents.known
        for line in head.lines:
            agent = known.get(line)
            if agent is None:
                agent = self._agents(line)
            if agent:
                return agent
        return None

    def _traffic(self, exchange: Exchange, head: RequestHead | None, verdict: Verdict) -> Traffic:
        upstream_seconds = verdict.upstream_seconds
        traffic = Traffic(
            None if head is None else _ascii(head.method, METHOD_CHARACTERS),
            None if head is None or head.host is None else self._hosts(head.host),
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


def _ascii(value: bytes, characters: int) -> str:
    # Bytes beyond ASCII are spelled out: as text some of them would steer a reader's terminal.
    return value.decode("ascii", "backslashreplace")[:characters]


def _agent_of(line: bytes) -> str:
    size = len(_FIELD)
    if line[:size].lower() != _FIELD:
        return ""
    return _ascii(line[size:].strip(b" \t"), USER_AGENT_CHARACTERS)


def _host_of(host: bytes) -> str:
    return _ascii(host, HOST_CHARACTERS)


def _milliseconds(seconds: float) -> float:
    # Cutting to the microsecond by an integer takes a third of the time that round() takes.
    return int(seconds * 1_000_000) / 1000
