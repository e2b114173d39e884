"""Kinds of messages that the framing treats apart: interim, bodyless, early, half-closed."""

import asyncio

import pytest

from tests.e2e.conftest import running
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, answers, get, ok, post

EXPECT = b"Expect: 100-continue"


@pytest.mark.parametrize(
    ("request_bytes", "answer", "status"),
    [
        pytest.param(get(method=b"HEAD"), ok(1000), 200, id="HEAD with a length"),
        pytest.param(
            get(method=b"HEAD"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            200,
            id="HEAD with chunks",
        ),
        pytest.param(get(method=b"HEAD"), b"HTTP/1.1 200 OK\r\n\r\n", 200, id="HEAD with neither"),
        pytest.param(get(), b"HTTP/1.1 204 No Content\r\n\r\n", 204, id="204"),
        pytest.param(
            get(), b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, id="204 with 0"
        ),
        pytest.param(
            get(),
            b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n',
            304,
            id="304 with the length of what it does not send",
        ),
    ],
)
async def test_an_answer_without_a_body_leaves_both_connections_in_step(
    request_bytes: bytes, answer: bytes, status: int
) -> None:
    serve = answers(answer, ok(4) + b"next")
    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(request_bytes)).status == status
        assert (await client.ask(get())).body == b"next"
        assert service.connections == 1


# --- Expect: 100-continue


async def test_a_client_that_waits_gets_the_upstreams_consent() -> None:
    async def serve(peer: Peer) -> None:
        head = await peer.head()
        assert EXPECT in head
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await peer.exactly(5)
        await peer.send(ok(5) + body)
        assert (await peer.request()).values(b"expect") == []
        await peer.send(ok(0))

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 5", EXPECT, method=b"POST"))
        assert (await client.response()).status == 100
        await client.send(b"hello")
        assert (await client.response()).body == b"hello"
        assert (await client.ask(get())).status == 200


async def test_a_final_answer_instead_of_consent_ends_the_connection() -> None:
    """What follows could be the body or the next request: nobody can tell."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        assert await peer.reader.read() == b""

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 18", EXPECT, method=b"POST"))
        answer = await client.response()
        assert (answer.status, answer.body) == (417, b"no")
        assert answer.values(b"connection") == [b"close"]
        await client.send(get(b"/smuggled"))
        assert await client.ended() == b""
        await service.lost(1)
        assert service.connections == 1
        client.close()
        await proxy.rests()


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "does-not-wait"])
async def test_an_upstream_that_ignores_the_expectation_gets_the_body(*, waits: bool) -> None:
    async def serve(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(ok(len(request.body)) + request.body)

    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        head = get(b"/", b"Content-Length: 5", EXPECT, method=b"POST")
        await client.send(head)
        if waits:  # as long as clients do before they send it all the same
            await asyncio.sleep(0.2)
        await client.send(b"hello")
        assert (await client.response()).body == b"hello"


async def test_consent_that_comes_too_late_is_not_passed_on() -> None:
    serve = answers(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(2) + b"ok")
    async with (
        a_service(serve) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(post(b"hello", b"/", EXPECT))).status == 200


async def test_a_refusal_answers_the_expectation_at_once() -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, body={"max": "10B"})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 11", EXPECT, method=b"POST"))
        assert (await client.response()).status == 413
        assert service.connections == 0


# --- other interim responses


async def test_early_hints_pass_with_their_links_alone() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=b\r\n\r\n"
    async with (
        a_service(answers(hints + ok(2) + b"ok")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        early = await client.response()
        assert (early.status, early.fields) == (103, [(b"link", b"</a.css>; rel=preload")])
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("interim", [b"102 Processing", b"199 Odd", b"100 Continue"])
async def test_an_interim_response_that_nobody_asked_for_is_dropped(interim: bytes) -> None:
    answer = b"HTTP/1.1 %b\r\nX-A: b\r\n\r\n" % interim
    async with (
        a_service(answers(answer * 3 + ok(2) + b"ok")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get())).status == 200


async def test_an_old_client_never_sees_an_interim_response() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    async with (
        a_service(answers(hints + ok(2) + b"ok")) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")).status == 200


async def test_an_endless_row_of_interim_responses_is_cut_short() -> None:
    async with (
        a_service(answers(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17)) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get())
        while (answer := await client.response()).status == 103:
            pass
        assert answer.status == 502


# --- early answers, half-closed connections


async def test_an_answer_in_the_middle_of_an_upload_reaches_the_client() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(1000)
        await peer.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 5\r\n\r\nstop!")
        await peer.reader.read()

    async with (
        a_service(serve) as service,
        running(a_policy(service.url, body={"max": "100MB"})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", b"Content-Length: 90000000", method=b"POST"), bytes(1000))
        answer = await client.response()
        assert (answer.status, answer.body) == (413, b"stop!")
        assert answer.values(b"connection") == [b"close"]
        # A client that writes on gets its answer all the same, and the end soon after.
        await client.send(bytes(100_000))
        assert await client.ended() == b""
        await service.lost(1)
        client.close()
        await proxy.rests()
        assert proxy.gauge("sidecar_upstream_connections", "idle") == 0


async def test_a_client_that_closed_its_half_gets_its_answers() -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/1") + get(b"/2") + post(b"body", b"/3"))
        client.finish()
        bodies = [(await client.response()).body for _ in range(3)]
        assert bodies == [b"/1", b"/2", b"/3"]
        assert await client.ended() == b""
        await proxy.rests()


async def test_half_a_head_behind_the_last_request_is_refused_like_any_other() -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/1") + b"GET /2 HT")
        client.finish()
        assert (await client.response()).body == b"/1"
        assert (await client.response()).status == 400
        assert await client.ended() == b""


@pytest.mark.parametrize("ending", ["in its body", "between chunks"])
async def test_a_body_that_is_cut_short_is_refused(ending: str) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        if ending == "in its body":
            await client.send(post(b"hello")[:-1])
        else:
            await client.send(
                get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"1\r\na\r\n"
            )
        client.finish()
        assert (await client.response()).status == 400
        assert await client.ended() == b""
        await proxy.rests()
        await service.lost(service.connections)


# --- pipelining


def one_of_a_hundred(n: int) -> bytes:
    return (
        get(b"/%d" % n),
        post(b"x" * n, b"/%d" % n),
        get(b"/%d" % n, method=b"DELETE"),
        get(b"/%d//" % n),
        get(b"/%d" % n, method=b"HEAD"),
    )[n % 5]


async def test_a_hundred_pipelined_requests_are_answered_in_order() -> None:
    echo = Echo()
    routes = [{"path": "/**", "public": True, "methods": ["GET", "POST"]}]
    statuses = (200, 200, 405, 400, 200)

    async with (
        a_service(echo) as service,
        running(a_policy(service.url, routes=routes)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(b"".join(map(one_of_a_hundred, range(100))))
        for n in range(100):
            answer = await client.response(b"HEAD" if n % 5 == 4 else b"GET")
            assert answer.status == statuses[n % 5], n
            if n % 5 < 2:
                assert answer.body == b"/%d" % n
        assert len(echo.requests) == 60
        assert service.connections == 1
        assert len(await proxy.records()) == 100
