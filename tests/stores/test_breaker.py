"""The breaker as a table, and a store behind it."""

import asyncio
from collections.abc import Sequence
from itertools import product

import pytest

from sidecar.adapters.stores.breaker import (
    FAILURES,
    OPEN_SECONDS,
    TRANSITIONS,
    Breaker,
    Circuit,
    Happening,
)
from sidecar.adapters.stores.guarded import Guarded
from sidecar.adapters.stores.memory import MemoryStore
from sidecar.model.errors import StoreUnavailableError, UnreadableRecordError
from sidecar.model.identity import KeyDigest, KeyId, KeyRecord
from sidecar.model.ports import Store
from tests.conftest import ManualClock
from tests.stores.contract import Elapse, StoreContract
from tests.stores.rows import a_digest, a_key


class BrokenStore(MemoryStore):
    """A store in memory that can be broken.

    Attributes:
        is_broken: whether it fails.
        error: how.
        gate: what look-ups wait for.
        asked: look-ups that reached it.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.is_broken = False
        self.error: Exception = StoreUnavailableError("broken")
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        self.asked += 1
        await self.gate.wait()
        self._fail()
        return await super().find_key(digests)

    async def add_key(self, record: KeyRecord) -> bool:
        self._fail()
        return await super().add_key(record)

    def _fail(self) -> None:
        if self.is_broken:
            raise self.error


class Broken:
    """A store that can be broken, behind a breaker whose lot is always in the middle."""

    def __init__(self, clock: ManualClock) -> None:
        self.inner = BrokenStore(clock)
        self.breaker = Breaker(clock, lambda: 0.5)
        self.failed: list[str] = []
        self.store = Guarded(self.inner, self.breaker, self.failed.append)

    async def fail(self, times: int) -> None:
        self.inner.is_broken = True
        for _ in range(times):
            with pytest.raises(StoreUnavailableError):
                await self.store.find_key([a_digest("k1")])


@pytest.fixture
def broken(clock: ManualClock) -> Broken:
    return Broken(clock)


@pytest.fixture
def store(broken: Broken) -> Store:
    return broken.store


@pytest.fixture
def elapse(clock: ManualClock) -> Elapse:
    async def advance(seconds: float) -> None:
        clock.advance(seconds)

    return advance


class TestGuardedStore(StoreContract):
    """A store behind a breaker is a store."""


def test_every_state_has_a_way_on() -> None:
    assert {circuit for circuit, _ in TRANSITIONS} == set(Circuit)
    assert {happening for _, happening in TRANSITIONS} == set(Happening)
    untold = set(product(Circuit, Happening)) - set(TRANSITIONS)
    assert (Circuit.OPEN, Happening.PROBE_ANSWERED) in untold  # a late answer closes nothing


async def test_failures_one_after_the_other_open_it(broken: Broken) -> None:
    await broken.fail(FAILURES - 1)
    before = broken.store.is_left_alone
    await broken.fail(1)
    assert (before, broken.store.is_left_alone) == (False, True)
    assert broken.breaker.circuit is Circuit.OPEN
    with pytest.raises(StoreUnavailableError, match="not asked now"):
        await broken.store.find_key([a_digest("k1")])
    assert broken.inner.asked == FAILURES
    assert broken.failed == ["find_key"] * (FAILURES + 1)


async def test_an_answer_between_failures_starts_the_count_anew(broken: Broken) -> None:
    await broken.fail(FAILURES - 1)
    broken.inner.is_broken = False
    await broken.store.find_key([a_digest("k1")])
    await broken.fail(FAILURES - 1)
    assert broken.breaker.circuit is Circuit.CLOSED


async def test_it_recovers_by_one_probe(broken: Broken, clock: ManualClock) -> None:
    await broken.fail(FAILURES)
    clock.advance(OPEN_SECONDS)
    broken.inner.is_broken = False
    broken.inner.gate.clear()
    probe = asyncio.create_task(broken.store.find_key([a_digest("k1")]))
    await asyncio.sleep(0)
    others = [broken.store.find_key([a_digest("k1")]) for _ in range(50)]
    told = await asyncio.gather(*others, return_exceptions=True)
    assert all(isinstance(one, StoreUnavailableError) for one in told)
    broken.inner.gate.set()
    assert await probe is None
    assert broken.inner.asked == FAILURES + 1
    assert broken.breaker.circuit is Circuit.CLOSED
    assert await broken.store.find_key([a_digest("k1")]) is None


async def test_a_probe_that_fails_opens_it_again(broken: Broken, clock: ManualClock) -> None:
    await broken.fail(FAILURES)
    clock.advance(OPEN_SECONDS)
    await broken.fail(1)
    assert broken.breaker.circuit is Circuit.OPEN
    clock.advance(OPEN_SECONDS / 2)
    with pytest.raises(StoreUnavailableError, match="not asked now"):
        await broken.store.find_key([a_digest("k1")])


async def test_a_probe_that_is_given_up_is_made_again(broken: Broken, clock: ManualClock) -> None:
    await broken.fail(FAILURES)
    clock.advance(OPEN_SECONDS)
    broken.inner.is_broken = False
    broken.inner.gate.clear()
    probe = asyncio.create_task(broken.store.find_key([a_digest("k1")]))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    broken.inner.gate.set()
    clock.advance(OPEN_SECONDS)
    assert await broken.store.find_key([a_digest("k1")]) is None


async def test_a_probe_that_fails_by_a_fault_of_ours_is_made_again(
    broken: Broken, clock: ManualClock
) -> None:
    await broken.fail(FAILURES)
    clock.advance(OPEN_SECONDS)
    broken.inner.error = ValueError("a fault of ours")
    with pytest.raises(ValueError, match="of ours"):
        await broken.store.find_key([a_digest("k1")])
    broken.inner.is_broken = False
    clock.advance(OPEN_SECONDS)
    assert await broken.store.find_key([a_digest("k1")]) is None


async def test_a_record_that_nobody_can_read_shuts_nobody_else_out(
    broken: Broken, clock: ManualClock
) -> None:
    broken.inner.error = UnreadableRecordError("garbage")
    await broken.fail(2 * FAILURES)
    assert broken.breaker.circuit is Circuit.CLOSED
    assert broken.failed == ["find_key"] * 2 * FAILURES
    # A server that answers so is there again.
    broken.inner.error = StoreUnavailableError("broken")
    await broken.fail(FAILURES)
    clock.advance(OPEN_SECONDS)
    broken.inner.error = UnreadableRecordError("garbage")
    await broken.fail(1)
    assert broken.breaker.circuit is Circuit.CLOSED


@pytest.mark.parametrize(("lot", "seconds"), [(0.0, 0.5), (0.5, 1.0), (0.999, 1.499)])
def test_replicas_come_back_at_different_times(
    lot: float, seconds: float, clock: ManualClock
) -> None:
    breaker = Breaker(clock, lambda: lot)
    for _ in range(FAILURES):
        breaker.fail()
    clock.advance(OPEN_SECONDS * seconds - 0.01)
    assert not breaker.admits()
    clock.advance(0.02)
    assert breaker.admits()


async def test_failed_writes_are_counted_and_open_nothing(broken: Broken) -> None:
    broken.inner.is_broken = True
    for _ in range(FAILURES * 2):
        with pytest.raises(StoreUnavailableError):
            await broken.store.add_key(a_key())
    assert broken.breaker.circuit is Circuit.CLOSED
    assert broken.failed == ["add_key"] * (FAILURES * 2)
    assert await broken.store.key(KeyId("k1")) is None
