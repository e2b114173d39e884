"""What is under way ends with the credential that opened it, whatever the store does (AN-10)."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyDigest, KeyId, KeyRecord, KeyStatus
from sidecar.model.ports import Store
from tests.e2e.conftest import Running
from tests.e2e.guarded import GOOD, guarded
from tests.e2e.records import entries
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Peer, a_client, get
from tests.knowledge.auth.minting import private_key

IN_FORCE_SECONDS: Final = 5.0
# Kept once it is made: making it in the loop would block that.
private_key("RSA")


async def change(store: Store, **facts: object) -> None:
    """Change the good key as an operator would."""
    record = await store.key(KeyId("id-good"))
    assert record is not None
    changed: KeyRecord = replace(record, version=record.version + 1, **facts)  # type: ignore[arg-type]  # facts by name
    assert await store.replace_key(changed)


@asynccontextmanager
async def a_websocket(proxy: Running) -> AsyncIterator[Peer]:
    """Open one with the good key."""
    async with a_client(proxy.port) as client:
        await client.send(get(b"/any", GOOD, *HANDSHAKE))
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        await proxy.becomes(1, 0, 1, 1)
        yield client


class Silence:
    """Look-ups of keys that are not answered, while changes of the store are still told.

    Attributes:
        heard: set when a look-up was tried.
    """

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def __call__(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        del digests
        self.heard.set()
        raise StoreUnavailableError("silence")


def inner_store(proxy: Running) -> MemoryStore:
    """Return the store behind the breaker."""
    inner = proxy.store._store  # type: ignore[attr-defined]  # noqa: SLF001 -- to make it fail
    assert isinstance(inner, MemoryStore)
    return inner


@pytest.mark.control("AN-10")
@pytest.mark.control("AN-14")
async def test_a_websocket_of_a_rotated_key_ends_with_its_grace(tmp_path: Path) -> None:
    async with guarded(opens(reads), tmp_path) as proxy, a_websocket(proxy) as client:
        ends = time.time() + 1.0
        await change(proxy.store, status=KeyStatus.GRACE, expires_at=ends)
        await client.ended()
        assert ends <= time.time() < ends + IN_FORCE_SECONDS
        assert [entry.reason for entry in await entries(proxy)] == ["credential expired"]


@pytest.mark.control("AN-10")
async def test_a_store_that_fails_for_a_moment_keeps_no_revoked_credential_alive(
    tmp_path: Path,
) -> None:
    async with guarded(opens(reads), tmp_path) as proxy, a_websocket(proxy) as client:
        store, silence = inner_store(proxy), Silence()
        store.find_key = silence  # type: ignore[method-assign]  # it fails on purpose
        await change(proxy.store, status=KeyStatus.REVOKED)
        async with asyncio.timeout(IN_FORCE_SECONDS):
            await silence.heard.wait()
        del store.find_key
        await client.ended()
        assert [entry.reason for entry in await entries(proxy)] == ["revoked key"]


@pytest.mark.control("AN-4")
@pytest.mark.control("AN-10")
async def test_a_store_that_says_nothing_of_a_changed_key_ends_what_the_key_opened(
    tmp_path: Path,
) -> None:
    async with guarded(opens(reads), tmp_path) as proxy, a_websocket(proxy) as client:
        inner_store(proxy).find_key = Silence()  # type: ignore[method-assign]  # likewise
        began = time.monotonic()
        await change(proxy.store, status=KeyStatus.REVOKED)
        await client.ended()
        assert time.monotonic() - began < IN_FORCE_SECONDS
        assert [entry.reason for entry in await entries(proxy)] == ["the store does not answer"]
