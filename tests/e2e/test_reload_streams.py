"""What goes on for long, while policies follow each other faster than a store answers (ADR 24)."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.decision.pipeline import Generation
from sidecar.model.identity import KeyDigest, KeyRecord
from tests.e2e.guarded import GOOD
from tests.e2e.records import entries
from tests.e2e.reloading import Changing, Sections, changing
from tests.e2e.test_doubts import inner_store
from tests.e2e.test_revocation import STREAM
from tests.e2e.test_websockets import HANDSHAKE, switching
from tests.e2e.wire import Peer, a_client, get

LATE: Final = {"audit": {"flush": "5s"}}
"""Records are written when a test asks for them, as those of a busy process are: a little later."""


LAST: Final = b"0\r\n\r\n"


def one_route(path: str, **keys: object) -> Sections:
    return {"routes": [{"path": path, "role": "viewer", **keys}], **LATE}


class Held:
    """A service whose answers wait for a test's word.

    Attributes:
        arrived: counts requests.
        go: lets it answer.
        over: lets it end.
    """

    def __init__(self) -> None:
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        head = await peer.head()
        self.arrived.release()
        async with asyncio.timeout(20):
            await self.go.wait()
            await peer.send(switching() if b"websocket" in head.lower() else STREAM)
            over = asyncio.create_task(self.over.wait())
            left = asyncio.create_task(peer.ended())
            await asyncio.wait((over, left), return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            left.cancel()


class Slowness:
    """Look-ups of keys of which the first waits.

    Attributes:
        heard: set when one waits.
        go: lets it be answered.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._find = store.find_key
        self._is_first = True
        self.heard = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        if self._is_first:
            self._is_first = False
            self.heard.set()
            await self.go.wait()
        return await self._find(digests)


@asynccontextmanager
async def a_slow_look_up(sidecar: Changing) -> AsyncIterator[Slowness]:
    store = inner_store(sidecar.proxy)
    slow = Slowness(store)
    store.find_key = slow  # type: ignore[method-assign]  # it is slow on purpose
    try:
        yield slow
    finally:
        slow.go.set()
        del store.find_key


async def gone(former: weakref.ref[Generation]) -> None:
    """Wait until nothing is judged by a policy, or under way on it."""
    async with asyncio.timeout(5):
        while former() is not None:
            await asyncio.sleep(0.01)
            gc.collect()


def in_force(sidecar: Changing) -> weakref.ref[Generation]:
    return weakref.ref(sidecar.proxy.sidecar.proxy.generation)


def counted(sidecar: Changing) -> Sequence[str]:
    rows = sidecar.proxy.sidecar.proxy.metrics.snapshot()["sidecar_requests_total"]
    return [labels[0] for labels, _ in rows]


def named(record: Mapping[str, object]) -> object:
    return record["resource_id"]


async def test_a_stream_that_ends_while_it_is_judged_is_recorded_as_it_was(tmp_path: Path) -> None:
    held = Held()
    held.go.set()
    async with changing(held, tmp_path, one_route("/any")) as sidecar:
        former = in_force(sidecar)
        async with a_client(sidecar.port) as client:
            await client.send(get(b"/any", GOOD))
            await client.until(b"data: 1")
            async with a_slow_look_up(sidecar) as look_up:
                await sidecar.becomes(one_route("/{other}"))
                await look_up.heard.wait()
                held.over.set()
                await client.until(LAST)
        await gone(former)
        [record] = await sidecar.proxy.records()
        assert [named(record)] == counted(sidecar) == ["/any"]


async def test_no_stream_falls_back_to_a_policy_that_another_one_has_followed(
    tmp_path: Path,
) -> None:
    held = Held()
    held.go.set()
    async with (
        changing(held, tmp_path, one_route("/any")) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get(b"/any", GOOD))
        await client.until(b"data: 1")
        async with a_slow_look_up(sidecar) as look_up:
            await sidecar.becomes(one_route("/{second}"))
            second = in_force(sidecar)
            await look_up.heard.wait()
            await sidecar.becomes(one_route("/{third}"))
            third = weakref.ref(sidecar.proxy.sidecar.proxy.generation)
        await gone(second)
        held.over.set()
        await client.until(LAST)
        [record] = await sidecar.proxy.records()
        assert third() is not None
        assert [named(record)] == counted(sidecar) == ["/{third}"]


@pytest.mark.control("AN-10")
@pytest.mark.control("AN-14")
@pytest.mark.parametrize("lines", [(), HANDSHAKE], ids=["an event stream", "a WebSocket"])
async def test_what_begins_to_go_on_for_long_after_a_reload_is_judged_by_the_new_policy(
    tmp_path: Path, lines: tuple[bytes, ...]
) -> None:
    held = Held()
    async with (
        changing(held, tmp_path, one_route("/any")) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get(b"/any", GOOD, *lines))
        await held.arrived.acquire()
        await sidecar.becomes(one_route("/any", scopes=["orders:write"]))
        held.go.set()
        async with asyncio.timeout(5):
            await client.ended()
        [entry] = await entries(sidecar.proxy)
        assert "scope" in str(entry.reason)
        await sidecar.proxy.rests()


async def test_what_begins_to_go_on_for_long_after_a_reload_goes_on_where_that_admits_it(
    tmp_path: Path,
) -> None:
    held = Held()
    async with (
        changing(held, tmp_path, one_route("/any")) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get(b"/any", GOOD, *HANDSHAKE))
        await held.arrived.acquire()
        former = in_force(sidecar)
        await sidecar.becomes(one_route("/{other}"))
        held.go.set()
        await client.head()
        await gone(former)
        assert sidecar.proxy.load[2] == 1
        held.over.set()
        await client.ended()
        [record] = await sidecar.proxy.records()
        assert named(record) == "/{other}"


async def test_what_shadow_mode_lets_go_on_is_noted_once(tmp_path: Path) -> None:
    held = Held()
    held.go.set()
    strict = one_route("/any", scopes=["orders:write"], mode="shadow")
    async with (
        changing(held, tmp_path, one_route("/any")) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get(b"/any", GOOD, *HANDSHAKE))
        await client.head()
        for above in (strict, {**strict, "headers": {"set": {"X-A": "1"}}}):
            former = in_force(sidecar)
            await sidecar.becomes(above)
            await gone(former)
        held.over.set()
        await client.ended()
        [record] = await sidecar.proxy.records()
        metadata = record["metadata"]
        assert isinstance(metadata, dict)
        assert [one["code"] for one in metadata["would_refuse"]] == ["INSUFFICIENT_SCOPE"]
