"""What bodies that rules read may hold, and that they let go of it."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import entries
from tests.e2e.test_read_bodies import JSON, a_document, held_bytes, holds, reading
from tests.e2e.wire import Echo, Peer, a_client, a_full_backlog, a_service, ok, post


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
