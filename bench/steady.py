"""Open-loop load: requests at a constant rate, each timed from the moment it was due.

A closed loop waits for the slow answer and so hides it; here a late answer makes the next ones late
too, as it does for real callers.
"""

import math
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from bench.load import FIELDS
from bench.processes import BenchError

RATE: Final = 500
CONNECTIONS: Final = 16
_WARM_UP_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 5.0
_READ_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from due to answered: median and 99th percentile."""

    median: float
    p99: float


@dataclass(slots=True)
class _Pending:
    """A request under way: when it was due, and what came back so far."""

    due: float
    received: bytearray = field(default_factory=bytearray)


class SteadyClient:
    """One thread that sends at a constant rate over kept connections."""

    def __init__(self, port: int, path: str) -> None:
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *FIELDS, "", ""]
        self._request = "\r\n".join(head).encode()
        self._idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self._pending: dict[socket.socket, _Pending] = {}
        self._queue: deque[float] = deque()
        self._seconds: list[float] = []

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._idle, *self._pending):
            connection.close()

    def run(self, rate: int, seconds: float) -> Latency:
        """Send `rate` requests a second and time each.

        Raises:
            BenchError: if an answer is not a 200, or does not come.
        """
        self._seconds.clear()
        start = time.perf_counter()
        for number in range(max(1, round(rate * seconds))):
            due = start + number / rate
            self._read_until(due)
            self._queue.append(due)
            self._send()
        deadline = time.perf_counter() + _ANSWER_SECONDS
        while self._pending:
            if time.perf_counter() > deadline:
                raise BenchError(f"{len(self._pending)} requests were never answered")
            self._read(_ANSWER_SECONDS)
        return _summary(self._seconds)

    def _read_until(self, due: float) -> None:
        while (left := due - time.perf_counter()) > 0:
            self._read(left)

    def _read(self, seconds: float) -> None:
        # select waits to the microsecond; epoll and poll round up to a millisecond, which is more
        # than what is measured here.
        ready, _, _ = select.select(list(self._pending), [], [], seconds)
        for connection in ready:
            pending = self._pending[connection]
            received = connection.recv(_READ_BYTES)
            pending.received += received
            if not received:
                raise BenchError("a connection was closed in the middle of the measurement")
            if _is_complete(pending.received):
                self._seconds.append(time.perf_counter() - pending.due)
                del self._pending[connection]
                self._idle.append(connection)
                self._send()

    def _send(self) -> None:
        if self._idle and self._queue:
            connection = self._idle.pop()
            self._pending[connection] = _Pending(self._queue.popleft())
            connection.sendall(self._request)


def steady_latency(port: int, path: str, seconds: float) -> Latency:
    """Measure latency at `RATE` requests a second, after a short warm-up."""
    client = SteadyClient(port, path)
    try:
        client.run(RATE, _WARM_UP_SECONDS)
        return client.run(RATE, seconds)
    finally:
        client.close()


def _is_complete(received: bytearray) -> bool:
    head, end, body = bytes(received).lower().partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"http/1.1 200"):
        raise BenchError(f"not the answer of the upstream: {head[:40]!r}")
    _, named, length = head.partition(b"\r\ncontent-length:")
    if named:
        return len(body) >= int(length.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")


def _summary(seconds: list[float]) -> Latency:
    ordered = sorted(seconds)
    last = math.ceil(0.99 * len(ordered)) - 1
    return Latency(median=ordered[len(ordered) // 2], p99=ordered[last])
