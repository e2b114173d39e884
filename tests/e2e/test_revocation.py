"""What was opened with a credential ends with it, at once and everywhere (AN-10, AN-14)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from sidecar.model.identity import (
    KeyId,
    KeyStatus,
    Revocation,
    RevocationKind,
    TenantId,
    TenantRecord,
    TenantStatus,
)
from sidecar.model.ports import Store
from tests.e2e.callers import RSA_ISSUER, a_key, a_record, a_token, sections
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import GOOD, MEMORY, guarded
from tests.e2e.records import entries
from tests.e2e.test_websockets import HANDSHAKE, switching
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get
from tests.stores.servers import valkey

OTHER: Final = b"X-API-Key: " + a_key("else").encode()
MEMBER: Final = b"X-API-Key: " + a_key("member").encode()
TOKEN: Final = b"Authorization: Bearer " + a_token(jti="t-9", sub="bob")
IN_FORCE_SECONDS: Final = 5.0
STREAM: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


class Slow:
    """A service that keeps what it is asked open: a request, a stream or a WebSocket.

    Attributes:
        arrived: counts requests.
        left: counts those that were broken off.
    """

    def __init__(self) -> None:
        self.arrived = asyncio.Semaphore(0)
        self.left = asyncio.Semaphore(0)

    async def __call__(self, peer: Peer) -> None:
        head = await peer.head()
        if b"/any?stream" in head:
            await peer.send(STREAM)
        elif b"websocket" in head.lower():
            await peer.send(switching())
        self.arrived.release()
        async with asyncio.timeout(20):
            await peer.reader.read()
        self.left.release()


async def change_key(store: Store, status: KeyStatus, name: str = "good") -> None:
    record = await store.key(KeyId(f"id-{name}"))
    assert record is not None
    assert await store.replace_key(replace(record, status=status, version=record.version + 1))


async def revoke_key(store: Store) -> None:
    await change_key(store, KeyStatus.REVOKED)


async def disable_key(store: Store) -> None:
    await change_key(store, KeyStatus.DISABLED)


async def suspend_tenant(store: Store) -> None:
    record = await store.tenant(TenantId("globex"))
    assert record is not None
    changed = replace(record, status=TenantStatus.SUSPENDED, version=record.version + 1)
    assert await store.put_tenant(changed)


def revoking(kind: RevocationKind, value: str) -> Callable[[Store], Awaitable[None]]:
    async def revoke(store: Store) -> None:
        now = time.time()
        await store.revoke(Revocation(kind, RSA_ISSUER, value, now + 1, now + 3600))

    return revoke


REVOCATIONS: Final = [
    pytest.param(GOOD, revoke_key, "revoked key", id="a key is revoked"),
    pytest.param(GOOD, disable_key, "disabled key", id="a key is disabled"),
    pytest.param(MEMBER, suspend_tenant, "suspended tenant", id="a tenant is suspended"),
    pytest.param(TOKEN, revoking(RevocationKind.TOKEN, "t-9"), "revoked", id="a token by its id"),
    pytest.param(TOKEN, revoking(RevocationKind.SUBJECT, "bob"), "revoked", id="all of a subject"),
]


@asynccontextmanager
async def slow_service(
    folder: Path, mode: str = "enforce", **more: object
) -> AsyncIterator[tuple[Running, Slow]]:
    slow = Slow()
    async with guarded(slow, folder, MEMORY, mode=mode, **more) as proxy:
        store = proxy.store
        globex = TenantId("globex")
        await store.put_tenant(TenantRecord(globex))
        await store.add_key(a_record("else", a_key("else"), "owner"))
        await store.add_key(a_record("member", a_key("member"), "owner", tenant=globex))
        yield proxy, slow


async def reason_of(proxy: Running) -> tuple[object, ...]:
    [entry] = await entries(proxy)
    return entry


@pytest.mark.control("AN-10")
@pytest.mark.parametrize(("line", "change", "reason"), REVOCATIONS)
async def test_a_request_without_an_answer_is_refused(
    tmp_path: Path, line: bytes, change: Callable[[Store], Awaitable[None]], reason: str
) -> None:
    async with slow_service(tmp_path) as (proxy, slow), a_client(proxy.port) as client:
        await client.send(get(b"/any", line))
        await slow.arrived.acquire()
        await change(proxy.store)
        assert (await client.response()).status == 401
        await slow.left.acquire()
        outcome, status, code, why = await reason_of(proxy)
        assert (outcome, status, code) == ("refused", 401, "UNAUTHORIZED")
        assert reason in str(why)
        await client.ended()
        await proxy.rests()


@pytest.mark.control("AN-10")
@pytest.mark.parametrize(("line", "change", "reason"), REVOCATIONS)
async def test_a_stream_ends_on_both_sides(
    tmp_path: Path, line: bytes, change: Callable[[Store], Awaitable[None]], reason: str
) -> None:
    async with slow_service(tmp_path) as (proxy, slow), a_client(proxy.port) as client:
        await client.send(get(b"/any?stream", line))
        await client.until(b"data: 1\n\n")
        await change(proxy.store)
        assert b"0\r\n\r\n" not in await client.ended()
        await slow.left.acquire()
        outcome, status, code, why = await reason_of(proxy)
        assert (outcome, status, code) == ("refused", 200, "UNAUTHORIZED")
        assert reason in str(why)
        await proxy.rests()


@pytest.mark.control("AN-10")
@pytest.mark.control("AN-14")
@pytest.mark.parametrize(("line", "change", "reason"), REVOCATIONS)
async def test_a_websocket_is_closed_at_once(
    tmp_path: Path, line: bytes, change: Callable[[Store], Awaitable[None]], reason: str
) -> None:
    async with slow_service(tmp_path) as (proxy, slow), a_client(proxy.port) as client:
        await client.send(get(b"/any", line, *HANDSHAKE))
        await client.head()
        began = time.monotonic()
        await change(proxy.store)
        assert await client.ended() == b""
        await slow.left.acquire()
        assert time.monotonic() - began < IN_FORCE_SECONDS
        outcome, status, _, why = await reason_of(proxy)
        assert (outcome, status) == ("admitted", 101)
        assert reason in str(why)
        client.close()
        await proxy.rests()


@pytest.mark.control("AN-14")
@pytest.mark.parametrize("is_token", [True, False])
async def test_a_websocket_ends_when_its_credential_expires(
    tmp_path: Path, *, is_token: bool
) -> None:
    async with slow_service(tmp_path) as (proxy, _), a_client(proxy.port) as client:
        ends = time.time() + 1.5
        record = a_record("brief", a_key("brief"), "owner", expires_at=ends)
        assert await proxy.store.add_key(record)
        line = b"X-API-Key: " + a_key("brief").encode()
        if is_token:
            # What a clock may differ by is forgiven at the end too.
            line = b"Authorization: Bearer " + a_token(exp=int(time.time()) - 28)
        await client.send(get(b"/any", line, *HANDSHAKE))
        assert b" 101 " in await client.head()
        assert await client.ended() == b""
        assert (await reason_of(proxy))[3] == "credential expired"


@pytest.mark.control("AN-10")
async def test_a_change_of_others_ends_nothing(tmp_path: Path) -> None:
    async with slow_service(tmp_path) as (proxy, slow), AsyncExitStack() as stack:
        clients = []
        for target, lines in ((b"/any", ()), (b"/any?stream", ()), (b"/any", HANDSHAKE)):
            client = await stack.enter_async_context(a_client(proxy.port))
            await client.send(get(target, GOOD, *lines))
            await slow.arrived.acquire()
            clients.append(client)
        ended = await stack.enter_async_context(a_client(proxy.port))
        await ended.send(get(b"/any", OTHER))
        await slow.arrived.acquire()
        await change_key(proxy.store, KeyStatus.REVOKED, "else")
        await suspend_tenant(proxy.store)
        await revoking(RevocationKind.TOKEN, "t-9")(proxy.store)
        assert (await ended.response()).status == 401
        assert [entry.status for entry in await entries(proxy)] == [401]
        assert proxy.load[1:3] == (2, 1)
        for client in clients:
            client.reset()
        await proxy.rests()


@pytest.mark.control("AN-10")
async def test_shadow_mode_records_what_would_end(tmp_path: Path) -> None:
    async with slow_service(tmp_path, mode="shadow") as (proxy, slow):
        async with a_client(proxy.port) as client:
            await client.send(get(b"/any?stream", GOOD))
            await slow.arrived.acquire()
            await client.until(b"data: 1\n\n")
            await revoke_key(proxy.store)
            async with a_client(proxy.port) as probe:
                async with asyncio.timeout(5):
                    await probe.send(get(b"/any", GOOD))
                    await slow.arrived.acquire()
                probe.reset()
            client.reset()
        await proxy.rests()
        assert all("revoked key" in str(record) for record in await proxy.records())


# --- two sidecars


@asynccontextmanager
async def shared_state(kind: str, folder: Path) -> AsyncIterator[Mapping[str, object]]:
    if kind == "redis":
        with valkey() as server:
            yield {"store": server.url}
    else:
        yield {"store": f"sqlite:{folder / 'state.db'}"}


@pytest.mark.control("AN-10")
@pytest.mark.parametrize("kind", ["redis", "sqlite"])
async def test_what_is_revoked_on_one_sidecar_is_refused_on_the_other(
    tmp_path: Path, kind: str
) -> None:
    async with shared_state(kind, tmp_path) as state, guarded(Echo.new(), tmp_path, state) as one:
        other_folder = tmp_path / "other"
        other_folder.mkdir()
        slow = Slow()
        async with a_service(slow) as service:
            policy = a_policy(service.url, **sections(other_folder, state))
            async with running(policy, other_folder) as other:
                await _ends_in_time(one, other, slow)


async def _ends_in_time(one: Running, other: Running, slow: Slow) -> None:
    async with a_client(other.port) as streams, a_client(other.port) as asks:
        await streams.send(get(b"/any?stream", GOOD))
        await streams.until(b"data: 1\n\n")
        began = time.monotonic()
        await revoke_key(one.store)
        await streams.ended()
        await slow.left.acquire()
        assert time.monotonic() - began < IN_FORCE_SECONDS
        assert (await asks.ask(get(b"/any", GOOD))).status == 401
    async with a_client(one.port) as client:
        assert (await client.ask(get(b"/any", GOOD))).status == 401
