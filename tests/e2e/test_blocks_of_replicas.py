"""What an operator blocks by a command is in force in every process on the same Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.callers import sections
from tests.e2e.commands import printed
from tests.e2e.launch import START_SECONDS, Launched, serving
from tests.e2e.test_revocation import Slow
from tests.e2e.test_websockets import HANDSHAKE
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get
from tests.stores.servers import valkey

IN_FORCE_SECONDS: Final = 5.0
PROXIED: Final = {"trusted_proxies": ["127.0.0.1"]}


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sidecars on one Redis, and what reaches the service behind them.

    Attributes:
        sidecars: the processes.
        policy: file of a policy of theirs.
        slow: the service.
    """

    sidecars: Sequence[Launched]
    policy: Path
    slow: Slow

    async def command(self, *words: str) -> bytes:
        """Run `sidecar …` on their store, in none of their processes; returns what it printed."""
        return (await printed(*words, "--policy", str(self.policy))).strip().encode()

    async def tells(self, reason: str) -> None:
        """Wait until the trail of every process has a record with a reason that begins so."""
        wanted = f'"reason":"{reason}'.encode()
        for sidecar in self.sidecars:
            async with asyncio.timeout(START_SECONDS):
                while wanted not in sidecar.trail.read_bytes():  # noqa: ASYNC110 -- from outside
                    await asyncio.sleep(0.02)


@asynccontextmanager
async def a_fleet(folder: Path) -> AsyncIterator[Fleet]:
    slow = Slow()
    with valkey() as server:
        async with AsyncExitStack() as stack:
            quick = await stack.enter_async_context(a_service(Echo.new()))
            waits = await stack.enter_async_context(a_service(slow))
            found = []
            for number in range(2):
                own = folder / str(number)
                own.mkdir()
                keys = sections(own, {"store": server.url})
                routes = [
                    {"path": "/any", "role": "viewer"},
                    {"path": "/open", "public": True},
                    {"path": "/socket", "role": "viewer", "upstream": waits.url},
                ]
                text = a_policy(
                    quick.url, **{**keys, "routes": routes, "blocks": {}, "listen": PROXIED}
                )
                found.append(await stack.enter_async_context(serving(text, own)))
            yield Fleet(found, folder / "0" / "policy.yaml", slow)


async def status(sidecar: Launched, *lines: bytes, target: bytes = b"/any") -> int:
    async with a_client(sidecar.port) as client:
        return (await client.ask(get(target, *lines, b"Connection: close"))).status


async def become(fleet: Fleet, wanted: int, *lines: bytes, target: bytes = b"/any") -> None:
    """Ask every process until it answers the wanted status, and see that it was in time."""
    began = time.monotonic()
    for sidecar in fleet.sidecars:
        async with asyncio.timeout(2 * IN_FORCE_SECONDS):
            while await status(sidecar, *lines, target=target) != wanted:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.01)
    assert time.monotonic() - began < IN_FORCE_SECONDS


async def test_a_block_by_command_is_in_force_everywhere_until_it_is_lifted(
    tmp_path: Path,
) -> None:
    async with a_fleet(tmp_path) as fleet:
        key = await fleet.command("keys", "create", "--tenant", "acme", "--role", "owner")
        [listed] = (await fleet.command("keys", "list")).splitlines()[1:]
        line = b"X-API-Key: " + key
        client, other = b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-For: 203.0.114.7"
        rows = [
            ("address", "203.0.113.0/24", 403),
            ("key", listed.split()[0].decode(), 401),
            ("tenant", "acme", 401),
        ]
        for kind, value, code in rows:
            await become(fleet, 200, line, client)
            await fleet.command("block", "add", kind, value, "--for", "1h", "--reason", "drill")
            await become(fleet, code, line, client)
            if kind == "address":
                await become(fleet, 200, line, other)
                await become(fleet, 403, client, target=b"/open")
            await fleet.command("block", "remove", kind, value)
        await become(fleet, 200, line, client)
        for kind, value, _ in rows:
            await fleet.tells(f"blocked {kind}: {value}")
        assert [await one.count("sidecar_blocks") for one in fleet.sidecars] == [0, 0]


async def test_websockets_of_the_blocked_end_in_every_process(tmp_path: Path) -> None:
    async with a_fleet(tmp_path) as fleet:
        key = await fleet.command("keys", "create", "--tenant", "acme", "--role", "owner")
        [listed] = (await fleet.command("keys", "list")).splitlines()[1:]
        line, client = b"X-API-Key: " + key, b"X-Forwarded-For: 203.0.113.7"
        values = {"address": "203.0.113.7", "key": listed.split()[0].decode(), "tenant": "acme"}
        for kind, value in values.items():
            await become(fleet, 200, line, client)
            async with AsyncExitStack() as stack:
                sockets = [
                    await stack.enter_async_context(a_socket(sidecar, line, client))
                    for sidecar in fleet.sidecars
                ]
                await fleet.command("block", "add", kind, value)
                done = time.monotonic()
                for socket in sockets:
                    assert await socket.ended() == b"", kind
                    await fleet.slow.left.acquire()
                assert time.monotonic() - done < IN_FORCE_SECONDS, kind
            await fleet.command("block", "remove", kind, value)


@asynccontextmanager
async def a_socket(sidecar: Launched, *lines: bytes) -> AsyncIterator[Peer]:
    async with a_client(sidecar.port) as client:
        await client.send(get(b"/socket", *lines, *HANDSHAKE))
        assert b" 101 " in await client.head()
        yield client
