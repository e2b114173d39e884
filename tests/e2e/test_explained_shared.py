"""Decisions are told to operators whatever other clients do about them: ids, floods, readers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.fronts.proxy.recent import SHARES
from tests.e2e.callers import ROUTES
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import GOOD, guarded
from tests.e2e.launch import serving
from tests.e2e.test_explained_live import TOKEN, a_guarded_policy, asked
from tests.e2e.traces import LOCAL
from tests.e2e.wire import Echo, a_client, a_service, get

NAMED: Final = b"X-Request-Id: chosen-by-a-client"


async def refusal(port: int, target: bytes, *lines: bytes) -> str:
    """Have a request refused; give its id."""
    async with a_client(port) as client:
        answer = await client.ask(get(target, *lines, b"Connection: close"))
    assert answer.status in {403, 404}
    return answer.values(b"x-request-id")[0].decode()


async def told(admin_port: int, request_id: str) -> dict[str, Any]:
    answer = await asked(admin_port, request_id)
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_no_client_puts_its_own_decision_in_the_place_of_another(tmp_path: Path) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_guarded_policy(service.url, tmp_path, listen=LOCAL), tmp_path) as proxy,
    ):
        first = await refusal(proxy.port, b"/inside")
        assert await refusal(proxy.port, b"/nowhere", b"X-Request-Id: " + first.encode()) == first
        found = await told(proxy.admin_port, first)
        assert (found["id"], found["step"]) == (first, "addresses")
        [forged] = found["others"]
        found = await told(proxy.admin_port, forged)
        assert (found["step"], found["request_id"], found["others"]) == ("route", first, [])


async def test_of_requests_with_one_id_the_last_is_told_and_names_the_others(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_guarded_policy(service.url, tmp_path, listen=LOCAL), tmp_path) as proxy,
    ):
        for target in (b"/inside", b"/first", b"/last"):
            await refusal(proxy.port, target, NAMED)
        found = await told(proxy.admin_port, "chosen-by-a-client")
        assert found["path"] == "/last"
        others = [await told(proxy.admin_port, one) for one in found["others"]]
        assert [one["path"] for one in others] == ["/first", "/inside"]


async def test_all_workers_are_asked_about_an_id_that_several_have_seen(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    listen = {**LOCAL, "proxy": f"127.0.0.1:{free_port()}", "drain": "1s"}
    async with a_service(Echo()) as service:
        policy = a_guarded_policy(service.url, tmp_path, workers=2, listen=listen)
        async with serving(policy, tmp_path) as sidecar:
            await sidecar.becomes_ready()
            paths = [f"/missing/{number}" for number in range(8)]
            for path in paths:
                await refusal(sidecar.port, path.encode(), NAMED)
            found = await told(sidecar.admin_port, "chosen-by-a-client")
            others = [await told(sidecar.admin_port, one) for one in found["others"]]
            assert sorted(one["path"] for one in (found, *others)) == paths


def of_another_share(address: str) -> list[str]:
    """List addresses that do not share a place with this one."""
    numbers = (f"198.51.100.{number}" for number in range(1, 255))
    return [one for one in numbers if hash(one) % SHARES != hash(address) % SHARES]


async def test_a_stranger_who_asks_for_nothing_has_no_decision_of_others_forgotten(
    tmp_path: Path,
) -> None:
    victim = "192.0.2.7"
    policy = a_guarded_policy("http://127.0.0.1:9", tmp_path, listen=LOCAL, explain={"last": 20})
    async with running(policy, tmp_path) as proxy:
        by = b"X-Forwarded-For: "
        wanted = await refusal(proxy.port, b"/nowhere", by + victim.encode())
        for address in of_another_share(victim)[:4] * 10:
            await refusal(proxy.port, b"/nowhere", by + address.encode())
        assert (await told(proxy.admin_port, wanted))["facts"]["client"] == victim


async def deeds(proxy: Running) -> list[tuple[object, ...]]:
    """List what operators did, and about whom."""
    return [
        (one["action"], one["actor"], one["tenant_id"], one["resource_type"])
        for one in await proxy.records()
        if one["action"] in {"explain.read", "alert.admin_access"}
    ]


@pytest.mark.control("AU-5")
async def test_who_reads_of_a_tenants_caller_is_recorded_with_the_tenant_and_raises_an_alert(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    admin = {"tokens": [{"name": "ops", "token": "file:token", "role": "read"}]}
    async with guarded(Echo(), tmp_path, admin=admin, audit={"alerts": {}}, routes=ROUTES) as proxy:
        known = await refusal(proxy.port, b"/transfer", GOOD)
        unknown = await refusal(proxy.port, b"/nowhere")
        await told(proxy.admin_port, known)
        await told(proxy.admin_port, unknown)
        assert await deeds(proxy) == [
            ("explain.read", "ops", "acme", "request"),
            ("alert.admin_access", "ops", "acme", "request"),
            ("explain.read", "ops", None, "request"),
        ]
