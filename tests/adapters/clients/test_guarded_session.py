"""Whoever is called cannot make the sidecar wait, swell, or speak to somebody else."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.adapters.clients.guarded_session import Call, GuardedSession
from sidecar.model.errors import StoreUnavailableError
from tests.adapters.clients.provider import Provider

TlsProvider = Callable[[str], Awaitable[Provider]]


def a_call(url: str, **changes: object) -> Call:
    facts: dict[str, object] = {
        "url": url,
        "ca": None,
        "timeout_seconds": 5.0,
        "limit_bytes": 1000,
        **changes,
    }
    return Call(**facts)  # type: ignore[arg-type]  # facts by name


def answering(*responses: Callable[[], web.StreamResponse]) -> Callable[..., Awaitable[object]]:
    waiting = list(responses)

    async def handler(_request: web.Request) -> web.StreamResponse:
        return waiting.pop(0)()

    return handler


async def test_an_answer_is_handed_over_whole(provider: Provider, session: GuardedSession) -> None:
    provider.document, provider.headers = b"{}", {"Cache-Control": "max-age=5"}
    answer = await session.call(a_call(f"{provider.url}/keys?version=1"))
    assert (answer.body, answer.cache_control) == (b"{}", "max-age=5")
    assert provider.asked[0].path == "/keys?version=1"


async def test_a_body_over_the_limit_is_not_read_to_its_end(
    provider: Provider, session: GuardedSession
) -> None:
    provider.document = b"a" * 1000
    assert len((await session.call(a_call(provider.url))).body) == 1000
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"a" * 10_000)
            written += 10_000
        return response

    provider.handler = endless
    with pytest.raises(StoreUnavailableError, match="more than 1000 bytes"):
        await session.call(a_call(provider.url))
    assert written < 50_000_000


async def test_a_silent_server_is_given_up(provider: Provider, session: GuardedSession) -> None:
    provider.go_on = asyncio.Event()
    with pytest.raises(StoreUnavailableError, match="did not answer in time"):
        await session.call(a_call(provider.url, timeout_seconds=0.05))


async def test_a_server_that_drips_is_given_up(provider: Provider, session: GuardedSession) -> None:
    never = asyncio.Event()

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await never.wait()
        return response

    provider.handler = dripping
    with pytest.raises(StoreUnavailableError, match="did not answer in time"):
        await session.call(a_call(provider.url, timeout_seconds=0.1))
    never.set()


@pytest.mark.parametrize("status", [201, 204, 304, 401, 404, 429, 500, 503])
async def test_another_status_than_200_is_no_answer(
    provider: Provider, session: GuardedSession, status: int
) -> None:
    provider.status = status
    with pytest.raises(StoreUnavailableError, match=f"answered {status}"):
        await session.call(a_call(provider.url))


async def test_redirects_stay_at_home_and_end(provider: Provider, session: GuardedSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        left = int(request.path.rpartition("/")[2])
        if left:
            return web.Response(status=302, headers={"Location": f"/hop/{left - 1}"})
        return web.Response(body=b"there")

    provider.handler = handler
    assert (await session.call(a_call(f"{provider.url}/hop/3"))).body == b"there"
    with pytest.raises(StoreUnavailableError, match="too often"):
        await session.call(a_call(f"{provider.url}/hop/4"))


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/keys",
        "https://127.0.0.1/keys",
        "//169.254.169.254/latest/meta-data",
        "http://localhost/keys",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
async def test_a_redirect_to_somebody_else_is_not_followed(
    provider: Provider, session: GuardedSession, location: str
) -> None:
    provider.status, provider.headers = 302, {"Location": location}
    with pytest.raises(StoreUnavailableError):
        await session.call(a_call(provider.url))
    assert len(provider.asked) == 1


async def test_what_is_posted_is_never_redirected(
    provider: Provider, session: GuardedSession
) -> None:
    provider.status, provider.headers = 307, {"Location": "/elsewhere"}
    with pytest.raises(StoreUnavailableError, match="answered 307"):
        await session.call(a_call(provider.url, form={"token": "t"}, user=("a", "b")))
    assert [one.path for one in provider.asked] == ["/"]


async def test_cookies_are_not_kept(provider: Provider, session: GuardedSession) -> None:
    provider.headers = {"Set-Cookie": "a=b"}
    await session.call(a_call(provider.url))
    await session.call(a_call(provider.url))
    assert [one.cookies for one in provider.asked] == [{}, {}]


async def test_a_proxy_of_the_environment_is_not_used(
    provider: Provider, session: GuardedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await session.call(a_call(provider.url))).body == b"{}"


async def test_compression_is_refused(provider: Provider, session: GuardedSession) -> None:
    provider.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(StoreUnavailableError, match="compression"):
        await session.call(a_call(provider.url))


async def test_a_server_is_trusted_by_its_authority_and_its_name(
    tls_provider: TlsProvider, session: GuardedSession, tmp_path: Path
) -> None:
    good = await tls_provider("127.0.0.1")
    ca = good.trust(tmp_path)
    assert (await session.call(a_call(good.url, ca=ca))).body == b"{}"
    with pytest.raises(StoreUnavailableError, match="cannot be asked"):
        await session.call(a_call(good.url))
    misnamed = await tls_provider("idp.example")
    with pytest.raises(StoreUnavailableError, match="cannot be asked"):
        await session.call(a_call(misnamed.url, ca=misnamed.trust(tmp_path)))
    assert misnamed.asked == []


async def test_an_error_names_the_place_without_its_query(
    free_port: Callable[[], int], session: GuardedSession
) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        await session.call(a_call(f"http://127.0.0.1:{free_port()}/keys?code=hush"))
    assert re.fullmatch(r"http://127.0.0.1:\d+/keys cannot be asked \(\w+\)", caught.value.reason)
    assert "hush" not in repr(caught.value.__cause__)


def test_a_call_does_not_print_what_is_secret() -> None:
    assert "hush" not in repr(a_call("http://a/", form={"token": "hush"}, user=("a", "hush")))
