"""What pages of other origins may do, over real sockets: a table, and what no table can say."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from sidecar.model.identity import KeyStatus, TenantId, TenantRecord
from tests.corpora.reader import Message
from tests.e2e.callers import a_key, a_record
from tests.e2e.conftest import Running
from tests.e2e.guarded import MEMORY, guarded
from tests.e2e.records import entry_of
from tests.e2e.wire import Peer, a_client, get

pytestmark = pytest.mark.control("RS-4")

TABLE: Final = Path(__file__).with_name("cors.txt").read_text(encoding="utf-8")
CONSOLE: Final = b"Origin: https://console.example"
EVIL: Final = b"Origin: https://evil.example"
VIEWER: Final = {"role": "viewer"}
PUBLIC: Final = {"public": True}
CORS: Final = {
    "origins": [
        "https://console.example",
        "https://*.preview.example",
        "https://shop.example:8443",
        "http://localhost:3000",
    ],
    "credentials": True,
}
ROUTES: Final = [
    {"path": "/any/**", **PUBLIC},
    {"path": "/off/**", **PUBLIC, "cors": False},
    {"path": "/bad/**", **PUBLIC},
    {"path": "/gone/**", **PUBLIC, "upstream": "http://127.0.0.1:1"},
    {"path": "/near/**", **PUBLIC, "cors": {"private_network": True}},
    {"path": "/strict/**", **PUBLIC, "cors": {"enforce": True}},
    {"path": "/guarded/**", **VIEWER, "cors": {"enforce": True}},
    {
        "path": "/open/**",
        **PUBLIC,
        "cors": {"origins": ["*"], "credentials": False, "request_headers": ["*"]},
    },
    {
        "path": "/partner/**",
        **PUBLIC,
        "cors": {
            "origins": ["https://partner.example"],
            "credentials": False,
            "max_age": "1h",
            "methods": ["GET"],
            "request_headers": ["X-Custom"],
            "expose_headers": ["X-Total-Count"],
        },
    },
    {"path": "/v1/items", "methods": ["GET", "POST"], **VIEWER},
    {"path": "/v1/items", "methods": ["DELETE"], "role": "admin"},
    {"path": "/v1/options", "methods": ["GET", "OPTIONS"], **PUBLIC},
    {"path": "/orgs/{org}/**", **VIEWER},
    {"path": "/console/{tenant}", **VIEWER, "cors": {"tenant_origins": "ignore"}},
    {"path": "/only/**", **VIEWER, "cors": {"tenant_origins": "only"}},
]
TENANTS: Final = {
    "acme": {
        "tier": "pro",
        "origins": ["https://app.acme.example"],
        "projects": {"shop": {"domains": ["home.example"]}},
    },
    "globex": {"origins": ["https://app.globex.example"]},
    "plain": {},
    "idle": {"status": "suspended", "origins": ["https://app.idle.example"]},
}
WEBSOCKET: Final = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Row(NamedTuple):
    """A request, and what comes of it."""

    name: str
    method: bytes
    target: bytes
    words: list[str]
    status: int
    told: str
    lines: list[str]
    reason: str


def rows() -> Iterator[Row]:
    for block in TABLE.split("\n== ")[1:]:
        title, *lines = block.strip("\n").split("\n")
        for line in filter(None, lines):
            name, request, words, status, said = (part.strip() for part in line.split(" | "))
            method, target = request.encode().split(b" ")
            found = re.fullmatch(r"(\w+)(?:; (.+?))?(?: \((.+)\))?", said)
            assert found is not None, line
            yield Row(
                f"{title}: {name}",
                method,
                target,
                [word for word in words.split("; ") if word],
                int(status),
                found[1],
                (found[2] or "").split("; ") if found[2] else [],
                found[3] or "",
            )


class Careless:
    """A service that lets every page read everything, and says what it answers depends on."""

    def __init__(self) -> None:
        self.requests: list[Message] = []

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while peer.waiting or await peer.more():
            request = await peer.request()
            self.requests.append(request)
            if request.start[1].startswith(b"/bad") or request.values(b"upgrade"):
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
                return
            await peer.send(
                b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n"
                b"access-control-allow-credentials: true\r\nAccess-Control-Expose-Headers: *\r\n"
                b"Vary: Accept-Encoding\r\nContent-Length: 0\r\n\r\n"
            )


@asynccontextmanager
async def crossed(
    folder: Path, service: Careless | None = None, **more: object
) -> AsyncIterator[Running]:
    """Run a sidecar with the policy of the table and its callers."""
    own: dict[str, object] = {"cors": CORS, "tenants": TENANTS, "routes": ROUTES}
    async with guarded(service or Careless(), folder, MEMORY, **{**own, **more}) as proxy:
        for name, key, facts in (
            ("viewer", a_key("viewer"), {}),
            ("other", a_key("other"), {"tenant": "plain"}),
            ("page", a_key("page", "pk"), {"kind": "publishable", "project": "shop"}),
        ):
            assert await proxy.store.add_key(a_record(name, key, "viewer", **facts))
        yield proxy


KEYS: Final = {
    "viewer": a_key("viewer"),
    "other": a_key("other"),
    "page": a_key("page", "pk"),
}
_LINES: Final = {
    "from": "Origin: ",
    "asks": "Access-Control-Request-Method: ",
    "fields": "Access-Control-Request-Headers: ",
}


def written(row: Row) -> bytes:
    """Write the request of a row."""
    lines: list[bytes] = []
    body = b""
    for word in row.words:
        kind, _, rest = word.partition(" ")
        if kind == "as":
            lines.append(f"X-API-Key: {KEYS[rest]}".encode())
        elif kind == "body":
            body = b"x" * int(rest)
            lines.append(b"Content-Length: %d" % len(body))
        elif kind == "websocket":
            lines += WEBSOCKET
        else:
            lines.append(raw(_LINES[kind] + rest if kind in _LINES else word))
    return get(row.target, *lines, method=row.method) + body


def raw(text: str) -> bytes:
    """Write a field line; what stands in braces is repeated."""
    text = re.sub(r"\{(.+)\}", lambda found: found[1] * 1000, text)
    return re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), text.encode())


def told(answer: Message, origin: str) -> str:
    """Say in the words of the table what a browser is told."""
    allowed = answer.values(b"access-control-allow-origin")
    fields = {name for name, _ in answer.fields if name.startswith(b"access-")}
    if not fields:
        return "shut"
    if allowed == [b"*"]:
        return "own" if answer.values(b"access-control-allow-credentials") else "all"
    assert allowed == [origin.encode()]
    credentials = answer.values(b"access-control-allow-credentials")
    assert credentials in ([], [b"true"])
    return "open" if credentials else "bare"


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows()])
async def test_a_page_gets_what_the_table_says(row: Row, tmp_path: Path) -> None:
    service = Careless()
    origin = next((word[5:] for word in row.words if word.startswith("from ")), "")
    async with crossed(tmp_path, service) as proxy, a_client(proxy.port) as client:
        answer = await client.ask(written(row))
        assert (answer.status, told(answer, origin)) == (row.status, row.told)
        for line in row.lines:
            name, _, value = line.partition(": ")
            assert answer.values(name.lower().encode()) == (
                [value.encode()] if value != "-" else []
            )
        client.close()
        await proxy.rests()
        entry = entry_of((await proxy.records())[0])
        if row.reason:
            assert entry.reason == row.reason
    is_preflight = answer.status == 204
    assert_varies(answer, row.told, is_preflight=is_preflight)
    assert bool(service.requests) is (row.status in {200, 502})
    if is_preflight:
        assert (answer.body, answer.values(b"content-length")) == (b"", [])
        assert entry.outcome == "answered"


def assert_varies(answer: Message, told: str, *, is_preflight: bool) -> None:
    """Hold that caches keep answers apart."""
    values = answer.values(b"vary")
    assert len(values) <= 1
    members = values[0].lower().split(b", ") if values else []
    if told not in {"all", "own"} or is_preflight:
        assert b"origin" in members
    if is_preflight:
        assert b"access-control-request-method" in members
        assert b"access-control-request-headers" in members
    assert len(members) == len(set(members))


def face(answer: Message) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Take from an answer what tells one request from another."""
    fields = [f for f in answer.fields if f[0] not in {b"date", b"x-request-id"}]
    return answer.start[0], fields, answer.body


@pytest.mark.control("AN-6")
@pytest.mark.parametrize("target", [b"/v1/items", b"/orgs/acme/x", b"/orgs/idle/x", b"/only/x"])
@pytest.mark.parametrize(
    "origin", [b"https://console.example", b"https://app.acme.example", b"https://home.example"]
)
async def test_no_401_tells_a_page_what_was_wrong(
    target: bytes, origin: bytes, tmp_path: Path
) -> None:
    async with crossed(tmp_path) as proxy, a_client(proxy.port) as client:
        idle = a_record("idle", a_key("idle"), "viewer", tenant="idle")
        assert await proxy.store.add_key(idle)
        gone = a_record("gone", a_key("gone"), "viewer", status=KeyStatus.REVOKED)
        assert await proxy.store.add_key(gone)
        lines = (
            b"X-Nothing: x",
            b"X-API-Key: sk_short",
            *(f"X-API-Key: {a_key(name)}".encode() for name in ("unheard", "idle", "gone")),
            f"X-API-Key: {a_key('unheard', 'pk')}".encode(),
            b"Authorization: Bearer x.y.z",
        )
        page = b"Origin: " + origin
        faces = [face(await client.ask(get(target, page, line))) for line in lines]
        assert faces[0][0] == b"401"
        assert faces == [faces[0]] * len(faces)


async def test_a_tenant_s_path_that_is_another_s_looks_like_no_route(tmp_path: Path) -> None:
    async with crossed(tmp_path, tenant_mismatch=404) as proxy, a_client(proxy.port) as client:
        key = f"X-API-Key: {KEYS['viewer']}".encode()
        for origin in (b"https://app.acme.example", b"https://app.globex.example", b"null"):
            lines = (b"Origin: " + origin, key)
            mismatch = await client.ask(get(b"/orgs/globex/x", *lines))
            unknown = await client.ask(get(b"/nowhere", *lines))
            assert (mismatch.status, face(mismatch)) == (404, face(unknown))


async def test_preflights_count_towards_the_limit_of_the_address_alone(tmp_path: Path) -> None:
    ask = get(b"/any/x", CONSOLE, b"Access-Control-Request-Method: PUT", method=b"OPTIONS")
    limits = {"address": {"limit": "6/min"}, "failed_authentication": {"limit": "1/min"}}
    tiers = {"anonymous": {"limit": "1/min", "by": "address"}}
    async with (
        crossed(tmp_path, limits=limits, tiers=tiers) as proxy,
        a_client(proxy.port) as client,
    ):
        assert [(await client.ask(ask)).status for _ in range(3)] == [204] * 3
        assert (await client.ask(get(b"/any/x", CONSOLE))).status == 200
        limited = await client.ask(get(b"/any/x", CONSOLE))
        assert limited.status == 429
        assert told(limited, "https://console.example") == "open"
        assert limited.values(b"retry-after")
        [exposed] = limited.values(b"access-control-expose-headers")
        assert {b"Retry-After", b"RateLimit"} <= set(exposed.split(b", "))
        assert (await client.ask(ask)).status == 204
        spent = await client.ask(ask)
        assert (spent.status, told(spent, "https://console.example")) == (429, "open")


async def test_the_origins_of_a_tenant_of_the_store_count(tmp_path: Path) -> None:
    ask = b"Access-Control-Request-Method: GET"
    page = b"Origin: https://pr-7.stored.example"
    record = TenantRecord(TenantId("stored"), origins=("https://*.stored.example",))
    async with crossed(tmp_path) as proxy, a_client(proxy.port) as client:
        assert await proxy.store.put_tenant(record)
        granted = await client.ask(get(b"/orgs/stored/x", page, ask, method=b"OPTIONS"))
        assert granted.status == 204
        other = await client.ask(get(b"/orgs/stored/x", EVIL, ask, method=b"OPTIONS"))
        assert other.status == 403
        refused = await client.ask(get(b"/orgs/stored/x", page))
        assert (refused.status, told(refused, page.decode()[8:])) == (401, "open")


async def test_a_connection_goes_on_after_a_preflight_with_a_body(tmp_path: Path) -> None:
    ask = (CONSOLE, b"Access-Control-Request-Method: PUT", b"Content-Length: 5")
    service = Careless()
    async with crossed(tmp_path, service) as proxy, a_client(proxy.port) as client:
        whole = get(b"/any/x", *ask, method=b"OPTIONS") + b"GET /"
        await client.send(whole + get(b"/any/y", CONSOLE))
        assert (await client.response(b"OPTIONS")).status == 204
        assert (await client.response()).status == 200
        assert [request.start[1] for request in service.requests] == [b"/any/y"]


async def test_a_preflight_whose_body_is_not_there_yet_ends_the_connection(tmp_path: Path) -> None:
    ask = (CONSOLE, b"Access-Control-Request-Method: PUT", b"Transfer-Encoding: chunked")
    async with crossed(tmp_path) as proxy, a_client(proxy.port) as client:
        answer = await client.ask(get(b"/any/x", *ask, method=b"OPTIONS"))
        assert (answer.status, answer.values(b"connection")) == (204, [b"close"])


async def test_shadow_mode_records_what_it_would_refuse_and_leaves_the_service_s_word(
    tmp_path: Path,
) -> None:
    service = Careless()
    async with (
        crossed(tmp_path, service, mode="shadow") as proxy,
        a_client(proxy.port) as client,
    ):
        ask = b"Access-Control-Request-Method: PUT"
        answer = await client.ask(get(b"/any/x", EVIL, ask, method=b"OPTIONS"))
        assert (answer.status, told(answer, "")) == (200, "own")
        assert len(service.requests) == 1
        strict = await client.ask(get(b"/strict/x", EVIL, method=b"PUT"))
        assert strict.status == 200
        granted = await client.ask(get(b"/any/x", CONSOLE, ask, method=b"OPTIONS"))
        assert (granted.status, told(granted, "https://console.example")) == (204, "open")
        records = await proxy.records()
        noted = [str(record["metadata"]).count("ORIGIN_NOT_ALLOWED") for record in records]
        assert noted == [1, 1, 0]


async def test_a_preflight_is_counted_as_answered_and_no_refusal(tmp_path: Path) -> None:
    ask = b"Access-Control-Request-Method: PUT"
    async with (
        crossed(tmp_path, audit={"requests": "refused"}) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/any/x", CONSOLE, ask, method=b"OPTIONS"))).status == 204
        assert (await client.ask(get(b"/any/x", EVIL, ask, method=b"OPTIONS"))).status == 403
        [record] = await proxy.records()
        assert entry_of(record).code == "ORIGIN_NOT_ALLOWED"
        snapshot = proxy.sidecar.proxy.metrics.snapshot()
        endings = {tuple(labels) for labels, _ in snapshot["sidecar_requests_total"]}
        assert endings == {
            ("/any/**", "OPTIONS", "204", "answered"),
            ("/any/**", "OPTIONS", "403", "refused"),
        }
        [(refusal, _)] = snapshot["sidecar_refusals_total"]
        assert tuple(refusal) == ("preflight", "ORIGIN_NOT_ALLOWED")


async def test_without_cors_the_service_answers_for_itself(tmp_path: Path) -> None:
    service = Careless()
    async with crossed(tmp_path, service, cors=None) as proxy, a_client(proxy.port) as client:
        ask = b"Access-Control-Request-Method: PUT"
        answer = await client.ask(get(b"/any/x", EVIL, ask, method=b"OPTIONS"))
        assert (answer.status, told(answer, "")) == (200, "own")
        assert answer.values(b"vary") == [b"Accept-Encoding"]
        refused = await client.ask(get(b"/v1/items", EVIL, ask, method=b"OPTIONS"))
        assert (refused.status, told(refused, "")) == (405, "shut")
        assert refused.values(b"vary") == []
