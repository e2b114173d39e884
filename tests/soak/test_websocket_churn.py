"""Thousands of WebSockets come and go; nothing of them stays."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.soak.programs import Program, free_port, running, sidecar, try_policy
from tests.soak.test_large_bodies import SERVICE

SOCKETS = 4_000
# Lasts longer than an upstream has to take its last bytes: what waits for that is no leak. And the
# collector's oldest generation has come to its size: it looks there after a million objects.
WARM_UP = 12_000
ABREAST = 16
GROWTH_BYTES = 4_000_000


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    command = [sys.executable, "-c", SERVICE, str(port)]
    policy = try_policy(port, tmp_path / "audit.jsonl")
    with running(command, port, tmp_path / "service.log"), sidecar(policy, tmp_path) as program:
        yield program


@pytest.mark.timeout(600)
def test_websockets_that_closed_leave_nothing_behind(guard: Program) -> None:
    asyncio.run(_talk(guard, WARM_UP))
    descriptors, rss_bytes = guard.descriptors, guard.rss_bytes
    asyncio.run(_talk(guard, SOCKETS))
    assert guard.descriptors <= descriptors + 2
    assert guard.rss_bytes - rss_bytes < GROWTH_BYTES


async def _talk(guard: Program, sockets: int) -> None:
    numbers = iter(range(sockets))
    url = f"http://{guard.origin[0]}:{guard.origin[1]}/ws"

    async def talk_on(session: ClientSession) -> None:
        for number in numbers:
            async with session.ws_connect(url) as socket:
                await socket.send_str(f"word {number}")
                assert await socket.receive_str() == f"word {number}"

    async with ClientSession() as session, asyncio.timeout(500), asyncio.TaskGroup() as group:
        for _ in range(ABREAST):
            group.create_task(talk_on(session))
    await asyncio.sleep(1)
