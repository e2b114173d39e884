"""A batch ends with the item that is too many, and not with its last byte."""

import json

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import entries
from tests.e2e.test_read_bodies import CHUNKED, JSON, chunks, held_bytes, reading
from tests.e2e.wire import Echo, a_client, a_service, get, post


@pytest.mark.control("RQ-2")
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_the_upload_ends_with_the_comma_before_an_item_too_many(framing: str) -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        lines = [b"Content-Length: 5000000"] if framing == "length" else [CHUNKED]
        await client.send(get(b"/batch", JSON, *lines, method=b"POST"))
        begun = b"[" + b'{"a":"[,]"},' * 100
        for byte in range(len(begun)):
            piece = begun[byte : byte + 1]
            await client.send(piece if framing == "length" else b"1\r\n" + piece + b"\r\n")
        answer = await client.response()
        assert (answer.status, answer.values(b"connection")) == (413, [b"close"])
        assert service.connections == 0
        assert [entry.reason for entry in await entries(proxy)] == [
            "the batch has more than 100 items"
        ]
        assert await held_bytes(proxy) == 0


async def test_a_batch_of_just_as_many_items_passes() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for items, status in ((0, 200), (1, 200), (100, 200), (101, 413)):
            body = json.dumps([{"a": [1, 2, 3]}] * items).encode()
            await client.send(post(body, b"/batch", JSON))
            assert (await client.response()).status == status


@pytest.mark.parametrize("items", [99_999, 100_000, 100_001])
async def test_a_large_batch_is_counted_piece_by_piece_and_judged_at_its_end(items: int) -> None:
    routes = [{"path": "/batch", "public": True, "body": {"max": "8MB", "items": 100_000}}]
    body = b"[" + b'{"a":[[],{}]},' * (items - 1) + b"0]"
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, routes=routes)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(post(body, b"/batch", JSON))
        assert (await client.response()).status == (200 if items <= 100_000 else 413)
        await client.send(get(b"/batch", JSON, CHUNKED, method=b"POST"), chunks(body, 50_000))
        assert (await client.response()).status == (200 if items <= 100_000 else 413)
        assert await held_bytes(proxy) == 0


async def test_a_client_that_leaves_while_its_batch_is_counted_leaves_nothing() -> None:
    routes = [{"path": "/batch", "public": True, "body": {"max": "8MB", "items": 1_000_000}}]
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, routes=routes)) as proxy,
    ):
        async with a_client(proxy.port) as client:
            await client.send(get(b"/batch", JSON, CHUNKED, method=b"POST"))
            await client.send(b"400000\r\n" + b"[" + b"1," * 1_000_000)
            client.reset()
        await proxy.rests()
        assert await held_bytes(proxy) == 0


async def test_an_item_too_many_is_found_in_the_middle_of_a_large_piece() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        first = b"[" + b"[" + b"1," * 60_000 + b"1]"
        await client.send(get(b"/batch", JSON, b"Content-Length: 7000000", method=b"POST"))
        await client.send(first + b",1" * 200 + b"," + b"1" * 60_000)
        assert (await client.response()).status == 413
        assert await held_bytes(proxy) == 0
