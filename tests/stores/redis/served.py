"""What tests of the store in Redis share: an open store, commands, replicas."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.policy.schema.state import State
from tests.ports import HOST
from tests.stores.servers import Valkey, wait_until


@asynccontextmanager
async def opened(state: State) -> AsyncIterator[RedisStore]:
    """Open a store, and close it behind the block."""
    store = RedisStore(state)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def run(server: Valkey, *words: str | bytes) -> object:
    """Run a command on a server."""
    return await asyncio.to_thread(server.command, *words)


async def follow(server: Valkey, master: Valkey) -> None:
    """Make a server a replica of another, and wait until it has all of it."""
    await run(master, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
    await run(server, "REPLICAOF", HOST, str(master.port))

    def is_linked() -> bool:
        return "'master_link_status': 'up'" in str(server.command("INFO", "replication"))

    await asyncio.to_thread(wait_until, is_linked, "the replica is in step")
