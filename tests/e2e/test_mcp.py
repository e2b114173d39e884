"""The firewall for MCP over real sockets: attacks byte by byte, and what reaches whom."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.corpora.reader import Message
from tests.e2e.callers import a_key, a_record
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import guarded
from tests.e2e.mcp_attacks import ATTACKS, LIST, a_call, written
from tests.e2e.wire import Echo, Peer, Serve, a_client, a_policy, a_service, answers, get, post

pytestmark = pytest.mark.control("RQ-6")

JSON: Final = b"Content-Type: application/json"
CHUNKED: Final = b"Transfer-Encoding: chunked"
SEARCH: Final = {"name": "search", "inputSchema": {"type": "object"}}
DELETE: Final = {"name": "delete", "inputSchema": {"type": "object"}}
TOOLS: Final = {"anonymous": ["search", "read_*"]}
PUBLIC: Final = {"path": "/mcp", "public": True}


def firewalled(url: object, **mcp: object) -> str:
    route = {**PUBLIC, "mcp": {"tools": TOOLS, **mcp}}
    return a_policy(url, routes=[route, {"path": "/other", "public": True}])


@asynccontextmanager
async def served(
    serve: Serve, policy: Callable[..., str] = firewalled, **mcp: object
) -> AsyncIterator[tuple[Peer, Running]]:
    async with (
        a_service(serve) as service,
        running(policy(service.url, **mcp)) as proxy,
        a_client(proxy.port) as client,
    ):
        yield client, proxy


def told(answer: Message) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(answer.body)


@pytest.mark.parametrize(("body", "status"), ATTACKS)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_an_attack_reaches_nobody(body: bytes, status: int, is_chunked: bool) -> None:
    echo = Echo.new()
    async with served(echo) as (client, proxy):
        if is_chunked:
            await client.send(get(b"/mcp", JSON, CHUNKED, method=b"POST"))
            await client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            answer = await client.response(b"POST")
        else:
            answer = await client.ask(post(body, b"/mcp", JSON))
        assert answer.status == status
        assert echo.requests == []
        [record] = await proxy.records()
        assert record["outcome"] == "refused"
        if status == 200:
            said = told(answer)
            last = said[-1] if isinstance(said, list) else said
            assert last["error"]["code"] == -32602
            assert record["reason"] == "tool not allowed"
            assert record["action"] == "tool.call"
        elif status != 413:
            assert told(answer)["status"] == status


@pytest.mark.parametrize(
    ("lines", "method", "status"),
    [
        ([b"Content-Type: text/plain"], b"POST", 415),
        ([b"Content-Type: application/json-rpc"], b"POST", 415),
        ([JSON, b"Content-Type: text/plain"], b"POST", 400),
        ([JSON, b"Content-Encoding: gzip"], b"POST", 415),
        ([], b"POST", 415),
        ([JSON], b"PUT", 405),
        ([JSON], b"GET", 400),
    ],
)
async def test_other_wrappings_reach_nobody(lines: list[bytes], method: bytes, status: int) -> None:
    echo = Echo.new()
    body = a_call("delete")
    async with served(echo) as (client, _):
        length = b"Content-Length: %d" % len(body)
        answer = await client.ask(get(b"/mcp", length, *lines, method=method) + body)
        assert answer.status == status
        assert echo.requests == []


async def test_the_places_are_told_and_the_values_are_not() -> None:
    async with served(Echo.new()) as (client, proxy):
        answer = await client.ask(post(a_call(q="x <|im_start|> secret"), b"/mcp", JSON))
        assert told(answer)["errors"] == [
            {"pointer": "/params/arguments/q", "detail": "holds a reserved control token"}
        ]
        [record] = await proxy.records()
        assert "secret" not in json.dumps(record)


async def test_what_is_clean_goes_on_byte_for_byte() -> None:
    echo = Echo.new()
    async with served(echo) as (client, proxy):
        body = a_call("read_all", q="plain ❤\ufe0f text", n=1.50)
        assert (await client.ask(post(body, b"/mcp", JSON))).status == 200
        assert [request.body for request in echo.requests] == [body]
        [record] = await proxy.records()
        assert record["action"] == "tool.call"
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        [tool] = metadata["tools"]
        assert tool["name"] == "read_all"
        assert len(tool["arguments_sha256"]) == 64
        assert "plain" not in json.dumps(record)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_what_is_cleaned_goes_on_in_its_own_framing(is_chunked: bool) -> None:
    echo = Echo.new()
    async with served(echo, arguments="clean") as (client, proxy):
        for _ in range(2):  # the connections go on
            body = a_call(q="a <|im_\u200bstart|> b\u202e", other=["é", {"k\u200b": 1}])
            if is_chunked:
                await client.send(get(b"/mcp", JSON, CHUNKED, method=b"POST"))
                await client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                answer = await client.response(b"POST")
            else:
                answer = await client.ask(post(body, b"/mcp", JSON))
            assert answer.status == 200
        for request in echo.requests:
            arguments = json.loads(request.body)["params"]["arguments"]
            assert arguments == {"q": "a \ufffd b", "other": ["é", {"k": 1}]}
        assert proxy.gauge("sidecar_body_buffer_bytes") == 0
        record = (await proxy.records())[0]
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        assert set(metadata["tools"][0]) == {"name", "arguments_sha256", "cleaned_sha256"}


async def test_what_is_reported_goes_on_and_is_recorded() -> None:
    echo = Echo.new()
    async with served(echo, arguments="report") as (client, proxy):
        body = a_call(q="<s>")
        assert (await client.ask(post(body, b"/mcp", JSON))).status == 200
        assert echo.requests[0].body == body
        [record] = await proxy.records()
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        assert metadata["would_refuse"][0]["code"] == "UNPROCESSABLE"


async def test_body_rules_and_the_firewall_read_the_same_body() -> None:
    echo = Echo.new()
    schema = {"type": "object", "required": ["id"]}

    def policy(url: object, **mcp: object) -> str:
        route = {**PUBLIC, "mcp": {"tools": TOOLS, **mcp}, "body": {"schema": schema}}
        return a_policy(url, routes=[route])

    async with served(echo, policy, arguments="clean") as (client, _):
        assert (await client.ask(post(a_call(q="<s>"), b"/mcp", JSON))).status == 200
        assert b"\xef\xbf\xbd" in echo.requests[0].body
        note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        assert (await client.ask(post(note, b"/mcp", JSON))).status == 422
        assert len(echo.requests) == 1


def an_answer(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *lines)
    return b"\r\n".join((*head, b"", body))


def a_list(*tools: object, **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "result": {"tools": list(tools), **more}}


EVENTS: Final = b"Content-Type: text/event-stream"


async def test_a_list_is_cut_and_framed_anew() -> None:
    echo = answers(an_answer(written(a_list(SEARCH, DELETE, nextCursor="2")), JSON, b"ETag: x"))
    async with served(echo) as (client, _):
        answer = await client.ask(post(LIST, b"/mcp", JSON, b"Accept-Encoding: gzip"))
        assert told(answer) == a_list(SEARCH, nextCursor="2")
        assert answer.values(b"etag") == []
        assert answer.values(b"content-length") == [b"%d" % len(answer.body)]


async def test_the_service_is_asked_for_a_plain_list() -> None:
    asked: list[Message] = []

    async def serve(peer: Peer) -> None:
        while peer.waiting or await peer.more():
            asked.append(await peer.request())
            await peer.send(an_answer(written(a_list(DELETE)), JSON))

    async with served(serve) as (client, _):
        lines = (JSON, b"Accept-Encoding: br, gzip", b"accept-encoding: zstd")
        for _ in range(2):
            assert told(await client.ask(post(LIST, b"/mcp", *lines))) == a_list()
        assert (await client.ask(post(a_call(), b"/mcp", *lines))).status == 200
        codings = [request.values(b"accept-encoding") for request in asked]
        assert codings == [[b"identity"], [b"identity"], [b"br, gzip", b"zstd"]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_an_event_stream_is_cut_however_it_is_split(size: int) -> None:
    ping, note = b": ping\r\n\r\n", b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n'
    stream = ping + b"id: 7\rdata: " + written(a_list(SEARCH, DELETE)) + b"\r\r" + note

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\n" + CHUNKED + b"\r\n\r\n")
        for at in range(0, len(stream), size):
            piece = stream[at : at + size]
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")

    async with served(serve) as (client, _):
        answer = await client.ask(post(LIST, b"/mcp", JSON))
        assert answer.body.startswith(ping)
        assert answer.body.endswith(note)
        assert b"search" in answer.body
        assert b"delete" not in answer.body


async def test_events_go_on_at_once_and_a_resumed_stream_is_cut_too() -> None:
    note = b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n'

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\n\r\n" + note)
        # The client has it before anything else is sent.
        await seen.wait()
        await peer.send(b"data: " + written(a_list(DELETE)) + b"\n\n")
        peer.close()

    seen = asyncio.Event()
    async with served(serve) as (client, _):
        await client.send(get(b"/mcp", b"Last-Event-ID: 6", b"Accept: text/event-stream"))
        await client.until(note)
        seen.set()
        rest = await client.until(b"0\r\n\r\n")
        assert b"delete" not in rest
        assert b'"tools":[]' in rest


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(an_answer(written(a_list(DELETE)), b"Content-Type: text/plain"), id="text"),
        pytest.param(an_answer(written(a_list(DELETE))), id="no type"),
        pytest.param(an_answer(b"{", JSON), id="no JSON"),
        pytest.param(
            an_answer(gzip.compress(written(a_list(DELETE))), JSON, b"Content-Encoding: gzip"),
            id="compressed all the same",
        ),
        pytest.param(an_answer(b"[" + b" " * 2_000_000 + b"]", JSON), id="too large"),
    ],
)
async def test_a_list_that_cannot_be_cut_is_a_bad_gateway(answer: bytes) -> None:
    async with served(answers(answer)) as (client, proxy):
        got = await client.ask(post(LIST, b"/mcp", JSON))
        assert got.status == 502
        assert b"delete" not in got.body
        [record] = await proxy.records()
        assert record["outcome"] == "failed"
        await proxy.becomes(1, 0, 0, 0)


async def test_an_event_that_is_too_large_breaks_the_stream() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\n\r\n: ping\n\n"
    async with served(answers(head + b"data: " + b"x" * 2_000_000)) as (client, proxy):
        await client.send(post(LIST, b"/mcp", JSON))
        assert b"xxxx" not in await client.ended()
        [record] = await proxy.records()
        assert record["reason"] == "an event is larger than what is held of one"
        await proxy.rests()


async def test_an_event_that_cannot_be_read_at_the_end_breaks_the_stream() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\n\r\n"
    async with served(answers(head + b"data: {")) as (client, proxy):
        await client.send(post(LIST, b"/mcp", JSON))
        assert not (await client.ended()).endswith(b"0\r\n\r\n")
        [record] = await proxy.records()
        assert record["outcome"] == "failed"


@pytest.mark.parametrize("status", [b"202 Accepted", b"405 Method Not Allowed", b"404 Not Found"])
async def test_answers_without_a_list_pass(status: bytes) -> None:
    async with served(answers(an_answer(b"", status=status))) as (client, _):
        assert (await client.ask(get(b"/mcp"))).status == int(status[:3])


async def test_a_session_is_ended_by_delete() -> None:
    echo = Echo.new()
    async with served(echo) as (client, _):
        lines = (b"Mcp-Session-Id: s", b"Content-Length: 0")
        assert (await client.ask(get(b"/mcp", *lines, method=b"DELETE"))).status == 200
        assert echo.requests[0].values(b"mcp-session-id") == [b"s"]


async def test_the_audit_names_no_method_of_others() -> None:
    async with served(Echo.new()) as (client, proxy):
        assert (await client.ask(post(b'{"a":1}', b"/other", JSON))).status == 200
        [record] = await proxy.records()
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        assert record["action"] == "request"
        assert "tools" not in metadata


async def test_roles_decide_what_is_listed(tmp_path: Path) -> None:
    async def serve(peer: Peer) -> None:
        while peer.waiting or await peer.more():
            await peer.request()
            await peer.send(an_answer(written(a_list(SEARCH, DELETE)), JSON))

    tools = {"viewer": ["search"], "admin": ["*"]}
    routes = [{"path": "/mcp", "role": "viewer", "mcp": {"tools": tools}}]
    async with guarded(serve, tmp_path, routes=routes) as proxy, a_client(proxy.port) as client:
        viewer = a_key("reader")
        assert await proxy.store.add_key(a_record("reader", viewer, "viewer"))
        for key, names in ((viewer, ["search"]), (a_key("good"), ["search", "delete"])):
            line = b"X-API-Key: " + key.encode()
            tools_of = told(await client.ask(post(LIST, b"/mcp", JSON, line)))["result"]["tools"]
            assert [tool["name"] for tool in tools_of] == names
            answer = await client.ask(post(a_call("delete"), b"/mcp", JSON, line))
            assert ("error" in told(answer)) is (names == ["search"])


async def test_shadow_mode_lets_everything_pass_and_says_so() -> None:
    echo = Echo.new()

    def policy(url: object, **mcp: object) -> str:
        route = {**PUBLIC, "mcp": {"tools": TOOLS, **mcp}, "mode": "shadow"}
        return a_policy(url, routes=[route])

    async with served(echo, policy, arguments="clean") as (client, proxy):
        body = a_call("delete", q="<s>")
        assert (await client.ask(post(body, b"/mcp", JSON))).status == 200
        assert echo.requests[0].body == body
        [record] = await proxy.records()
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        assert [one["code"] for one in metadata["would_refuse"]] == ["TOOL_NOT_ALLOWED"]
