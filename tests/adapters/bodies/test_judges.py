"""Large bodies are judged by processes that may die, hang or grow without harm to anybody."""

import asyncio
import os
import signal
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.adapters.bodies.answers import BodyAnswers
from sidecar.adapters.bodies.judges import LARGEST_KIB, WAITING, Judges
from sidecar.adapters.bodies.serving import judged, main, serve
from sidecar.adapters.bodies.wire import (
    Order,
    receive_finding,
    receive_order,
    send_finding,
    send_order,
)
from sidecar.adapters.stores.answers import NothingToAsk
from sidecar.knowledge.validate.json_text import Bounds
from sidecar.knowledge.validate.reading import Items, Judge, Reading
from sidecar.knowledge.validate.unpack import Unpacking
from sidecar.model.body import About, Collected, Fault, Finding, Form
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import TenantId
from sidecar.model.questions import FindTenant, JudgeBody
from sidecar.model.refusals import RefusalCode

READING = Reading(Unpacking(10_000_000, 100), Bounds(), schema='{"required": ["id"]}')
ABOUT = About(Form.JSON)
GOOD, BAD = b'{"id":1}', b"{}"
BROKEN = Finding(
    RefusalCode.UNPROCESSABLE, "the body breaks the schema of the route",
    (Fault("", "lacks the member id"),),
)  # fmt: skip


def a_question(content: bytes, *, is_file: bool = False, reading: Reading = READING) -> JudgeBody:
    if not is_file:
        return JudgeBody(Collected(len(content), content), reading, ABOUT)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        return JudgeBody(Collected(len(content), None, os.dup(file.fileno())), reading, ABOUT)


@asynccontextmanager
async def some_judges(
    seconds: float = 20.0, processes: int = 1, largest_kib: int = LARGEST_KIB
) -> AsyncIterator[Judges]:
    judges = Judges(processes=processes, seconds=seconds, largest_kib=largest_kib)
    try:
        yield judges
    finally:
        await judges.close()


def about(process: int, what: str) -> bytes:
    """Read what the system says of a process."""
    return Path(f"/proc/{process}/{what}").read_bytes()


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("is_file", [False, True])
async def test_a_body_is_judged_in_memory_and_in_a_file(is_file: bool) -> None:
    async with some_judges() as judges:
        for content, finding in ((GOOD, None), (BAD, BROKEN), (GOOD + b" " * 3_000_000, None)):
            question = a_question(content, is_file=is_file)
            assert await judges.find(question) == finding
            if is_file:
                os.close(question.body.descriptor)  # it stays the asker's
        assert judges.waiting == 0


async def test_a_file_may_be_gone_for_whoever_asked_before_it_is_read() -> None:
    async with some_judges() as judges:
        question = a_question(BAD + b" " * 100_000, is_file=True)
        asked = asyncio.create_task(judges.find(question))
        await asyncio.sleep(0)
        os.close(question.body.descriptor)
        assert await asked == BROKEN


async def test_other_questions_are_others_to_answer() -> None:
    async with some_judges() as judges:
        answers = BodyAnswers(judges, NothingToAsk())
        question = FindTenant(TenantId("acme"))
        with pytest.raises(StoreUnavailableError):
            await answers.find(question)
        assert not answers.find_soon(question, print)
        assert not answers.find_soon(a_question(GOOD), print)
        assert await answers.find(a_question(BAD)) == BROKEN


async def test_a_process_that_died_is_replaced() -> None:
    async with some_judges() as judges:
        for _ in range(2):
            assert await judges.find(a_question(BAD)) == BROKEN
            [process] = judges.processes
            os.kill(process, signal.SIGKILL)
            options = os.WEXITED | os.WNOWAIT
            await asyncio.to_thread(os.waitid, os.P_PID, process, options)
        assert await judges.find(a_question(GOOD)) is None


async def test_a_judgement_without_an_end_is_ended() -> None:
    async with some_judges(seconds=0.5) as judges:
        # The first one may take longer than that: a process has to start.
        while await judges.find(a_question(GOOD)) is not None:
            pass
        [process] = judges.processes
        os.kill(process, signal.SIGSTOP)
        finding = await judges.find(a_question(GOOD))
        assert finding == Finding(RefusalCode.OVERLOADED, "judging the body took too long")
        assert not is_alive(process)


async def test_a_process_that_ends_over_a_body_refuses_that_one() -> None:
    async with some_judges() as judges:
        assert await judges.find(a_question(GOOD)) is None
        [process] = judges.processes
        os.kill(process, signal.SIGSTOP)
        asked = asyncio.create_task(judges.find(a_question(GOOD)))
        while judges.waiting == 0:  # noqa: ASYNC110 -- a thread sends it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        os.kill(process, signal.SIGKILL)
        finding = Finding(RefusalCode.OVERLOADED, "what judges bodies ended over the body")
        assert await asked == finding
        assert await judges.find(a_question(BAD)) == BROKEN


async def test_only_so_many_bodies_wait_and_who_leaves_leaves_no_file() -> None:
    async with some_judges() as judges:
        assert await judges.find(a_question(GOOD)) is None
        [process] = judges.processes
        os.kill(process, signal.SIGSTOP)
        before = descriptors()
        question = a_question(GOOD, is_file=True)
        asked = [asyncio.create_task(judges.find(question)) for _ in range(WAITING)]
        await asyncio.sleep(0)
        finding = await judges.find(question)
        assert finding == Finding(RefusalCode.OVERLOADED, "too many large bodies at a time")
        for one in asked[1:]:
            one.cancel()
        await asyncio.gather(*asked[1:], return_exceptions=True)
        os.kill(process, signal.SIGCONT)
        assert await asked[0] is None
        os.close(question.body.descriptor)
        assert descriptors() == before
        assert judges.waiting == 0


async def test_all_processes_end_with_whoever_started_them() -> None:
    async with some_judges(processes=2) as judges:
        await asyncio.gather(*[judges.find(a_question(GOOD)) for _ in range(4)])
        processes = judges.processes
        assert processes
    assert judges.processes == []
    assert not any(map(is_alive, processes))


async def test_a_body_is_judged_by_a_reading_alone() -> None:
    async with some_judges() as judges:
        with pytest.raises(TypeError):
            await judges.find(JudgeBody(Collected(2, BAD), "rules", ABOUT))


# --- the process itself


def talking(talk: Callable[[socket.socket], None], **limits: int) -> None:
    """Serve one end of a socket pair in a thread, as the process does; a test has the other."""
    ours, theirs = socket.socketpair()

    def serving() -> None:
        with theirs:
            serve(theirs, **limits)

    thread = threading.Thread(target=serving)
    thread.start()
    with ours:
        ours.settimeout(10)
        talk(ours)
    thread.join()


def an_order(content: bytes, reading: Reading = READING) -> Order:
    return Order(reading, ABOUT, len(content), content)


def test_orders_are_judged_one_after_the_other_until_nobody_asks() -> None:
    def talk(connection: socket.socket) -> None:
        for content, finding in ((GOOD, None), (BAD, BROKEN)):
            send_order(connection, an_order(content))
            assert receive_finding(connection) == (finding, False)

    talking(talk, largest_kib=1 << 40)


def test_a_process_that_grew_says_that_it_ends() -> None:
    def talk(connection: socket.socket) -> None:
        send_order(connection, an_order(GOOD))
        assert receive_finding(connection) == (None, True)
        with pytest.raises(ConnectionError):
            receive_finding(connection)

    talking(talk, largest_kib=0)


async def test_a_process_that_ends_by_itself_is_replaced_before_the_next_body() -> None:
    async with some_judges(largest_kib=0) as judges:
        for _ in range(2):
            assert await judges.find(a_question(BAD)) == BROKEN
            assert judges.processes == []


def test_rules_are_compiled_once_and_not_without_bound() -> None:
    judges: dict[Reading, Judge] = {}
    readings = [replace(READING, items=Items((), most)) for most in range(65)]
    for reading in readings:
        for _ in range(2):
            judged(an_order(BAD, reading), judges)
    assert list(judges) == readings[-1:]


class Greedy(Judge):
    """Needs more memory than there is."""

    def judge(self, content: bytes, about: About) -> Finding | None:
        del content, about
        raise MemoryError


def test_a_body_that_takes_all_memory_is_refused() -> None:
    finding = judged(an_order(GOOD), {READING: Greedy(READING)})
    assert finding == Finding(RefusalCode.OVERLOADED, "judging the body takes too much memory")


def test_a_file_that_lost_its_end_ends_the_process() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"{}")
        send_order(ours, Order(READING, ABOUT, 3, b"", file.fileno()))
        with pytest.raises(ConnectionResetError):
            receive_order(theirs)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0" * 8 + b"\1",
        b"\0" * 7 + b"\1\0[",
        b"\0" * 7 + b"\2\0{}",
        b"\0" * 7 + b"\2\0[]",
        b"\0" * 7 + b"\x0f\0" + b'["?","",[],1]  ',
        b"\xff" * 9,
    ],
)
def test_an_answer_that_cannot_be_read_is_none(answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        with pytest.raises(ValueError):  # noqa: PT011 -- whatever it says
            receive_finding(ours)


def test_a_finding_is_the_same_on_the_other_side() -> None:
    ours, theirs = socket.socketpair()
    finding = replace(BROKEN, is_mismatch=True)
    with ours, theirs:
        send_finding(theirs, finding, is_last=True)
        assert receive_finding(ours) == (finding, True)


async def test_a_process_is_the_first_to_go_where_memory_runs_out_and_knows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADMIN_TOKEN", "hunter2")
    async with some_judges() as judges:
        assert await judges.find(a_question(GOOD)) is None
        [process] = judges.processes
        assert about(process, "oom_score_adj") == b"1000\n"
        assert b"hunter2" not in about(process, "environ")


def test_the_program_serves_on_the_socket_that_it_inherits(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    before, score = signal.getsignal(signal.SIGINT), Path("/proc/self/oom_score_adj")
    own = score.read_text(encoding="ascii")
    monkeypatch.setattr("sys.argv", ["serving", str(theirs.detach()), str(1 << 40)])
    try:
        send_order(ours, an_order(BAD))
        ours.shutdown(socket.SHUT_WR)
        main()
    finally:
        signal.signal(signal.SIGINT, before)
        score.write_text(own, encoding="ascii")
    with ours:
        assert receive_finding(ours)[0] == BROKEN
