"""Whoever connects to the webhook is bounded in number and time, and API servers are served on."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from sidecar.fronts.kube.bodies import SMALL_BYTES, Room, UnreadError
from sidecar.fronts.kube.door import Bounds
from sidecar.fronts.kube.webhook import Times, Webhook
from tests.fronts.kube.serving import REVIEW, SECONDS, TIMES, Client, Place, connected, serving

FEW: Final = Bounds(connections=4)
GIVEN_UP_SECONDS: Final = 90.0
"""By an API server, after a connection's last review: IdleConnTimeout of Go's net/http."""
API_SERVER: Final = "127.0.0.1"
CROWD: Final = "127.0.0.2"
OTHER: Final = "127.0.0.3"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Scene:
    """Clients of a webhook that stay until the end."""

    def __init__(self, webhook: Webhook, place: Place, stack: AsyncExitStack) -> None:
        self.webhook = webhook
        self._trust = place.trust()
        self._stack = stack

    async def come(self, address: str, count: int = 1) -> list[Client]:
        port = self.webhook.ports[0]
        return [
            await self._stack.enter_async_context(connected(port, self._trust, address))
            for _ in range(count)
        ]

    def counted(self, name: str, *labels: str) -> float:
        rows = {tuple(row): numbers[0] for row, numbers in self.webhook.snapshot()[name]}
        return rows.get(labels, 0.0)

    def cut(self, why: str) -> float:
        return self.counted("sidecar_injector_connections_cut_total", why)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not is_so():  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.01)


async def within(
    place: Place, play: Callable[[Scene], Awaitable[None]], bounds: Bounds, times: Times = TIMES
) -> None:
    async with serving(place, times, bounds) as webhook, AsyncExitStack() as stack:
        await play(Scene(webhook, place, stack))


def test_no_connection_is_ended_before_an_api_server_gives_it_up() -> None:
    assert Bounds().idle > GIVEN_UP_SECONDS


async def test_a_connection_takes_one_review_after_another(place: Place) -> None:
    async def play(scene: Scene) -> None:
        (client,) = await scene.come(API_SERVER)
        for _ in range(3):
            assert await client.is_served()
        assert scene.counted("sidecar_injector_connections") == 1

    await within(place, play, FEW)


async def test_who_is_silent_makes_room_for_who_asks(place: Place) -> None:
    async def play(scene: Scene) -> None:
        silent = await scene.come(CROWD, FEW.connections)
        (client,) = await scene.come(CROWD)
        assert await client.is_served()
        assert await silent[0].answer() == (0, b"")
        assert await silent[1].is_served()
        assert scene.cut("full") == 1

    await within(place, play, FEW)


async def test_a_crowd_from_one_address_does_not_cost_another_its_connection(place: Place) -> None:
    async def play(scene: Scene) -> None:
        (server,) = await scene.come(API_SERVER)
        assert await server.is_served()
        for _ in range(3):
            await scene.come(CROWD, FEW.connections)
        (newcomer,) = await scene.come(OTHER)
        assert await newcomer.is_served()
        assert await server.is_served()
        assert scene.cut("full") >= 2 * FEW.connections

    await within(place, play, FEW)


async def busy(scene: Scene, address: str, count: int) -> list[Client]:
    """Have clients send the head of a review each."""
    clients = await scene.come(address, count)
    for client in clients:
        await client.ask(sent=0, more="Expect: 100-continue\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return clients


async def test_a_crowd_that_is_at_work_turns_its_own_away(place: Place) -> None:
    async def play(scene: Scene) -> None:
        clients = await busy(scene, CROWD, FEW.connections)
        with pytest.raises((ConnectionError, OSError)):
            await scene.come(CROWD)
        for client in clients:
            client.writer.write(REVIEW)
            assert (await client.answer())[0] == 200
        assert scene.cut("full") == 1

    await within(place, play, FEW)


async def test_a_crowd_that_is_at_work_does_not_keep_others_out(place: Place) -> None:
    async def play(scene: Scene) -> None:
        (first, *_) = await busy(scene, CROWD, FEW.connections)
        (server,) = await scene.come(API_SERVER)
        assert await server.is_served()
        assert await first.answer() == (0, b"")

    await within(place, play, FEW)


@pytest.mark.parametrize(
    "bounds", [Bounds(head=0.2), Bounds(idle=0.2)], ids=["before a review", "after one"]
)
async def test_who_stays_silent_is_cut(bounds: Bounds, place: Place) -> None:
    async def play(scene: Scene) -> None:
        (client,) = await scene.come(CROWD)
        if bounds.idle < bounds.head:
            assert await client.is_served()
        else:
            client.writer.write(b"POST /pods HTTP/1.1\r\nHost:")
        assert await client.answer() == (0, b"")
        assert scene.cut("silent") == 1
        await scene.until(lambda: scene.counted("sidecar_injector_connections") == 0)

    await within(place, play, bounds)


async def test_who_does_not_shake_hands_is_cut(place: Place) -> None:
    bounds = Bounds(handshake=0.2)
    async with (
        serving(place, bounds=bounds) as webhook,
        connected(webhook.ports[0], None) as client,
    ):
        assert await client.answer() == (0, b"")
        rows = webhook.snapshot()["sidecar_injector_connections_cut_total"]
        assert {labels[0]: numbers[0] for labels, numbers in rows} == {
            "full": 0, "handshake": 1, "silent": 0,
        }  # fmt: skip


async def test_probes_are_answered_while_the_other_listener_is_full(place: Place) -> None:
    async def play(scene: Scene) -> None:
        await busy(scene, CROWD, FEW.connections)
        async with connected(scene.webhook.ports[1], None) as probe:
            probe.writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await probe.answer() == (200, b'{"live": true}')

    await within(place, play, FEW)


async def test_a_review_for_which_there_is_no_room_is_told_so_and_others_pass(place: Place) -> None:
    async def play(scene: Scene) -> None:
        clients = await scene.come(CROWD, 3)
        for client, size, status in zip(clients, (3, 1, 2), (503, 400, 400), strict=True):
            await client.ask(b" " * (size * SMALL_BYTES))
            assert (await client.answer())[0] == status
        assert scene.counted("sidecar_injections_total", "Pod", "overloaded") == 1

    await within(place, play, Bounds(room=SMALL_BYTES))


def test_a_share_of_the_room_is_given_back() -> None:
    room = Room(limit=SMALL_BYTES)
    with room.share() as share:
        share.grow(SMALL_BYTES)
        assert room.held == 0
        share.grow(2 * SMALL_BYTES)
        with pytest.raises(UnreadError), room.share() as other:
            other.grow(SMALL_BYTES + 1)
        assert room.held == SMALL_BYTES
    assert room.held == 0


async def test_what_is_packed_is_not_unfolded(place: Place) -> None:
    async def play(scene: Scene) -> None:
        (client,) = await scene.come(CROWD)
        await client.ask(gzip.compress(REVIEW), more="Content-Encoding: gzip\r\n")
        assert (await client.answer())[0] == 400

    await within(place, play, FEW)
