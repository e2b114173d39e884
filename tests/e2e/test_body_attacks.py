"""No attack on rules that read bodies passes, and the audit knows each by its reason."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.body_attacks import ATTACKS, FORM, JSON, PARTS, ROUTES, Attack
from tests.e2e.callers import admit_all, callers, sections
from tests.e2e.conftest import Running, running
from tests.e2e.records import entries
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get, post

STATE = {"store": "memory"}
CALLER = callers()["developer"].lines


def policy_for(url: str, folder: Path) -> str:
    routes = [{"role": "developer", "methods": ["POST"], **route} for route in ROUTES]
    given = {**sections(folder, STATE), "routes": routes}
    return a_policy(url, **given)


def request_of(attack: Attack) -> bytes:
    target = attack.path.encode()
    if attack.is_framed:
        return get(target, *CALLER, *attack.lines, method=b"POST") + attack.body
    return post(attack.body, target, *CALLER, *attack.lines)


@asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[tuple[Running, Echo]]:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(policy_for(service.url, folder), folder) as proxy,
    ):
        await admit_all(proxy.store)
        yield proxy, echo


async def answered(proxy: Running, attack: Attack) -> tuple[int, str]:
    """Send an attack on a connection of its own; give the status, and the reason of the audit."""
    request = request_of(attack)
    async with a_client(proxy.port) as client:
        await send(client, request, attack.piece or len(request))
        status = (await client.response()).status
    return status, str((await entries(proxy))[-1].reason)


async def send(client: Peer, request: bytes, size: int) -> None:
    """Send in pieces; whoever is refused before the end need not take the rest."""
    for at in range(0, len(request), size):
        try:
            await client.send(request[at : at + size])
        except ConnectionError:
            return


@pytest.mark.control("RQ-2", "RQ-3", "TN-2", "TN-5", "TN-7")
async def test_no_attack_passes_and_each_has_its_reason(tmp_path: Path) -> None:
    differing = {}
    async with a_world(tmp_path) as (proxy, echo):
        for attack in ATTACKS:
            found = await answered(proxy, attack)
            if found != (attack.status, attack.reason):
                differing[attack.name] = found
        await proxy.rests()
        assert proxy.gauge("sidecar_body_buffer_bytes") == 0
    assert differing == {}
    assert echo.requests == []


def test_the_table_is_a_table() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names) >= 40


PASSING = [
    ("/json", JSON, b'{"a":[1,2,3],"database_id":"db_id"}'),
    ("/batch", JSON, json.dumps([{"a": [1, 2]}] * 100).encode()),
    ("/named", JSON, json.dumps({"x": {"items": [1] * 200}, "items": [1] * 100}).encode()),
    ("/schema", JSON, b'{"id":"0190a4c2-7d10-7abc-8def-0123456789ab","slow":"aaa"}'),
    ("/own", JSON, b'{"tenant_id":"acme"}'),
    ("/store", JSON, b'{"key":"tenants/acme/a/b.txt"}'),
    ("/form", FORM, b"org=acme&a=%C3%A9"),
    ("/form", PARTS, b'--B\r\nContent-Disposition: form-data; name="org"\r\n\r\nacme\r\n--B--\r\n'),
    ("/strict", JSON, b"[" * 8 + b"]" * 8),
]


async def test_what_keeps_the_rules_passes_byte_for_byte(tmp_path: Path) -> None:
    async with a_world(tmp_path) as (proxy, echo), a_client(proxy.port) as client:
        for path, kind, body in PASSING:
            answer = await client.ask(post(body, path.encode(), *CALLER, kind))
            assert answer.status == 200, path
    assert [request.body for request in echo.requests] == [body for _, _, body in PASSING]


@pytest.mark.control("RQ-3")
async def test_a_client_is_told_where_its_body_breaks_the_schema_but_no_value(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as (proxy, _), a_client(proxy.port) as client:
        body = b'{"id":"hunter2","slow":"hunter2"}'
        answer = await client.ask(post(body, b"/schema", *CALLER, JSON))
        plain = await client.ask(post(b"[", b"/schema", *CALLER, JSON))
    document = json.loads(answer.body)
    assert document["errors"] == [
        {"pointer": "/id", "detail": "is no uuid"},
        {"pointer": "/slow", "detail": "does not match the pattern"},
    ]
    assert (document["status"], document["code"]) == (422, "UNPROCESSABLE")
    assert b"hunter2" not in answer.body
    assert "errors" not in json.loads(plain.body)


async def test_nobody_who_is_refused_by_the_head_has_a_body_kept(tmp_path: Path) -> None:
    """Room is for callers who were admitted: a stranger's body is not asked for."""
    async with a_world(tmp_path) as (proxy, _), a_client(proxy.port) as client:
        head = get(b"/json", JSON, b"Content-Length: 900000", method=b"POST")
        await client.send(head + b"[")
        answer = await client.response()
        assert (answer.status, answer.values(b"connection")) == (401, [b"close"])
        assert proxy.gauge("sidecar_body_buffer_bytes") == 0
