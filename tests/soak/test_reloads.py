"""A hundred reloads under load: no answer is wrong, and nothing grows.

`SOAK_RELOADS=30` is a quick trial.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.reload_load import Held, Reloading, becomes, held, reloading

RELOADS: Final = int(os.environ.get("SOAK_RELOADS", "100"))
FIRST: Final = 10
"""After so many each of the policies has been in force twice: what is made once is made."""
CONNECTIONS: Final = 6
GROWTH_BYTES: Final = 4 << 20
"""Most that a process may hold more after the last reload than after the first ten: 45 KB a reload.
A policy that stays in memory is 85 KB of it at least."""
POOLED_THREADS: Final = min(32, (os.cpu_count() or 1) + 4)
"""Threads that asyncio starts one by one, as work comes, and keeps."""
SPARE: Final = 4
"""Descriptors that come and go: a look at a file, a scrape, a connection of the store's pool."""
RETIRE_SECONDS: Final = 45.0


async def at_rest(sidecar: Reloading, workers: int) -> Held:
    """Have nobody ask, and wait until the former policy is gone."""
    await sidecar.rests()
    seen = held(sidecar.sidecar, workers)

    async def is_steady() -> bool:
        nonlocal seen
        await asyncio.sleep(2.0)
        former, seen = seen, held(sidecar.sidecar, workers)
        return (former.descriptors, former.threads) == (seen.descriptors, seen.threads)

    assert await becomes(is_steady, RETIRE_SECONDS)
    return seen


@pytest.mark.parametrize("workers", [1, 3])
async def test_nothing_fails_and_nothing_grows(
    tmp_path: Path, free_port: Callable[[], int], workers: int
) -> None:
    async with reloading(tmp_path, free_port(), workers) as sidecar:
        async with sidecar.loaded(CONNECTIONS):
            for _ in range(FIRST):
                await sidecar.reload()
            before = await at_rest(sidecar, workers)
            sidecar.goes_on()
            for _ in range(RELOADS - FIRST):
                await sidecar.reload()
            after = await at_rest(sidecar, workers)
        sys.stdout.write(f"{workers} workers, {sidecar.asked} requests: {before} {after}\n")
        assert sidecar.wrong == []
        assert sidecar.asked > RELOADS * CONNECTIONS
        assert await sidecar.failed() == 0
        most = [number + SPARE for number in before.descriptors]
        assert all(now <= then for now, then in zip(after.descriptors, most, strict=True))
        most = [number + POOLED_THREADS for number in before.threads]
        assert all(now <= then for now, then in zip(after.threads, most, strict=True))
        grown = [now - then for now, then in zip(after.resident, before.resident, strict=True)]
        assert max(grown) < GROWTH_BYTES, grown
        # Fifty thousand records are not read in a moment.
        reloads = await asyncio.to_thread(sidecar.reloads)
        by = {str(one["actor"]) for one in reloads if one["outcome"] == "admitted"}
        assert by == {"files", "signal", "ops"}
