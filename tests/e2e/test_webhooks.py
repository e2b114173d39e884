"""Webhooks over the wire: signed, in time, once, and passed on byte for byte (RQ-8)."""

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import Vault
from sidecar.model.blocks import MOST_BLOCKS, BlockKind
from sidecar.model.secret import Secret
from tests.corpora.reader import Message
from tests.e2e.conftest import Running, running
from tests.e2e.records import entry_of
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.stores.rows import a_block
from tests.stores.servers import Valkey, valkey

pytestmark = pytest.mark.control("RQ-8")

KEY = b"a key of sixteen bytes or more"
MASTER = b"\x01" * 32
BODY = b'{"event": "paid", "amount": 12}'
PATH = b"/hooks/acme"


HOOK = {
    "path": "/hooks/{tenant}",
    "methods": ["POST"],
    "public": True,
    "webhook": {"scheme": "stripe", "tenant_secret": "hook"},
}
SECTIONS = ("blocks", "limits", "routes")


def signed(body: bytes = BODY, key: bytes = KEY, at: float | None = None) -> bytes:
    moment = int(time.time() if at is None else at)
    digest = hmac.new(key, b"%d." % moment + body, hashlib.sha256).hexdigest().encode()
    return b"Stripe-Signature: t=%d,v1=%b" % (moment, digest)


def delivery(*lines: bytes, body: bytes = BODY, path: bytes = PATH) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return get(path, length, b"Content-Type: application/json", *lines, method=b"POST") + body


def chunked(*lines: bytes, pieces: tuple[bytes, ...], path: bytes = PATH) -> bytes:
    head = get(path, b"Transfer-Encoding: chunked", *lines, method=b"POST")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


@asynccontextmanager
async def hooked(
    folder: Path, echo: Echo, state: object = "memory", **keys: object
) -> AsyncIterator[Running]:
    """Run a sidecar with a webhook; keys of its route, and sections of the policy."""
    (folder / "master").write_bytes(MASTER)
    sections = {name: keys.pop(name) for name in SECTIONS if name in keys}
    more: Mapping[str, object] = {
        "state": state,
        "secrets": {"master_key": "file:master"},
        "tenants": {"acme": {}, "globex": {}, "late": {"status": "suspended"}},
        "routes": [{**HOOK, **keys}],
        **sections,
    }
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, **more), folder) as proxy,
    ):
        vault = Vault(proxy.store, Box((Secret(MASTER),), os.urandom))
        await vault.set("acme", "hook", Secret(KEY))
        yield proxy


async def ask(proxy: Running, request: bytes) -> Message:
    async with a_client(proxy.port) as client:
        return await client.ask(request)


async def reasons(proxy: Running) -> list[str | None]:
    """Read why requests were refused; that a secret was opened is recorded too."""
    found = []
    for record in await proxy.records():
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        if "status" in metadata:
            found.append(entry_of(record).reason)
    return found


async def test_a_signed_delivery_reaches_the_service_as_it_was_sent(tmp_path: Path) -> None:
    echo = Echo.new()
    async with hooked(tmp_path, echo) as proxy:
        spoofed = b"X-Tenant-Id: globex"
        assert (await ask(proxy, delivery(signed(), spoofed))).status == 200
        [request] = echo.requests
        assert request.body == BODY
        assert request.values(b"x-tenant-id") == [b"acme"]
        assert len(request.values(b"stripe-signature")) == 1
        *_, record = await proxy.records()
        assert (record["tenant_id"], record["outcome"]) == ("acme", "admitted")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(delivery, "webhook without its signature, or with two", id="unsigned"),
        pytest.param(
            lambda: delivery(signed(), signed()),
            "webhook without its signature, or with two",
            id="signed twice",
        ),
        pytest.param(
            lambda: delivery(signed(key=b"another key, long enough")),
            "webhook with a wrong signature",
            id="by somebody else",
        ),
        pytest.param(
            lambda: delivery(signed(b"{}")), "webhook with a wrong signature", id="another body"
        ),
        pytest.param(
            lambda: delivery(signed(at=1_700_000_000)),
            "webhook whose time is too far from ours",
            id="long ago",
        ),
        pytest.param(
            lambda: delivery(signed(), path=b"/hooks/globex"),
            "webhook for a tenant without a secret",
            id="for another tenant",
        ),
        pytest.param(
            lambda: delivery(signed(), path=b"/hooks/late"),
            "webhook for a suspended tenant",
            id="for one that is suspended",
        ),
        pytest.param(
            lambda: delivery(signed(), path=b"/hooks/nobody"),
            "webhook for an unknown tenant",
            id="for nobody",
        ),
        pytest.param(
            lambda: chunked(signed(), pieces=(BODY[:9], BODY[9:], b" ")),
            "webhook with a wrong signature",
            id="with a piece more",
        ),
        pytest.param(
            lambda: delivery(signed(), body=b""), "webhook with a wrong signature", id="nothing"
        ),
    ],
)
async def test_nothing_else_reaches_it(
    tmp_path: Path, make: Callable[[], bytes], reason: str
) -> None:
    echo = Echo.new()
    async with hooked(tmp_path, echo) as proxy:
        assert (await ask(proxy, make())).status == 401
        assert await reasons(proxy) == [reason]
        assert echo.requests == []


async def test_bytes_may_come_in_any_pieces(tmp_path: Path) -> None:
    echo = Echo.new()
    async with hooked(tmp_path, echo) as proxy, a_client(proxy.port) as client:
        for byte in chunked(signed(), pieces=(BODY[:1], BODY[1:])):
            await client.send(bytes([byte]))
        assert (await client.response(b"POST")).status == 200
        assert echo.requests[0].body == BODY


async def test_a_large_delivery_is_read_from_its_file(tmp_path: Path) -> None:
    body = b"[" + b" " * 900_000 + b"]"
    echo = Echo.new()
    async with hooked(tmp_path, echo) as proxy:
        assert (await ask(proxy, delivery(signed(body), body=body))).status == 200
        assert echo.requests[0].body == body
        assert (await ask(proxy, delivery(signed(body + b"x"), body=body))).status == 401


async def test_rules_may_read_the_same_body_behind_the_signature(tmp_path: Path) -> None:
    echo = Echo.new()
    rules = {"items": {"max": 2}}
    async with hooked(tmp_path, echo, body=rules) as proxy:
        for body, status in ((b"[1, 2]", 200), (b"[1, 2, 3]", 413), (b"[1, 1", 400)):
            assert (await ask(proxy, delivery(signed(body), body=body))).status == status
            pieces = tuple(body[at : at + 1] for at in range(len(body)))
            again = signed(body, at=time.time() - 60)
            assert (await ask(proxy, chunked(again, b"Content-Type: application/json",
                                             pieces=pieces))).status == status  # fmt: skip
        assert [request.body for request in echo.requests] == [b"[1, 2]"] * 2


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


async def test_a_delivery_is_admitted_once_by_all_replicas(server: Valkey, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    state = {"store": server.url, "timeout": "300ms", "poll": "100ms"}
    echo = Echo.new()
    async with (
        hooked(tmp_path / "one", echo, state) as one,
        hooked(tmp_path / "other", echo, state) as other,
    ):
        request = delivery(signed())
        asked = [ask(proxy, request) for proxy in (one, other) * 5]
        found = await asyncio.gather(*asked)
        assert sorted(answer.status for answer in found) == [200] + [401] * 9
        assert len(echo.requests) == 1
        told = {*await reasons(one), *await reasons(other)}
        assert told == {None, "webhook that came before"}
        await asyncio.to_thread(server.kill)
        later = delivery(signed(at=time.time() - 9))
        assert (await ask(one, later)).status == 503
        assert len(echo.requests) == 1


# --- what attackers and operators found


def forged() -> bytes:
    """Sign as somebody else, in time."""
    return signed(key=b"another key, long enough")


async def test_a_delivery_that_never_ends_keeps_nothing_from_being_heard(tmp_path: Path) -> None:
    """Blocks of others are read on, although the webhook has no caller to judge again."""
    more = {"blocks": {}, "routes": [HOOK, {"path": "/free", "public": True}]}
    state = {"store": "memory", "poll": "50ms"}
    async with (
        hooked(tmp_path, Echo.new(), state, **more) as proxy,
        a_client(proxy.port) as evil,
    ):
        await evil.send(delivery(forged())[:-3])
        await proxy.becomes(1, 1, 0, 0)
        feed = proxy.sidecar.proxy.outside.feed
        assert feed is not None
        await proxy.store.put_block(a_block("203.0.113.0/24"), MOST_BLOCKS)
        await feed.read()
        assert proxy.gauge("sidecar_blocks") == 1
        seen = await feed_revision(proxy)
        await feed.read()
        assert await feed_revision(proxy) == seen
        assert (await ask(proxy, get(b"/free"))).status == 200


async def feed_revision(proxy: Running) -> int:
    return (await proxy.store.changes(None)).revision


async def test_nothing_is_recorded_of_a_tenant_that_has_not_signed(tmp_path: Path) -> None:
    async with hooked(tmp_path, Echo.new()) as proxy:
        async with a_client(proxy.port) as evil:
            await evil.send(delivery(forged())[:-3])
            await proxy.becomes(1, 1, 0, 0)
            evil.reset()
        await proxy.rests()
        *_, record = await proxy.records()
        assert (record["tenant_id"], record["outcome"]) == (None, "abandoned")


async def test_a_tenant_that_is_there_answers_no_other_than_one_that_is_not(tmp_path: Path) -> None:
    async with hooked(tmp_path, Echo.new()) as proxy:
        for tenant in (b"acme", b"globex", b"late", b"nobody"):
            path = b"/hooks/" + tenant
            request = delivery(forged(), b"Expect: 100-continue", path=path)
            async with a_client(proxy.port) as client:
                await client.send(request[: -len(BODY)])
                assert (await client.response(b"POST")).status == 100
                await client.send(BODY)
                assert (await client.response(b"POST")).status == 401


async def test_a_blocked_tenant_signs_in_vain_even_in_shadow_mode(tmp_path: Path) -> None:
    echo = Echo.new()
    state = {"store": "memory", "poll": "50ms"}
    async with hooked(tmp_path, echo, state, blocks={}, mode="shadow") as proxy:
        assert (await ask(proxy, delivery(signed()))).status == 200
        await proxy.store.put_block(a_block("acme", BlockKind.TENANT), MOST_BLOCKS)
        feed = proxy.sidecar.proxy.outside.feed
        assert feed is not None
        await feed.read()
        assert (await ask(proxy, delivery(signed(at=time.time() - 5)))).status == 401
        assert len(echo.requests) == 1
        assert [one for one in await reasons(proxy) if one] == [
            "blocked tenant: acme until it is lifted"
        ]


def of_github(body: bytes) -> bytes:
    digest = hmac.new(KEY, body, hashlib.sha256).hexdigest().encode()
    return delivery(b"X-Hub-Signature-256: sha256=" + digest, body=body)


GITHUB = {"webhook": {"scheme": "github", "tenant_secret": "hook"}}


async def test_a_server_that_may_have_lost_deliveries_is_no_replay(
    server: Valkey, tmp_path: Path
) -> None:
    """Senders repeat what gets 503; a 401 they take for the last word."""
    async with hooked(tmp_path, Echo.new(), server.url, limits={"strict": True}, **GITHUB) as proxy:
        assert (await ask(proxy, of_github(b"first ever"))).status == 503
        assert await reasons(proxy) == ["whether the webhook came before is not known"]


async def test_a_memory_that_is_full_is_no_replay(tmp_path: Path) -> None:
    echo = Echo.new()
    async with hooked(tmp_path, echo, limits={"entries": 3}, **GITHUB) as proxy:
        # Once three are remembered, others share, and soon two of them one place.
        found = [(await ask(proxy, of_github(b"%d" % n))).status for n in range(120)]
        assert set(found) == {200, 503}
        assert (await ask(proxy, of_github(b"0"))).status == 401
