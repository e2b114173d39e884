"""From an exchange to its record; compiled with the hot path, since every request passes here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import UNSET

from sidecar.adapters.audit.record import (
    METHOD_CHARACTERS,
    PATH_CHARACTERS,
    UNROUTED,
    Record,
    Shadowed,
    Tool,
    Traffic,
    printable,
)
from sidecar.model.events import (
    AUTH_FAILURE,
    REQUEST,
    TOOL_CALL,
    WEBSOCKET,
    RouteAction,
    is_failure,
)
from sidecar.model.exchange import Exchange
from sidecar.model.memo import Memo
from sidecar.model.message import METHOD_NAMES, RequestHead
from sidecar.model.verdict import Verdict

USER_AGENT_CHARACTERS: Final = 256
HOST_CHARACTERS: Final = 255
TOOL_CHARACTERS: Final = 256
RESOURCE_CHARACTERS: Final = 256

_USER_AGENT: Final = b"user-agent"
# A name of this module: compiled, it finds it without asking another module.
_METHODS: Final = METHOD_NAMES
# Looking a number up takes a tenth of writing it down.
FRACTIONS: Final = [f".{number:03d}".encode() for number in range(1000)]


class Timestamps:
    """Writes Unix seconds as RFC 3339 in UTC with milliseconds; the last one is remembered."""

    __slots__ = ("_millisecond", "_second", "_text", "_to_second")

    def __init__(self) -> None:
        self._second = self._millisecond = -1
        self._to_second = self._text = b""

    def text(self, now: float) -> str:
        """Return the time as text, cut to the millisecond."""
        return self.ascii(now).decode()

    def ascii(self, now: float) -> bytes:
        """Return the same as bytes."""
        millisecond = int(now * 1000)
        if millisecond != self._millisecond:
            second = millisecond // 1000
            if second != self._second:
                moment = datetime.fromtimestamp(second, UTC)
                self._to_second = f"{moment:%Y-%m-%dT%H:%M:%S}".encode()
                self._second = second
            self._text = self._to_second + FRACTIONS[millisecond - 1000 * second] + b"Z"
            self._millisecond = millisecond
        return self._text


class Composer:
    """Writes the records of exchanges."""

    __slots__ = ("_agents", "_hosts", "_timestamps")

    def __init__(self) -> None:
        self._timestamps = Timestamps()
        self._agents: Memo[bytes, str] = Memo(agent_of)
        self._hosts: Memo[bytes, str] = Memo(host_of)

    def record(self, exchange: Exchange, verdict: Verdict) -> Record:
        """Write the record of an exchange; facts that no step came to write are left out.

        Args:
            exchange: the exchange; its head is None when it could not be parsed.
            verdict: how it ended.
        """
        own_id = exchange.own_id.decode()
        head = exchange.head
        route = UNROUTED
        client = exchange.connection.peer
        request_id = own_id
        actions: Sequence[RouteAction] = ()
        # In the order in which the steps write them: what follows an unset one is unset too.
        try:
            client = exchange.client
            if exchange.request_id is not exchange.own_id:
                request_id = exchange.request_id.decode("latin-1")
            plan = exchange.route
            route = plan.name
            actions = plan.actions
        except AttributeError:
            pass
        record = Record(
            own_id,
            self._timestamps.text(exchange.now),
            *_caller(exchange),
            _action(exchange, verdict),
            "route",
            route,
            client,
            None if head is None else self._user_agent(head),
            verdict.ending,
            printable(verdict.reason) if verdict.reason else None,
            request_id,
            self._traffic(exchange, head, verdict),
        )
        return _renamed(record, actions, exchange, verdict) if actions else record

    def _user_agent(self, head: RequestHead) -> str | None:
        value = user_agent(head)
        return (self._agents.known.get(value) or self._agents(value)) if value else None

    def _traffic(self, exchange: Exchange, head: RequestHead | None, verdict: Verdict) -> Traffic:
        upstream_seconds = verdict.upstream_seconds
        method = host = path = None
        if head is not None:
            method = _METHODS.get(head.method) or _ascii(head.method, METHOD_CHARACTERS)
            path = path_of(head)
            if head.host is not None:
                host = self._hosts.known.get(head.host) or self._hosts(head.host)
        traffic = Traffic(
            method,
            host,
            path,
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
        if exchange.trace is not None:
            traffic.trace_id = exchange.trace.trace_id.decode()
        rpc = exchange.rpc
        if rpc is not None and rpc.calls:
            traffic.tools = [
                Tool(
                    printable(call.tool, TOOL_CHARACTERS),
                    call.digest,
                    UNSET if call.cleaned is None else call.cleaned,
                )
                for call in rpc.calls
            ]
        return traffic


def _renamed(
    record: Record, actions: Sequence[RouteAction], exchange: Exchange, verdict: Verdict
) -> Record:
    """Give a record the name that the policy has for its exchange (AU-2)."""
    action = next((one for one in actions if one.is_of(verdict)), None)
    if action is None:
        return record
    record.action = action.name
    record.resource_type = action.resource_type or record.resource_type
    if action.resource_id:
        named = action.resource_of(exchange.segments)
        record.resource_id = printable(named, RESOURCE_CHARACTERS)
    return record


def _action(exchange: Exchange, verdict: Verdict) -> str:
    if verdict.is_upgraded:
        return WEBSOCKET
    if exchange.rpc is not None and exchange.rpc.calls:
        return TOOL_CALL
    return AUTH_FAILURE if is_failure(verdict) else REQUEST


def _ascii(value: bytes, characters: int) -> str:
    # Bytes beyond ASCII are spelled out: as text some of them would steer a reader's terminal.
    text = value.decode() if value.isascii() else value.decode("ascii", "backslashreplace")
    return text if len(text) <= characters else text[:characters]


def path_of(head: RequestHead) -> str:
    """Show the path of a request, cut short."""
    return _ascii(head.path, PATH_CHARACTERS)


def user_agent(head: RequestHead) -> bytes:
    """Return User-Agent as received; empty without one."""
    for field in head.named:
        if field.name == _USER_AGENT and field.value:
            return field.value
    return b""


def agent_of(value: bytes) -> str:
    """Show User-Agent, cut short."""
    return _ascii(value, USER_AGENT_CHARACTERS)


def host_of(host: bytes) -> str:
    """Show Host, cut short."""
    return _ascii(host, HOST_CHARACTERS)


def _milliseconds(seconds: float) -> float:
    # Cutting to the microsecond by an integer takes a third of the time that round() takes.
    return int(seconds * 1_000_000) / 1000


def _signer(exchange: Exchange) -> str | None:
    """Name the tenant whose secret signed a webhook."""
    try:
        tenant = exchange.tenant
    except AttributeError:
        return None
    return None if tenant is None else tenant.id


def _caller(exchange: Exchange) -> tuple[str | None, str | None, str | None]:
    """Name tenant, subject and credential of the caller, as far as they are known."""
    try:
        principal = exchange.principal
    except AttributeError:
        return _signer(exchange), None, None
    if not principal.credential_id:
        return None, None, None
    try:
        tenant = exchange.tenant
    except AttributeError:
        tenant = None
    return (
        None if tenant is None else tenant.id,
        printable(principal.subject),
        printable(principal.credential_id),
    )
