"""Tenants with upstreams of their own, on real sockets: nothing of one reaches another (TN-6)."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import Vault
from sidecar.lifecycle.tenants import Tenants
from sidecar.model.identity import TenantId
from sidecar.model.secret import Secret
from tests.builders import a_policy as a_plain_policy
from tests.builders import a_tenant
from tests.corpora.reader import Message
from tests.e2e.callers import PEPPER, a_key, a_record
from tests.e2e.conftest import Running, running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.lifecycle.noting import Noted

MASTER = Secret(b"\x01" * 32)
TENANTS = ("acme", "globex", "initech")
FORWARDED_SECONDS = 5.0
"""A change of the store is in force within this time (AN-10)."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A sidecar with a key of each tenant."""

    running: Running

    async def ask(self, tenant: str, *lines: bytes, target: bytes = b"/own") -> Message:
        key = b"X-API-Key: " + a_key(tenant).encode()
        async with a_client(self.running.port) as client:
            return await client.ask(get(target, key, *lines))

    async def becomes(self, tenant: str, status: int) -> None:
        """Wait until the tenant is answered with a status."""
        async with asyncio.timeout(FORWARDED_SECONDS):
            while (await self.ask(tenant)).status != status:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.01)

    @property
    def tenants(self) -> Tenants:
        return Tenants(self.running.store, a_plain_policy(), Noted(), lambda: 0.0)

    @property
    def vault(self) -> Vault:
        return Vault(self.running.store, Box((MASTER,), os.urandom))


@asynccontextmanager
async def protecting(
    folder: Path,
    url: str,
    tenants: Mapping[str, Mapping[str, object]],
    routes: Sequence[Mapping[str, object]] = ({"path": "/own", "role": "viewer"},),
    *,
    is_sealing: bool = True,
) -> AsyncIterator[Proxy]:
    """Run a sidecar on a policy with tenants, the others in its store."""
    (folder / "pepper").write_bytes(PEPPER)
    (folder / "master").write_bytes(MASTER.reveal())
    text = a_policy(
        url,
        state={"store": "memory", "poll": "50ms"},
        secrets={
            "pepper": "file:pepper",
            **({"master_key": "file:master"} if is_sealing else {}),
        },
        authentication={"api_keys": {"formats": [{"kind": "secret", "prefix": "sk"}]}},
        tenants=tenants,
        routes=routes,
    )
    async with running(text, folder) as sidecar:
        for name in TENANTS:
            facts = {"tenant": TenantId(name)}
            assert await sidecar.store.add_key(a_record(name, a_key(name), "viewer", **facts))
        yield Proxy(sidecar)


@pytest.mark.control("TN-6")
async def test_each_tenant_s_requests_reach_its_own_upstream_alone(tmp_path: Path) -> None:
    shared, acme, globex = Echo(), Echo(), Echo()
    async with a_service(shared) as one, a_service(acme) as two, a_service(globex) as three:
        tenants = {"acme": {"upstream": two.url}, "initech": {}}
        async with protecting(tmp_path, one.url, tenants) as proxy:
            await proxy.tenants.create("ops", "globex", {"upstream": three.url})
            for name in ("acme", "globex", "initech", "globex"):
                assert (await proxy.ask(name)).status == 200
    seen = [[r.values(b"x-tenant-id") for r in echo.requests] for echo in (shared, acme, globex)]
    assert seen == [[[b"initech"]], [[b"acme"]], [[b"globex"], [b"globex"]]]


@pytest.mark.control("TN-6")
async def test_tenants_share_no_connection_even_to_the_same_address(tmp_path: Path) -> None:
    async with a_service(Echo()) as service:
        own = {"upstream": service.url}
        tenants = {"acme": own, "globex": own, "initech": {}}
        async with protecting(tmp_path, service.url, tenants) as proxy:
            for name in (*TENANTS, *TENANTS):
                assert (await proxy.ask(name)).status == 200
            assert service.connections == 3


@pytest.mark.control("TN-6")
async def test_the_upstream_of_a_route_wins_and_gets_no_credential(tmp_path: Path) -> None:
    acme, reports = Echo(), Echo()
    async with a_service(acme) as own, a_service(reports) as other:
        routes = [
            {"path": "/own", "role": "viewer"},
            {"path": "/reports", "role": "viewer", "upstream": other.url},
        ]
        tenants = {"acme": {"upstream": own.url, "upstream_credential": "token"}}
        async with protecting(tmp_path, own.url, tenants, routes) as proxy:
            await proxy.vault.set("acme", "token", Secret(b"Bearer hunter2"))
            assert (await proxy.ask("acme", target=b"/reports")).status == 200
    assert acme.requests == []
    assert reports.requests[0].values(b"authorization") == []


@pytest.mark.control("TN-6")
async def test_the_upstream_gets_the_tenant_s_credential_and_no_other(tmp_path: Path) -> None:
    echo = Echo()
    async with a_service(echo) as service:
        tenants = {"acme": {"upstream": service.url, "upstream_credential": "token"}}
        async with protecting(tmp_path, service.url, tenants) as proxy:
            await proxy.vault.set("acme", "token", Secret(b"Bearer hunter2"))
            for line in (b"Authorization: Basic YTpi", b"Accept: */*"):
                assert (await proxy.ask("acme", line)).status == 200
            trail = str(await proxy.running.records())
    values = [request.values(b"authorization") for request in echo.requests]
    assert values == [[b"Bearer hunter2"]] * 2
    assert "hunter2" not in trail
    assert trail.count("secret.access") == 1


@pytest.mark.control("TN-6")
async def test_a_changed_credential_is_in_force_and_a_deleted_one_refuses(tmp_path: Path) -> None:
    echo = Echo()
    async with a_service(echo) as service:
        tenants = {"acme": {"upstream": service.url, "upstream_credential": "token"}}
        async with protecting(tmp_path, service.url, tenants) as proxy:
            assert (await proxy.ask("acme")).status == 503
            await proxy.vault.set("acme", "token", Secret(b"Bearer one"))
            await proxy.becomes("acme", 200)
            await proxy.vault.delete("acme", "token")
            await proxy.becomes("acme", 503)
            reason = "the tenant's upstream credential is missing"
            expected = Entry("refused", 503, "STORE_UNAVAILABLE", reason)
            assert (await entries_of_requests(proxy))[-1] == expected
    assert {value for r in echo.requests for value in r.values(b"authorization")} == {b"Bearer one"}


async def test_a_credential_of_a_lost_master_key_refuses(tmp_path: Path) -> None:
    echo = Echo()
    async with a_service(echo) as service:
        tenants = {"acme": {"upstream": service.url, "upstream_credential": "token"}}
        async with protecting(tmp_path, service.url, tenants) as proxy:
            other = Vault(proxy.running.store, Box((Secret(b"\x02" * 32),), os.urandom))
            await other.set("acme", "token", Secret(b"Bearer hunter2"))
            assert (await proxy.ask("acme")).status == 503
            (entry,) = await entries_of_requests(proxy)
    assert entry.reason is not None
    assert "secrets.master_key" in entry.reason
    assert echo.requests == []


async def test_without_a_master_key_the_missing_key_of_the_policy_is_the_reason(
    tmp_path: Path,
) -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        protecting(tmp_path, service.url, {}, is_sealing=False) as proxy,
    ):
        own = {"upstream": service.url, "upstream_credential": "token"}
        assert await proxy.running.store.put_tenant(a_tenant(**own))
        await proxy.becomes("acme", 503)
        reason = (await entries_of_requests(proxy))[-1].reason
    assert reason is not None
    assert reason.endswith("there is no secrets.master_key")
    assert echo.requests == []


async def test_a_tenant_is_suspended_served_again_and_deleted_while_it_calls(
    tmp_path: Path,
) -> None:
    async with a_service(Echo()) as service, protecting(tmp_path, service.url, {}) as proxy:
        await proxy.tenants.create("ops", "acme", {})
        await proxy.becomes("acme", 200)
        await proxy.tenants.suspend("ops", "acme")
        await proxy.becomes("acme", 401)
        await proxy.tenants.resume("ops", "acme")
        await proxy.becomes("acme", 200)
        await proxy.tenants.delete("ops", "acme")
        await proxy.becomes("acme", 401)
        assert (await entries_of_requests(proxy))[-1].reason == "deleted tenant"


async def entries_of_requests(proxy: Proxy) -> list[Entry]:
    """Read the records of exchanges, without those of actions."""
    await proxy.running.flush()
    asked = {"auth.failure", "request"}
    proxy.running.audit[:] = [r for r in proxy.running.audit if r["action"] in asked]
    return await entries(proxy.running)
