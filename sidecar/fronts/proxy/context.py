"""What all connections of the proxy listener share."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from sidecar.decision.pipeline import Generation
from sidecar.fronts.proxy.deadlines import Wheel
from sidecar.knowledge.http1.lines import Lines
from sidecar.knowledge.http1.request import HeadLimits, new_hosts, new_request_lines
from sidecar.knowledge.http1.response import Statuses, new_response_lines, new_statuses
from sidecar.model.memo import Memo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Ledger, RequestIds
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.listen import Limits, ListenTimeouts

if TYPE_CHECKING:
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.pool import Pools


def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _new_dates() -> Memo[int, bytes]:
    return Memo(_date, 1)


@dataclass(slots=True)
class Live:
    """What is open now, against its bounds.

    Attributes:
        connections: every open client connection.
        requests: requests in flight.
        websockets: open WebSockets.
        is_draining: whether the listener is shutting down.
    """

    connections: "set[Downstream]" = field(default_factory=set)
    requests: int = 0
    websockets: int = 0
    is_draining: bool = False
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def leave(self, connection: "Downstream") -> None:
        """Take note that a connection closed."""
        self.connections.discard(connection)
        if self.is_draining and not self.connections:
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait, while draining, until no connection is open."""
        if self.connections:
            await self._emptied.wait()


@dataclass(slots=True)
class Context:
    """What all connections of the proxy listener share.

    Attributes:
        generation: the policy in force; an exchange ends on the one that it began with.
        ledgers: who takes note of each exchange.
        new_id: makes request ids.
        clock: Unix seconds.
        monotonic: monotonic seconds, precise.
        wheel: all deadlines.
        pools: connections to the upstreams.
        timeouts: patience with clients, from the policy in force.
        limits: bounds on clients, from the policy in force.
        head_limits: those on request heads.
    """

    generation: Generation
    ledgers: Sequence[Ledger]
    new_id: RequestIds
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    wheel: Wheel
    pools: "Pools"
    live: Live = field(default_factory=Live)
    request_lines: Lines = field(default_factory=new_request_lines)
    response_lines: Lines = field(default_factory=new_response_lines)
    statuses: Statuses = field(default_factory=new_statuses)
    hosts: Memo[bytes, bool] = field(default_factory=new_hosts)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    timeouts: ListenTimeouts = field(init=False)
    limits: Limits = field(init=False)
    head_limits: HeadLimits = field(init=False)
    _dates: Memo[int, bytes] = field(default_factory=_new_dates)

    def __post_init__(self) -> None:
        """Take what the hot path reads out of the policy."""
        listen = self.generation.policy.listen
        self.timeouts = listen.timeouts
        self.limits = listen.limits
        self.head_limits = HeadLimits(self.limits.start_line, self.limits.head, self.limits.fields)

    def date(self) -> bytes:
        """Return the value of Date (RFC 9110 §5.6.7), formatted once a second."""
        return self._dates(int(self.clock()))

    def overload(self, head: RequestHead | None) -> Refuse | None:
        """Refuse an exchange, itself counted already, if there are too many."""
        live = self.live
        if live.requests > self.limits.requests:
            return Refuse(RefusalCode.OVERLOADED, "too many requests in flight")
        if head is not None and head.is_websocket:
            return self.websocket_overload()
        return None

    def websocket_overload(self) -> Refuse | None:
        """Refuse another WebSocket if there are too many."""
        if self.live.websockets >= self.generation.policy.websockets.max:
            return Refuse(RefusalCode.OVERLOADED, "too many WebSockets")
        return None

    def spawn(self, coroutine: Coroutine[object, None, None]) -> asyncio.Task[None]:
        """Start a task that the context owns until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
