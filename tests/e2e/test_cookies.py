"""Cookies of the service over real sockets: completed, each on a line of its own."""

import pytest

from tests.e2e.conftest import running
from tests.e2e.test_websockets import HANDSHAKE, switching
from tests.e2e.wire import Peer, a_client, a_policy, a_service, answers, get

FULL = b"; Secure; HttpOnly; SameSite=Lax"


@pytest.mark.control("RQ-5")
async def test_cookies_of_an_answer_are_completed_one_by_one() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n"
        b"set-cookie: b=2; Secure; HttpOnly; SameSite=Strict\r\nX-A: 1\r\n"
        b"Set-Cookie: c=3; Domain=example\r\nContent-Length: 0\r\n\r\n"
    )
    async with (
        a_service(answers(answer)) as upstream,
        running(a_policy(upstream.url, cookies={})) as proxy,
        a_client(proxy.port) as client,
    ):
        came = await client.ask(get())
    assert came.values(b"set-cookie") == [
        b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT" + FULL,
        b"b=2; Secure; HttpOnly; SameSite=Strict",
        b"c=3" + FULL,
    ]


@pytest.mark.control("RQ-5")
async def test_a_cookie_of_a_handshake_is_completed_too() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(switching(b"Set-Cookie: a=1"))
        await peer.ended()

    async with (
        a_service(serve) as upstream,
        running(a_policy(upstream.url, cookies={})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", *HANDSHAKE))
        assert b"\r\nSet-Cookie: a=1" + FULL + b"\r\n" in await client.head()


async def test_without_the_section_cookies_pass_as_they_are() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=example\r\nContent-Length: 0\r\n\r\n"
    async with (
        a_service(answers(answer)) as upstream,
        running(a_policy(upstream.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get())).values(b"set-cookie") == [b"a=1; Domain=example"]
