"""Several worker processes on one port, and the supervisor that keeps them.

A worker is this program again, with one end of a socket pair. Over it the supervisor asks for what
only a worker knows; lines of JSON go both ways, one answer for each question. A worker whose
supervisor is gone ends by itself; a worker that dies is replaced.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LOG: Final = logging.getLogger("sidecar.workers")

ANSWER_SECONDS: Final = 2.0
START_SECONDS: Final = 20.0
STAGE_SECONDS: Final = 10.0
"""How long a worker may take to build a policy, or to take it."""
LOOK_SECONDS: Final = 1.0
"""How often the workers are asked what requests may miss."""
_LINE_BYTES: Final = 1 << 24
# A worker that dies at once would otherwise be started again as fast as the machine can.
_RESTART_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
_STEADY_SECONDS: Final = 30.0

Message = Mapping[str, object]


class WorkerError(Exception):
    """A worker ended before it could serve; its own log says why."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a worker is started.

    Attributes:
        words: its command line, but for the last word, which tells it its socket.
        descriptor: where it finds the policy; it inherits it.
    """

    words: Sequence[str]
    descriptor: int


class Worker:
    """One worker process, seen from the supervisor."""

    def __init__(self, number: int, program: Program) -> None:
        self.number = number
        self.is_ready = False
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._turn = asyncio.Lock()
        self._asked = 0

    async def start(self) -> int:
        """Start the process and wait until it serves.

        Returns:
            The port of its proxy listener.

        Raises:
            WorkerError: it ended, or did not serve in time.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            command = [*self._program.words, f"{theirs.fileno()}:{self.number}"]
            descriptors = (theirs.fileno(), self._program.descriptor)
            self._process = await asyncio.create_subprocess_exec(
                *command, pass_fds=descriptors, stdin=asyncio.subprocess.DEVNULL
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        answer = await self._told("start", START_SECONDS)
        port = answer.get("port") if answer is not None else None
        if not isinstance(port, int):
            raise WorkerError(f"worker {self.number} did not start")
        self.is_ready = True
        return port

    async def ask(
        self, question: str, seconds: float = ANSWER_SECONDS, *, about: str = ""
    ) -> Message | None:
        """Ask one question.

        Args:
            question: the question.
            seconds: how long the answer may take.
            about: what it is about; empty for nothing.

        Returns:
            The answer; None from a worker that is gone, silent, or does not serve yet.
        """
        return await self._told(question, seconds, about) if self.is_ready else None

    async def _told(self, question: str, seconds: float, about: str = "") -> Message | None:
        try:
            async with asyncio.timeout(seconds), self._turn:
                if self._writer.is_closing():
                    return None
                self._asked += 1
                document = {"ask": question, "about": about, "number": self._asked}
                self._writer.write(json.dumps(document).encode() + b"\n")
                await self._writer.drain()
                return await self._answer(self._asked)
        except (TimeoutError, OSError, ValueError):
            return None

    async def _answer(self, number: int) -> Message | None:
        """Read the answer of this number; those before it came too late for their questions."""
        while line := await self._reader.readline():
            answer: object = json.loads(line)
            if isinstance(answer, dict) and answer.get("number") == number:
                return answer
        return None

    async def wait(self) -> int:
        """Wait until the process ended, and return its exit code."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self.is_ready = False
        self._writer.close()
        return code

    def order(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


class Workers:
    """All worker processes of one sidecar.

    Attributes:
        port: port of the proxy listener.
        restarts: workers that ended before they were told to.
    """

    def __init__(self, count: int, program: Program, lost: Callable[[Message], None]) -> None:
        """Prepare the workers.

        Args:
            count: how many.
            program: how one is started.
            lost: takes the last known numbers of a worker that died.
        """
        self._workers = [Worker(number, program) for number in range(count)]
        self._program = program
        self._lost = lost
        self._keepers: list[asyncio.Task[None]] = []
        self._last: dict[int, Message] = {}
        self._stopping = asyncio.Event()
        # Nobody is started while a policy is on its way into force.
        self._turn = asyncio.Lock()
        self._lacking: Sequence[str] = ()
        self._looking: asyncio.Task[None] | None = None
        self.port = 0
        self.restarts = 0

    async def start(self) -> None:
        """Start all workers.

        Raises:
            WorkerError: one of them cannot serve.
        """
        first, *others = self._workers
        try:
            # What is wrong with one is wrong with all: it is said once.
            self.port = await first.start()
            await asyncio.gather(*(worker.start() for worker in others))
        except WorkerError:
            for worker in self._workers:
                worker.order(signal.SIGKILL)
            raise
        self._keepers = [asyncio.create_task(self._keep(w.number)) for w in self._workers]
        await self._look()
        self._looking = asyncio.create_task(self._go_on_looking())

    def missing(self) -> list[str]:
        """Say which workers do not serve now, and what those that do are missing."""
        away = [f"worker {w.number} is not ready" for w in self._workers if not w.is_ready]
        return [*away, *self._lacking]

    async def _look(self) -> None:
        answers = [answer.get("missing") for answer in await self.ask("missing", "")]
        found = (str(one) for some in answers if isinstance(some, list) for one in some)
        self._lacking = tuple(dict.fromkeys(found))

    async def _go_on_looking(self) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def numbers(self) -> tuple[list[Message], list[Message]]:
        """Ask all workers for their numbers, and remember them for when a worker is lost.

        Returns:
            The numbers of those that answer; and the last known ones of those that do not, and are
            not given up yet.
        """
        there = await asyncio.gather(*map(self._numbers_of, self._workers))
        answered = {number for number in there if number in self._last}
        known = sorted(self._last)
        return (
            [self._last[number] for number in known if number in answered],
            [self._last[number] for number in known if number not in answered],
        )

    async def _numbers_of(self, worker: Worker) -> int | None:
        answer = await worker.ask("snapshot")
        # One that was replaced meanwhile is given up: what it counted is with the lost.
        if answer is None or worker is not self._workers[worker.number] or not worker.is_ready:
            return None
        self._last[worker.number] = answer
        return worker.number

    async def ask(self, question: str, about: str) -> list[Message]:
        """Ask all workers, and return the answers of those that gave one."""
        asking = (worker.ask(question, about=about) for worker in self._workers)
        return [answer for answer in await asyncio.gather(*asking) if answer is not None]

    async def stage(self, policy: str) -> None:
        """Have all workers build a policy; until `commit` or `discard` none is started.

        Args:
            policy: the policy, in base64.

        Raises:
            WorkerError: one cannot; the others let go of it.
        """
        if len(policy) > _LINE_BYTES // 2:
            raise WorkerError("the policy is too large for several workers")
        await self._turn.acquire()
        try:
            refused = [
                f"worker {worker.number}: {_reason(answer)}"
                for worker, answer in await self._told("stage", about=policy)
                if not _is_done(answer)
            ]
        except BaseException:
            self._turn.release()
            raise
        if refused:
            await self.discard()
            raise WorkerError(refused[0])

    async def commit(self, program: Program) -> None:
        """Have all workers take what they built; one that does not is replaced.

        Args:
            program: how a worker is started from now on.
        """
        self._program = program
        try:
            told = await self._told("commit")
        finally:
            self._turn.release()
        for worker in [worker for worker, answer in told if not _is_done(answer)]:
            _LOG.error("worker %d did not take the policy; it is replaced", worker.number)
            worker.order(signal.SIGKILL)

    async def discard(self) -> None:
        """Have all workers let go of what they built."""
        try:
            await self._told("discard", ANSWER_SECONDS)
        finally:
            self._turn.release()

    async def _told(
        self, order: str, seconds: float = STAGE_SECONDS, *, about: str = ""
    ) -> list[tuple[Worker, Message | None]]:
        ready = [worker for worker in self._workers if worker.is_ready]
        told = (worker.ask(order, seconds, about=about) for worker in ready)
        return list(zip(ready, await asyncio.gather(*told), strict=True))

    def order(self, number: signal.Signals) -> None:
        """Send a signal to all workers."""
        for worker in self._workers:
            worker.order(number)

    async def stop(self, seconds: float) -> None:
        """Have all workers drain and end; kill those that do not."""
        self._stopping.set()
        if self._looking is not None:
            self._looking.cancel()
        self.order(signal.SIGTERM)
        done, late = (
            await asyncio.wait(self._keepers, timeout=seconds) if self._keepers else ((), ())
        )
        if late:
            self.order(signal.SIGKILL)
            await asyncio.wait(late)
        for keeper in (*done, *late):
            keeper.result()

    async def _keep(self, number: int) -> None:
        """Wait for a worker's end, and start another in its place."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            code = await self._workers[number].wait()
            if self._stopping.is_set():
                return
            _LOG.error("worker %d ended with status %d; it is started again", number, code)
            self.restarts += 1
            if last := self._last.pop(number, None):
                self._lost(last)
            failures = 0 if loop.time() - began > _STEADY_SECONDS else failures + 1
            pause = _RESTART_SECONDS[min(failures, len(_RESTART_SECONDS) - 1)]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                return
            await self._replace(number)

    async def _replace(self, number: int) -> None:
        async with self._turn:
            worker = self._workers[number] = Worker(number, self._program)
            try:
                await worker.start()
            except (WorkerError, OSError) as error:
                _LOG.error("%s", error)
                worker.order(signal.SIGKILL)
        if self._stopping.is_set():
            # The order to stop went to the one before it.
            worker.order(signal.SIGTERM)


def _is_done(answer: Message | None) -> bool:
    return answer is not None and "is_done" in answer


def _reason(answer: Message | None) -> object:
    return "it did not answer" if answer is None else answer.get("reason")


class Supervised:
    """The worker's end of the socket pair.

    Args:
        descriptor: file descriptor of the socket.
        answers: what to do for each question; each is told what it is about.
    """

    def __init__(
        self, descriptor: int, answers: Mapping[str, Callable[[str], Awaitable[Message]]]
    ) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._answers = answers

    async def serve(self) -> None:
        """Answer questions until the supervisor is gone."""
        reader, writer = await asyncio.open_connection(sock=self._socket, limit=_LINE_BYTES)
        # A supervisor that was killed with an answer unread leaves a reset behind.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                question = json.loads(line)
                answer = await self._answers[str(question["ask"])](str(question["about"]))
                document = {**answer, "number": question["number"]}
                writer.write(json.dumps(document).encode() + b"\n")
                await writer.drain()
        os.kill(os.getpid(), signal.SIGTERM)
