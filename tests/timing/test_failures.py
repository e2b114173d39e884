"""Failed authentications cannot be told apart by time, bytes, or what they cost others (AN-5)."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from sidecar.model.identity import KeyStatus
from tests.corpora.reader import Message
from tests.e2e.callers import a_key, a_record, sections
from tests.e2e.guarded import merged
from tests.e2e.launch import Launched, serving
from tests.e2e.test_callers import face_of
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get
from tests.stores.rows import a_state
from tests.stores.servers import Valkey, valkey
from tests.timing.relay import relaying
from tests.timing.welch import welch

SAMPLES: Final = 2000
CONNECTIONS: Final = 16
LIMIT: Final = 4.5
FLOOR_SECONDS: Final = 0.01
BAD_CONNECTIONS: Final = 2000
GROWTH_BYTES: Final = 50 << 20
P99_SECONDS: Final = 0.1

GOOD: Final = a_key("good")
CLASSES: Final[Mapping[str, str]] = {
    "unknown prefix": "zz_00000000000000000000000000",
    "wrong digest": "",
    "revoked": a_key("revoked"),
    "expired": a_key("expired"),
    "malformed": a_key("good")[:-1],
}
LIMITED: Final = "rate-limited"
STORE_SECONDS: Final = {"revoked": 0.008, "expired": 0.002}
OTHERS_SECONDS: Final = 0.005
AGAIN: Final = "wrong digest, again"
"""The A/A pair: the same class twice, so that what the method itself finds is seen beside."""


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


async def admit(server: Valkey) -> None:
    from sidecar.adapters.stores.redis.store import RedisStore

    store = RedisStore(a_state(server.url))
    await store.open()
    await store.add_key(a_record("good", GOOD, "owner"))
    await store.add_key(a_record("busy", a_key("busy"), "owner"))
    await store.add_key(a_record("r", a_key("revoked"), "owner", status=KeyStatus.REVOKED))
    await store.add_key(a_record("e", a_key("expired"), "owner", expires_at=1.0))
    await store.close()


def policy_of(folder: Path, upstream: str, port: int, **more: object) -> str:
    # Nothing may be remembered: every look-up goes to the store.
    state = {"store": f"redis://127.0.0.1:{port}/0"}
    failure = {"authentication": {"failure": {"floor": "10ms"}, "max_staleness": "1ms"}}
    return a_policy(upstream, **merged(merged(sections(folder, state), failure), more))


def asking(key: str) -> bytes:
    return get(b"/any", b"X-API-Key: " + key.encode())


def key_of(name: str, number: int) -> str:
    """Return a key of a class; whoever guesses has another one each time."""
    return a_key("busy") if name == LIMITED else CLASSES.get(name) or a_key(f"N{number}")


async def timed(client: Peer, key: str) -> tuple[float, Message]:
    request = asking(key)
    began = time.perf_counter()
    answer = await client.ask(request)
    return time.perf_counter() - began, answer


async def measure(
    sidecar: Launched, *more: str
) -> tuple[dict[str, list[float]], set[tuple[object, ...]]]:
    """Ask for every class in an order that nobody knows, over all connections at once."""
    names = (*CLASSES, AGAIN, *more)
    order = [name for name in names for _ in range(SAMPLES)]
    random.Random(7).shuffle(order)  # noqa: S311 -- the same order each time
    took: dict[str, list[float]] = {name: [] for name in names}
    faces: set[tuple[object, ...]] = set()

    async def ask(client: Peer) -> None:
        while order:
            name = order.pop()
            seconds, answer = await timed(client, key_of(name, len(order)))
            took[name].append(seconds)
            faces.add(face_of(answer))

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(a_client(sidecar.port)) for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*map(ask, clients))
    return took, faces


def judged(took: Mapping[str, list[float]]) -> dict[tuple[str, str], float]:
    """Print every pair's t, and return those of different classes."""
    for name, seconds in took.items():
        mean = sum(seconds) / len(seconds) * 1000
        sys.stdout.write(
            f"{name:22} n={len(seconds)} mean={mean:7.3f} ms min={min(seconds) * 1000:7.3f} ms\n"
        )
    found = {pair: welch(took[pair[0]], took[pair[1]]) for pair in combinations(took, 2)}
    same = ("wrong digest", AGAIN)
    sys.stdout.write(f"A/A {same[0]} twice: t={found.pop(same):+.2f}\n")
    for (one, other), t in found.items():
        sys.stdout.write(f"{one} / {other}: t={t:+.2f}\n")
    return found


@pytest.mark.control("AN-5")
@pytest.mark.control("AN-6")
@pytest.mark.parametrize("delayed", [False, True])
async def test_no_two_failures_can_be_told_apart(
    tmp_path: Path, server: Valkey, *, delayed: bool
) -> None:
    await admit(server)
    async with a_service(Echo.new()) as service, the_store(server, delayed=delayed) as port:
        policy = policy_of(tmp_path, service.url, port)
        async with serving(policy, tmp_path) as sidecar:
            took, faces = await measure(sidecar)
    assert len(faces) == 1
    found = judged(took)
    assert all(min(seconds) >= FLOOR_SECONDS for seconds in took.values())
    assert {pair: t for pair, t in found.items() if abs(t) >= LIMIT} == {}


@pytest.mark.control("AN-5")
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="the key"),
        pytest.param({"failed_authentication": {"limit": f"{SAMPLES}/h"}}, id="and its address"),
    ],
)
async def test_a_rate_limited_credential_takes_as_long_as_one_that_fails(
    tmp_path: Path, server: Valkey, more: Mapping[str, object]
) -> None:
    """With the second the address, too, is refused unseen from some point on."""
    await admit(server)
    limits = {"key": {"limit": "1/h"}, **more}
    async with a_service(Echo.new()) as service:
        policy = policy_of(tmp_path, service.url, server.port, limits=limits)
        async with serving(policy, tmp_path) as sidecar, a_client(sidecar.port) as first:
            assert (await timed(first, key_of(LIMITED, 0)))[1].status == 200
            took, faces = await measure(sidecar, LIMITED)
    # Two answers, 401 and 429: with the second no other.
    assert len({face[0] for face in faces}) == 2
    found = judged(took)
    assert all(min(seconds) >= FLOOR_SECONDS for seconds in took.values())
    assert {pair: t for pair, t in found.items() if abs(t) >= LIMIT} == {}


@asynccontextmanager
async def the_store(server: Valkey, *, delayed: bool) -> AsyncIterator[int]:
    """Give the port of the store, which takes another time for each class where it is delayed."""
    if not delayed:
        yield server.port
        return
    slow = {bytes(a_record("r", CLASSES[name]).digest): at for name, at in STORE_SECONDS.items()}
    async with relaying(server.port, slow, OTHERS_SECONDS) as port:
        yield port


@pytest.mark.control("AN-5")
async def test_a_flood_of_bad_keys_costs_little_memory_and_no_good_caller(
    tmp_path: Path, server: Valkey
) -> None:
    await admit(server)
    async with a_service(Echo.new()) as service:
        limits = {"listen": {"limits": {"connections": 4000}}}
        policy = policy_of(tmp_path, service.url, server.port, **limits)
        async with serving(policy, tmp_path) as sidecar, a_client(sidecar.port) as good:
            for _ in range(50):
                await timed(good, GOOD)
            before = sidecar.rss_bytes
            took = await flooded(sidecar, good)
            grown = sidecar.rss_bytes - before
    took.sort()
    p99 = took[len(took) * 99 // 100]
    sys.stdout.write(
        f"grown {grown / (1 << 20):.1f} MiB, valid caller p99 {p99 * 1000:.1f} ms of {len(took)}\n"
    )
    assert grown < GROWTH_BYTES
    assert p99 < P99_SECONDS


async def flooded(sidecar: Launched, good: Peer) -> list[float]:
    """Ask with bad keys over many connections; time a good caller meanwhile."""
    took: list[float] = []
    keys = [key_of(name, 7) for name in CLASSES]
    async with AsyncExitStack() as stack:
        bad = [
            await stack.enter_async_context(a_client(sidecar.port)) for _ in range(BAD_CONNECTIONS)
        ]
        for _ in range(3):
            for number, client in enumerate(bad):
                client.writer.write(asking(keys[number % len(keys)]))
                if number % 20 == 0:
                    seconds, answer = await timed(good, GOOD)
                    assert answer.status == 200
                    took.append(seconds)
            for client in bad:
                assert (await client.response()).status == 401
    return took
