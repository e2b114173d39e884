"""Two processes on one Redis: a key that is revoked is refused in time."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.e2e.replicas import IN_FORCE_SECONDS, Served, load, replicas, revocations_seen, revoke
from tests.e2e.wire import Echo, a_service
from tests.stores.servers import valkey


@pytest.mark.control("AN-10")
async def test_a_revoked_key_is_refused_by_every_process_in_time(tmp_path: Path) -> None:
    with valkey() as server:
        async with (
            a_service(Echo.new()) as service,
            replicas(server, service.url, tmp_path, 2) as sidecars,
        ):
            served = [Served() for _ in sidecars]
            end = time.monotonic() + 4
            loads = [
                asyncio.create_task(load(one, own, 100, end))
                for one, own in zip(sidecars, served, strict=True)
            ]
            await asyncio.sleep(1)
            revoked_at = await revoke(server)
            await asyncio.gather(*loads)
            for one, own in zip(sidecars, served, strict=True):
                assert own.by_status[200] > 0
                assert own.by_status[401] > 0
                assert own.accepted_at - revoked_at < IN_FORCE_SECONDS
                within, everything = await revocations_seen(one)
                assert within == everything == 1
