"""Bursts of many callers against several sidecars, and the log of what they were answered."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, cast

from tests.knowledge.limits.log_checker import ADMITTED, Asked

LOOPBACK: Final = "127.0.0.1"
CALLERS: Final = 500
REPLICAS: Final = 8
PATIENCE_SECONDS: Final = 30.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBER: Final = re.compile(rb"\r\nx-number: *(\d+)", re.IGNORECASE)
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is to be sent.

    Attributes:
        at: seconds from the start.
        caller: who asks.
        replica: number of the sidecar that is asked.
    """

    at: float
    caller: int
    replica: int


def bursts(random: Random, seconds: float, rate: float, period: float) -> list[Arrival]:
    """Plan bursts until there are so many requests a second; each asks every sidecar at random.

    Args:
        random: what decides.
        seconds: how long.
        rate: requests a second, all callers together.
        period: window of the limit, which some bursts straddle.
    """
    shapes = (_spike, _train, _straddling)
    planned: list[tuple[float, int]] = []
    callers: list[int] = []
    while len(planned) < seconds * rate:
        if not callers:
            callers = random.sample(range(CALLERS), CALLERS)
        caller, start = callers.pop(), random.uniform(-period, seconds)
        moments = random.choice(shapes)(random, start, period)
        planned += [(at, caller) for at in moments if 0 <= at < seconds]
    return [Arrival(at, caller, random.randrange(REPLICAS)) for at, caller in sorted(planned)]


def _spike(random: Random, start: float, period: float) -> Iterator[float]:
    """All at once."""
    del period
    for _ in range(random.randint(25, 60)):
        yield start + random.uniform(0, 0.05)


def _train(random: Random, start: float, period: float) -> Iterator[float]:
    """Steadily above the limit, for up to three windows."""
    at, end, pause = start, start + random.uniform(0.5, 3) * period, random.uniform(0.02, 0.08)
    while at < end:
        yield at
        at += random.expovariate(1 / pause)


def _straddling(random: Random, start: float, period: float) -> Iterator[float]:
    """All at once, and again when a window is just about over: what fixed windows admit twice."""
    yield from _spike(random, start, period)
    yield from _spike(random, start + period + random.uniform(-0.1, 0.2), period)


@dataclass(slots=True)
class Upstream:
    """The service behind the sidecars.

    Attributes:
        port: where it listens.
        served: numbers of the requests that came through to it.
    """

    port: int = 0
    served: set[int] = field(default_factory=set)

    async def start(self) -> asyncio.Server:
        """Listen on a free port of loopback."""
        server = await asyncio.get_running_loop().create_server(
            lambda: _Serving(self.served), LOOPBACK, 0
        )
        self.port = server.sockets[0].getsockname()[1]
        return server


class _Serving(asyncio.Protocol):
    """Answers each head; there are no bodies, and the sidecar sends one request at a time."""

    def __init__(self, served: set[int]) -> None:
        self._served = served
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of uvloop: like one, yet none

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        if not self._waiting.endswith(b"\r\n\r\n"):
            return
        number = _NUMBER.search(self._waiting)
        self._waiting = b""
        if number:
            self._served.add(int(number[1]))
        self._transport.write(_ANSWER)


class _Line(asyncio.Protocol):
    """A connection to a sidecar, for one request after the other."""

    def __init__(self) -> None:
        self._waiting = b""
        self._answer: asyncio.Future[tuple[int, int]] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of uvloop: like one, yet none
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, end, body = self._waiting.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else 0):
            return
        # Taken here, before anything else: the checker may not be given a longer time than it was.
        self._settle(time.monotonic_ns(), int(head[9:12]))
        self._waiting = b""

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_open = False
        self._settle(time.monotonic_ns(), 0)

    def _settle(self, moment: int, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((moment, status))

    async def ask(self, request: bytes) -> tuple[int, int, int]:
        """Ask; return moments of send and answer, and the status."""
        sent = time.monotonic_ns()
        if not self.is_open:
            return sent, sent, 0
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return (sent, *(await answer))

    def close(self) -> None:
        self._transport.close()


class Lines:
    """Connections to one sidecar: as many as there are requests on their way.

    Args:
        ports: where the sidecars listen, by their number; a restart changes it.
        number: which of them.
    """

    def __init__(self, ports: Sequence[int], number: int) -> None:
        self._ports = ports
        self._number = number
        self._idle: list[_Line] = []

    async def ask(self, caller: str, request: bytes) -> Asked:
        """Send a request, and wait for the answer or the end of the connection."""
        try:
            line = await self._line()
        except OSError:
            now = time.monotonic_ns()
            return Asked(caller, now, now, 0)
        sent, answered, status = await line.ask(request)
        if line.is_open:
            self._idle.append(line)
        return Asked(caller, sent, answered, status)

    async def _line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
        port = self._ports[self._number]
        _, line = await asyncio.get_running_loop().create_connection(_Line, LOOPBACK, port)
        return line

    def close(self) -> None:
        """Close all connections that rest."""
        for line in self._idle:
            line.close()


async def ask_all(
    arrivals: Sequence[Arrival], ports: Sequence[int], upstream: Upstream
) -> list[Asked]:
    """Send every request when it is due, whatever became of those before; return the log.

    A request that came through to the service counts as admitted even if its answer was lost.
    """
    lines = [Lines(ports, number) for number in range(len(ports))]
    try:
        log = await _asked(arrivals, lines)
    finally:
        for own in lines:
            own.close()
    return [
        Asked(one.caller, one.sent, one.answered, ADMITTED)
        if not one.status and number in upstream.served
        else one
        for number, one in enumerate(log)
    ]


async def _asked(arrivals: Sequence[Arrival], lines: Sequence[Lines]) -> list[Asked]:
    asking: list[asyncio.Task[Asked]] = []
    start = time.monotonic()
    for number, one in enumerate(arrivals):
        if (early := start + one.at - time.monotonic()) > 0:
            await asyncio.sleep(early)
        caller = f"caller-{one.caller}"
        request = request_of(b"X-Caller: %b" % caller.encode(), b"X-Number: %d" % number)
        asking.append(asyncio.create_task(lines[one.replica].ask(caller, request)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*asking)


def request_of(*lines: bytes) -> bytes:
    """Write a request with some header lines."""
    return b"\r\n".join((b"GET /any HTTP/1.1", b"Host: a.example", *lines, b"", b""))
