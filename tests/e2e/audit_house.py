"""A sidecar to which everything happens: every refusal, every action, with canaries everywhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Whoever admits callers imports these when a policy asks for it: a test's loop would wait for it.
import sidecar.adapters.audit.staff
import sidecar.adapters.clients.alert_webhook
import sidecar.adapters.clients.key_sets
import sidecar.decision.bodies
import sidecar.decision.callers
import sidecar.decision.mcp
import sidecar.decision.steps.mcp_forward
import sidecar.decision.webhooks
import sidecar.knowledge.auth.tokens
import sidecar.lifecycle.desk  # noqa: F401 -- for what the imports do
from sidecar.model.identity import TenantId, TenantRecord
from sidecar.model.refusals import RefusalCode
from tests.corpora.reader import Message
from tests.e2e.callers import a_key, a_record, a_token, sections
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import MEMORY, merged
from tests.e2e.mcp_attacks import a_call
from tests.e2e.wire import Peer, a_client, a_policy, a_service, get, ok, post

CANARY: Final = b"c4n4ry"
QUERY: Final = b"?q=" + CANARY
ADMIN_TOKEN: Final = b"c4n4ry-token-of-the-admin-listener"
SPICE: Final = (
    b"X-Note: " + CANARY,
    b"Cookie: session=" + CANARY,
    b"Referer: https://a.example/?" + CANARY,
)
JSON: Final = b"Content-Type: application/json"
FORM: Final = b"Content-Type: application/x-www-form-urlencoded"
BODY: Final = b'{"note": "' + CANARY + b'"}'
HANDSHAKE: Final = (
    b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
KEY: Final = a_key("good")
GOOD: Final = b"X-API-Key: " + KEY.encode()
BROKEN: Final = b"X-API-Key: " + a_key("broken").encode()
UNREACHABLE: Final = "https://away.example"
ISSUER: Final = {
    "issuer": UNREACHABLE,
    "audiences": ["orders"],
    "algorithms": ["RS256"],
    "jwks": "http://127.0.0.1:1/jwks",
}
SCHEMA: Final = {"type": "object", "required": ["id"]}
ROUTES: Final[list[Mapping[str, object]]] = [
    {"path": "/api", "public": True, "methods": ["GET", "POST"], "body": {"max": "99B"}},
    {"path": "/home", "public": True, "addresses": {"allow": ["10.0.0.0/8"]}},
    {"path": "/gone", "public": True, "upstream": "http://127.0.0.1:1"},
    {"path": "/scoped", "scopes": ["nobody:has"]},
    {"path": "/keys", "role": "viewer"},
    {"path": "/pages", "public": True, "cors": {"origins": ["https://shop.example"]}},
    {"path": "/write", "public": True, "csrf": {"applies_to": "all"}},
    {"path": "/mcp", "public": True, "mcp": {"tools": {"anonymous": ["search"]}}},
    {"path": "/schema", "public": True, "body": {"schema": SCHEMA}},
    {"path": "/form", "public": True, "forbid": {"form": ["db_id"]}},
    {"path": "/few", "public": True, "limits": {"limit": "1/h", "by": "route"}},
    {"path": "/slow", "public": True, "timeouts": {"response": "300ms"}},
    {"path": "/garbled", "public": True},
    {"path": "/ws", "public": True},
    {"path": "/own", "role": "viewer"},
    {
        "path": "/hooks/{tenant}",
        "public": True,
        "methods": ["POST"],
        "webhook": {"scheme": "github", "tenant_secret": "hook"},
    },
    {
        "path": "/accounts/{account}",
        "public": True,
        "action": [
            {"name": "account.created", "resource_type": "account", "resource_id": "{account}"},
            {"name": "auth.failure", "status": [401, 403]},
        ],
    },
]


async def serve(peer: Peer) -> None:
    """Answer as the path says: late, with garbage, with a WebSocket, or with what was asked."""
    while peer.waiting or await peer.more():
        if peer.waiting.startswith(b"GET /ws"):
            await peer.head()
            await peer.send(SWITCHING)
            await peer.ended()
            return
        target = (await peer.request()).start[1]
        if target.startswith(b"/slow"):
            await peer.ended()
        elif target.startswith(b"/garbled"):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: " + CANARY + b"\r\n\r\n")
        elif target.startswith(b"/accounts/denied"):
            await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        else:
            await peer.send(ok(len(CANARY)) + CANARY)


@dataclass(frozen=True, slots=True)
class House:
    """The sidecar, and where its trail is."""

    proxy: Running
    trail: Path

    async def ask(self, request: bytes) -> Message:
        """Ask the proxy on a connection of its own."""
        async with a_client(self.proxy.port) as client:
            return await client.ask(request)

    async def operate(self, method: bytes, path: bytes, **members: object) -> dict[str, object]:
        """Ask the admin API."""
        body = json.dumps(members).encode() if members else b""
        lines = (b"Authorization: Bearer " + ADMIN_TOKEN, b"Content-Length: %d" % len(body), JSON)
        request = get(path, *lines, method=method).replace(b"a.example", b"localhost") + body
        async with a_client(self.proxy.admin_port) as client:
            answer = await client.ask(request)
        found: dict[str, object] = json.loads(answer.body)
        return found

    async def lines(self) -> list[bytes]:
        """Read the trail, byte by byte as it was written."""
        await self.proxy.rests()
        await self.proxy.flush()
        return self.trail.read_bytes().splitlines()


@asynccontextmanager
async def a_house(folder: Path, **more: object) -> AsyncIterator[House]:
    """Run the sidecar; sections are laid over the policy's."""
    own = sections(folder, MEMORY)
    (folder / "admin").write_bytes(ADMIN_TOKEN)
    (folder / "master").write_bytes(b"\x01" * 32)
    async with a_service(serve) as service, a_service(serve) as away:
        given: dict[str, object] = {
            "admin": {"tokens": [{"name": "ops", "token": "file:admin", "role": "admin"}]},
            "secrets": {"master_key": "file:master"},
            "blocks": {},
            "reports": {"audit": True},
            "routes": ROUTES,
            "audit": {"alerts": {}},
            "listen": {
                "timeouts": {"body": "300ms"},
                "limits": {"requests": 1, "start_line": "2KB", "head": "4KB"},
            },
            **more,
        }
        policy = merged(own, given)
        authentication = own["authentication"]
        assert isinstance(authentication, dict)
        authentication["jwt"] = [*authentication["jwt"], ISSUER]
        async with running(a_policy(service.url, **policy), folder) as proxy:
            assert await proxy.store.add_key(a_record("good", KEY, "owner"))
            broken = a_record("broken", a_key("broken"), "owner", roles=("owner", 7))
            assert await proxy.store.add_key(broken)
            own_upstream = TenantRecord(
                TenantId("globex"), upstream=away.url, upstream_credential="model"
            )
            assert await proxy.store.put_tenant(own_upstream)
            house = House(proxy, folder / "audit.jsonl")
            for name in ("hook", "model"):
                value = {"value": CANARY.decode()}
                await house.operate(
                    b"PUT", b"/v1/secrets/%b?tenant=globex" % name.encode(), **value
                )
            yield house


# --- every refusal

Act = Callable[[House], Awaitable[object]]


def asks(*requests: bytes) -> Act:
    """Make somebody who asks these, one after another."""

    async def act(house: House) -> None:
        for request in requests:
            await house.ask(request)

    return act


async def _falls_silent(house: House) -> None:
    async with a_client(house.proxy.port) as client:
        await client.send(post(BODY, b"/api" + QUERY, *SPICE)[:-2])
        await client.response()


async def _two_at_once(house: House) -> None:
    async with a_client(house.proxy.port) as first:
        await first.send(get(b"/slow" + QUERY, *SPICE))
        await house.proxy.becomes(1, 1, 0, 1)
        await house.ask(get(b"/api" + QUERY, *SPICE))
        await first.response()


def _preflight(origin: bytes) -> bytes:
    asked = (b"Origin: " + origin, b"Access-Control-Request-Method: PUT")
    return get(b"/pages" + QUERY, *asked, *SPICE, method=b"OPTIONS")


REFUSED: Final[Mapping[RefusalCode, Act]] = {
    RefusalCode.BAD_REQUEST: asks(
        get(b"/api/%2e%2e/x" + QUERY, *SPICE), b"GET / HTTP/1.1\r\n" + CANARY + b"\r\n\r\n"
    ),
    RefusalCode.UNAUTHORIZED: asks(
        get(b"/keys" + QUERY, *SPICE),
        get(b"/keys", b"X-API-Key: sk_" + CANARY),
        get(b"/keys", b"Authorization: Bearer " + a_token(sub=CANARY.decode()) + CANARY),
        get(b"/keys", b"Authorization: Basic " + CANARY),
        post(BODY, b"/hooks/globex" + QUERY, JSON, b"X-Hub-Signature-256: sha256=" + CANARY),
    ),
    RefusalCode.FORBIDDEN: asks(get(b"/home" + QUERY, *SPICE)),
    RefusalCode.INSUFFICIENT_SCOPE: asks(get(b"/scoped" + QUERY, GOOD, *SPICE)),
    RefusalCode.ORIGIN_NOT_ALLOWED: asks(_preflight(b"https://evil.example")),
    RefusalCode.CSRF: asks(post(BODY, b"/write" + QUERY, b"Origin: https://evil.example", *SPICE)),
    RefusalCode.TOOL_NOT_ALLOWED: asks(
        post(a_call("delete", q=CANARY.decode()), b"/mcp" + QUERY, JSON, *SPICE)
    ),
    RefusalCode.NOT_FOUND: asks(get(b"/nowhere" + QUERY, *SPICE)),
    RefusalCode.METHOD_NOT_ALLOWED: asks(get(b"/api" + QUERY, *SPICE, method=b"DELETE")),
    RefusalCode.REQUEST_TIMEOUT: _falls_silent,
    RefusalCode.PAYLOAD_TOO_LARGE: asks(post(BODY * 9, b"/api" + QUERY, *SPICE)),
    RefusalCode.URI_TOO_LONG: asks(get(b"/api?" + CANARY * 400)),
    RefusalCode.UNSUPPORTED_MEDIA_TYPE: asks(
        post(BODY, b"/api" + QUERY, b"Content-Type: application/grpc", *SPICE)
    ),
    RefusalCode.UNPROCESSABLE: asks(
        post(BODY, b"/schema" + QUERY, JSON, *SPICE),
        post(b"db_id=" + CANARY, b"/form" + QUERY, FORM, *SPICE),
        post(a_call("search", q="<|im_start|>" + CANARY.decode()), b"/mcp", JSON),
    ),
    RefusalCode.RATE_LIMITED: asks(*[get(b"/few" + QUERY, *SPICE)] * 2),
    RefusalCode.HEADERS_TOO_LARGE: asks(get(b"/api", b"X-Note: " + CANARY * 900)),
    RefusalCode.INTERNAL: asks(get(b"/keys" + QUERY, BROKEN, *SPICE)),
    RefusalCode.NOT_IMPLEMENTED: asks(get(b"/api" + QUERY, *SPICE, method=b"TRACE")),
    RefusalCode.BAD_GATEWAY: asks(get(b"/garbled" + QUERY, *SPICE)),
    RefusalCode.OVERLOADED: _two_at_once,
    RefusalCode.STORE_UNAVAILABLE: asks(
        get(b"/keys" + QUERY, b"Authorization: Bearer " + a_token(iss=UNREACHABLE), *SPICE)
    ),
    RefusalCode.UPSTREAM_UNAVAILABLE: asks(get(b"/gone" + QUERY, *SPICE)),
    RefusalCode.UPSTREAM_TIMEOUT: asks(get(b"/slow" + QUERY, *SPICE)),
    RefusalCode.VERSION_NOT_SUPPORTED: asks(b"GET /%b HTTP/2.0\r\n\r\n" % QUERY),
}
"""By code, who is refused with it on the proxy listener."""
OF_OPERATORS: Final = frozenset({RefusalCode.CONFLICT})
"""Codes of the admin API alone: their records are those of what the operator tried."""


# --- every action


async def _opens_a_websocket(house: House) -> None:
    async with a_client(house.proxy.port) as client:
        await client.send(get(b"/ws" + QUERY, *HANDSHAKE, *SPICE))
        await client.head()
        await client.send(CANARY)


async def _asks_without_a_token(house: House) -> None:
    request = get(b"/v1/keys" + QUERY, b"Authorization: Bearer " + CANARY)
    async with a_client(house.proxy.admin_port) as client:
        await client.ask(request.replace(b"a.example", b"localhost"))


async def _works_on_keys(house: House) -> None:
    made = await house.operate(b"POST", b"/v1/keys", tenant="acme", label=CANARY.decode())
    path = b"/v1/keys/%b" % str(made["id"]).encode()
    for verb in (b"/disable", b"/enable"):
        await house.operate(b"POST", path + verb)
    await house.operate(b"POST", path + b"/rotate", grace="1h")
    await house.operate(b"POST", path + b"/revoke")
    line = {"digest": "ab" * 32, "prefix": "sk_01234567", "tenant": "acme"}
    await house.operate(b"POST", b"/v1/keys/import", keys=[line])


async def _works_on_tenants(house: House) -> None:
    await house.operate(b"POST", b"/v1/tenants", id="initech", attributes={"note": CANARY.decode()})
    await house.operate(b"POST", b"/v1/tenants", id="initech")
    path = b"/v1/tenants/initech"
    await house.operate(b"PATCH", path, attributes={"note": CANARY.decode()})
    for verb in (b"/suspend", b"/resume", b"/breach", b"/revoke-tokens"):
        await house.operate(b"POST", path + verb)
    await house.operate(b"DELETE", path)
    await house.operate(b"POST", b"/v1/tokens/revoke", jti="t1")


async def _works_on_secrets(house: House) -> None:
    path = b"/v1/secrets/%b?tenant=acme"
    await house.operate(b"PUT", path % b"spare", value=CANARY.decode())
    await house.operate(b"POST", path % b"reseal")
    await house.operate(b"DELETE", path % b"spare")


async def _works_on_blocks(house: House) -> None:
    await house.operate(b"POST", b"/v1/blocks", kind="address", value="203.0.113.7")
    await house.operate(b"DELETE", b"/v1/blocks?kind=address&value=203.0.113.7")


async def _asks_why(house: House) -> None:
    await house.operate(b"GET", b"/v1/explain/0190a4c2-0000-7000-8000-000000000000")


async def _asks_with_a_credential(house: House) -> None:
    key = a_key("of globex")
    record = a_record("of globex", key, "owner", tenant=TenantId("globex"))
    assert await house.proxy.store.add_key(record)
    await house.ask(get(b"/own" + QUERY, b"X-API-Key: " + key.encode(), *SPICE))


async def _asks_as_staff(house: House) -> None:
    key = a_key("of staff")
    assert await house.proxy.store.add_key(a_record("of staff", key, "owner", "staff"))
    await house.ask(get(b"/keys" + QUERY, b"X-API-Key: " + key.encode(), *SPICE))


async def _works_as_an_operator(house: House) -> None:
    await house.operate(b"GET", b"/v1/keys")


async def _reads_the_trail(house: House) -> None:
    await house.operate(b"GET", b"/v1/audit?tenant=acme")
    await house.operate(b"GET", b"/v1/audit/export?action=key.*")


_REPORT: Final = json.dumps(
    {
        "csp-report": {
            "document-uri": "https://shop.example/cart?" + CANARY.decode(),
            "effective-directive": "script-src",
            "blocked-uri": "https://evil.example/" + CANARY.decode(),
            "disposition": "enforce",
        }
    }
).encode()
_KEYS: Final = ("create", "import", "rotate", "revoke", "disable", "enable")
_TENANTS: Final = ("create", "update", "suspend", "resume", "delete", "breach")

PRODUCED: Final[Mapping[str, Act]] = {
    "request": asks(get(b"/api" + QUERY, *SPICE), _preflight(b"https://shop.example")),
    "websocket": _opens_a_websocket,
    "tool.call": asks(post(a_call("search", q=CANARY.decode()), b"/mcp" + QUERY, JSON, *SPICE)),
    "auth.failure": asks(get(b"/keys" + QUERY, *SPICE)),
    "admin.authenticate": _asks_without_a_token,
    **dict.fromkeys([f"key.{verb}" for verb in _KEYS], _works_on_keys),
    **dict.fromkeys([f"tenant.{verb}" for verb in _TENANTS], _works_on_tenants),
    "token.revoke": _works_on_tenants,
    **dict.fromkeys([f"secret.{verb}" for verb in ("set", "delete", "reseal")], _works_on_secrets),
    "secret.access": _asks_with_a_credential,
    "block.create": _works_on_blocks,
    "block.remove": _works_on_blocks,
    "alert.admin_access": _works_as_an_operator,
    "audit.read": _reads_the_trail,
    "audit.export": _reads_the_trail,
    "alert.staff_access": _asks_as_staff,
    "explain.read": _asks_why,
    "csp.report": asks(
        post(_REPORT, b"/.sidecar/reports", b"Content-Type: application/csp-report")
    ),
}
"""By action of the catalogue, who causes it."""
BY_LEDGERS: Final = frozenset(
    {
        "alert.undelivered",
        "audit.checkpoint",
        "audit.erase",
        "audit.gap",
        "audit.purge",
        "audit.start",
        "audit.torn",
        "config.reload",
    }
)
"""What a trail says of itself, of removals, of sinks and webhooks that stall, and of reloads by a
process of its own: their own tests cause it."""


async def everything(house: House) -> None:
    """Let everything happen, once."""
    for act in dict.fromkeys([*REFUSED.values(), *PRODUCED.values()]):
        async with asyncio.timeout(20):
            await act(house)
