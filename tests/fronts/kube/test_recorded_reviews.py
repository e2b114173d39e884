"""An API server's reviews, in its own head and on its one connection, are answered as they were."""

from pathlib import Path

from tests.corpora.reviews.recorded import NAMES, Recorded, read
from tests.fronts.kube.serving import Client, Place, connected, serving


async def ask(client: Client, recorded: Recorded) -> tuple[int, bytes]:
    fields = "".join(f"{name}: {value}\r\n" for name, value in recorded.fields.items())
    head = f"POST {recorded.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"
    client.writer.write(head.encode() + recorded.sent())
    return await client.answer()


async def test_all_recorded_reviews_are_answered_on_one_connection(tmp_path: Path) -> None:
    place = Place(tmp_path)
    every = [read(name) for name in NAMES]
    settings = {recorded.injector() for recorded in every}
    assert len(settings) == 1
    async with (
        serving(place, settings=settings.pop()) as webhook,
        connected(webhook.ports[0], place.trust()) as client,
    ):
        for recorded in every:
            assert await ask(client, recorded) == (200, recorded.answer()), recorded.what
        assert dict(webhook.snapshot())["sidecar_injector_connections"] == [((), [1.0])]
