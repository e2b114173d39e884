"""What bodies that rules read may hold, and that they let go of it."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.model.identity import KeyId, KeyStatus
from tests.e2e.callers import admit_all, callers, sections
from tests.e2e.conftest import running
from tests.e2e.records import entries
from tests.e2e.test_read_bodies import JSON, a_document, held_bytes, holds, reading
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Echo, Peer, a_client, a_full_backlog, a_policy, a_service, get, ok, post


@pytest.mark.parametrize("place", ["memory", "file"])
async def test_bodies_beyond_the_room_for_all_are_refused_and_the_others_go_on(place: str) -> None:
    bodies = {"memory": "250KB" if place == "memory" else "0B", "total": "250KB"}
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, "200KB", bodies=bodies)) as proxy,
    ):
        async with a_client(proxy.port) as first, a_client(proxy.port) as second:
            body = a_document(150_000)
            request = post(body, b"/json", JSON)
            await first.send(request[:-1])
            await holds(proxy, 150_000)
            await second.send(request)
            assert (await second.response()).status == 503
            await first.send(request[-1:])
            assert (await first.response()).status == 200
        await proxy.rests()
        assert await held_bytes(proxy) == 0
        assert proxy.gauge("sidecar_body_buffer_refusals_total") == 1
        refused, admitted = await entries(proxy)
        assert (refused.code, refused.reason, admitted.outcome) == (
            "OVERLOADED", "no room for a further body that rules read", "admitted",
        )  # fmt: skip


async def test_an_upstream_that_is_slow_gets_the_body_at_its_pace() -> None:
    go, body = asyncio.Event(), a_document(7_000_000)

    async def serve(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.exactly(len(body))
        await peer.send(ok(2) + b"ok")

    async with (
        a_service(serve) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(post(body, b"/json", JSON))
        await proxy.becomes(1, 1, 0, 1)
        assert await held_bytes(proxy) == len(body)
        go.set()
        assert (await client.response()).body == b"ok"
        assert await held_bytes(proxy) == 0


async def test_an_upstream_that_answers_early_is_not_used_again() -> None:
    """What it has not been given of the body would be the beginning of another's request."""
    body = a_document(7_000_000)
    requests: list[bytes] = []

    async def serve(peer: Peer) -> None:
        requests.append((await peer.head())[:10])
        await peer.send(ok(2) + b"ok")
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for number in range(1, 3):
            await client.send(post(body, b"/json", JSON))
            assert (await client.response()).body == b"ok"
            assert await held_bytes(proxy) == 0
            await service.lost(number)
    assert requests == [b"POST /json", b"POST /json"]


async def test_a_body_is_let_go_where_no_upstream_can_be_reached() -> None:
    with a_full_backlog() as url:
        upstream = {"url": url, "timeouts": {"connect": "200ms"}}
        async with running(reading(upstream)) as proxy, a_client(proxy.port) as client:
            await client.send(post(a_document(100_000), b"/json", JSON))
            assert (await client.response()).status in {503, 504}
            assert await held_bytes(proxy) == 0


async def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path: Path) -> None:
    text = reading("http://127.0.0.1:3000", bodies={"folder": str(tmp_path / "nowhere")})
    with pytest.raises(FileNotFoundError):
        async with running(text):
            pass
    # Nobody needs it where no rule reads bodies.
    routes = [{"path": "/", "public": True}]
    async with running(
        reading("http://127.0.0.1:3000", bodies={"folder": "nowhere"}, routes=routes)
    ):
        pass


async def test_a_folder_that_is_gone_refuses_the_bodies_that_need_it(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, bodies={"folder": str(folder)})) as proxy,
        a_client(proxy.port) as client,
    ):
        folder.rmdir()
        assert (await client.ask(post(b"[1]", b"/json", JSON))).status == 200
        assert (await client.ask(post(a_document(70_000), b"/json", JSON))).status == 503
        assert [e.reason for e in await entries(proxy)] == [
            None,
            "no file can be written for the body",
        ]
        assert await held_bytes(proxy) == 0


async def test_a_flood_of_large_bodies_fills_the_room_and_no_more() -> None:
    bodies = {"memory": "10KB", "total": "1MB"}
    body = a_document(50_000)
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, "1MB", bodies=bodies)) as proxy,
        AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(a_client(proxy.port)) for _ in range(60)]
        for client in clients:
            await client.send(post(body, b"/json", JSON)[:-1])
        # Whoever finds no room is told so; the others hold it, and are served once they are whole.
        async with asyncio.timeout(5):
            while proxy.gauge("sidecar_body_buffer_refusals_total") < 40:  # noqa: ASYNC110 -- no event
                await asyncio.sleep(0.005)
        assert await held_bytes(proxy) <= 1_000_000
        answers = await asyncio.gather(*[finished(client) for client in clients])
        refused = int(proxy.gauge("sidecar_body_buffer_refusals_total"))
        assert sorted(answers) == [200] * (60 - refused) + [503] * refused
        assert 40 <= refused < 60
        assert await held_bytes(proxy) == 0


async def finished(client: Peer) -> int:
    """Send the last byte, unless the connection was closed by then; give the status."""
    with suppress(ConnectionError):
        await client.send(b"}")
    return (await client.response()).status


@pytest.mark.control("AN-10")
async def test_a_credential_that_is_revoked_meanwhile_ends_the_wait_for_the_body(
    tmp_path: Path,
) -> None:
    body = a_document(100_000)
    given = sections(tmp_path, {"store": "memory"})
    routes = [{"path": "/json", "role": "developer", "body": {"json": {}}}]
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, **{**given, "routes": routes}), tmp_path) as proxy,
        a_client(proxy.port) as client,
    ):
        await admit_all(proxy.store)
        request = post(body, b"/json", JSON, *callers()["developer"].lines)
        await client.send(request[:-1])
        await holds(proxy, 100_000)
        record = await proxy.store.key(KeyId("id-developer"))
        assert record is not None
        gone = replace(record, status=KeyStatus.REVOKED, version=record.version + 1)
        assert await proxy.store.replace_key(gone)
        assert (await client.response()).status == 401
        assert await held_bytes(proxy) == 0
        assert service.connections == 0


async def test_a_websocket_has_no_body_to_read() -> None:
    async with (
        a_service(opens(reads)) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/json", *HANDSHAKE))
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        await proxy.becomes(1, 0, 1, 1)


async def test_others_are_served_while_a_large_body_is_judged() -> None:
    answered: list[str] = []

    async def asks(name: str, client: Peer) -> None:
        assert (await client.response()).status == 200
        answered.append(name)

    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as first,
        a_client(proxy.port) as second,
    ):
        dense = b"[" + b'{"a":[[],{}]},' * 300_000 + b"0]"
        await first.send(post(dense, b"/json", JSON))
        await holds(proxy, len(dense))
        await second.send(post(b"{}", b"/json", JSON))
        await asyncio.gather(asks("large", first), asks("small", second))
    assert answered == ["small", "large"]
