"""Credentials on the wire: what a service sees of them, and what happens while a store is slow."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.corpora.reader import Message
from tests.e2e.callers import SHARED_ISSUER, a_token
from tests.e2e.conftest import Running
from tests.e2e.guarded import BAD, GOOD, KEY, guarded
from tests.e2e.records import Entry, entries
from tests.e2e.test_callers import face_of
from tests.e2e.wire import Echo, Peer, a_client, get, ok, post
from tests.stores.delays import Delays, delaying
from tests.stores.servers import valkey

TOKEN: Final = a_token()
BEARER: Final = b"Authorization: Bearer "
UNKNOWN: Final = Entry("refused", 401, "UNAUTHORIZED", "unknown key")
ADMITTED: Final = Entry("admitted", 200, None, None)
QUERY: Final = {"authentication": {"cookie": "session", "api_keys": {"query": "api_key"}}}


def lines_of(message: Message) -> list[bytes]:
    return [name.lower() + b": " + value for name, value in message.fields]


# --- what the service sees


@pytest.mark.control("AN-4")
@pytest.mark.parametrize("path", [b"/any", b"/public"])
@pytest.mark.parametrize(
    ("target", "lines"),
    [
        pytest.param(b"", [GOOD], id="a key in its field"),
        pytest.param(b"", [b"x-aPi-kEY:\t" + KEY.encode() + b" "], id="spelt otherwise"),
        pytest.param(b"", [BEARER + KEY.encode()], id="a key as a Bearer"),
        pytest.param(b"", [b"authorization: bEARER " + KEY.encode()], id="spelt otherwise too"),
        pytest.param(b"", [BEARER + TOKEN], id="a token"),
        pytest.param(b"", [b"Cookie: a=1; session=" + TOKEN + b"; b=2"], id="a token in a cookie"),
        pytest.param(b"?a=1&api_key=" + KEY.encode() + b"&b=2", [], id="a key in the query"),
    ],
)
async def test_no_credential_of_ours_reaches_the_service(
    tmp_path: Path, path: bytes, target: bytes, lines: list[bytes]
) -> None:
    echo = Echo.new()
    async with guarded(echo, tmp_path, **QUERY) as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get(path + target, b"X-Own: kept", *lines))).status == 200
    [request] = echo.requests
    sent = b"\n".join([*request.start, *lines_of(request)])
    for secret in (KEY.encode(), TOKEN):
        assert secret not in sent
    assert b"x-own: kept" in sent
    if b"?" in target:
        assert request.start[1] == path + b"?a=1&b=2"
    if b"Cookie" in lines[:1] or (lines and lines[0].startswith(b"Cookie")):
        assert b"cookie: a=1; b=2" in lines_of(request)


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Bearer opaque-of-the-app", b"Digest x=y"])
async def test_an_authorization_of_the_application_passes_beside_a_key(
    tmp_path: Path, value: bytes
) -> None:
    echo = Echo.new()
    async with guarded(
        echo, tmp_path, authentication={"api_keys": {"bearer": False}, "jwt": []}
    ) as proxy, a_client(proxy.port) as client:  # fmt: skip
        answer = await client.ask(get(b"/any", GOOD, b"Authorization: " + value))
    assert answer.status == 200
    assert b"authorization: " + value in lines_of(echo.requests[0])


async def test_a_key_is_no_bearer_where_the_policy_reads_tokens_alone_there(
    tmp_path: Path,
) -> None:
    fields_alone = {"authentication": {"api_keys": {"bearer": False}}}
    asked = [BEARER + KEY.encode(), BEARER + TOKEN, GOOD]
    async with (
        guarded(Echo.new(), tmp_path, **fields_alone) as proxy,
        a_client(proxy.port) as client,
    ):
        statuses = [(await client.ask(get(b"/any", line))).status for line in asked]
    assert statuses == [401, 200, 200]


async def test_a_policy_may_let_the_service_see_the_credential(tmp_path: Path) -> None:
    echo = Echo.new()
    forwards = {"authentication": {"forward_credential": True}}
    async with guarded(echo, tmp_path, **forwards) as proxy, a_client(proxy.port) as client:
        for line in (GOOD, BEARER + TOKEN):
            assert (await client.ask(get(b"/any", line))).status == 200
    assert b"x-api-key: " + KEY.encode() in lines_of(echo.requests[0])
    assert b"authorization: Bearer " + TOKEN in lines_of(echo.requests[1])


@pytest.mark.control("TN-1")
@pytest.mark.control("TN-3")
@pytest.mark.parametrize(
    "forged",
    [
        b"X-Tenant-ID", b"x-tenant-id", b"X_Tenant_ID", b"X-TENANT_ID", b"X-Roles", b"X_roles",
        b"X-Scopes", b"X-Key-Id", b"x-key_id", b"X-USER_id", b"X-Tier",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [b"/any", b"/public"])
async def test_identity_arrives_and_cannot_be_forged_in_any_spelling(
    tmp_path: Path, path: bytes, forged: bytes
) -> None:
    echo = Echo.new()
    async with guarded(echo, tmp_path) as proxy, a_client(proxy.port) as client:
        answer = await client.ask(get(path, GOOD, forged + b": forged"))
        assert answer.status == 200
    lines = lines_of(echo.requests[0])
    assert b"forged" not in b"\n".join(lines)
    assert (b"x-tenant-id: acme" in lines) is (path == b"/any")
    assert [line for line in lines if line.startswith(b"x-tenant")][1:] == []


# --- the face of a failure


@pytest.mark.control("AN-6")
async def test_a_verbose_policy_says_that_the_credential_is_bad_but_never_why(
    tmp_path: Path,
) -> None:
    verbose = {"authentication": {"failure": {"verbose": True}}}
    bad = [BAD, GOOD[:-1], BEARER + a_token(iat=1, exp=2), BEARER + a_token(aud="billing")]
    async with guarded(Echo.new(), tmp_path, **verbose) as proxy, a_client(proxy.port) as client:
        answers = [await client.ask(get(b"/any", line)) for line in bad]
        none = await client.ask(get(b"/any"))
    assert len({face_of(answer) for answer in answers}) == 1
    [challenge] = answers[0].values(b"www-authenticate")
    assert challenge.endswith(b', error="invalid_token"')
    assert b"error" not in none.values(b"www-authenticate")[0]
    assert none.body == answers[0].body


@pytest.mark.control("AN-5")
@pytest.mark.control("AN-6")
async def test_a_floor_holds_failures_back_and_lets_good_callers_pass(
    tmp_path: Path, loop_time: "Timed"
) -> None:
    floor = {"authentication": {"failure": {"floor": "300ms"}}}
    async with guarded(Echo.new(), tmp_path, **floor) as proxy, a_client(proxy.port) as client:
        assert await loop_time(client, get(b"/any", BAD)) >= 0.3
        assert await loop_time(client, get(b"/any")) >= 0.3
        assert await loop_time(client, get(b"/any", GOOD)) < 0.3
        assert await loop_time(client, get(b"/public", BAD)) < 0.3
        assert await loop_time(client, get(b"/service", GOOD)) < 0.3


@pytest.mark.control("AN-5")
async def test_a_floor_for_all_outcomes_holds_good_callers_back_too(
    tmp_path: Path, loop_time: "Timed"
) -> None:
    floor = {"authentication": {"failure": {"floor": "200ms", "applies_to": "all"}}}
    async with guarded(Echo.new(), tmp_path, **floor) as proxy, a_client(proxy.port) as client:
        for line in (GOOD, BAD, BEARER + TOKEN):
            assert await loop_time(client, get(b"/any", line)) >= 0.2
        assert await loop_time(client, get(b"/service", GOOD)) >= 0.2
        assert await loop_time(client, get(b"/public", GOOD)) < 0.2


class Timed:
    """Asks, and says how many seconds the answer took."""

    async def __call__(self, client: Peer, request: bytes) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.ask(request)
        # The loop's clock has whole milliseconds.
        return loop.time() - began + 0.001


@pytest.fixture
def loop_time() -> Timed:
    return Timed()


@pytest.mark.control("AN-5")
async def test_a_client_that_leaves_while_it_is_held_back_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    floor = {"authentication": {"failure": {"floor": "30s"}}}
    async with guarded(Echo.new(), tmp_path, **floor) as proxy:
        async with a_client(proxy.port) as client:
            await client.send(get(b"/any", BAD))
            await proxy.becomes(1, 0, 0, 0)
            client.reset()
            await proxy.rests()
        assert [entry.outcome for entry in await entries(proxy)] == ["abandoned"]


@pytest.mark.control("AN-5")
async def test_a_body_behind_a_bad_credential_is_dropped_while_the_answer_is_held_back(
    tmp_path: Path,
) -> None:
    floor = {"authentication": {"failure": {"floor": "150ms"}}}
    echo = Echo.new()
    async with guarded(echo, tmp_path, **floor) as proxy, a_client(proxy.port) as client:
        body = bytes(900_000)
        await client.send(post(body, b"/dev", BAD) + get(b"/any", GOOD))
        assert [(await client.response(m)).status for m in (b"POST", b"GET")] == [401, 200]
        assert [request.start[0] for request in echo.requests] == [b"GET"]
        assert await entries(proxy) == [UNKNOWN, ADMITTED]


# --- shadow mode


async def test_shadow_mode_records_a_failure_and_passes_without_identity(tmp_path: Path) -> None:
    echo = Echo.new()
    async with guarded(echo, tmp_path, mode="shadow") as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get(b"/any", BAD))).status == 200
        [record] = await proxy.records()
    lines = lines_of(echo.requests[0])
    told = (b"x-tenant", b"x-user", b"x-role", b"x-api-key")
    assert not any(line.startswith(told) for line in lines)
    assert record["outcome"] == "admitted"
    assert "unknown key" in str(record)
    assert record["tenant_id"] is None


# --- while the store is asked


@asynccontextmanager
async def slow_store(
    serve: Echo, folder: Path, **more: object
) -> AsyncIterator[tuple[Running, Delays]]:
    """Run a sidecar whose Redis answers when it is told to."""
    with valkey() as server:
        async with delaying(server.port) as delays:
            state = {"store": f"redis://127.0.0.1:{delays.port}/0", "timeout": "30s"}
            async with guarded(serve, folder, state, **more) as proxy:
                yield proxy, delays


class Slurp(Echo):
    """Counts the bytes of bodies, and answers when a body is whole."""

    taken = 0

    async def __call__(self, peer: Peer) -> None:
        while peer.waiting or await peer.more():
            head = await peer.head()
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            while self.taken < length:
                if not peer.waiting and not await peer.more():
                    return
                self.taken += len(peer.waiting)
                peer.waiting = b""
            await peer.send(ok(2) + b"ok")


async def test_a_large_body_waits_with_back_pressure_and_then_passes_whole(
    tmp_path: Path,
) -> None:
    slurp, size = Slurp.new(), 32 << 20
    async with slow_store(slurp, tmp_path, body={"max": "64MiB"}) as (proxy, delays):
        async with a_client(proxy.port) as client:
            delays.flows.clear()
            await client.send(get(b"/dev", GOOD, b"Content-Length: %d" % size, method=b"POST"))
            sending = asyncio.create_task(client.send(*[bytes(1 << 20)] * 32))
            done, _ = await asyncio.wait({sending}, timeout=0.5)
            assert not done
            assert slurp.taken == 0
            delays.flows.set()
            await sending
            assert (await client.response(b"POST")).status == 200
        assert slurp.taken == size
        await proxy.rests()


async def test_a_large_body_of_a_bad_caller_is_refused_when_the_store_has_answered(
    tmp_path: Path,
) -> None:
    echo = Echo.new()
    async with slow_store(echo, tmp_path, body={"max": "64MiB"}) as (proxy, delays):
        async with a_client(proxy.port) as client:
            delays.flows.clear()
            size = 32 << 20
            await client.send(get(b"/dev", BAD, b"Content-Length: %d" % size, method=b"POST"))
            sending = asyncio.create_task(client.send(*[bytes(1 << 20)] * 32))
            done, _ = await asyncio.wait({sending}, timeout=0.3)
            assert not done
            delays.flows.set()
            assert (await client.response(b"POST")).status == 401
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await proxy.rests()
        assert await entries(proxy) == [UNKNOWN]
    assert echo.requests == []


@pytest.mark.parametrize(("line", "status"), [(GOOD, 100), (BAD, 401)])
async def test_a_client_that_awaits_100_sends_no_body_before_the_store_has_answered(
    tmp_path: Path, line: bytes, status: int
) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.exactly(4)
        await peer.send(ok(2) + b"ok")

    async with slow_store(serve, tmp_path) as (proxy, delays), a_client(proxy.port) as client:  # type: ignore[arg-type]  # any service
        delays.flows.clear()
        expects = (b"Expect: 100-continue", b"Content-Length: 4")
        await client.send(get(b"/dev", line, *expects, method=b"POST"))
        await proxy.becomes(1, 1, 0, 0)
        assert client.waiting == b""
        delays.flows.set()
        answer = await client.response(b"POST")
        assert answer.status == status
        if status == 100:
            await client.send(b"body")
            assert (await client.response(b"POST")).status == 200


async def test_a_client_that_leaves_while_the_store_is_asked_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    async with slow_store(Echo.new(), tmp_path) as (proxy, delays):
        delays.flows.clear()
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(a_client(proxy.port)) for _ in range(50)]
            for number, client in enumerate(clients):
                asked = get(b"/any", GOOD) if number % 2 else post(b"x" * 9, b"/dev", GOOD)[:-4]
                await client.send(asked)
            await proxy.becomes(50, 50, 0, 0)
            for client in clients:
                client.reset()
            await proxy.rests()
        delays.flows.set()
        assert {entry.outcome for entry in await entries(proxy)} == {"abandoned"}


async def test_requests_behind_one_that_waits_keep_their_order(tmp_path: Path) -> None:
    echo = Echo.new()
    async with slow_store(echo, tmp_path) as (proxy, delays), a_client(proxy.port) as client:
        delays.flows.clear()
        asked = [
            get(b"/any?1", GOOD),
            get(b"/public?2"),
            post(b"body", b"/dev?3", GOOD),
            get(b"/any?4", BAD),
            get(b"/public?5"),
        ]
        await client.send(b"".join(asked))
        await proxy.becomes(1, 1, 0, 0)
        assert echo.requests == []
        delays.flows.set()
        got = [await client.response() for _ in asked]
        assert [answer.status for answer in got] == [200, 200, 200, 401, 200]
        assert [answer.body for answer in got if answer.status == 200] == [
            b"/any?1", b"/public?2", b"/dev?3", b"/public?5",
        ]  # fmt: skip


@pytest.mark.control("AN-4")
async def test_a_store_that_does_not_answer_in_time_admits_nobody(tmp_path: Path) -> None:
    echo = Echo.new()
    with valkey() as server:
        async with delaying(server.port) as delays:
            state: Mapping[str, object] = {
                "store": f"redis://127.0.0.1:{delays.port}/0",
                "timeout": "300ms",
            }
            async with guarded(echo, tmp_path, state) as proxy, a_client(proxy.port) as client:
                delays.flows.clear()
                answer = await client.ask(get(b"/any", GOOD))
                assert answer.status == 503
                assert b"STORE_UNAVAILABLE" in answer.body
                assert (await client.ask(get(b"/public", GOOD))).status == 200
                delays.flows.set()
    assert [request.start[1] for request in echo.requests] == [b"/public"]


async def test_a_token_of_either_issuer_is_known_by_its_own_key(tmp_path: Path) -> None:
    async with guarded(Echo.new(), tmp_path) as proxy, a_client(proxy.port) as client:
        for token in (a_token(), a_token(SHARED_ISSUER)):
            assert (await client.ask(get(b"/any", BEARER + token))).status == 200
