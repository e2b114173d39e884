"""Another policy comes into force: for the next request, as a whole, and for nobody in between."""

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from sidecar.decision.pipeline import Generation
from sidecar.policy.schema.policy import Policy
from tests.corpora.reader import Message
from tests.e2e.callers import ROUTES, RSA_ISSUER, a_token
from tests.e2e.guarded import GOOD
from tests.e2e.records import entries
from tests.e2e.reloading import Changing, Sections, changing
from tests.e2e.test_revocation import Slow, revoke_key
from tests.e2e.test_websockets import HANDSHAKE
from tests.e2e.wire import Echo, Peer, a_client, a_service, get, ok, post

TOKEN: Final = b"Authorization: Bearer " + a_token()
JSON: Final = b"Content-Type: application/json"
CROSS: Final = (b"Cookie: a=b", b"Sec-Fetch-Site: cross-site")
NOTHING: Final[Sections] = {}


def status(answer: Message) -> object:
    return answer.status


def field(name: bytes) -> Callable[[Message], object]:
    return lambda answer: answer.values(name)


def routes(*more: Mapping[str, object]) -> Sections:
    named = {one["path"] for one in more}
    return {"routes": [*more, *(one for one in ROUTES if one["path"] not in named)]}


def any_route(**keys: object) -> Sections:
    return routes({"path": "/any", "role": "viewer", **keys})


def issuer(**keys: object) -> Sections:
    claims = {"tenant": "tenants", "roles": "roles"}
    made = {"issuer": RSA_ISSUER, "audiences": ["orders"], "algorithms": ["RS256"]}
    return {
        "authentication": {"jwt": [{**made, "jwks": "file:jwks.json", "claims": claims, **keys}]}
    }


ASKED: Final = get(b"/any", GOOD)
OPS: Final = {"admin": {"tokens": [{"name": "o", "token": "0123456789abcdef" * 2, "role": "read"}]}}
SCRAPED: Final = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIVE: Final = [
    pytest.param(NOTHING, routes({"path": "/new", "public": True}), get(b"/new"), status, 404, 200,
                 id="routes"),
    pytest.param(NOTHING, any_route(scopes=["orders:write"]), ASKED, status, 200, 403,
                 id="scopes of a route"),
    pytest.param(NOTHING, any_route(condition="request.method != 'GET'"), ASKED, status, 200, 403,
                 id="condition of a route"),
    pytest.param(NOTHING, any_route(addresses={"deny": ["127.0.0.0/8"]}), ASKED, status, 200, 403,
                 id="addresses of a route"),
    pytest.param(NOTHING, any_route(forbid={"query": ["db"]}), get(b"/any?db=1", GOOD), status,
                 200, 403, id="forbidden parameters"),
    pytest.param(NOTHING, {"permissions": {"project": {"transfer": "owner"}}},
                 get(b"/transfer", GOOD), status, 403, 200, id="permissions"),
    pytest.param(NOTHING, {"roles": ["admin", "owner", "developer", "viewer"]},
                 get(b"/admin", GOOD), status, 200, 403, id="roles"),
    pytest.param(NOTHING, {"mode": "shadow"}, get(b"/transfer", GOOD), status, 403, 200, id="mode"),
    pytest.param(NOTHING, {"tenants": {"acme": {"status": "suspended"}}}, ASKED, status, 200, 401,
                 id="tenants"),
    pytest.param(NOTHING, {"authentication": {"api_keys": {"header": "X-Other"}}}, ASKED, status,
                 200, 401, id="where keys are"),
    pytest.param(NOTHING, {"secrets": {"pepper": "another pepper of thirty-two or so"}}, ASKED,
                 status, 200, 401, id="pepper"),
    pytest.param(NOTHING, issuer(audiences=["billing"]), get(b"/any", TOKEN), status, 200, 401,
                 id="audiences of an issuer"),
    pytest.param(NOTHING, issuer(issuer="https://else.example"), get(b"/any", TOKEN), status, 200,
                 401, id="issuers"),
    pytest.param(NOTHING, {"body": {"max": "4B"}}, post(b"12345", b"/any", GOOD), status, 200, 413,
                 id="body cap"),
    pytest.param(NOTHING, {"body": {"content_types": ["text/plain"]}},
                 post(b"{}", b"/any", GOOD, JSON), status, 200, 415, id="content types"),
    pytest.param(NOTHING, {"body": {"schema": {"required": ["a"]}}},
                 post(b"{}", b"/any", GOOD, JSON), status, 200, 422, id="schema of bodies"),
    pytest.param(NOTHING, {"csrf": "ambient"}, post(b"", b"/public", *CROSS), status, 200, 403,
                 id="csrf"),
    pytest.param(NOTHING, {"headers": {"set": {"X-A": "1"}}}, ASKED, field(b"x-a"), [], [b"1"],
                 id="headers of answers"),
    pytest.param(NOTHING, {"cors": {"origins": ["https://a.example"]}},
                 get(b"/public", b"Origin: https://a.example"),
                 field(b"access-control-allow-origin"), [], [b"https://a.example"], id="cors"),
    pytest.param(NOTHING, {"csp": "default-src 'self'", "headers": "web"}, ASKED,
                 field(b"content-security-policy"),
                 [b"default-src 'none'; frame-ancestors 'none'"], [b"default-src 'self'"],
                 id="csp"),
    pytest.param(NOTHING, {"limits": {"address": {"limit": "9/min"}}}, ASKED,
                 field(b"ratelimit"), [], [b'"address";r=8;t=60'], id="limits"),
    pytest.param(NOTHING, {"security_txt": {"contact": "mailto:a@b.example",
                                            "expires": "2099-06-30T00:00:00Z"}},
                 get(b"/.well-known/security.txt"), status, 404, 200, id="security_txt"),
    pytest.param(NOTHING, {"absent": {}}, get(b"/favicon.ico"), field(b"cache-control"),
                 [b"no-store"], [b"public, max-age=86400"], id="absent"),
    pytest.param(NOTHING, {"listen": {"limits": {"start_line": "16B"}}},
                 get(b"/any?" + b"a" * 40, GOOD), status, 200, 414, id="limits of clients"),
    pytest.param(
        any_route(addresses={"allow": ["192.0.2.0/24"]}),
        {"listen": {"trusted_proxies": ["127.0.0.1/32"]}},
        get(b"/any", GOOD, b"X-Forwarded-For: 192.0.2.1"), status, 403, 200, id="trusted proxies",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "above", "request_", "look", "former", "then"), LIVE)
async def test_a_setting_is_in_force_for_the_next_request_of_an_open_connection(  # noqa: PLR0913, PLR0917 -- a row
    tmp_path: Path,
    before: Sections,
    above: Sections,
    request_: bytes,
    look: Callable[[Message], object],
    former: object,
    then: object,
) -> None:
    async with changing(Echo(), tmp_path, before) as sidecar, a_client(sidecar.port) as client:
        assert look(await client.ask(request_)) == former
        await sidecar.becomes(before, above)
        assert look(await client.ask(request_)) == then


async def test_the_service_and_what_it_is_told_are_those_of_the_new_policy(tmp_path: Path) -> None:
    first, second = Echo(), Echo()
    async with (
        a_service(second) as other,
        changing(first, tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.ask(ASKED)
        headers = {"identity_headers": {"tenant": "X-Org"}}
        await sidecar.becomes({"upstream": other.url}, headers)
        await client.ask(get(b"/any", GOOD, b"X-Org: globex"))
        assert (len(first.requests), len(second.requests)) == (1, 1)
        # What was an ordinary field a moment ago says who is calling now.
        assert second.requests[0].values(b"x-org") == [b"acme"]
        assert sidecar.proxy.gauge("sidecar_upstream_connections", "idle") == 1


async def test_a_head_that_has_begun_is_read_by_the_new_policy(tmp_path: Path) -> None:
    echo = Echo()
    async with changing(echo, tmp_path) as sidecar, a_client(sidecar.port) as client:
        head = get(b"/any", GOOD, b"X-Org: globex")
        await client.ask(ASKED)
        await client.send(head[:40])
        await asyncio.sleep(0.05)
        await sidecar.becomes({"identity_headers": {"tenant": "X-Org"}})
        await client.send(head[40:])
        assert (await client.response()).status == 200
        assert echo.requests[1].values(b"x-org") == [b"acme"]


async def test_a_request_in_flight_ends_on_the_policy_that_it_began_with(tmp_path: Path) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await go.wait()
        await peer.send(ok(0))

    strict = any_route(scopes=["orders:write"])
    async with changing(serve, tmp_path) as sidecar, a_client(sidecar.port) as client:
        await client.send(ASKED)
        await arrived.wait()
        await sidecar.becomes(strict, {"headers": {"set": {"X-A": "1"}}})
        go.set()
        answer = await client.response()
        assert (answer.status, answer.values(b"x-a")) == (200, [])
        assert (await client.ask(ASKED)).status == 403


@pytest.mark.control("AN-10")
@pytest.mark.parametrize(
    ("above", "code", "reason"),
    [
        pytest.param(any_route(permission="project.transfer"), 403, "login", id="a permission"),
        pytest.param({"routes": ROUTES[:1]}, 404, "no route matches", id="the route is gone"),
        pytest.param({"secrets": {"pepper": "another pepper of thirty-two or so"}}, 401, "key",
                     id="the credential"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [b"/any", b"/any?stream"])
async def test_what_goes_on_for_long_ends_when_the_new_policy_would_not_admit_it(
    tmp_path: Path, target: bytes, above: Sections, code: int, reason: str
) -> None:
    slow = Slow()
    lines = (GOOD,) if b"stream" in target else (*HANDSHAKE, GOOD)
    async with changing(slow, tmp_path) as sidecar, a_client(sidecar.port) as client:
        await client.send(get(target, *lines))
        await slow.arrived.acquire()
        await (client.until(b"data: 1") if b"stream" in target else client.head())
        await sidecar.becomes(above)
        await slow.left.acquire()
        await client.ended()
        [entry] = await entries(sidecar.proxy)
        assert reason in str(entry.reason)
        assert code in {401, 403, 404}
        await sidecar.proxy.rests()


async def test_what_goes_on_for_long_goes_on_where_the_new_policy_admits_it(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        changing(slow, tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get(b"/any", *HANDSHAKE, GOOD))
        await slow.arrived.acquire()
        former = weakref.ref(sidecar.proxy.sidecar.proxy.generation)
        await sidecar.becomes({"headers": {"set": {"X-A": "1"}}}, any_route(role="owner"))
        async with asyncio.timeout(5):
            while former() is not None:
                await asyncio.sleep(0.01)
                gc.collect()
        assert sidecar.proxy.load[2] == 1
        # It is under the new policy now: what that knows of the key ends it.
        await revoke_key(sidecar.proxy.store)
        await client.ended()


async def test_counts_of_an_unchanged_limit_survive_and_those_of_another_begin_anew(
    tmp_path: Path,
) -> None:
    three = {"limits": {"address": {"limit": "3/min"}}}
    async with changing(Echo(), tmp_path, three) as sidecar, a_client(sidecar.port) as client:
        for _ in range(2):
            assert (await client.ask(ASKED)).status == 200
        await sidecar.becomes(three, {"headers": {"set": {"X-A": "1"}}})
        assert [(await client.ask(ASKED)).status for _ in range(2)] == [200, 429]
        await sidecar.becomes({"limits": {"address": {"limit": "4/min"}}})
        assert (await client.ask(ASKED)).status == 200


async def test_who_is_locked_out_stays_so(tmp_path: Path) -> None:
    two = {"limits": {"failed_authentication": {"limit": "2/min"}}}
    wrong = get(b"/any", b"X-API-Key: wrong")
    async with changing(Echo(), tmp_path, two) as sidecar, a_client(sidecar.port) as client:
        for _ in range(3):
            await client.ask(wrong)
        await sidecar.becomes(two, {"headers": {"set": {"X-A": "1"}}})
        # Not even a good credential is looked at.
        assert (await client.ask(ASKED)).status == 429


async def test_what_a_limit_of_concurrency_holds_is_given_back(tmp_path: Path) -> None:
    slow = Slow()
    one = any_route(limits=[{"concurrency": 1, "by": "subject"}])
    async with changing(slow, tmp_path, one) as sidecar:
        async with a_client(sidecar.port) as client, a_client(sidecar.port) as other:
            await client.send(ASKED)
            await slow.arrived.acquire()
            await sidecar.becomes(one, {"headers": {"set": {"X-A": "1"}}})
            assert (await other.ask(ASKED)).status == 429
            client.reset()
        await sidecar.proxy.rests()
        assert sidecar.proxy.gauge("sidecar_rate_limit_held") == 0


async def test_a_policy_that_cannot_be_built_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with changing(Echo(), tmp_path) as sidecar, a_client(sidecar.port) as client:
        missing = str(tmp_path / "missing" / "audit.jsonl")
        with pytest.raises(OSError, match="audit sink"):
            await sidecar.becomes({"audit": {"sinks": [{"file": missing}]}, "mode": "shadow"})
        assert (await client.ask(get(b"/transfer", GOOD))).status == 403
        assert len(await entries(sidecar.proxy)) == 1


def asked_for(trail: Path) -> list[str]:
    records = map(json.loads, trail.read_text().splitlines())
    return [one["metadata"]["path"] for one in records if one["action"] == "request"]


async def test_records_go_to_the_sinks_of_the_policy_in_force(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    async with changing(Echo(), tmp_path) as sidecar, a_client(sidecar.port) as client:
        await client.ask(get(b"/public"))
        await sidecar.becomes({"audit": {"sinks": [{"file": str(other)}], "requests": "refused"}})
        await client.ask(get(b"/public"))
        await client.ask(get(b"/nowhere"))
        await sidecar.proxy.flush()
        assert asked_for(other) == ["/nowhere"]
        assert asked_for(tmp_path / "audit.jsonl") == ["/public"]


async def test_a_token_of_the_admin_api_that_is_gone_opens_nothing_on_an_open_connection(
    tmp_path: Path,
) -> None:
    def tokens(name: str) -> Sections:
        token = {"name": "ops", "token": name, "role": "admin"}
        return {"admin": {"tokens": [token]}}

    asked = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer former\r\n\r\n"
    async with (
        changing(Echo(), tmp_path, tokens("former")) as sidecar,
        a_client(sidecar.proxy.admin_port) as client,
    ):
        assert (await client.ask(asked)).status == 200
        await sidecar.becomes(tokens("other"))
        assert (await client.ask(asked)).status == 401
        await sidecar.becomes()
        assert (await client.ask(asked)).status == 404


async def becomes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- a former policy says nothing when it goes
            await asyncio.sleep(0.05)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Have nothing collected but on demand: in a sidecar that serves it nearly never is."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def scrape(port: int) -> None:
    async with a_client(port) as client:
        assert (await client.ask(SCRAPED)).status == 200


@pytest.mark.usefixtures("no_collector")
async def test_reloads_under_load_fail_no_request_and_leave_nothing_behind(tmp_path: Path) -> None:
    policies: list[Sections] = [{"headers": {"set": {"X-A": str(at)}}} for at in range(2)]
    asking = True
    answered = 0

    async def ask(sidecar: Changing) -> None:
        nonlocal answered
        async with a_client(sidecar.port) as client:
            while asking:
                assert (await client.ask(ASKED)).status == 200
                answered += 1

    async with changing(Echo(), tmp_path, issuer()) as sidecar:
        once = {"upstream": {"url": sidecar.url, "keepalive": {"connections": 1}}, **OPS}
        await sidecar.becomes(issuer(), once)
        async with a_client(sidecar.port) as client:
            assert (await client.ask(ASKED)).status == 200
        await sidecar.proxy.rests()
        before = (len(asyncio.all_tasks()), descriptors())
        clients = [asyncio.create_task(ask(sidecar)) for _ in range(4)]
        former: list[weakref.ref[Generation] | weakref.ref[Policy]] = []
        for at in range(25):
            inner = sidecar.proxy.sidecar
            former += [weakref.ref(inner.proxy.generation), weakref.ref(inner.loaded.policy)]
            await scrape(inner.admin_port)
            await sidecar.becomes(issuer(), once, policies[at % 2])
        asking = False
        await asyncio.gather(*clients)
        await sidecar.proxy.rests()
        await becomes_true(lambda: all(one() is None for one in former))
        assert answered > 25
        assert (len(asyncio.all_tasks()), descriptors()) == before
