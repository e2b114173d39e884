"""A process that adds keys to a state file and says on stdout which ones were acknowledged."""

import asyncio
import sys
import time
from pathlib import Path

from sidecar.adapters.stores.sqlite.store import SqliteStore
from tests.stores.rows import a_key


async def main(file: str, name: str) -> None:
    """Add keys until killed."""
    store = SqliteStore(Path(file), time.time, timeout=10)
    await store.open()
    print("open", flush=True)  # noqa: T201 -- that is its work
    number = 0
    while True:
        await store.add_key(a_key(f"{name}-{number}"))
        print(number, flush=True)  # noqa: T201 -- that is its work
        number += 1


asyncio.run(main(*sys.argv[1:3]))
