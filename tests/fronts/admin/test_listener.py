"""Bounds on those who connect to the admin and health listeners."""

import asyncio
import socket

import pytest

from sidecar.fronts.admin import listener as listener_module
from sidecar.fronts.admin.applications import admin_app, health_app
from sidecar.fronts.admin.listener import Listener
from sidecar.lifecycle.operations import Call, Operation
from sidecar.policy.schema.admin import AdminToken
from tests.fronts.admin.listening import READ, Sidecar, ask


async def test_an_address_in_use_is_fatal_at_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener(health_app(Sidecar()), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await listener.start()


async def test_a_listener_that_closed_is_gone() -> None:
    listener = Listener(health_app(Sidecar()), "127.0.0.1", 0)
    await listener.start()
    port = listener.port
    await listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert listener.port == 0


async def test_closing_does_not_wait_for_clients_that_only_stay() -> None:
    listener = Listener(health_app(Sidecar()), "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    async with asyncio.timeout(2):
        await listener.close()
        assert await reader.read() == b""
    writer.close()


async def test_an_answer_under_way_is_finished_before_the_end() -> None:
    listener = Listener(
        admin_app(sidecar := Sidecar(seconds=0.3), [READ], sidecar.note), "127.0.0.1", 0
    )
    await listener.start()
    asked = asyncio.create_task(
        ask(listener.port, "/v1/status", "Authorization: Bearer read-token")
    )
    await asyncio.sleep(0.1)
    await listener.close()
    assert (await asked).status == 200


async def test_one_client_too_many_is_cut_off_and_the_others_are_served() -> None:
    listener = Listener(health_app(Sidecar()), "127.0.0.1", 0, connections=2)
    await listener.start()
    first = await asyncio.open_connection("127.0.0.1", listener.port)
    second = await asyncio.open_connection("127.0.0.1", listener.port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await ask(listener.port, "/livez")
    first[1].close()
    await asyncio.sleep(0.1)
    assert (await ask(listener.port, "/livez")).status == 200
    second[1].close()
    await listener.close()


async def test_a_head_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "HEAD_SECONDS", 0.2)
    listener = Listener(health_app(Sidecar()), "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: loc")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await listener.close()


async def test_no_connection_lives_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "LIFE_SECONDS", 0.2)
    listener = Listener(health_app(Sidecar()), "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)

    async def stay() -> None:
        while True:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n{")
            await asyncio.sleep(0.02)

    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(stay(), 5)
    writer.close()
    await listener.close()


async def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "HANDLER_SECONDS", 0.1)
    sidecar = Sidecar(seconds=30)
    listener = Listener(admin_app(sidecar, [READ], sidecar.note), "127.0.0.1", 0)
    await listener.start()
    seen = await ask(listener.port, "/v1/status", "Authorization: Bearer read-token")
    assert seen.status == 503
    await listener.close()


async def test_a_reload_is_answered_however_long_other_answers_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener_module, "HANDLER_SECONDS", 0.1)

    async def reload(call: Call) -> dict[str, object]:
        await asyncio.sleep(0.3)
        return {"result": "admitted", "by": call.actor}

    rows = [Operation("POST", path, reload) for path in ("/v1/reload", "/v1/other")]
    sidecar = Sidecar()
    tokens = [AdminToken.model_validate({"name": "ops", "token": "admin-token", "role": "admin"})]
    app = admin_app(sidecar, tokens, sidecar.note, operations=rows)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    bearer = "Authorization: Bearer admin-token"
    statuses = [
        (await ask(listener.port, path, bearer, "Content-Length: 0", method="POST")).status
        for path in ("/v1/reload", "/v1/other")
    ]
    assert statuses == [200, 503]
    await listener.close()
