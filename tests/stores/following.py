"""A feed over a store in memory that fails on demand, and everything that follows it."""

import asyncio

from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.uses import KeyUses
from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import UnsealedSecrets, Vault
from sidecar.model.ports import Changes, Event
from sidecar.model.secret import Secret
from tests.conftest import ManualClock
from tests.stores.failing import FailingStore

LIMIT = 4.0
SLOW_SECONDS = 3600.0
QUICK_SECONDS = 0.01


class Events:
    """Takes no note."""

    def note_event(self, event: Event) -> None:
        del event


class Following:
    """A feed over a store in memory, and everything that follows it."""

    def __init__(self, clock: ManualClock, poll_seconds: float = SLOW_SECONDS) -> None:
        self.clock = clock
        self.store = FailingStore(clock)
        freshness = Freshness(clock, LIMIT)
        memories = self.memories = Memories(freshness, RememberedTenants({}, freshness))
        vault = self.vault = Vault(self.store, Box([Secret(bytes(32))], bytes))
        self.secrets = memories.secrets = UnsealedSecrets(vault, freshness.is_current, Events())
        self.took: list[float] = []
        self.heard: list[Changes] = []
        self._news = asyncio.Event()
        self.uses = KeyUses()
        rhythm = Rhythm(poll_seconds, clock, self.took.append)
        self.feed = Feed(self.store, memories, self.uses, rhythm)
        self.feed.listen(self._hear)
        self.feed.listen_to_blocks(self._sweep)
        self.swept = 0

    def remember_blocks(self) -> RememberedBlocks:
        """Have blocks read and remembered."""
        held = RememberedBlocks(Freshness(self.clock, LIMIT), keeps_last=False)
        self.memories.blocks = held
        return held

    def _sweep(self) -> None:
        self.swept += 1

    def _hear(self, changes: Changes) -> None:
        self.heard.append(changes)
        self._news.set()

    async def news(self) -> None:
        """Wait for the next changes."""
        async with asyncio.timeout(5):
            await self._news.wait()
        self._news.clear()

    async def read_times(self, times: int) -> None:
        """Wait until the store was asked for changes so many times."""
        async with asyncio.timeout(5):
            while self.store.asked["changes"] < times:  # noqa: ASYNC110 -- a counter
                await asyncio.sleep(0.001)
