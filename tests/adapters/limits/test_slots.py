"""What goes on at the same time, on all replicas: never more than the limit, and nothing lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.adapters.limits.slots import LIFE, Slots
from sidecar.adapters.stores.redis.scripts import Script
from sidecar.adapters.stores.redis.wire import packed
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import SECOND, Slot, let_go
from sidecar.model.questions import TakeLimits
from tests.adapters.limits.charges import a_charge, shadow
from tests.adapters.limits.counting import Counting, counting
from tests.adapters.limits.test_places import THREE, given_back
from tests.knowledge.limits.a_limit import MINUTE, a_concurrency, a_window
from tests.stores.delays import delaying
from tests.stores.servers import Valkey, valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
async def replica(server: Valkey) -> AsyncIterator[Counting]:
    await asyncio.to_thread(server.command, "FLUSHALL")
    async with counting(server.url) as replica:
        yield replica


async def becomes_free(replica: Counting, *, left: int) -> None:
    """Wait until so much is left: what is given back is said in the next round of the loop."""
    probe = a_charge(shadow(a_concurrency(1)), "nobody")
    async with asyncio.timeout(8):
        while True:
            # A request of another counter is answered behind what was said before it.
            [count] = await replica.ask(probe)
            if count.slot is not None:
                count.slot.release()
            found = await replica.ask(THREE)
            for one in found:
                if one.slot is not None:
                    one.slot.release()
            if found[0].left == left - 1:
                return


@pytest.mark.control("RL-5")
async def test_replicas_together_hold_no_more_than_the_limit(
    server: Valkey, replica: Counting
) -> None:
    async with counting(server.url) as other:
        asked = [one.ask(THREE) for one in (replica, other) for _ in range(10)]
        found = [count for [count] in await asyncio.gather(*asked)]
        held = [one for one in found if one.is_admitted]
        assert len(held) == 3
        assert replica.limits.slots.units + other.limits.slots.units == 3
        given_back(*held)
        await becomes_free(other, left=3)
        await becomes_free(replica, left=3)


async def test_a_process_that_ends_gives_everything_back(server: Valkey, replica: Counting) -> None:
    async with counting(server.url) as other:
        held = [await other.ask(THREE) for _ in range(3)]
        assert not await replica.admits(THREE)
    # Whoever gives back afterwards changes nothing.
    given_back(*(count for [count] in held))
    assert await replica.admits(THREE)


async def test_what_is_granted_to_somebody_who_left_is_given_back(
    server: Valkey, replica: Counting
) -> None:
    await replica.ask(a_charge(a_window(9)))
    server.pause()
    tasks = [asyncio.create_task(replica.ask(THREE)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    server.resume()
    await becomes_free(replica, left=3)


async def test_what_is_given_back_while_something_is_asked_for_takes_nothing_away(
    server: Valkey, replica: Counting
) -> None:
    """The word overtakes the answer."""
    [first] = await replica.ask(THREE)
    server.pause()
    asked = asyncio.create_task(replica.ask(THREE))
    for _ in range(3):
        await asyncio.sleep(0)
    given_back(first)
    for _ in range(3):
        await asyncio.sleep(0)
    server.resume()
    [second] = await asked
    assert second.is_admitted
    found = [await replica.ask(THREE) for _ in range(3)]
    assert [count.is_admitted for [count] in found] == [True, True, False]


async def test_a_word_that_said_too_much_is_corrected(server: Valkey, replica: Counting) -> None:
    async with counting(server.url) as other:
        [first] = await replica.ask(THREE)
        held = [await other.ask(THREE) for _ in range(2)]
        server.pause()
        asked = asyncio.create_task(replica.ask(THREE))
        for _ in range(3):
            await asyncio.sleep(0)
        given_back(first)
        for _ in range(3):
            await asyncio.sleep(0)
        server.resume()
        assert not (await asked)[0].is_admitted
        given_back(*(count for [count] in held))
        await becomes_free(other, left=3)


async def test_nothing_is_held_of_what_another_limit_refuses(replica: Counting) -> None:
    rate = a_charge(a_window(1, 60 * MINUTE))
    assert await replica.admits(THREE, rate)
    slot, refused = await replica.ask(THREE, rate)
    assert (slot.is_admitted, slot.slot, refused.is_admitted) == (True, None, False)
    assert replica.limits.slots.units == 1


async def test_what_could_not_be_said_is_said_again(server: Valkey, replica: Counting) -> None:
    """Also to a server that came back and knows nothing."""
    held = [await replica.ask(THREE) for _ in range(3)]
    await asyncio.to_thread(server.kill)
    given_back(held[0][0])
    # Behind what was said.
    assert await replica.reason(a_charge(a_window(9)))
    assert "hold_slots" in replica.failed
    await asyncio.to_thread(server.start)
    async with counting(server.url) as other:
        await becomes_free(other, left=1)


async def test_an_answer_that_never_came_is_put_right(server: Valkey, replica: Counting) -> None:
    """The server counted it."""
    async with (
        delaying(server.port) as delays,
        counting(f"redis://127.0.0.1:{delays.port}/0", timeout="200ms") as late,
    ):
        await late.ask(a_charge(a_window(9)))
        delays.flows.clear()
        assert await late.reason(THREE) == "the store did not answer in time"
        assert (await replica.ask(THREE))[0].left == 1
        delays.flows.set()
        await becomes_free(replica, left=2)


class Line:
    """A connection whose answers the test gives."""

    def __init__(self) -> None:
        self.calls: list[Callable[[object], None]] = []
        self.words: list[Sequence[bytes]] = []

    def run(
        self,
        script: Script,
        arguments: Sequence[bytes],
        then: Callable[[object], None],
        *,
        is_known: bool = True,
    ) -> None:
        del script, is_known
        self.words.append(arguments)
        self.calls.append(then)


KEY = packed(b"{sidecar}:limit:one")


async def turn() -> None:
    """Let the loop call what is due."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_word_that_fails_behind_one_that_ended_the_matter_is_no_trouble() -> None:
    line = Line()
    slots = Slots(line, b"12345678", lambda _: None)
    for _ in range(2):
        slots.ask(KEY)
    first, second = (slots.settle(KEY, is_taken=True) for _ in range(2))
    assert first is not None
    assert second is not None
    first.release()
    await turn()
    second.release()
    await turn()
    heard, lost = line.calls
    heard(1)
    lost(StoreUnavailableError("gone"))
    slots.ask(KEY)
    third = slots.settle(KEY, is_taken=True)
    assert third is not None
    third.release()
    await turn()
    assert len(line.calls) == 3
    line.calls[2](1)
    await slots.close()


async def test_what_is_only_doubted_is_forgotten_when_the_server_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line()
    slots = Slots(line, b"12345678", lambda _: None)
    keys = [packed(b"%d" % number) for number in range(300)]
    for key in keys:
        slots.ask(key)
        slots.doubt(key)
    slots.ask(KEY)
    assert slots.settle(KEY, is_taken=True) is not None
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + LIFE / SECOND + 1)
    slots.say()
    for call in tuple(line.calls):
        call(StoreUnavailableError("gone"))
    line.words.clear()
    slots.say()
    assert line.words == []
    assert slots.units == 1


ACTIONS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "take", "give", "leave", "pair"])),
    max_size=40,
)


@settings(max_examples=25)
@given(ACTIONS, st.integers(0, 1 << 32))
def test_in_any_order_no_more_is_held_than_the_limit_and_nothing_stays_behind(
    server: Valkey, actions: list[tuple[int, str]], seed: int
) -> None:
    asyncio.run(_in_any_order(server, actions, random.Random(seed)))  # noqa: S311 -- reproducible


class Fleet:
    """Replicas, and all that requests hold of them."""

    def __init__(self, replicas: list[Counting], lot: random.Random) -> None:
        self.replicas = replicas
        self.held: list[Slot] = []
        self._lot = lot
        self._rate = a_charge(a_window(10, 60 * MINUTE))

    async def act(self, number: int, action: str) -> None:
        """Take, give back, or leave before the answer; then let the loop turn a few times."""
        limits = self.replicas[number].limits
        if action == "give":
            if self.held:
                self.held.pop(self._lot.randrange(len(self.held))).release()
        else:
            charges = (THREE, self._rate) if action == "pair" else (THREE,)
            limits.ask(TakeLimits(charges), let_go if action == "leave" else self._told)
        for _ in range(self._lot.randrange(4)):
            await asyncio.sleep(0)

    def _told(self, answer: object) -> None:
        assert isinstance(answer, tuple)
        self.held += [count.slot for count in answer if count.slot is not None]
        assert len(self.held) <= 3


async def _in_any_order(server: Valkey, actions: list[tuple[int, str]], lot: random.Random) -> None:
    await asyncio.to_thread(server.command, "FLUSHALL")
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(counting(server.url)) for _ in range(3)]
        fleet = Fleet(replicas, lot)
        for number, action in actions:
            await fleet.act(number, action)
        await asyncio.gather(*(one.ask(a_charge(a_window(9))) for one in replicas))
        for slot in fleet.held:
            slot.release()
        for replica in replicas:
            await becomes_free(replica, left=3)
