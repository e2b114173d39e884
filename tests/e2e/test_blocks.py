"""Whom an operator shuts out is refused at once, and what they had open ends."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from sidecar.model.blocks import MOST_BLOCKS, Block, BlockKind
from sidecar.model.identity import KeyDigest, KeyRecord
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import GOOD, MEMORY, guarded
from tests.e2e.records import entries
from tests.e2e.test_revocation import OTHER, slow_service
from tests.e2e.test_websockets import HANDSHAKE
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.stores.rows import a_block
from tests.stores.servers import valkey

IN_FORCE_SECONDS: Final = 5.0
ON: Final[Mapping[str, object]] = {}
HERE: Final = a_block("127.0.0.1")
NET: Final = a_block("127.0.0.0/8", reason="scans")
KEY: Final = a_block("id-good", BlockKind.KEY)
TENANT: Final = a_block("acme", BlockKind.TENANT)


@dataclass(frozen=True, slots=True)
class Shut:
    """Who is shut out, and what comes of it.

    Attributes:
        block: the block.
        status: status of the answer.
        code: its code.
        reason: what the audit says.
    """

    block: Block
    status: int
    code: str
    reason: str


KINDS: Final = [
    pytest.param(
        Shut(one, status, code, f"blocked {one.kind}: {one.value} until it is lifted"), id=name
    )
    for name, one, status, code in (
        ("an address", HERE, 403, "FORBIDDEN"),
        ("a network", NET, 403, "FORBIDDEN"),
        ("a key", KEY, 401, "UNAUTHORIZED"),
        ("a tenant", TENANT, 401, "UNAUTHORIZED"),
    )
]
MODES: Final = pytest.mark.parametrize("mode", ["enforce", "shadow"])


async def block(proxy: Running, one: Block) -> None:
    assert await proxy.store.put_block(one, MOST_BLOCKS)


async def status(proxy: Running, *lines: bytes, target: bytes = b"/any") -> int:
    async with a_client(proxy.port) as client:
        return (await client.ask(get(target, *lines))).status


async def becomes(proxy: Running, wanted: int, *lines: bytes, target: bytes = b"/any") -> None:
    """Ask until the answer is the wanted one, which it must be in time."""
    async with asyncio.timeout(IN_FORCE_SECONDS):
        while await status(proxy, *lines, target=target) != wanted:  # noqa: ASYNC110 -- from outside
            await asyncio.sleep(0.01)


@MODES
@pytest.mark.parametrize("shut", KINDS)
async def test_who_is_blocked_is_refused_until_it_is_lifted(
    tmp_path: Path, shut: Shut, mode: str
) -> None:
    async with guarded(Echo.new(), tmp_path, blocks=ON, mode=mode) as proxy:
        await becomes(proxy, 200, GOOD)
        await block(proxy, shut.block)
        await becomes(proxy, shut.status, GOOD)
        last = (await entries(proxy))[-1]
        assert last == ("refused", shut.status, shut.code, shut.reason)
        assert await proxy.store.remove_block(shut.block.kind, shut.block.value)
        await becomes(proxy, 200, GOOD)


async def test_a_block_ends_by_itself(tmp_path: Path) -> None:
    async with guarded(Echo.new(), tmp_path, blocks=ON) as proxy:
        await block(proxy, HERE)
        await becomes(proxy, 403, GOOD)
        assert proxy.gauge("sidecar_blocks") == 1
        await block(proxy, a_block("127.0.0.1", until=time.time() + 0.5))
        await becomes(proxy, 200, GOOD)
        assert proxy.gauge("sidecar_blocks") == 0


async def test_a_blocked_caller_cannot_be_told_from_an_unknown_one(tmp_path: Path) -> None:
    async with guarded(Echo.new(), tmp_path, blocks=ON) as proxy, a_client(proxy.port) as client:
        await block(proxy, KEY)
        await becomes(proxy, 401, GOOD)
        answers = [await client.ask(get(b"/any", line)) for line in (GOOD, b"X-API-Key: sk_nobody")]
        first, second = (
            {name: value for name, value in one.fields if name not in {b"date", b"x-request-id"}}
            for one in answers
        )
        assert first == second
        assert answers[0].body == answers[1].body


async def test_a_blocked_address_is_refused_on_public_routes_and_unknown_paths(
    tmp_path: Path,
) -> None:
    async with guarded(Echo.new(), tmp_path, blocks=ON) as proxy:
        await block(proxy, HERE)
        await becomes(proxy, 403, target=b"/public")
        assert await status(proxy, target=b"/nowhere") == 403
        async with a_client(proxy.port) as client:
            answer = await client.ask(get(b"/public"))
            assert b"block" not in answer.body.lower()


async def test_a_policy_without_authentication_blocks_addresses(tmp_path: Path) -> None:
    async with a_service(Echo.new()) as service:
        policy = a_policy(service.url, blocks=ON, state=MEMORY)
        async with running(policy, tmp_path) as proxy:
            assert await status(proxy) == 200
            await block(proxy, HERE)
            await becomes(proxy, 403)


# --- what is under way


@MODES
@pytest.mark.parametrize("shut", KINDS)
@pytest.mark.parametrize("target", [b"/any", b"/any?stream"])
async def test_what_the_blocked_had_open_ends(
    tmp_path: Path, shut: Shut, mode: str, target: bytes
) -> None:
    async with (
        slow_service(tmp_path, mode, blocks=ON) as (proxy, slow),
        a_client(proxy.port) as client,
    ):
        await client.send(get(target, GOOD))
        await slow.arrived.acquire()
        streams = b"stream" in target
        if streams:
            await client.until(b"data: 1\n\n")
        await block(proxy, shut.block)
        if streams:
            assert b"0\r\n\r\n" not in await client.ended()
        else:
            assert (await client.response()).status == shut.status
        await slow.left.acquire()
        [entry] = await entries(proxy)
        assert entry == ("refused", 200 if streams else shut.status, shut.code, shut.reason)
        await client.ended()
        await proxy.rests()


@MODES
@pytest.mark.parametrize("shut", KINDS)
async def test_websockets_of_the_blocked_are_closed(tmp_path: Path, shut: Shut, mode: str) -> None:
    async with (
        slow_service(tmp_path, mode, blocks=ON) as (proxy, slow),
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/any", GOOD, *HANDSHAKE))
        await client.head()
        began = time.monotonic()
        await block(proxy, shut.block)
        assert await client.ended() == b""
        await slow.left.acquire()
        assert time.monotonic() - began < IN_FORCE_SECONDS
        [entry] = await entries(proxy)
        assert (entry.status, entry.reason) == (101, shut.reason)
        client.close()
        await proxy.rests()


async def test_what_others_have_open_goes_on(tmp_path: Path) -> None:
    async with slow_service(tmp_path, blocks=ON) as (proxy, slow), a_client(proxy.port) as idle:
        async with a_client(proxy.port) as one, a_client(proxy.port) as two:
            for client, line in ((one, GOOD), (two, OTHER)):
                await client.send(get(b"/any", line))
                await slow.arrived.acquire()
            await block(proxy, a_block("globex", BlockKind.TENANT))
            await block(proxy, a_block("203.0.113.0/24"))
            await block(proxy, KEY)
            assert (await one.response()).status == 401
            assert [entry.status for entry in await entries(proxy)] == [401]
            assert proxy.load[1] == 1
            two.reset()
        await idle.send(b"GET ")  # a connection without an exchange is none of anybody's
        await proxy.becomes(1, 0, 0, 0)


async def test_who_is_blocked_while_its_key_is_looked_up_does_not_get_through(
    tmp_path: Path,
) -> None:
    echo = Echo.new()
    async with guarded(echo, tmp_path, blocks=ON) as proxy, a_client(proxy.port) as client:
        asked, gate, find_key = asyncio.Event(), asyncio.Event(), proxy.store.find_key

        async def held(digests: list[KeyDigest]) -> KeyRecord | None:
            asked.set()
            await gate.wait()
            return await find_key(digests)

        proxy.store.find_key = held  # type: ignore[method-assign, assignment]  # a slow store
        await client.send(get(b"/any", GOOD))
        await asked.wait()
        await block(proxy, HERE)
        assert (await client.response()).status == 403
        gate.set()
        [entry] = await entries(proxy)
        assert entry.reason == "blocked address: 127.0.0.1 until it is lifted"
        await client.ended()
        await proxy.rests()


# --- without the store


@pytest.mark.parametrize("then", ["refuse", "last_known"])
async def test_without_the_store_nobody_is_admitted_or_the_last_list_holds(
    tmp_path: Path, then: str
) -> None:
    with valkey() as server:
        state = {"store": server.url, "timeout": "300ms", "poll": "100ms"}
        keys: dict[str, object] = {
            "blocks": {"on_store_failure": then},
            "authentication": {"max_staleness": "500ms"},
            "listen": {"trusted_proxies": ["127.0.0.1"]},
        }
        blocked, other = b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-For: 203.0.113.8"
        async with (
            a_service(Echo.new()) as service,
            running(a_policy(service.url, **keys, state=state), tmp_path) as proxy,
        ):
            await block(proxy, a_block("203.0.113.7"))
            await becomes(proxy, 403, blocked)
            await asyncio.to_thread(server.kill)
            memories = proxy.sidecar.proxy.outside.memories
            assert memories is not None
            async with asyncio.timeout(5):
                while memories.freshness.is_current():  # noqa: ASYNC110 -- time itself
                    await asyncio.sleep(0.01)
            refuses = then == "refuse"
            assert proxy.gauge("sidecar_degraded", "blocks") == (not refuses)
            assert await status(proxy, other) == (503 if refuses else 200)
            assert await status(proxy, blocked) == 403
            assert bool(proxy.sidecar.is_ready()) is refuses
            await asyncio.to_thread(server.start)
            # It came back empty: what it lost it cannot say, and nobody is on its list.
            await becomes(proxy, 200, blocked)
            assert await status(proxy, other) == 200
            assert not proxy.sidecar.is_ready()
            assert proxy.gauge("sidecar_degraded", "blocks") == 0


async def test_a_list_that_is_garbage_admits_nobody(tmp_path: Path) -> None:
    with valkey() as server:
        state = {"store": server.url, "timeout": "300ms", "poll": "100ms"}
        keys = {"authentication": {"max_staleness": "500ms"}, "state": state}
        async with (
            a_service(Echo.new()) as service,
            running(a_policy(service.url, blocks=ON, **keys), tmp_path) as proxy,
        ):
            await becomes(proxy, 200)
            garbage = ("HSET", "{sidecar}:blocks", HERE.id, "{}")
            await asyncio.to_thread(server.command, *garbage)
            await block(proxy, a_block("203.0.113.7"))
            await asyncio.to_thread(server.command, "ZADD", "{sidecar}:block-ids", "0", HERE.id)
            await block(proxy, a_block("203.0.113.8"))
            await becomes(proxy, 503)
            assert list(proxy.sidecar.is_ready()) == ["the list of blocks cannot be read"]
            assert await proxy.store.remove_block(HERE.kind, HERE.value)
            await becomes(proxy, 200)
            async with asyncio.timeout(5):
                while proxy.sidecar.is_ready():  # noqa: ASYNC110 -- it has no event
                    await asyncio.sleep(0.01)
