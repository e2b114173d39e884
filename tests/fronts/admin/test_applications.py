"""What the admin and health listeners answer, on real sockets."""

import json
from collections.abc import AsyncIterator

import pytest

from sidecar.adapters.audit.record import Asked
from sidecar.fronts.admin.applications import admin_app, health_app
from sidecar.fronts.admin.listener import Listener
from tests.fronts.admin.listening import ADMIN, READ, Seen, Sidecar, ask, send

WATCH = "Authorization: Bearer read-token"
OPS = "Authorization: Bearer admin-token"


@pytest.fixture
def sidecar() -> Sidecar:
    return Sidecar()


@pytest.fixture
async def admin(sidecar: Sidecar) -> AsyncIterator[int]:
    """Serve the admin API with two tokens; gives the port."""
    app = admin_app(sidecar, [READ, ADMIN], sidecar.note, ["sidecar.internal"])
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    yield listener.port
    await listener.close()


@pytest.fixture
async def tokenless(sidecar: Sidecar) -> AsyncIterator[int]:
    listener = Listener(admin_app(sidecar, [], sidecar.note), "127.0.0.1", 0)
    await listener.start()
    yield listener.port
    await listener.close()


@pytest.fixture
async def health(sidecar: Sidecar) -> AsyncIterator[int]:
    listener = Listener(health_app(sidecar), "127.0.0.1", 0)
    await listener.start()
    yield listener.port
    await listener.close()


def as_problem(seen: Seen) -> str:
    assert seen.values("Content-Type") == ["application/problem+json"]
    read = json.loads(seen.body)
    assert read["status"] == seen.status
    return str(read["code"])


async def test_a_sidecar_that_answers_is_alive(admin: int) -> None:
    seen = await ask(admin, "/livez")
    assert (seen.status, json.loads(seen.body)) == (200, {"live": True})


async def test_a_sidecar_is_ready_when_nothing_speaks_against_it(
    health: int, sidecar: Sidecar
) -> None:
    assert (await ask(health, "/readyz")).status == 200
    sidecar.reasons = ["draining"]
    seen = await ask(health, "/readyz")
    assert (seen.status, json.loads(seen.body)) == (503, {"ready": False, "reasons": ["draining"]})
    assert (await ask(health, "/livez")).status == 200


async def test_metrics_come_in_the_form_that_was_asked_for(health: int, sidecar: Sidecar) -> None:
    seen = await ask(health, "/metrics", "Accept: application/openmetrics-text")
    assert (seen.status, seen.body) == (200, b"sidecar_connections 0\n")
    assert seen.values("Content-Type") == ["text/plain; version=1.0.0; charset=utf-8"]
    assert sidecar.accepts == ["application/openmetrics-text"]


async def test_the_keys_of_the_assertion_are_open_to_everybody(
    admin: int, tokenless: int, health: int, sidecar: Sidecar
) -> None:
    for port in (admin, tokenless, health):
        sidecar.keys = None
        assert as_problem(await ask(port, "/jwks.json")) == "NOT_FOUND"
        sidecar.keys = b'{"keys":[]}'
        seen = await ask(port, "/jwks.json")
        assert (seen.status, seen.body) == (200, b'{"keys":[]}')
        assert seen.values("Content-Type") == ["application/jwk-set+json"]
    assert sidecar.denied == []


async def test_head_gets_the_head_alone(admin: int) -> None:
    seen = await ask(admin, "/livez", method="HEAD")
    assert (seen.status, seen.values("Content-Length"), seen.body) == (200, ["13"], b"")


@pytest.mark.parametrize("target", ["/v1/status", "/v1/routes", "/v1/openapi.json", "/v1/", "/v1"])
async def test_the_health_listener_has_no_api(health: int, target: str) -> None:
    assert as_problem(await ask(health, target, OPS)) == "NOT_FOUND"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("target", ["/v1/status", "/v1/nothing", "/v1"])
async def test_without_tokens_there_is_no_api(
    tokenless: int, sidecar: Sidecar, target: str, method: str
) -> None:
    assert as_problem(await ask(tokenless, target, method=method)) == "NOT_FOUND"
    assert as_problem(await ask(tokenless, target, OPS, method=method)) == "NOT_FOUND"
    assert sidecar.denied == []


@pytest.mark.parametrize("token", [WATCH, OPS])
async def test_a_token_opens_the_api(admin: int, sidecar: Sidecar, token: str) -> None:
    assert json.loads((await ask(admin, "/v1/status", token)).body) == {"version": "1.2.3"}
    assert json.loads((await ask(admin, "/v1/routes", token)).body) == {
        "routes": [{"template": "/**"}]
    }
    assert sidecar.denied == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param([], "there is no token", id="none"),
        pytest.param(["Authorization: Bearer guess"], "the token is wrong", id="wrong"),
        pytest.param(["Authorization: Basic cmVhZDp0b2tlbg=="], "the token is wrong", id="scheme"),
        pytest.param([WATCH, OPS], "the token is wrong", id="two"),
        pytest.param(["Cookie: token=read-token"], "there is no token", id="cookie"),
    ],
)
@pytest.mark.parametrize(
    "target", ["/v1/status", "/v1/nothing", "/v1", "/%76%31/status", "/v1/../v1/status"]
)
async def test_every_401_is_the_same_and_leaves_a_record(
    admin: int, sidecar: Sidecar, lines: list[str], reason: str, target: str
) -> None:
    seen = await ask(admin, target, *lines)
    common = await ask(admin, "/v1/status?token=read-token")
    assert as_problem(seen) == "UNAUTHORIZED"
    assert seen.values("WWW-Authenticate") == ['Bearer realm="sidecar"']
    assert seen.body == common.body
    fields = [line for line in seen.head.split(b"\r\n") if not line.lower().startswith(b"date:")]
    assert set(fields) <= set(common.head.split(b"\r\n"))
    asked, address, told = sidecar.denied[0]
    assert (asked.method, asked.status, address, told) == ("GET", 401, "127.0.0.1", reason)
    assert "read-token" not in str(sidecar.denied)


async def test_a_token_that_may_only_read_changes_nothing(admin: int, sidecar: Sidecar) -> None:
    assert as_problem(await ask(admin, "/v1/status", WATCH, method="POST")) == "FORBIDDEN"
    assert sidecar.denied == [
        (Asked("POST", "/v1/status", 403), "127.0.0.1", "the token watch may only read")
    ]


@pytest.mark.parametrize(
    ("method", "target", "line", "code"),
    [
        pytest.param("POST", "/livez", WATCH, "METHOD_NOT_ALLOWED", id="method"),
        pytest.param("DELETE", "/v1/status", OPS, "METHOD_NOT_ALLOWED", id="method of the API"),
        pytest.param("GET", "/nothing", WATCH, "NOT_FOUND", id="path"),
        pytest.param("GET", "/v1/nothing", WATCH, "NOT_FOUND", id="path of the API"),
        pytest.param("GET", "/V1/status", WATCH, "NOT_FOUND", id="case"),
        pytest.param("GET", "/livez/", WATCH, "NOT_FOUND", id="slash"),
        pytest.param("GET", "/livez", "Content-Length: 65537", "PAYLOAD_TOO_LARGE", id="body"),
        pytest.param("GET", "/livez", "Expect: 200-maybe", "BAD_REQUEST", id="expectation"),
        pytest.param("GET", "/livez", "Bad Name: x", "BAD_REQUEST", id="malformed"),
        pytest.param("GET", "/livez", f"Large: {'x' * 9000}", "BAD_REQUEST", id="large field"),
    ],
)
async def test_every_error_is_a_problem_document(
    admin: int, method: str, target: str, line: str, code: str
) -> None:
    seen = await ask(admin, target, line, method=method)
    assert as_problem(seen) == code
    assert seen.values("Allow") == (["GET,HEAD"] if code == "METHOD_NOT_ALLOWED" else [])


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/livez", WATCH),
        ("/metrics", WATCH),
        ("/nothing", WATCH),
        ("/v1/status", "Authorization: x"),
        ("/v1/status", OPS),
        ("/livez", "Bad Name: x"),
    ],
)
async def test_no_answer_reveals_the_software_or_may_be_kept(
    admin: int, target: str, line: str
) -> None:
    seen = await ask(admin, target, line)
    assert seen.values("Server") == []
    assert b"aiohttp" not in seen.head + seen.body
    assert seen.values("Cache-Control") == ["no-store"]
    assert seen.values("X-Content-Type-Options") == ["nosniff"]
    assert seen.values("X-Frame-Options") == ["DENY"]
    assert seen.values("Content-Security-Policy") == ["default-src 'none'; frame-ancestors 'none'"]
    assert seen.values("Access-Control-Allow-Origin") == []


@pytest.mark.parametrize("target", ["/livez", "/metrics", "/v1/status", "/nothing"])
async def test_a_page_of_another_site_reaches_nothing_on_loopback(admin: int, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: evil.example:9901\r\n{WATCH}\r\n\r\n"
    assert as_problem(await send(admin, request.encode())) == "FORBIDDEN"


@pytest.mark.parametrize("host", ["127.0.0.1:9901", "[::1]", "localhost", "Sidecar.Internal:1"])
async def test_the_names_of_the_listener_reach_it(admin: int, host: str) -> None:
    request = f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"
    assert (await send(admin, request.encode())).status == 200


async def test_a_probe_without_a_host_is_answered(health: int) -> None:
    assert (await send(health, b"GET /livez HTTP/1.0\r\n\r\n")).status == 200


async def test_a_failure_says_nothing_of_itself(
    admin: int, sidecar: Sidecar, caplog: pytest.LogCaptureFixture
) -> None:
    sidecar.failure = ValueError("a detail")
    seen = await ask(admin, "/v1/status", WATCH)
    assert as_problem(seen) == "INTERNAL"
    assert b"detail" not in seen.head + seen.body
    assert "a detail" in caplog.text
