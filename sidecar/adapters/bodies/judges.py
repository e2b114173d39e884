"""Answers what rules say of large bodies, by processes that judge them.

Parsing and validation hold Python's lock from beginning to end (ADR 0016), half a second for the
densest 5 MB: no thread would let others be served meanwhile. Threads here only wait.
"""

import asyncio
import contextlib
import logging
import os
import queue
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sidecar.adapters.bodies.wire import Order, receive_finding, send_order
from sidecar.knowledge.validate.reading import Reading
from sidecar.model.body import NO_FILE, Coding, Finding
from sidecar.model.questions import JudgeBody
from sidecar.model.refusals import RefusalCode

_LOG: Final = logging.getLogger("sidecar.bodies")

PROCESSES: Final = 2
"""Bodies that are judged at a time."""
WAITING: Final = 64
"""Bodies that may wait for it."""
SECONDS: Final = 5.0
"""Longest judgement of a small body; what takes longer was made to."""
SECONDS_A_BYTE: Final = 1e-6
"""How much longer each byte may take: four times the densest JSON."""

LARGEST_KIB: Final = 256 * 1024
"""Memory with which a process ends once it has answered."""

_INHERITED: Final = frozenset(("LANG", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "PATH", "TZ"))
_END_SECONDS: Final = 1.0
_SERVING: Final = "sidecar.adapters.bodies.serving"
_TOO_MANY: Final = Finding(RefusalCode.OVERLOADED, "too many large bodies at a time")
_TOO_SLOW: Final = Finding(RefusalCode.OVERLOADED, "judging the body took too long")
_GONE: Final = Finding(RefusalCode.OVERLOADED, "what judges bodies ended over the body")


class Reader:
    """A process that judges bodies, started when there is one to judge."""

    def __init__(self, seconds: float, largest_kib: int) -> None:
        self._seconds = self._patience = seconds
        self._largest_kib = largest_kib
        self._connection: socket.socket | None = None
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        started = self._started
        return None if started is None else started.pid

    def judge(self, order: Order) -> Finding | None:
        """Have a body judged; whatever goes wrong is a finding, and the next body gets another."""
        self._patience = self._seconds + SECONDS_A_BYTE * _bytes_to_read(order)
        try:
            finding, is_last = receive_finding(self._ordered(order))
        except TimeoutError:
            self.end()
            _LOG.warning("judging a body took too long")
            return _TOO_SLOW
        except (OSError, ValueError) as error:
            self.end()
            _LOG.warning("judging a body failed: %s", error)
            return _GONE
        if is_last:
            self.end(_END_SECONDS)
        return finding

    def _ordered(self, order: Order) -> socket.socket:
        """Send a body; a process that died since the last one is nothing to this one."""
        if self._connection is not None:
            self._connection.settimeout(self._patience)
            try:
                send_order(self._connection, order)
            except ConnectionError:
                self.end()
            else:
                return self._connection
        connection = self._start()
        send_order(connection, order)
        return connection

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: a module in the folder of whoever started it must not become part of it.
            words = [sys.executable, "-P", "-m", _SERVING, str(theirs.fileno())]
            words.append(str(self._largest_kib))
            self._started = subprocess.Popen(  # noqa: S603 -- our own program, no shell
                words, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=_environment()
            )
        ours.settimeout(self._patience)
        self._connection = ours
        return ours

    def end(self, patience: float = 0.0) -> None:
        """End the process, whatever it does.

        Args:
            patience: seconds that it may take to end by itself.
        """
        connection, self._connection = self._connection, None
        started, self._started = self._started, None
        if connection is not None:
            # Whoever waits for an answer learns that there will be none.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        if started is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(patience)
            started.kill()
            started.wait()


class Judges:
    """Has bodies judged."""

    def __init__(
        self,
        *,
        processes: int = PROCESSES,
        seconds: float = SECONDS,
        largest_kib: int = LARGEST_KIB,
    ) -> None:
        """Start nothing yet.

        Args:
            processes: bodies that are judged at a time.
            seconds: longest judgement of a small body.
            largest_kib: memory with which a process ends, to be replaced by a small one.
        """
        # The one that judged last comes first: it has started, and knows the rules.
        self._idle: queue.LifoQueue[Reader] = queue.LifoQueue()
        self._all = [Reader(seconds, largest_kib) for _ in range(processes)]
        for process in self._all:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(processes, "sidecar-bodies")
        self.waiting = 0

    @property
    def processes(self) -> list[int]:
        """Ids of the processes that judge."""
        return [reader.pid for reader in self._all if reader.pid is not None]

    async def find(self, question: JudgeBody) -> Finding | None:
        """Say what a rule finds in a body; None where all let it pass."""
        if self.waiting >= WAITING:
            return _TOO_MANY
        order = _order_of(question)
        self.waiting += 1
        # Whoever asked may leave, and with it the file: this descriptor is the order's own.
        future = self._threads.submit(self._judged, order)
        future.add_done_callback(lambda _: _close(order))
        try:
            return await asyncio.wrap_future(future)
        finally:
            self.waiting -= 1

    def _judged(self, order: Order) -> Finding | None:
        process = self._idle.get()
        try:
            return process.judge(order)
        finally:
            self._idle.put(process)

    async def close(self) -> None:
        """End all processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        ends = [asyncio.to_thread(process.end, _END_SECONDS) for process in self._all]
        await asyncio.gather(*ends)


def _environment() -> dict[str, str]:
    """Give what Python needs to start: the secrets of ours are none of a parser's business."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(("PYTHON", "LC_"))
    }


def _bytes_to_read(order: Order) -> int:
    if order.about.coding is Coding.IDENTITY:
        return order.size
    unpacking = order.reading.unpacking
    return min(unpacking.most, order.size * unpacking.ratio)


def _order_of(question: JudgeBody) -> Order:
    body, rules = question.body, question.rules
    if not isinstance(rules, Reading):
        raise TypeError("a body is judged by a Reading")
    descriptor = NO_FILE if body.content is not None else os.dup(body.descriptor)
    return Order(rules, question.about, body.size, body.content or b"", descriptor)


def _close(order: Order) -> None:
    if order.descriptor != NO_FILE:
        os.close(order.descriptor)
