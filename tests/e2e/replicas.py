"""Several `sidecar run` on one Redis: one revokes, the others serve; who accepts for how long?"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sidecar.adapters.stores.redis.store import RedisStore
from tests.e2e.callers import a_key, a_record, sections
from tests.e2e.guarded import KEY
from tests.e2e.launch import Launched, serving
from tests.e2e.test_revocation import revoke_key
from tests.e2e.wire import EndedError, Peer, a_client, a_policy, get
from tests.stores.rows import a_state
from tests.stores.servers import Valkey

IN_FORCE_SECONDS: Final = 5.0
CONNECTIONS: Final = 4
STAYS: Final = b"X-API-Key: " + a_key("stays").encode()
LEAVES: Final = b"X-API-Key: " + KEY.encode()


@dataclass(slots=True)
class Served:
    """What one sidecar answered.

    Attributes:
        accepted_at: when the key that is revoked was accepted last, monotonic seconds.
        by_status: answers by their status.
    """

    accepted_at: float = 0.0
    by_status: dict[int, int] = field(default_factory=dict)

    def note(self, status: int, *, leaves: bool) -> None:
        """Take note of an answer."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        if leaves and status == 200:
            self.accepted_at = time.monotonic()


@asynccontextmanager
async def replicas(
    server: Valkey, upstream: str, folder: Path, count: int
) -> AsyncIterator[Sequence[Launched]]:
    """Run sidecars on a Redis that holds a key that is going to be revoked, and one that stays."""
    store = RedisStore(a_state(server.url))
    await store.open()
    await store.add_key(a_record("good", KEY, "owner"))
    await store.add_key(a_record("stays", a_key("stays"), "owner"))
    await store.close()
    async with AsyncExitStack() as stack:
        found = []
        for number in range(count):
            own = folder / str(number)
            own.mkdir()
            policy = a_policy(upstream, **sections(own, {"store": server.url}))
            found.append(await stack.enter_async_context(serving(policy, own)))
        yield found


async def load(sidecar: Launched, served: Served, rate: float, until: float) -> None:
    """Ask so many times a second, with both keys in turn, until a point of monotonic time."""

    async def ask(client: Peer) -> None:
        turn = 0
        due = time.monotonic()
        while due < until:
            turn += 1
            leaves = turn % 2 == 0
            answer = await client.ask(get(b"/any", LEAVES if leaves else STAYS))
            served.note(answer.status, leaves=leaves)
            # From plan to plan, so that late ones are made up for.
            due += CONNECTIONS / rate
            await asyncio.sleep(due - time.monotonic())

    async def connected() -> None:
        while time.monotonic() < until:
            async with a_client(sidecar.port) as client:
                try:
                    await ask(client)
                except (EndedError, ConnectionError):
                    continue  # what was opened with the key ended with it

    await asyncio.gather(*(connected() for _ in range(CONNECTIONS)))


async def revoke(server: Valkey) -> float:
    """Revoke the key as another process does; give the moment when that was done."""
    store = RedisStore(a_state(server.url))
    await store.open()
    await revoke_key(store)
    done = time.monotonic()
    await store.close()
    return done


async def revocations_seen(sidecar: Launched) -> tuple[int, int]:
    """Read the histogram: changes that came within five seconds, and all of them."""
    _, text = await sidecar.ask_admin(b"/metrics")
    name = "sidecar_revocation_latency_seconds"
    within = everything = 0
    for line in text.decode().splitlines():
        value = int(float(line.rpartition(" ")[2])) if line.startswith(name) else 0
        if line.startswith(f"{name}_bucket") and 'le="5' in line:
            within += value
        elif line.startswith(f"{name}_count"):
            everything += value
    return within, everything
