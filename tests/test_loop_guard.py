"""The guard sees what blocks a loop, and lets pass what only waits."""

import asyncio
import socket
import time
from collections.abc import Coroutine, Iterator

import pytest

from tests.loop_guard import LIMIT_SECONDS, ROUND_SECONDS, LoopGuard


@pytest.fixture
def guard() -> Iterator[LoopGuard]:
    guard = LoopGuard()
    guard.start()
    yield guard
    guard.stop()


def _run(guard: LoopGuard, work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=guard.new_loop) as runner:
        runner.run(work)


async def _block() -> None:
    await asyncio.sleep(0)
    time.sleep(3 * LIMIT_SECONDS)  # noqa: ASYNC251  the very mistake that the guard is for


async def _wait() -> None:
    await asyncio.sleep(2 * LIMIT_SECONDS)


def test_a_blocked_loop_is_seen_with_the_line_that_blocked_it(guard: LoopGuard) -> None:
    _run(guard, _block())
    assert "time.sleep(3 * LIMIT_SECONDS)" in guard.take()[0]


def test_a_loop_that_waits_is_not_blocked(guard: LoopGuard) -> None:
    _run(guard, _wait())
    assert guard.take() == []


def test_a_loop_that_stands_still_between_two_runs_is_not_blocked(guard: LoopGuard) -> None:
    with asyncio.Runner(loop_factory=guard.new_loop) as runner:
        runner.run(asyncio.sleep(0.1))
        time.sleep(2 * LIMIT_SECONDS)
        runner.run(asyncio.sleep(0.1))
    assert guard.take() == []


async def _wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_what_waits_for_ever_is_ended_with_the_line_that_waited(guard: LoopGuard) -> None:
    guard.limit(2 * ROUND_SECONDS)
    with pytest.raises(asyncio.CancelledError):
        _run(guard, _wait_for_ever())
    guard.unlimit()
    assert "await asyncio.Event().wait()" in guard.take_overdue()[0]
    assert guard.take_overdue() == []


async def _connect(end: socket.socket, left: list[asyncio.Transport]) -> None:
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=end)
    left.append(transport)


def test_a_connection_that_is_left_open_fails_its_test_and_holds_up_no_other(
    guard: LoopGuard,
) -> None:
    left: list[asyncio.Transport] = []
    near, far = socket.socketpair()
    with far, pytest.raises(ResourceWarning, match="unclosed resource <"):
        _run(guard, _connect(near, left))
    assert "closed=True" in repr(left[0])
