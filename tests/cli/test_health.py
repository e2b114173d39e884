"""`sidecar health`: what a health check of a container asks, of a real sidecar and of others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.cli.main import invoke
from sidecar.fronts.admin.listener import Listener
from tests.cli.acting import said
from tests.e2e.launch import serving
from tests.ports import free_port


def a_policy(**sections: object) -> str:
    local = {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    routes = [{"path": "/**", "public": True}]
    upstream = "http://127.0.0.1:3000"
    document = {"version": 1, "listen": local, "upstream": upstream, "routes": routes}
    return json.dumps({**document, **sections})


async def asked(url: str) -> int:
    return await asyncio.to_thread(invoke, ["health", "--admin", url])


async def test_a_sidecar_that_serves_is_ready(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(a_policy(), tmp_path) as process:
        await process.becomes_ready()
        seen = said(await asked(f"http://127.0.0.1:{process.admin_port}"), capfd)
    assert (seen.code, seen.out) == (DONE, ["ready"])


async def test_a_sidecar_that_lacks_something_says_what(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/jwks.json"
    issuer = {"issuer": "https://idp.example", "audiences": ["orders"], "jwks": nobody}
    policy = a_policy(
        state="memory",
        authentication={"jwt": [{**issuer, "algorithms": ["RS256"], "claims": {"tenant": "org"}}]},
        routes=[{"path": "/**", "scopes": ["read"]}],
    )
    async with serving(policy, tmp_path) as process:
        await process.becomes_ready(ready=False)
        seen = said(await asked(f"http://127.0.0.1:{process.admin_port}"), capfd)
    assert seen.code == NO
    assert seen.out == ["not ready: no key set of https://idp.example"]


async def test_the_variable_names_the_listener_as_for_other_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(a_policy(), tmp_path) as process:
        await process.becomes_ready()
        monkeypatch.setenv("SIDECAR_ADMIN", f"http://127.0.0.1:{process.admin_port}")
        assert await asyncio.to_thread(invoke, ["health"]) == DONE


async def test_nobody_there_is_another_answer_than_not_ready(
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    seen = said(await asked(url), capfd)
    assert (seen.code, seen.out) == (FAILED, [])
    assert seen.err.startswith(f"sidecar: {url} does not answer: ")
    assert "listen.admin" in seen.err


@asynccontextmanager
async def answering(status: int, body: str) -> AsyncIterator[str]:
    """Another program than a sidecar."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/readyz", answer)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        await listener.close()


async def test_another_program_is_not_taken_for_a_sidecar(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with answering(404, "?") as url:
        seen = said(await asked(url), capfd)
    assert (seen.code, seen.err) == (
        FAILED,
        f"sidecar: {url} is no sidecar: /readyz answers 404\n",
    )


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"reasons": "a"}', '{"reasons": []}'])
async def test_an_answer_without_reasons_is_not_ready_all_the_same(
    body: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with answering(503, body) as url:
        seen = said(await asked(url), capfd)
    assert (seen.code, seen.out) == (NO, ["not ready: it does not say why"])


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:9901", "https://127.0.0.1:9901", "http://", "http://h:port", "http://h:70000"],
)
def test_what_is_no_url_is_a_mistake_of_the_user(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = said(invoke(["health", "--admin", url]), capfd)
    assert seen.code == USAGE
    assert seen.err == f"sidecar: --admin: {url!r} is no URL such as http://127.0.0.1:9901\n"
