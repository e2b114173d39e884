"""What every test may ask for: a clock that is moved, a free port; and what guards each of them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import pytest
from hypothesis import settings

from tests import ports
from tests.loop_guard import LIMIT_SECONDS, LoopGuard

GUARD: Final = pytest.StashKey[LoopGuard]()

# The same examples in every run: what a search finds is kept as a row.
settings.register_profile("house", derandomize=True, database=None, deadline=None)
settings.load_profile("house")


@dataclass(slots=True)
class ManualClock:
    """A clock that stands until it is moved; calling it reads it, in seconds."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def pytest_configure(config: pytest.Config) -> None:
    guard = LoopGuard()
    guard.start()
    config.stash[GUARD] = guard


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[GUARD].stop()


class Patience(Protocol):
    """What pytest-timeout found out about a test."""

    timeout: float | None  # seconds


def pytest_timeout_set_timer(item: pytest.Item, settings: Patience) -> None:
    """Have what waits for ever ended in the loop too; the alarm is set besides."""
    if settings.timeout:
        item.config.stash[GUARD].limit(settings.timeout)


def pytest_timeout_cancel_timer(item: pytest.Item) -> None:
    item.config.stash[GUARD].unlimit()


def pytest_asyncio_loop_factories(
    config: pytest.Config,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the loop that production runs on, under guard."""
    return {"uvloop": config.stash[GUARD].new_loop}


@pytest.fixture(autouse=True)
def _unblocked_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in which the event loop was blocked: others wait while one does not yield."""
    guard = request.config.stash[GUARD]
    guard.take()
    yield
    if overdue := guard.take_overdue():
        pytest.fail("took too long; its tasks waited here:\n" + "\n".join(overdue), pytrace=False)
    for stack in guard.take():
        pytest.fail(f"blocked the event loop for {LIMIT_SECONDS} s:\n{stack}", pytrace=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Find ports that nobody listens on."""
    return ports.free_port
