"""What all connections of the proxy listener share."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from sidecar.decision.pipeline import Generation
from sidecar.fronts.proxy.deadlines import Wheel
from sidecar.knowledge.http1.lines import Lines
from sidecar.knowledge.http1.request import HeadLimits, new_hosts, new_request_lines
from sidecar.knowledge.http1.response import Statuses, new_response_lines, new_statuses
from sidecar.model.memo import Memo
from sidecar.model.ports import Ledger, RequestIds
from sidecar.policy.schema.listen import ListenTimeouts

if TYPE_CHECKING:
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.pool import Pools


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
    _dates: Memo[int, bytes] = field(
        default_factory=lambda: Memo(lambda second: formatdate(second, usegmt=True).encode(), 1)
    )

    @property
    def head_limits(self) -> HeadLimits:
        """Bounds on request heads, from the policy in force."""
        limits = self.generation.policy.listen.limits
        return HeadLimits(limits.start_line, limits.head, limits.fields)

    @property
    def timeouts(self) -> ListenTimeouts:
        """Patience with clients, from the policy in force."""
        return self.generation.policy.listen.timeouts

    def date(self) -> bytes:
        """Return the value of Date (RFC 9110 §5.6.7), formatted once a second."""
        return self._dates(int(self.clock()))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that the context owns until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
