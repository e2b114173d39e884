"""What a request alone does not show of a reload: who is asked, told and given records then."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.model.identity import Revocation, RevocationKind
from sidecar.reload import Result
from tests.adapters.clients.provider import Provider
from tests.e2e.callers import RSA_ISSUER, a_token
from tests.e2e.reload_parts import OPS, Reloading, admits, refuses, reloads
from tests.e2e.reloading import Sections
from tests.e2e.test_audit_alerts import Taker
from tests.e2e.wire import a_client, a_service, get
from tests.stores.servers import valkey

HELD: Final = b"X-Hold: 1"
OPAQUE: Final = b"Authorization: Bearer opaque"


def introspecting(url: str, **more: object) -> Sections:
    section = {"url": url, "client_id": "us", "client_secret": "file:shared", "audiences": ["o"]}
    claims = {"tenant": "tenant", "roles": "roles"}
    return {"authentication": {"introspection": {**section, "claims": claims, **more}}}


@pytest.fixture
async def providers() -> AsyncIterator[tuple[Provider, Provider]]:
    found = Provider(), Provider()
    for one in found:
        await one.open()
    yield found
    for one in found:
        await one.close()


async def test_tokens_are_asked_about_where_the_policy_in_force_says(
    tmp_path: Path, providers: tuple[Provider, Provider]
) -> None:
    first, second = providers
    known = {"active": True, "sub": "ann", "aud": "o", "tenant": "acme", "roles": ["viewer"]}
    first.document, first.go_on = json.dumps(known).encode(), asyncio.Event()
    second.document = b'{"active": false}'
    asked = get(b"/any", OPAQUE)
    async with (
        reloads(tmp_path, introspecting(first.url)) as sidecar,
        a_client(sidecar.port) as waiting,
        a_client(sidecar.port) as client,
    ):
        outcome = await sidecar.reload(introspecting(second.url, ca="missing"))
        await refuses(sidecar, outcome, Result.INVALID, "missing")
        # One that waits for the word of the former issuer gets it, after the reload.
        await waiting.send(asked)
        await first.arrived.wait()
        outcome = await sidecar.reload(introspecting(second.url))
        await admits(sidecar, outcome, "authentication.introspection.url")
        assert (await client.ask(asked)).status == 401
        first.go_on.set()
        assert (await waiting.response()).status == 200
        assert (await waiting.ask(asked)).status == 401
        assert (len(first.asked), len(second.asked)) == (1, 1)


def pseudonyms(name: str) -> Sections:
    return {"audit": {"pseudonyms": {"key": f"file:{name}"}}}


async def test_people_are_hidden_by_the_key_of_the_policy_in_force(tmp_path: Path) -> None:
    for name, text in (("one", "1" * 32), ("other", "2" * 32), ("short", "3")):
        (tmp_path / name).write_text(text)

    async def address(sidecar: Reloading) -> object:
        async with a_client(sidecar.port) as client:
            assert (await client.ask(get(b"/public"))).status == 200
        last = [one for one in await sidecar.proxy.records() if one["action"] == "request"][-1]
        return last["ip_address"]

    async with reloads(tmp_path, pseudonyms("one")) as sidecar:
        former = await address(sidecar)
        await refuses(
            sidecar, await sidecar.reload(pseudonyms("short")), Result.INVALID, "pseudonyms"
        )
        assert await address(sidecar) == former
        async with a_client(sidecar.port) as waiting:
            await waiting.send(get(b"/public", HELD))
            await sidecar.gate.held.acquire()
            await admits(sidecar, await sidecar.reload(pseudonyms("other")), "audit.pseudonyms")
            sidecar.gate.open()
            assert (await waiting.response()).status == 200
        then = await address(sidecar)
        assert "127.0.0.1" not in {former, then}
        assert then != former
        assert then is not None


def requests_in(trail: Path) -> list[str]:
    records = map(json.loads, trail.read_text().splitlines())
    return [one["metadata"]["path"] for one in records if one["action"] == "request"]


async def test_a_sink_that_cannot_be_opened_keeps_the_others_and_the_next_one_gets_all(
    tmp_path: Path,
) -> None:
    former, other = tmp_path / "audit.jsonl", tmp_path / "other.jsonl"

    def sinks(*files: Path) -> Sections:
        return {"audit": {"sinks": [{"file": str(file)} for file in files]}}

    async with (
        reloads(tmp_path) as sidecar,
        a_client(sidecar.port) as waiting,
        a_client(sidecar.port) as client,
    ):
        outcome = await sidecar.reload(sinks(tmp_path / "missing" / "audit.jsonl"))
        await refuses(sidecar, outcome, Result.FAILED, "missing/audit.jsonl")
        await client.ask(get(b"/public?1"))
        await waiting.send(get(b"/public", HELD))
        await sidecar.gate.held.acquire()
        await admits(sidecar, await sidecar.reload(sinks(former, other)), "audit.sinks")
        sidecar.gate.open()
        assert (await waiting.response()).status == 200
        await client.ask(get(b"/nowhere"))
        await sidecar.proxy.flush()
        # One record of each request in each sink: what began before the reload is in both.
        assert requests_in(other) == ["/public", "/nowhere"]
        assert requests_in(former) == ["/public", "/public", "/nowhere"]


def alerting(url: str, secret: str = "") -> Sections:
    secret = secret or f"whsec_{base64.b64encode(b's' * 32).decode()}"
    return {"audit": {"alerts": {"webhook": {"url": url, "secret": secret}}}}


async def list_tenants(sidecar: Reloading) -> None:
    line = b"Authorization: Bearer " + OPS.encode()
    async with a_client(sidecar.proxy.admin_port) as client:
        asked = b"GET /v1/tenants HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % line
        assert (await client.ask(asked)).status == 200


async def test_alerts_go_where_the_policy_in_force_says_and_those_under_way_arrive(
    tmp_path: Path,
) -> None:
    first, second = Taker(503), Taker()
    async with (
        a_service(first) as former,
        a_service(second) as other,
        reloads(tmp_path, alerting(former.url)) as sidecar,
    ):
        (tmp_path / "alerts").write_text("no secret of webhooks")
        outcome = await sidecar.reload(alerting(other.url, "file:alerts"))
        await refuses(sidecar, outcome, Result.INVALID, "audit.alerts.webhook.secret")
        await list_tenants(sidecar)
        await first.came(1)
        # It was not taken, and is sent again though another webhook is in force meanwhile.
        await admits(sidecar, await sidecar.reload(alerting(other.url)), "audit.alerts.webhook.url")
        await list_tenants(sidecar)
        await second.came(1)
        await first.came(2)
        ids = [one.values(b"webhook-id") for one in (*first.taken, *second.taken)]
        assert ids[0] == ids[1] != ids[2]


async def test_units_taken_in_advance_are_given_up_where_leases_change(tmp_path: Path) -> None:
    def leasing(lease: str) -> dict[str, Any]:
        return {"limits": {"address": {"limit": "640/min"}, "lease": lease}}

    with valkey() as server:
        state = {"state": {"store": server.url}}
        async with (
            reloads(tmp_path, state, leasing("1s")) as sidecar,
            a_client(sidecar.port) as waiting,
            a_client(sidecar.port) as client,
        ):
            limits = sidecar.proxy.sidecar.proxy.outside.lasting.limits
            assert limits is not None

            async def use_a_lease() -> int:
                for _ in range(12):
                    assert (await client.ask(get(b"/public"))).status == 200
                return limits.leases.used

            assert await use_a_lease() > 0
            outcome = await sidecar.reload(state, leasing("an hour"))
            await refuses(sidecar, outcome, Result.INVALID, "limits.lease")
            await waiting.send(get(b"/public", HELD))
            await sidecar.gate.held.acquire()
            await admits(sidecar, await sidecar.reload(state, leasing("0s")), "limits.lease")
            used = limits.leases.used
            assert await use_a_lease() == used
            sidecar.gate.open()
            assert (await waiting.response()).status == 200
            # Neither what was used nor what was given up is there to be had again.
            answer = await client.ask(get(b"/public"))
            left = int(answer.values(b"ratelimit")[0].partition(b"r=")[2].partition(b";")[0])
            assert left <= 640 - 26


@pytest.mark.control("AN-10")
async def test_a_revoked_token_stays_refused_though_the_store_lost_it_and_the_policy_is_another(
    tmp_path: Path,
) -> None:
    token = b"Authorization: Bearer " + a_token(jti="t-9")
    with valkey() as server:
        async with reloads(tmp_path, {"state": {"store": server.url, "poll": "50ms"}}) as sidecar:
            revocation = Revocation(RevocationKind.TOKEN, RSA_ISSUER, "t-9", 9e9, 9e9)
            await sidecar.proxy.store.revoke(revocation)
            async with a_client(sidecar.port) as client, asyncio.timeout(10):
                while (await client.ask(get(b"/any", token))).status != 401:  # noqa: ASYNC110 -- from outside
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(server.command, "FLUSHALL")
            state = {"state": {"store": server.url, "poll": "50ms"}}
            outcome = await sidecar.reload(state, {"headers": "web"})
            assert outcome.result is Result.ADMITTED, outcome
            async with a_client(sidecar.port) as client:
                assert (await client.ask(get(b"/any", token))).status == 401
                other = b"Authorization: Bearer " + a_token(jti="t-8")
                assert (await client.ask(get(b"/any", other))).status == 200
