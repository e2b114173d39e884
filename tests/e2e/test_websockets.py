"""WebSockets: a handshake judged like any request, then bytes both ways, bounded and closed."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.conftest import running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, answers, get, ok

KEY: Final = base64.b64encode(b"sixteen bytes ok")
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ACCEPT: Final = base64.b64encode(hashlib.sha1(KEY + _GUID, usedforsecurity=False).digest())
HANDSHAKE: Final = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + KEY,
)
OPENED: Final = ("admitted", 101, None)


def switching(*lines: bytes, accept: bytes = ACCEPT) -> bytes:
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    fields = (b"Sec-WebSocket-Accept: " + accept, *lines)
    return head + b"".join(line + b"\r\n" for line in fields) + b"\r\n"


def opens(then: Callable[[Peer], Awaitable[object]]) -> Callable[[Peer], Awaitable[None]]:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(switching())
        await then(peer)

    return serve


async def reads(peer: Peer) -> None:
    await peer.ended()


async def test_a_handshake_and_its_extensions_pass_untouched() -> None:
    seen: list[bytes] = []

    async def serve(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(
            switching(
                b"Sec-WebSocket-Protocol: chat.v2",
                b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
            )
        )
        await peer.ended()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        asked = (
            b"Sec-WebSocket-Protocol: chat.v1, chat.v2",
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-own",
        )
        await client.send(get(b"/ws", *HANDSHAKE, *asked))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n" in head
        assert b"\r\nSec-WebSocket-Protocol: chat.v2\r\n" in head
        assert b"permessage-deflate; server_no_context_takeover\r\n" in head
        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head
        assert b"\r\nX-Request-Id: " in head
        for line in (*asked, b"Upgrade: websocket", b"Sec-WebSocket-Key: " + KEY):
            assert seen[0].count(b"\r\n" + line + b"\r\n") == 1
        await proxy.becomes(1, 0, 1, 1)
        client.close()
        await proxy.rests()
        [entry] = await entries(proxy)
        assert entry == (*OPENED, "client closed")
        [record] = proxy.audit
        assert record["action"] == "websocket"


async def test_bytes_right_behind_the_handshake_arrive_on_both_sides() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(switching() + b"\x81\x02hi")
        assert await peer.exactly(9) == b"early" + b"late"
        await peer.send(b"\x00\xff" * 3)
        await peer.ended()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", *HANDSHAKE) + b"early")
        await client.head()
        assert await client.exactly(4) == b"\x81\x02hi"
        await client.send(b"late")
        assert await client.exactly(6) == b"\x00\xff" * 3


@pytest.mark.parametrize(
    ("answer", "status", "is_ours"),
    [
        pytest.param(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, False, id="refusal"
        ),
        pytest.param(ok(2) + b"hm", 200, False, id="an ordinary answer"),
        pytest.param(switching(accept=b"d3Jvbmc="), 502, True, id="wrong accept"),
        pytest.param(
            switching().replace(b"Upgrade: websocket", b"Upgrade: h2c"), 502, True, id="h2c"
        ),
        pytest.param(
            switching().replace(b"Sec-WebSocket-Accept", b"X-Accept"), 502, True, id="no accept"
        ),
    ],
)
async def test_a_handshake_that_the_upstream_does_not_accept_opens_nothing(
    answer: bytes, status: int, *, is_ours: bool
) -> None:
    async with (
        a_service(answers(answer, ok(4) + b"next")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        refused = await client.ask(get(b"/", *HANDSHAKE))
        assert refused.status == status
        assert (refused.values(b"content-type") == [b"application/problem+json"]) is is_ours
        await proxy.becomes(1, 0, 0, 0)
        assert proxy.gauge("sidecar_upstream_connections", "idle") == (not is_ours)
        assert (await entries(proxy))[0].status == status


async def test_a_switch_that_nobody_asked_for_is_no_tunnel() -> None:
    async with (
        a_service(answers(switching() + b"EVIL")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get())
        assert answer.status == 502
        assert client.waiting == b""


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param((b"Connection: Upgrade", b"Upgrade: h2c"), 501, id="h2c"),
        pytest.param((b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"), 501, id="settings"),
        pytest.param((b"Connection: Upgrade", b"Upgrade: websocket, h2c"), 501, id="two"),
        pytest.param(HANDSHAKE[:3], 400, id="no key"),
    ],
)
async def test_an_upgrade_that_is_no_handshake_is_refused(
    lines: tuple[bytes, ...], status: int
) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/", *lines))).status == status
        assert service.connections == 0


async def test_a_route_that_refuses_a_request_refuses_a_handshake() -> None:
    routes = [{"path": "/open/**", "public": True}]
    async with (
        a_service(opens(reads)) as service,
        running(a_policy(service.url, routes=routes)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/closed", *HANDSHAKE))).status == 404
        assert service.connections == 0


# --- the end


async def test_the_end_of_one_side_is_the_end_of_the_other() -> None:
    async def closes(peer: Peer) -> None:
        await peer.send(b"\x88\x02\x03\xe8")

    for then, reason in ((closes, "upstream closed"), (reads, "client closed")):
        async with (
            a_service(opens(then)) as service,
            running(a_policy(service.url)) as proxy,
            a_client(proxy.port) as client,
        ):
            await client.send(get(b"/", *HANDSHAKE))
            await client.head()
            if then is reads:
                client.close()
            else:
                assert await client.ended() == b"\x88\x02\x03\xe8"
            await service.lost(1)
            await proxy.rests()
            assert await entries(proxy) == [Entry(*OPENED, reason)]


async def test_a_client_that_closed_its_half_before_the_answer_has_no_tunnel() -> None:
    go = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.send(switching())
        await peer.ended()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", *HANDSHAKE))
        client.finish()
        await proxy.becomes(1, 1, 0, 1)
        go.set()
        await service.lost(1)
        await proxy.rests()


@pytest.mark.parametrize(
    ("bounds", "talks", "reason"),
    [
        pytest.param({"idle": "200ms"}, False, "idle for too long", id="idle"),
        pytest.param({"idle": "400ms", "life": "500ms"}, True, "life limit reached", id="life"),
    ],
)
async def test_a_websocket_ends_when_its_time_is_up(
    bounds: dict[str, str], reason: str, *, talks: bool
) -> None:
    async with (
        a_service(opens(reads)) as service,
        running(a_policy(service.url, websockets=bounds)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", *HANDSHAKE))
        await client.head()
        while talks and not service.gone:
            await client.send(b"\x89\x00")
            await asyncio.sleep(0.05)
        assert await client.ended() == b""
        await service.lost(1)
        await proxy.rests()
        assert await entries(proxy) == [Entry(*OPENED, reason)]


# --- bounds and back-pressure


async def test_no_more_websockets_are_open_than_the_policy_says() -> None:
    """Also when all of them are asked for before the first is accepted."""
    go = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.send(switching())
        await peer.ended()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url, websockets={"max": 2})) as proxy,
        a_client(proxy.port) as one,
        a_client(proxy.port) as two,
        a_client(proxy.port) as three,
    ):
        for client in (one, two, three):
            await client.send(get(b"/", *HANDSHAKE))
        await proxy.becomes(3, 3, 0, 3)
        go.set()
        statuses = sorted([(await client.head())[9:12] for client in (one, two, three)])
        assert statuses == [b"101", b"101", b"503"]
        await proxy.becomes(3, 0, 2, 2)
        async with a_client(proxy.port) as late:
            assert (await late.ask(get(b"/", *HANDSHAKE))).status == 503
        refused = [entry for entry in await entries(proxy) if entry.status == 503]
        assert refused == [Entry("refused", 503, "OVERLOADED", "too many WebSockets")] * 2


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_tunnel_passes_large_frames_at_the_pace_of_the_reader(direction: str) -> None:
    size, sent, go = 64 << 20, [0], asyncio.Event()

    async def pour(peer: Peer) -> None:
        for _ in range(size >> 16):
            await peer.send(bytes(1 << 16))
            sent[0] += 1 << 16

    async def drain(peer: Peer) -> None:
        await go.wait()
        received = len(peer.waiting)
        peer.waiting = b""
        while received < size:
            received += len(await peer.reader.read(1 << 18))
        await peer.send(b"all")

    async with (
        a_service(opens(drain if direction == "up" else pour)) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", *HANDSHAKE))
        await client.head()
        task = asyncio.create_task(pour(client) if direction == "up" else asyncio.sleep(0))
        last = -1
        while last != sent[0]:
            last = sent[0]
            await asyncio.sleep(0.15)
        assert sent[0] < size // 2
        go.set()
        if direction == "up":
            assert await client.exactly(3) == b"all"
        else:
            await drain(client)
        await task


async def test_an_aiohttp_client_and_server_talk_through_it() -> None:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
            else:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with running(a_policy(f"http://127.0.0.1:{runner.addresses[0][1]}")) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/ws"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["chat"], compress=15, max_msg_size=0) as socket,
        ):
            assert socket.protocol == "chat"
            await socket.send_str("hello")
            assert await socket.receive_str() == "HELLO"
            large = bytes(range(256)) * 4096 * 4
            await socket.send_bytes(large)
            assert await socket.receive_bytes() == large
        assert socket.close_code == 1000
        await proxy.rests()
    await runner.cleanup()
