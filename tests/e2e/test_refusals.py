"""All refusals have one face, whoever refused: one document, one record, one metric."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.corpora.reader import Message
from tests.e2e.conftest import Running, running
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

ROUTES: Final = [
    {"path": "/api/**", "public": True, "methods": ["GET", "POST"], "body": {"max": "10B"}},
    {"path": "/home/**", "public": True, "addresses": {"allow": ["10.0.0.0/8"]}},
    {"path": "/gone/**", "public": True, "upstream": "http://127.0.0.1:1"},
]
CAUSES: Final = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST", "framing", id="parser"),
    pytest.param(b"GET / HTTP/2.0\r\n\r\n", 505, "VERSION_NOT_SUPPORTED", "framing", id="version"),
    pytest.param(get(b"/api/%2e%2e/x"), 400, "BAD_REQUEST", "path", id="path"),
    pytest.param(get(b"/none"), 404, "NOT_FOUND", "route", id="route"),
    pytest.param(get(b"/api/x", method=b"PUT"), 405, "METHOD_NOT_ALLOWED", "route", id="method"),
    pytest.param(get(b"/home/x"), 403, "FORBIDDEN", "addresses", id="address"),
    pytest.param(
        post(b"x" * 11, b"/api/x"), 413, "PAYLOAD_TOO_LARGE", "declared_body", id="declared body"
    ),
    pytest.param(
        get(b"/api/x", b"Transfer-Encoding: chunked", method=b"POST")
        + b"b\r\nhello world\r\n0\r\n\r\n",
        413,
        "PAYLOAD_TOO_LARGE",
        "declared_body",
        id="streamed body",
    ),
    pytest.param(
        post(b"x", b"/api/x", b"Content-Type: application/grpc"),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "declared_body",
        id="gRPC",
    ),
    pytest.param(get(b"/gone/x"), 503, "UPSTREAM_UNAVAILABLE", "upstream", id="pool"),
]


def refusals(proxy: Running) -> Mapping[tuple[str, ...], float]:
    """Read the counts of refusals by step and code."""
    rows = proxy.sidecar.proxy.metrics.snapshot().get("sidecar_refusals_total", [])
    return {tuple(labels): numbers[0] for labels, numbers in rows}


def assert_is_hardened(answer: Message) -> None:
    assert answer.values(b"x-content-type-options") == [b"nosniff"]
    assert answer.values(b"x-frame-options") == [b"DENY"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"server") == []
    assert len(answer.values(b"date")) == 1


@pytest.mark.parametrize(("request_bytes", "status", "code", "step"), CAUSES)
async def test_every_refusal_is_one_document_one_record_and_one_metric(
    request_bytes: bytes, status: int, code: str, step: str
) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(request_bytes)
        assert answer.status == status
        assert answer.values(b"content-type") == [b"application/problem+json"]
        problem = json.loads(answer.body)
        assert set(problem) == {"type", "title", "status", "code"}
        assert (problem["status"], problem["code"]) == (status, code)
        assert_is_hardened(answer)
        [record] = await proxy.records()
        metadata = record["metadata"]
        assert isinstance(metadata, Mapping)
        assert (metadata["status"], metadata["code"], metadata["step"]) == (status, code, step)
        assert record["reason"]
        assert [str(record["request_id"]).encode()] == answer.values(b"x-request-id")
        assert refusals(proxy) == {(step, code): 1}


async def test_a_refused_method_is_told_which_ones_there_are() -> None:
    async with (
        running(a_policy("http://127.0.0.1:1", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get(b"/api/x", method=b"DELETE"))
        assert answer.values(b"allow") == [b"GET, HEAD, POST"]


async def test_a_refusal_of_head_has_the_length_but_no_body() -> None:
    async with (
        running(a_policy("http://127.0.0.1:1", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        plain = await client.ask(get(b"/none"))
        head = await client.ask(get(b"/none", method=b"HEAD"))
        assert (head.status, head.body) == (404, b"")
        assert head.values(b"content-length") == plain.values(b"content-length")
        assert (await client.ask(get(b"/none"))).body == plain.body


NAVIGATES: Final = (b"Sec-Fetch-Mode: navigate", b"Accept: text/html,*/*;q=0.8")


@pytest.mark.parametrize(
    ("lines", "is_page"),
    [
        pytest.param(NAVIGATES, True, id="a person"),
        pytest.param(NAVIGATES[:1], False, id="does not take HTML"),
        pytest.param((b"Sec-Fetch-Mode: cors", NAVIGATES[1]), False, id="a script"),
        pytest.param(NAVIGATES[1:], False, id="no browser"),
    ],
)
async def test_a_person_who_navigates_gets_a_page(
    lines: tuple[bytes, ...], *, is_page: bool
) -> None:
    async with (
        running(a_policy("http://127.0.0.1:1", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get(b"/none", *lines))
        assert (answer.values(b"content-type") == [b"text/html; charset=utf-8"]) is is_page
        assert answer.body.startswith(b"<!doctype html>") is is_page
        assert_is_hardened(answer)


async def test_the_policys_own_templates_replace_the_bodies(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{status} {code} {title}</p>")
    (tmp_path / "body.json").write_text('{"error": "{code}"}')
    template = {"html": str(tmp_path / "page.html"), "json": str(tmp_path / "body.json")}
    policy = a_policy("http://127.0.0.1:1", routes=ROUTES, errors={"NOT_FOUND": template})
    async with running(policy) as proxy, a_client(proxy.port) as client:
        page = await client.ask(get(b"/none", *NAVIGATES))
        assert page.body == b"<p>404 NOT_FOUND Not found</p>"
        assert (await client.ask(get(b"/none"))).body == b'{"error": "NOT_FOUND"}'
        assert b"METHOD_NOT_ALLOWED" in (await client.ask(get(b"/api/x", method=b"PUT"))).body


# --- mode shadow


def shadowed(record: Mapping[str, object]) -> list[str]:
    metadata = record["metadata"]
    assert isinstance(metadata, Mapping)
    return [refusal["code"] for refusal in metadata.get("would_refuse", [])]


@pytest.mark.parametrize(
    ("request_bytes", "codes"),
    [
        pytest.param(get(b"/none"), ["NOT_FOUND"], id="route"),
        pytest.param(get(b"/api/x", method=b"PUT"), ["METHOD_NOT_ALLOWED"], id="method"),
        pytest.param(get(b"/home/x"), ["FORBIDDEN"], id="address"),
        pytest.param(post(b"x" * 11, b"/api/x"), ["PAYLOAD_TOO_LARGE"], id="declared body"),
        pytest.param(
            get(b"/api/x", b"Transfer-Encoding: chunked", method=b"POST")
            + b"b\r\nhello world\r\n0\r\n\r\n",
            ["PAYLOAD_TOO_LARGE"],
            id="streamed body",
        ),
    ],
)
async def test_shadow_mode_records_what_it_would_refuse(
    request_bytes: bytes, codes: list[str]
) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, mode="shadow", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(request_bytes)).status == 200
        [record] = await proxy.records()
        assert shadowed(record) == codes
        assert record["outcome"] == "admitted"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="framing"),
        pytest.param(get(b"/api/%2e%2e/x"), 400, id="path"),
        pytest.param(get(b"/gone/x"), 503, id="upstream"),
    ],
)
async def test_shadow_mode_never_lets_two_readings_pass(request_bytes: bytes, status: int) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, mode="shadow", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(request_bytes)).status == status
        assert service.connections == 0


async def test_shadow_mode_still_strips_identity_headers() -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, mode="shadow", routes=ROUTES)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/none", b"X-Tenant-Id: t1", b"X_Tenant_Id: t2", b"X-Own: kept"))
        names = {name for name, _ in echo.requests[0].fields}
        assert b"x-own" in names
        assert not {name for name in names if b"tenant" in name}


async def test_one_route_alone_can_be_in_shadow_mode() -> None:
    routes = [
        {"path": "/soft/**", "public": True, "body": {"max": "1B"}, "mode": "shadow"},
        {"path": "/hard/**", "public": True, "body": {"max": "1B"}},
    ]
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, routes=routes)) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(post(b"xx", b"/soft/x"))).status == 200
        assert (await client.ask(post(b"xx", b"/hard/x"))).status == 413
        assert [shadowed(record) for record in await proxy.records()] == [
            ["PAYLOAD_TOO_LARGE"],
            [],
        ]
