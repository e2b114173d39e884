"""The record of an exchange that was admitted and had nothing odd about it: nearly all of them.

It is joined of pieces that are remembered as JSON, in bytes from beginning to end: a sixth of what
it takes to fill in a `Record` and to encode it. What it says is the same, member for member.
"""

from typing import Final

from msgspec.json import Encoder

from sidecar.adapters.audit.exchanges import (
    FRACTIONS,
    Timestamps,
    agent_of,
    host_of,
    path_of,
    user_agent,
)
from sidecar.adapters.audit.record import PATH_CHARACTERS, printable
from sidecar.model.events import REQUEST
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantRecord
from sidecar.model.memo import Memo
from sidecar.model.message import METHOD_NAMES, RequestHead
from sidecar.model.route import RoutePlan
from sidecar.model.trace import Trace
from sidecar.model.verdict import Ending, Verdict

_NULL: Final = b"null"
_SIGNER: Final = b'"tenant_id":%b,"user_id":null,"actor":null'
_NOBODY: Final = _SIGNER % _NULL
_ADMITTED: Final = Ending.ADMITTED
_ENCODER: Final = Encoder()
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
# What stands around the values that differ from request to request; the order is the record's.
_ID_UNTIL_TIMESTAMP: Final = b'","timestamp":"%b",'
_METHODS: Final = {
    method: f'","metadata":{{"method":"{name}","host":'.encode()
    for method, name in METHOD_NAMES.items()
}
_NO_AGENT: Final = b',"user_agent":null,"outcome":"admitted","reason":null,"request_id":"'
_BODY: Final = b',"received_bytes":%d,"sent_bytes":'
_NO_BODY: Final = _BODY % 0
_NO_HOST: Final = b'null,"path":"'
# Names of this module: compiled, it finds them without asking another module.
_FRACTIONS: Final = FRACTIONS
_NUMBERS: Final = [str(number).encode() for number in range(1000)]


class _Plan:
    """What the records of a route have in common.

    Attributes:
        mark: the route's: while it is held, nothing else has its identity. The route itself would
            keep its whole policy alive, where an exchange ends after a reload.
        action: members that name action and resource, and the name of the one that follows.
        has_principal: whether a step of the route finds out who calls; else nothing wrote it.
        has_tenant: the same for the tenant.
    """

    __slots__ = ("action", "has_principal", "has_tenant", "mark")

    def __init__(self, plan: RoutePlan) -> None:
        self.mark = plan.mark
        named = b',"action":"%b","resource_type":"route","resource_id":%b,"ip_address":'
        self.action = named % (REQUEST.encode(), _quoted(plan.name))
        written = [step.writes for step in plan.steps]
        self.has_principal = any("principal" in facts for facts in written)
        self.has_tenant = any("tenant" in facts for facts in written)


class _Caller:
    """Members that name who called, as they were written last."""

    __slots__ = ("members", "tenant")

    def __init__(self, tenant: TenantRecord | None, members: bytes) -> None:
        self.tenant = tenant
        self.members = members


class PlainRecords:
    """Writes records of admitted exchanges."""

    __slots__ = (
        "_agent_member", "_agent_value", "_agents", "_host", "_host_member", "_hosts", "_known",
        "_plans", "_stamp", "_status", "_status_members", "_statuses", "_texts", "_timestamp",
        "_timestamps",
    )  # fmt: skip

    def __init__(self) -> None:
        self._timestamps = Timestamps()
        self._plans: dict[int, _Plan] = {}
        self._agents: Memo[bytes, bytes] = Memo(_agent_member)
        self._hosts: Memo[bytes, bytes] = Memo(_host_member)
        self._statuses: Memo[int, bytes] = Memo(_status_members)
        self._texts: Memo[str, bytes] = Memo(_quoted_text)
        # Of the record before: comparing is less than looking up.
        self._timestamp = self._stamp = b""
        self._known: _Plan | None = None
        self._agent_value = b""
        self._agent_member = _NO_AGENT
        self._host = b""
        self._host_member = _host_member(b"")
        self._status = 0
        self._status_members = b""

    def record(self, exchange: Exchange, verdict: Verdict) -> bytes | None:
        """Write the open record of an exchange; None if it has more, or less, to say than these.

        Args:
            exchange: the exchange.
            verdict: how it ended.
        """
        try:
            return self._plain(exchange, verdict)
        except AttributeError:
            # A fact that its route names, and no step wrote: a stream that began on another route.
            return None

    def _plain(self, exchange: Exchange, verdict: Verdict) -> bytes | None:
        head = exchange.head
        if head is None or verdict.ending is not _ADMITTED or verdict.is_upgraded:
            return None
        upstream_seconds = verdict.upstream_seconds
        if upstream_seconds is None or exchange.shadow or exchange.rpc is not None:
            return None
        plan = exchange.route
        method = _METHODS.get(head.method)
        if method is None or plan.actions:
            return None
        known = self._known
        if known is None or known.mark is not plan.mark:
            known = self._learn(plan)
        timestamp = self._timestamps.ascii(exchange.now)
        if timestamp is not self._timestamp:
            self._timestamp, self._stamp = timestamp, _ID_UNTIL_TIMESTAMP % timestamp
        own_id = exchange.own_id
        if verdict.status != self._status:
            self._learn_status(verdict.status)
        micros = int(verdict.seconds * 1_000_000)
        millis = micros // 1000
        upstream_micros = int(upstream_seconds * 1_000_000)
        upstream_millis = upstream_micros // 1000
        path = head.path
        return b"".join([
            b'{"id":"', own_id, self._stamp,
            self._caller(known, exchange) if known.has_principal else self._signer(known, exchange),
            known.action, self._text(exchange.client), self._agent(head), exchange.request_id,
            method, self._named_host(head.host),
            _shown(head) if _is_odd(path) else path,
            self._status_members,
            _number(millis), _FRACTIONS[micros - 1000 * millis], b',"upstream_ms":',
            _number(upstream_millis), _FRACTIONS[upstream_micros - 1000 * upstream_millis],
            _received(verdict.received_bytes), _number(verdict.sent_bytes),
            b"}" if exchange.trace is None else _trace(exchange.trace),
        ])  # fmt: skip

    def _learn(self, plan: RoutePlan) -> _Plan:
        place = id(plan.mark)
        known = self._plans.get(place)
        if known is None:
            known = self._plans[place] = _Plan(plan)
        self._known = known
        return known

    def _learn_status(self, status: int) -> None:
        self._status = status
        self._status_members = self._statuses(status)

    def _signer(self, known: _Plan, exchange: Exchange) -> bytes:
        """Name the tenant whose secret signed a webhook."""
        tenant = exchange.tenant if known.has_tenant else None
        return _NOBODY if tenant is None else _SIGNER % self._text(tenant.id)

    def _caller(self, known: _Plan, exchange: Exchange) -> bytes:
        principal = exchange.principal
        if not principal.credential_id:
            return _NOBODY
        tenant = exchange.tenant if known.has_tenant else None
        noted = principal.noted
        if isinstance(noted, _Caller) and noted.tenant is tenant:
            return noted.members
        members = b"".join([
            b'"tenant_id":', _NULL if tenant is None else self._text(tenant.id),
            b',"user_id":', self._text(principal.subject),
            b',"actor":', self._text(principal.credential_id),
        ])  # fmt: skip
        principal.noted = _Caller(tenant, members)
        return members

    def _text(self, text: str) -> bytes:
        return self._texts.known.get(text) or self._texts(text)

    def _agent(self, head: RequestHead) -> bytes:
        value = user_agent(head)
        if value != self._agent_value:
            self._agent_member = self._agents(value) if value else _NO_AGENT
            self._agent_value = value
        return self._agent_member

    def _named_host(self, host: bytes | None) -> bytes:
        if host is None:
            return _NO_HOST
        if host != self._host:
            self._host_member = self._hosts.known.get(host) or self._hosts(host)
            self._host = host
        return self._host_member


def _quoted(text: str) -> bytes:
    return _ENCODER.encode(text)


def _quoted_text(text: str) -> bytes:
    return _quoted(printable(text))


def _agent_member(value: bytes) -> bytes:
    agent = _quoted(agent_of(value))
    return b',"user_agent":%b,"outcome":"admitted","reason":null,"request_id":"' % agent


def _host_member(value: bytes) -> bytes:
    return b'%b,"path":"' % _quoted(host_of(value))


def _status_members(status: int) -> bytes:
    return b'","status":%d,"code":null,"step":null,"duration_ms":' % status


def _is_odd(path: bytes) -> bool:
    # What else would have to be escaped is in no target (`NO_TARGET` of the parser).
    return _QUOTE in path or _BACKSLASH in path or len(path) > PATH_CHARACTERS


def _shown(head: RequestHead) -> bytes:
    """Write a path as it stands between quotes."""
    return _quoted(path_of(head))[1:-1]


def _trace(trace: Trace) -> bytes:
    return b',"trace_id":"%b"}' % trace.trace_id


def _received(size: int) -> bytes:
    return _NO_BODY if not size else _BODY % size


def _number(number: int) -> bytes:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number).encode()
