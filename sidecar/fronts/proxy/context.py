"""What all connections of the proxy listener share."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from sidecar.decision.pipeline import Generation
from sidecar.decision.timing import Sampling, StepTimer
from sidecar.fronts.proxy.alarm import Alarm
from sidecar.fronts.proxy.deadlines import Wheel
from sidecar.fronts.proxy.pause import Floor
from sidecar.fronts.proxy.spool import Room
from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.response import new_response_lines, new_statuses
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.model.memo import Memo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Answers, Ledger, RequestIds
from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.fronts.proxy.admission import Admission
    from sidecar.fronts.proxy.downstream import Downstream
    from sidecar.fronts.proxy.pool import Pools


REFUSED_CONNECTIONS: Final = 64
"""Connections above the limit that may be told so at a time; further ones are just cut."""


def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


class Live:
    """What is open now, against its bounds.

    Attributes:
        connections: every open client connection.
        requests: requests in flight.
        websockets: open WebSockets.
        is_draining: whether the listener is shutting down.
    """

    __slots__ = ("_emptied", "connections", "is_draining", "requests", "websockets")

    def __init__(self) -> None:
        self.connections: set[Downstream] = set()
        self.requests = 0
        self.websockets = 0
        self.is_draining = False
        self._emptied = asyncio.Event()

    def leave(self, connection: "Downstream") -> None:
        """Take note that a connection closed."""
        self.connections.discard(connection)
        if self.is_draining and not self.connections:
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait, while draining, until no connection is open."""
        if self.connections:
            await self._emptied.wait()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time and ids come from.

    Attributes:
        new_id: makes request ids.
        clock: Unix seconds.
        monotonic: monotonic seconds, precise.
        answers: answers what steps ask.
    """

    new_id: RequestIds
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    answers: Answers


class Context:
    """What all connections of the proxy listener share.

    Attributes:
        alarm: calls back to the microsecond.
        full_sink: names an audit sink that has new requests refused, if the policy has such sinks.
        answers: answers what steps ask.
        floor: the time floor of authentication, from the policy in force.
        generation: the policy in force; an exchange ends on the one that it began with.
        ledgers: who takes note of each exchange.
        outlived: judges an exchange that begins to go on for long on a policy that is not in force
            any more; None where nobody judges.
        new_id: makes request ids.
        clock: Unix seconds.
        monotonic: monotonic seconds, precise.
        wheel: all deadlines.
        pools: connections to the upstreams.
        live: what is open now.
        request_lines: memory of request field lines.
        response_lines: memory of response field lines.
        statuses: memory of status lines.
        hosts: memory of Host values.
        room: what bodies that rules read may hold.
        sampling: says which exchanges have their steps timed; None for none.
        tasks: tasks that were spawned and have not ended.
        timeouts: patience with clients, from the policy in force.
        idle_seconds: that between two requests.
        limits: bounds on clients, from the policy in force.
        head_limits: those on request heads.
    """

    __slots__ = (
        "_dates",
        "_most_requests",
        "_until_timed",
        "alarm",
        "answers",
        "clock",
        "floor",
        "full_sink",
        "generation",
        "head_limits",
        "hosts",
        "idle_seconds",
        "ledgers",
        "limits",
        "live",
        "monotonic",
        "new_id",
        "outlived",
        "pools",
        "request_lines",
        "response_lines",
        "room",
        "sampling",
        "statuses",
        "tasks",
        "timeouts",
        "wheel",
    )  # fmt: skip

    def __init__(
        self,
        generation: Generation,
        ledgers: Sequence[Ledger],
        sources: Sources,
        wheel: Wheel,
        pools: "Pools",
    ) -> None:
        self.ledgers = tuple(ledgers)
        self.new_id = sources.new_id
        self.clock = sources.clock
        self.monotonic = sources.monotonic
        self.wheel = wheel
        self.alarm = Alarm()
        self.full_sink: Callable[[], str] | None = None
        self.outlived: Callable[[Admission], None] | None = None
        self.pools = pools
        self.live = Live()
        bodies = generation.policy.bodies
        self.room = Room(bodies.memory, bodies.total, bodies.folder)
        self.response_lines = new_response_lines()
        self.statuses = new_statuses()
        self.hosts = new_hosts()
        self.sampling: Sampling | None = None
        self._until_timed = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._dates = Memo(_date, 1)
        self._take(generation, sources.answers)

    def renew(self, generation: Generation, answers: Answers) -> None:
        """Put another policy in force: the next head that is read is read and judged by it.

        Args:
            generation: the policy, compiled.
            answers: answers what its steps ask.
        """
        self._take(generation, answers)
        for connection in self.live.connections:
            connection.renew()

    def _take(self, generation: Generation, answers: Answers) -> None:
        policy = generation.policy
        listen = policy.listen
        self.generation = generation
        self.answers = answers
        failure = policy.authentication.failure
        is_for_all = failure.applies_to == "all" and failure.floor > 0
        self.floor = Floor(failure.floor, applies_to_all=is_for_all)
        self.room.adopt(policy.bodies.memory, policy.bodies.total, policy.bodies.folder)
        self.request_lines = new_request_lines(generation.managed, generation.credentials)
        # What the hot path reads of the policy, one look-up away.
        self.timeouts = listen.timeouts
        self.limits = listen.limits
        self.idle_seconds = listen.timeouts.idle
        self._most_requests = listen.limits.requests
        self.head_limits = HeadLimits(self.limits.start_line, self.limits.head, self.limits.fields)

    def head_parser(self, *, is_tls: bool) -> RequestHeadParser:
        """Make what reads the heads of a connection by the policy in force."""
        return RequestHeadParser(self.head_limits, self.request_lines, self.hosts, is_tls=is_tls)

    def is_asked(self, answers: Answers) -> bool:
        """Tell whether an exchange still waits for answers of a former policy."""
        flights = [connection.flight for connection in self.live.connections]
        return any(flight is not None and flight.asks(answers) for flight in flights)

    def date(self) -> bytes:
        """Return the value of Date (RFC 9110 §5.6.7), formatted once a second."""
        return self._dates(int(self.clock()))

    def overload(self, head: RequestHead | None) -> Refuse | None:
        """Refuse an exchange, itself counted already, if there are too many."""
        live = self.live
        if live.requests > self._most_requests:
            return Refuse(RefusalCode.OVERLOADED, "too many requests in flight")
        full_sink = self.full_sink
        if full_sink is not None and (name := full_sink()):
            return Refuse(RefusalCode.OVERLOADED, f"the audit sink {name} is full")
        if head is not None and head.is_websocket:
            return self.websocket_overload()
        return None

    def websocket_overload(self) -> Refuse | None:
        """Refuse another WebSocket if there are too many."""
        if self.live.websockets >= self.generation.policy.websockets.max:
            return Refuse(RefusalCode.OVERLOADED, "too many WebSockets")
        return None

    def sample(self, sampling: Sampling | None) -> None:
        """Have the steps of some exchanges timed, or of none."""
        self.sampling = sampling
        self._until_timed = 0 if sampling is None else sampling.gap()

    def timer(self) -> StepTimer | None:
        """Return what times the steps of this exchange; None for nearly all of them."""
        left = self._until_timed
        if not left:
            return None
        if left > 1:
            self._until_timed = left - 1
            return None
        return self._next_timer()

    def _next_timer(self) -> StepTimer | None:
        sampling = self.sampling
        if sampling is None:
            return None
        self._until_timed = sampling.gap()
        return sampling.timer()

    def spawn(self, coroutine: Coroutine[object, None, None]) -> asyncio.Task[None]:
        """Start a task that the context owns until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
