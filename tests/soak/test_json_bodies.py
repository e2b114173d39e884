"""Large JSON that rules read: what it costs, whom it keeps waiting, and how much memory it takes.

The figures are printed; they are worth what the machine is worth that they were measured on.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.launch import Launched, serving
from tests.e2e.wire import EndedError, Peer, a_client, a_policy, a_service, get, ok

JSON = b"Content-Type: application/json"
ROUNDS = 15
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["id", "session", "text"],
        "properties": {
            "id": {"type": "string"},
            "session": {"type": "string", "format": "uuid"},
            "text": {"type": "string", "minLength": 1, "maxLength": 100_000},
            "score": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    },
}
WAIT_SECONDS = 0.02
SHARE_OF_PARSER = 1.5
CROWD = 2000
ROOM_BYTES = 64_000_000
GROWTH_BYTES = 120_000_000


def a_document(size: int) -> bytes:
    """Write about so many bytes of usual JSON."""
    one = {
        "id": "9f8b7c6d", "session": "0b9f6b0e-8a11-4d22-8c33-5f6e7d8c9b0a",
        "text": "lorem ipsum dolor sit amet, consectetur " * 3, "score": 12.5, "tags": ["a", "b"],
    }  # fmt: skip
    return json.dumps([one] * (size // len(json.dumps(one)))).encode()


def posted(body: bytes, target: bytes) -> bytes:
    return get(target, JSON, b"Content-Length: %d" % len(body), method=b"POST") + body


async def takes(peer: Peer) -> None:
    """Take every request whole, and say so."""
    while peer.waiting or await peer.more():
        head = await peer.head()
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")]
        await peer.exactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
        await peer.send(ok(2) + b"ok")


def policy_of(upstream: str) -> str:
    return a_policy(
        upstream,
        listen={"limits": {"connections": CROWD + 100, "requests": CROWD + 100}},
        bodies={"total": f"{ROOM_BYTES}B"},
        body={"max": "10MB"},
        routes=[
            {"path": "/read", "public": True, "body": {"schema": SCHEMA}},
            {"path": "/**", "public": True},
        ],
    )


async def timed(client: Peer, request: bytes) -> float:
    began = time.perf_counter()
    assert (await client.ask(request)).status == 200
    return time.perf_counter() - began


async def waits(sidecar: Launched, ended: asyncio.Event) -> list[float]:
    """Ask for something small again and again, until the other side has ended."""
    found = []
    async with a_client(sidecar.port) as client:
        while not ended.is_set():
            found.append(await timed(client, get(b"/small")))
            await asyncio.sleep(0.002)
    return sorted(found)


def best(document: bytes) -> float:
    """Return the seconds that the parser takes alone, refusing members twice as any reader must."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        assert len(found) == len(pairs)
        return found

    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        json.loads(document, object_pairs_hook=once)
        took.append(time.perf_counter() - began)
    return median(took)


@pytest.mark.control("RQ-3")
async def test_five_megabytes_keep_nobody_waiting(tmp_path: Path) -> None:
    document = a_document(5_000_000)
    ended = asyncio.Event()
    async with (
        a_service(takes) as service,
        serving(policy_of(service.url), tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        read, streamed = posted(document, b"/read"), posted(document, b"/plain")
        for request in (read, streamed):
            await timed(client, request)
        plain = [await timed(client, streamed) for _ in range(ROUNDS)]
        judged = [await timed(client, read) for _ in range(ROUNDS)]
        waiting = asyncio.create_task(waits(sidecar, ended))
        for _ in range(ROUNDS):
            await timed(client, read)
        ended.set()
        others = await waiting
    parser = await asyncio.to_thread(best, document)
    added = median(judged) - median(plain)
    tell(parser, added, plain, judged, others)
    assert others[len(others) * 99 // 100] <= WAIT_SECONDS
    assert added <= SHARE_OF_PARSER * parser


def tell(
    parser: float,
    added: float,
    plain: Sequence[float],
    judged: Sequence[float],
    others: Sequence[float],
) -> None:
    def ms(seconds: float) -> str:
        return f"{seconds * 1000:.1f} ms"

    sys.stdout.write(
        f"\n5 MB: streamed {ms(median(plain))}, read by a schema {ms(median(judged))}: {ms(added)}"
        f" more; the parser alone takes {ms(parser)}, so {added / parser:.2f} of that.\n"
        f"Meanwhile {len(others)} others waited {ms(median(others))},"
        f" {ms(others[len(others) * 99 // 100])} at the 99th percentile, {ms(others[-1])} at most\n"
    )


@pytest.mark.control("RQ-3")
async def test_two_thousand_bodies_at_once_exhaust_nothing(tmp_path: Path) -> None:
    """Each is sent but for its end, and waits: what has no room is refused, and counted."""
    request = posted(a_document(500_000), b"/read")
    async with (
        a_service(takes) as service,
        serving(policy_of(service.url), tmp_path) as sidecar,
    ):
        assert await sidecar.ask(b"/small") == 200
        before = most = sidecar.rss_bytes
        async with AsyncExitStack() as stack:
            refused = 0
            for number in range(CROWD):
                client = await stack.enter_async_context(a_client(sidecar.port))
                refused += await _begun(client, request[:-9])
                if number % 100 == 0:
                    most = max(most, sidecar.rss_bytes)
            held = await sidecar.count("sidecar_body_buffer_bytes")
            counted = await sidecar.count("sidecar_body_buffer_refusals_total")
            most = max(most, sidecar.rss_bytes)
            assert await sidecar.ask(b"/small") == 200
        async with asyncio.timeout(20):
            while await sidecar.count("sidecar_body_buffer_bytes"):  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.05)
        async with a_client(sidecar.port) as client:
            assert (await client.ask(request)).status == 200
    sys.stdout.write(
        f"\n{CROWD} bodies of 500 KB: {refused} refused, {held / 1e6:.0f} MB held;"
        f" memory {before / 1e6:.0f} MB before, {most / 1e6:.0f} MB at most\n"
    )
    assert refused > CROWD * 0.9
    assert counted >= refused
    assert held <= ROOM_BYTES * 1.02
    assert most - before < GROWTH_BYTES


async def _begun(client: Peer, request: bytes) -> bool:
    """Send a request but for its end; tell whether it was refused meanwhile."""
    try:
        await client.send(request)
        async with asyncio.timeout(0.02):
            return (await client.response(b"POST")).status == 503
    except TimeoutError:
        return False
    except (ConnectionError, EndedError):
        return True
