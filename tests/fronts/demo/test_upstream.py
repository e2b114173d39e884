"""The service that the demo protects, asked directly."""

import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import ClientSession

from sidecar.fronts.demo.upstream import serving
from sidecar.fronts.demo.visit import Echo, Plain, Raw, send

Origin = tuple[str, int]


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as port:
        yield "127.0.0.1", port


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        pytest.param("/", 200, "The protected service", id="page"),
        pytest.param("/assets/demo.js", 200, "EventSource", id="script"),
        pytest.param("/assets/demo.css", 200, "font", id="style"),
        pytest.param("/assets/upstream.py", 404, "", id="nothing but assets"),
        pytest.param("/api/items", 200, "anvil", id="list"),
        pytest.param("/api/items/2", 200, "bellows", id="item"),
        pytest.param("/api/items/9", 404, "no such item", id="no item"),
        pytest.param("/stream?lines=3&seconds=0", 200, "line 3", id="lines"),
        pytest.param("/stream?lines=nan", 400, "not between", id="not a bound"),
        pytest.param("/stream?lines=many", 400, "not a number", id="not a number"),
        pytest.param("/slow?seconds=0", 200, "after 0 s", id="slow"),
        pytest.param("/internal/report", 200, "quarterly figures", id="the service has no guard"),
    ],
)
async def test_an_endpoint_answers(origin: Origin, target: str, status: int, text: str) -> None:
    answer = await send(origin, Plain("GET", target))
    assert answer.status == status
    assert text in answer.body


async def test_the_echo_shows_the_request_byte_for_byte(origin: Origin) -> None:
    request = Plain("PUT", "/echo/a%2Fb/%C3%A9?x=%20&x", fields=(("X_Odd", "one"),))
    body = (await send(origin, request)).body
    assert '"target": "/echo/a%2Fb/%C3%A9?x=%20&x"' in body
    assert '["X_Odd", "one"]' in body
    assert '"method": "PUT"' in body


async def test_events_arrive_one_by_one(origin: Origin) -> None:
    answer = await send(origin, Plain("GET", "/events?count=3&seconds=0.05"))
    assert answer.get("content-type") == "text/event-stream"
    assert answer.pieces == 3


async def test_an_upload_is_counted_and_hashed(origin: Origin) -> None:
    body = bytes(range(256)) * 1024
    answer = await send(origin, Plain("POST", "/upload", body=body))
    assert hashlib.sha256(body).hexdigest() in answer.body
    assert str(len(body)) in answer.body


async def test_a_download_has_the_length_that_was_asked_for(origin: Origin) -> None:
    async with ClientSession() as session:
        url = f"http://{origin[0]}:{origin[1]}/download?bytes=100001"
        async with session.get(url) as response:
            assert len(await response.read()) == 100_001


async def test_an_item_is_created_from_json_alone(origin: Origin) -> None:
    assert (
        await send(origin, Plain("POST", "/api/items", body=b'{"name": "drill"}'))
    ).status == 201
    assert (await send(origin, Plain("POST", "/api/items", body=b"drill"))).status == 400


async def test_a_websocket_echoes(origin: Origin) -> None:
    answer = await send(origin, Echo("/ws", "héllo"))
    assert (answer.status, answer.body) == (101, "héllo")
    assert answer.get("sec-websocket-protocol") == "echo"


async def test_the_leaky_endpoint_leaks(origin: Origin) -> None:
    answer = await send(origin, Plain("GET", "/leaky"))
    assert answer.get("X-Powered-By") == "PHP/5.4.0"
    assert str(answer.get("Server")).startswith("Apache/2.4.1")


async def test_a_crash_hangs_up_without_an_answer(origin: Origin) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await send(origin, Plain("GET", "/crash"))


async def test_raw_bytes_get_their_answer_and_the_end_of_the_connection(origin: Origin) -> None:
    message = b"GET /api/items/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await send(origin, Raw(message))
    assert (answer.status, answer.reason) == (200, "OK")
    assert answer.is_closed
    assert "anvil" in answer.body


async def test_a_connection_that_says_nothing_has_no_status(origin: Origin) -> None:
    answer = await send(origin, Raw(b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert answer.status == 0
