"""Bodies that rules read: kept, judged, and sent on byte for byte; nothing of them stays behind."""

import asyncio
import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.e2e.conftest import Running, running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import (
    Echo,
    Peer,
    a_client,
    a_policy,
    a_service,
    get,
    ok,
    post,
)

JSON: Final = b"Content-Type: application/json"
CHUNKED: Final = b"Transfer-Encoding: chunked"
ROUTES: Final[list[dict[str, Any]]] = [
    {"path": "/json", "public": True, "body": {"json": {}}},
    {"path": "/batch", "public": True, "body": {"items": 100}},
    {"path": "/plain", "public": True, "body": {}},
]


def reading(url: object, largest: str = "8MB", **sections: object) -> str:
    routes = [{**route, "body": {**route["body"], "max": largest}} for route in ROUTES]
    return a_policy(url, **{"routes": routes, **sections})


def chunks(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def a_document(size: int) -> bytes:
    return b'{"text":"' + b"x" * size + b'"}'


async def held_bytes(proxy: Running) -> float:
    return proxy.gauge("sidecar_body_buffer_bytes")


async def holds(proxy: Running, least: int) -> None:
    async with asyncio.timeout(5):
        while await held_bytes(proxy) < least:  # noqa: ASYNC110 -- the sidecar has no event for it
            await asyncio.sleep(0.005)


SIZES: Final = [0, 10, 32_000, 60_000, 70_000, 300_000, 5_000_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_what_was_judged_is_sent_on_byte_for_byte(size: int, is_chunked: bool) -> None:
    body = a_document(size)
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(2):  # the second finds an idle upstream connection
            if is_chunked:
                await client.send(get(b"/json", JSON, CHUNKED, method=b"POST"), chunks(body))
            else:
                await client.send(post(body, b"/json", JSON))
            assert (await client.response()).status == 200
        assert [request.body for request in echo.requests] == [body, body]
        assert service.connections == 1
        assert await held_bytes(proxy) == 0
        assert {entry.outcome for entry in await entries(proxy)} == {"admitted"}


async def test_a_body_that_comes_byte_by_byte_is_judged_when_it_is_whole() -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        body = b'{"a":[1,2,{"b":null}]}'
        await client.send(get(b"/json", JSON, b"Content-Length: 22", method=b"POST"))
        for at in range(len(body)):
            assert echo.requests == []
            await client.send(body[at : at + 1])
        assert (await client.response()).status == 200
        assert echo.requests[0].body == body


async def test_a_bad_body_reaches_nobody_and_the_connection_goes_on() -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for body in (b'{"a":1,"a":2}', b"{" + b" " * 200_000):
            answer = await client.ask(post(body, b"/json", JSON))
            assert (answer.status, answer.values(b"connection")) == (400, [])
        assert (await client.ask(post(b"{}", b"/json", JSON))).status == 200
        assert len(echo.requests) == 1
        assert [entry.reason for entry in await entries(proxy)] == [
            "an object of the JSON has a member twice", "the body is no JSON", None,
        ]  # fmt: skip
        assert await held_bytes(proxy) == 0


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        large = a_document(100_000)
        await client.send(
            post(large, b"/json", JSON) + post(b"{", b"/json", JSON) + get(b"/plain"),
            get(b"/json", JSON, CHUNKED, method=b"POST") + chunks(b"[]") + get(b"/json"),
        )
        answers = [await client.response() for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 400, 200, 200, 200]


async def test_the_client_is_told_to_go_on_where_it_waits_for_that() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        expects = b"Expect: 100-continue"
        length = b"Content-Length: 2"
        await client.send(get(b"/json", JSON, expects, length, method=b"POST"))
        assert (await client.head()).startswith(b"HTTP/1.1 100 ")
        await client.send(b"{}")
        assert (await client.response()).status == 200
        # What is refused by its head alone is never asked for.
        await client.send(get(b"/json", b"Content-Type: text/csv", expects, length, method=b"POST"))
        assert (await client.response()).status == 415


@pytest.mark.parametrize("lines", [[], [b"Content-Length: 0"], [CHUNKED]])
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
async def test_a_request_without_content_breaks_no_rule_about_it(
    lines: Sequence[bytes], method: bytes
) -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/json", JSON, *lines, method=method))
        if CHUNKED in lines:
            await client.send(b"0\r\n\r\n")
        assert (await client.response(method)).status == 200


async def test_a_body_of_get_is_read_like_any_other() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for method in (b"GET", b"HEAD", b"DELETE"):
            for body, status in ((b"{}", 200), (b"{", 400)):
                head = get(b"/json", JSON, b"Content-Length: %d" % len(body), method=method)
                await client.send(head + body)
                assert (await client.response(method)).status == status


async def test_trailers_are_judged_and_dropped() -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/json", JSON, CHUNKED, method=b"POST"))
        await client.send(b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert (await client.response()).status == 200
        assert (echo.requests[0].body, echo.requests[0].trailers) == (b"{}", [])


@pytest.mark.parametrize("sent", [0, 100, 100_000])
async def test_a_client_that_leaves_takes_everything_with_it(sent: int) -> None:
    async with a_service(Echo()) as service, running(reading(service.url)) as proxy:
        async with a_client(proxy.port) as client:
            head = get(b"/json", JSON, b"Content-Length: 200000", method=b"POST")
            await client.send(head + b"x" * sent)
            await proxy.becomes(1, 1, 0, 0)
            await holds(proxy, sent)
            client.reset()
        await proxy.rests()
        assert await held_bytes(proxy) == 0
        assert service.connections == 0
        assert await entries(proxy) == [
            Entry("abandoned", 499, None, "client closed the connection")
        ]


async def test_a_client_that_breaks_off_inside_its_body_is_refused() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/json", JSON, b"Content-Length: 9", method=b"POST") + b"{}")
        client.finish()
        assert (await client.response()).status == 400
        await proxy.rests()
        assert await held_bytes(proxy) == 0


async def test_a_body_that_does_not_come_on_is_a_time_out() -> None:
    listen = {"timeouts": {"body": "200ms"}}
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, listen=listen)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/json", JSON, b"Content-Length: 200000", method=b"POST") + b"{")
        assert (await client.response()).status == 408
        assert await held_bytes(proxy) == 0


async def test_a_body_above_the_limit_is_refused_while_it_is_kept() -> None:
    async with (
        a_service(Echo()) as service,
        running(reading(service.url, "1KB")) as p,
        a_client(p.port) as client,
    ):
        await client.send(get(b"/json", JSON, CHUNKED, method=b"POST") + chunks(a_document(2000)))
        assert (await client.response()).status == 413
        assert service.connections == 0
        assert await held_bytes(p) == 0


async def test_shadow_mode_records_what_rules_say_and_sends_the_body_on() -> None:
    echo = Echo.new()
    items = b"[" + b"1," * 200_000 + b"1]"
    async with (
        a_service(echo) as service,
        running(reading(service.url, "90KB", mode="shadow", bodies={"total": "100KB"})) as proxy,
        a_client(proxy.port) as client,
    ):
        bodies = [b"{", items, a_document(300_000)]
        for target, body in zip((b"/json", b"/batch", b"/json"), bodies, strict=True):
            await client.send(post(body, target, JSON))
            assert (await client.response()).status == 200
            await client.send(get(target, JSON, CHUNKED, method=b"POST") + chunks(body))
            assert (await client.response()).status == 200
        assert [request.body for request in echo.requests] == [b for b in bodies for _ in range(2)]
        assert await held_bytes(proxy) == 0


async def test_a_compressed_body_is_read_and_sent_on_as_it_came() -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for window, coding in ((31, b"gzip"), (31, b"x-gzip"), (15, b"deflate")):
            for size in (10, 1_000_000):
                packer = zlib.compressobj(wbits=window)
                text = json.dumps(["", *map(str, range(size // 10))]).encode()
                packed = packer.compress(text) + packer.flush()
                await client.send(post(packed, b"/json", JSON, b"Content-Encoding: " + coding))
                assert (await client.response()).status == 200
                assert echo.requests[-1].body == packed


async def test_whoever_has_no_rules_keeps_nothing() -> None:
    """The body of another route passes on before it is whole."""
    arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(1)
        arrived.set()
        await peer.exactly(1)
        await peer.send(ok(2) + b"ok")

    async with (
        a_service(serve) as service,
        running(reading(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/plain", b"Content-Length: 2", method=b"POST") + b"{")
        async with asyncio.timeout(5):
            await arrived.wait()
        assert await held_bytes(proxy) == 0
        await client.send(b"}")
        assert (await client.response()).body == b"ok"
