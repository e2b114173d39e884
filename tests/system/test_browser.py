"""CORS as a browser has it: pages of several origins in a real Chromium, a real sidecar between."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.e2e.callers import a_key, a_record, sections
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import MEMORY, merged
from tests.e2e.wire import a_policy

pytestmark = pytest.mark.control("RS-4", "AN-8")

ROOT: Final = Path(__file__).parents[2]
BROWSE: Final = (str(ROOT / ".venv-peers/bin/python"), str(Path(__file__).with_name("browse.py")))
ATTEMPTS: Final = Path(__file__).with_name("attempts.js").read_text(encoding="utf-8")
BROWSE_SECONDS: Final = 180.0
# Names of nobody's, which Chromium finds on this machine. The first two are one site, so that
# cookies go along; all are other origins than the API.
RULES: Final = "MAP *.test 127.0.0.1"
API: Final = "api.shop.test"
APP: Final = "app.shop.test"
PREVIEW: Final = "pr-7.preview.test"
OWN: Final = "own.acme.test"
EMBEDDING: Final = "embedding.test"
EVIL: Final = "evil.test"

PUBLIC: Final = {"public": True}
VIEWER: Final = {"role": "viewer"}
ROUTES: Final = [
    {"path": "/any/**", **PUBLIC},
    {"path": "/small", **PUBLIC, "body": {"max": "10B"}},
    {"path": "/limited", **PUBLIC, "limits": [{"limit": "1/min", "by": "address"}]},
    {"path": "/open/**", **PUBLIC, "cors": {"origins": ["*"], "credentials": False}},
    {"path": "/strict/**", **PUBLIC, "cors": {"enforce": True}},
    {"path": "/items", "methods": ["GET"], **VIEWER},
    {"path": "/items", "methods": ["DELETE"], "role": "admin"},
    {"path": "/orgs/{org}/**", **VIEWER},
]

# What comes of each attempt, by page. What is not named is blocked.
GRANTED: Final[Mapping[str, Mapping[str, str]]] = {
    APP: {
        "read": "200 GET /any/a",
        "put": "200 PUT /any/a",
        "patch": "200 PATCH /any/a",
        "item": "200 GET /items",
        "deleted": "403 FORBIDDEN",
        "own": "200 GET /orgs/acme/a",
        "nobody": "401 UNAUTHORIZED",
        "nowhere": "404 NOT_FOUND",
        "large": "413 PAYLOAD_TOO_LARGE",
        "limited": "429 RATE_LIMITED true",
        "exposed": "true false",
        "cookie": "200 session=1",
        "anonymous": "200 ",
        "open": "200 GET /open/a",
        "events": "hello",
        "socket": "open",
        "strict": "200 DELETE /strict/a",
    },
    PREVIEW: {"read": "200 GET /any/a", "put": "200 PUT /any/a", "open": "200 GET /open/a"},
    # The preflight for /items names no tenant, and none of its pages can be in the list.
    OWN: {"own": "200 GET /orgs/acme/a", "open": "200 GET /open/a"},
    # A key in the query needs no preflight; the page is one of its project's.
    EMBEDDING: {"embedded": "200 GET /items", "open": "200 GET /open/a"},
    EVIL: {"open": "200 GET /open/a"},
}
# What pages may do whoever they are, since forms always could, and what none of them may. An answer
# that none may see is kept from them by Cross-Origin-Resource-Policy; the service was asked.
ALWAYS: Final = {"form": "unreadable"}
NEVER: Final = ("small", "unlisted", "sandboxed", "openCookie", "unseen")
VISITS: Final = (
    (APP, tuple(GRANTED[APP])),
    (APP, (*ALWAYS, *NEVER)),
    (PREVIEW, (*GRANTED[PREVIEW], "unlisted")),
    (OWN, (*GRANTED[OWN], "read", "put", "item", "nobody")),
    (EMBEDDING, (*GRANTED[EMBEDDING], "read", "item")),
    (
        EVIL,
        (
            *GRANTED[EVIL], *ALWAYS, *NEVER, "read", "put", "patch", "item", "own", "embedded",
            "nobody", "nowhere", "limited", "exposed", "cookie", "events", "socket", "strict",
        ),
    ),
)  # fmt: skip
SEEN: Final = web.AppKey("seen", list[str])
# What Chromium says of refusals that a script may read.
STATUS: Final = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


async def answer(request: web.Request) -> web.StreamResponse:
    """Do what the path says; let every page read it, as a careless service does."""
    request.app[SEEN].append(f"{request.method} {request.path}")
    careless = {"Access-Control-Allow-Origin": "*", "X-Internal": "1"}
    match request.path.rpartition("/")[2]:
        case "socket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive()
            return socket
        case "events":
            stream = web.StreamResponse(headers={**careless, "Content-Type": "text/event-stream"})
            await stream.prepare(request)
            await stream.write(b"data: hello\n\n")
            return stream
        case "login":
            response = web.Response(headers=careless)
            response.set_cookie("session", "1", httponly=True, samesite="Lax")
            return response
        case "me":
            return web.Response(text=request.headers.get("Cookie", ""), headers=careless)
        case _:
            return web.Response(text=f"{request.method} {request.path}", headers=careless)


async def page(_: web.Request) -> web.Response:
    """Serve an empty page."""
    empty = '<!doctype html><link rel="icon" href="data:,"><title>a page</title>'
    return web.Response(text=empty, content_type="text/html")


@asynccontextmanager
async def an_application(handler: Handler, seen: list[str]) -> AsyncIterator[int]:
    """Run a handler for all requests; gives the port."""
    application = web.Application()
    application[SEEN] = seen
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def a_shop(upstream: int, pages: int, folder: Path) -> str:
    """Write the policy: who may, on which port pages are."""
    cors = {
        "origins": [f"http://{APP}:{pages}", f"http://*.preview.test:{pages}"],
        "credentials": True,
    }
    tenants = {
        "acme": {
            "origins": [f"http://{OWN}:{pages}"],
            "projects": {"shop": {"domains": [EMBEDDING]}},
        }
    }
    keys = {"api_keys": {"query": "key"}}
    own = {"cors": cors, "tenants": tenants, "authentication": keys, "routes": ROUTES}
    return a_policy(f"http://127.0.0.1:{upstream}", **merged(sections(folder, MEMORY), own))


async def browsed(plan: Mapping[str, object]) -> list[Mapping[str, Any]]:
    """Have the browser carry out a plan."""
    browser = await asyncio.create_subprocess_exec(
        *BROWSE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(BROWSE_SECONDS):
        out, err = await browser.communicate(json.dumps(plan).encode())
    assert browser.returncode == 0, err.decode()[-4000:]
    found: list[Mapping[str, Any]] = json.loads(out)
    return found


async def keys_of(proxy: Running) -> Mapping[str, str]:
    """Make the keys that pages have."""
    key, publishable = a_key("page"), a_key("embedded", "pk")
    assert await proxy.store.add_key(a_record("page", key, "viewer"))
    facts = {"kind": "publishable", "project": "shop"}
    assert await proxy.store.add_key(a_record("embedded", publishable, "viewer", **facts))
    return {"key": key, "publishable": publishable}


@pytest.mark.timeout(BROWSE_SECONDS + 20)
async def test_a_browser_lets_each_page_do_what_the_policy_says(tmp_path: Path) -> None:
    seen: list[str] = []
    async with (
        an_application(answer, seen) as upstream,
        an_application(page, []) as pages,
        running(a_shop(upstream, pages, tmp_path), tmp_path) as proxy,
    ):
        using = {"api": f"http://{API}:{proxy.port}", **await keys_of(proxy)}
        visits = [
            {"url": f"http://{host}:{pages}/", "attempts": tried, "with": using}
            for host, tried in VISITS
        ]
        found = await browsed({"rules": RULES, "script": ATTEMPTS, "visits": visits})
        trail = await proxy.records()
    for (host, tried), visit in zip(VISITS, found, strict=True):
        granted = {**ALWAYS, **GRANTED[host]}
        assert visit["outcomes"] == {name: granted.get(name, "blocked") for name in tried}, host
    assert not [request for request in seen if request.startswith("OPTIONS")]
    # Forms reach the service from everywhere; what no form can send came from one page alone.
    assert seen.count("POST /any/form") == 2
    assert seen.count("POST /any/unseen") == 2
    assert seen.count("PUT /any/a") == 2
    assert seen.count("DELETE /strict/a") == 1
    assert seen.count("GET /strict/socket") == 1
    assert {record["outcome"] for record in trail} <= {"admitted", "answered", "refused"}
    # The page that may do what it does hears of nothing but the statuses that it was to read.
    told = [STATUS.match(error) for error in found[0]["errors"]]
    assert sorted(one[1] if one else "" for one in told) == ["401", "403", "404", "413", "429"]
