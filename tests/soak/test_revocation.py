"""Six processes on one Redis under load: revoked on one, refused on five, whatever happens."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.replicas import IN_FORCE_SECONDS, Served, load, replicas, revocations_seen, revoke
from tests.e2e.wire import Echo, a_service
from tests.stores.servers import Valkey, valkey

SECONDS: Final = 20.0
RATE: Final = 200.0
SERVING: Final = 5
KEPT: Final = ("--appendonly", "yes", "--appendfsync", "always")


async def undisturbed(server: Valkey) -> float:
    return await revoke(server)


async def without_subscription(server: Valkey) -> float:
    """End every subscription and allow none again, so that only asking can bring the news."""
    await asyncio.to_thread(server.command, "ACL", "SETUSER", "default", "-subscribe")
    await asyncio.to_thread(server.command, "CLIENT", "KILL", "TYPE", "pubsub")
    revoked_at = await revoke(server)
    await asyncio.sleep(IN_FORCE_SECONDS)
    assert await asyncio.to_thread(server.command, "PUBSUB", "CHANNELS") == []
    return revoked_at


async def across_a_restart(server: Valkey) -> float:
    """Revoke, and end the server in the same moment; it comes back with its data."""
    revoked_at = await revoke(server)
    await asyncio.to_thread(server.restart)
    return revoked_at


@pytest.mark.control("AN-10")
@pytest.mark.parametrize("revoking", [undisturbed, without_subscription, across_a_restart])
async def test_no_acceptance_later_than_five_seconds_after_a_revocation(
    tmp_path: Path, revoking: Callable[[Valkey], Awaitable[float]]
) -> None:
    with valkey(*KEPT) as server:
        async with (
            a_service(Echo.new()) as service,
            replicas(server, service.url, tmp_path, SERVING + 1) as sidecars,
        ):
            serving = sidecars[:SERVING]
            served = [Served() for _ in serving]
            end = time.monotonic() + SECONDS
            loads = [
                asyncio.create_task(load(one, own, RATE, end))
                for one, own in zip(serving, served, strict=True)
            ]
            await asyncio.sleep(5)
            revoked_at = await revoking(server)
            await asyncio.gather(*loads)
            seen = [await revocations_seen(one) for one in serving]
    for own, (within, everything) in zip(served, seen, strict=True):
        late = own.accepted_at - revoked_at
        rate = sum(own.by_status.values()) / SECONDS
        sys.stdout.write(
            f"{revoking.__name__}: {rate:.0f}/s {own.by_status}, last acceptance {late:+.3f} s,"
            f" {within} of {everything} changes seen within 5 s\n"
        )
        assert rate >= RATE * 0.99
        assert own.by_status[401] > 0
        assert late < IN_FORCE_SECONDS
        assert within == everything >= 1
