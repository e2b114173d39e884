"""A sidecar to which everything happens that its metrics can tell, and who makes it happen."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme

from sidecar.adapters.stores.redis.store import RedisStore
from sidecar.fronts.kube.webhook import Webhook
from sidecar.model.identity import TenantId, TenantRecord
from tests.adapters.clients.provider import Provider
from tests.e2e.callers import a_record, sections
from tests.e2e.guarded import BAD, GOOD, KEY, merged
from tests.e2e.launch import Launched, launched
from tests.e2e.wire import Echo, EndedError, Peer, a_client, a_policy, a_service, get, ok, post
from tests.fronts.kube.serving import Place, connected, serving
from tests.knowledge.auth.minting import jwks, public_jwk
from tests.knowledge.kube.test_refusals import a_pod
from tests.knowledge.kube.test_review import a_review
from tests.stores.rows import a_state
from tests.stores.servers import Valkey

GONE: Final = (EndedError, ConnectionError, TimeoutError)
NOBODY: Final = "http://127.0.0.1:1"
"""Port 1 of loopback: whoever connects is refused at once."""
JSON: Final = b"Content-Type: application/json"
LARGE: Final = b'{"a": "' + b"x" * 39_000 + b'"}'
# A record is as long as the path that it names: a few thousand fill a queue.
LONG: Final = b"/items/" + b"a" * 2_000
LOST_REQUESTS: Final = 6_000
FLOODING: Final = 4
WELL_SECONDS: Final = 1.5
PAUSED_SECONDS: Final = 3.0

PLAIN: Final = {"public": True}
ROUTES: Final = [
    {"path": "/items/**", **PLAIN},
    {"path": "/fails", **PLAIN},
    {"path": "/gone", **PLAIN, "upstream": NOBODY},
    {"path": "/guarded", "role": "viewer", "authenticate": ["api_key"]},
    {"path": "/tokens", "role": "viewer", "authenticate": ["jwt"]},
    {"path": "/shadow", "role": "viewer", "mode": "shadow"},
    {"path": "/json", **PLAIN, "body": {"json": {"depth": 4}, "max": "40KB"}},
]


@dataclass(slots=True)
class Scene:
    """What there is to be watched.

    Attributes:
        sidecar: the sidecar.
        other: another one, on another policy.
        server: the server of its store.
        provider: who publishes the keys of its issuer.
        injector: a webhook of Kubernetes, which has nothing to do with them.
        asking: how it is asked, as an API server does.
    """

    sidecar: Launched
    other: Launched
    server: Valkey
    provider: Provider
    injector: Webhook
    asking: ssl.SSLContext

    async def live(self) -> None:
        """Ask everything again and again, until it is cancelled."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._ask_on())
            together.create_task(self._hold_room())
            together.create_task(self._review_on())

    async def _ask_on(self) -> None:
        while True:
            with contextlib.suppress(*GONE):
                async with a_client(self.sidecar.port) as client:
                    await _ask_everything(client)
            # Seldom enough for the few that wait for a store to be more than one in a hundred.
            await asyncio.sleep(0.3)

    async def _review_on(self) -> None:
        """Ask the injector for one pod that it takes and one that it refuses."""
        pods = (a_pod(), a_pod(hostNetwork=True))
        reviews = [json.dumps(a_review(pod)).encode() for pod in pods]
        while True:
            async with connected(self.injector.ports[0], self.asking) as server:
                for review in reviews:
                    await server.ask(review)
                    assert (await server.answer())[0] == 200
            await asyncio.sleep(0.3)

    async def _hold_room(self) -> None:
        """Hold the room for bodies with one that does not end."""
        while True:
            with contextlib.suppress(*GONE):
                async with a_client(self.sidecar.port) as client:
                    await client.send(post(LARGE, b"/json", JSON)[:-100])
                    await client.response()
            await asyncio.sleep(0.05)

    async def _flood(self) -> None:
        """Ask for more than the queue of a sink that takes nothing has room for."""

        async def ask(times: int) -> None:
            async with a_client(self.sidecar.port) as client:
                for _ in range(times):
                    assert (await client.ask(get(LONG))).status == 200

        await asyncio.gather(*(ask(LOST_REQUESTS // FLOODING) for _ in range(FLOODING)))

    async def _change(self) -> None:
        """Change something that all have to hear of."""
        store = RedisStore(a_state(self.server.url))
        await store.open()
        assert await store.put_tenant(TenantRecord(TenantId("globex")))
        await store.close()

    async def _break_the_other(self) -> None:
        """Fill the queues of its sinks, and give it a policy that is none."""
        async with a_client(self.other.port) as client:
            while (await client.ask(get(LONG))).status == 200:
                pass
        self.other.trail.with_name("other.yaml").write_text("version: [")

    async def break_everything(self) -> None:
        """Let the store be slow, then gone, and the issuer fail; then fill a sink's queue."""
        await asyncio.sleep(WELL_SECONDS)
        await self._break_the_other()
        await self._change()
        await asyncio.sleep(WELL_SECONDS)
        self.provider.status = 500
        await asyncio.to_thread(self.server.pause)
        await asyncio.sleep(PAUSED_SECONDS)
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(PAUSED_SECONDS)
        await self._flood()


async def _ask_everything(client: Peer) -> None:
    for client_address in (b"198.51.100.1", b"203.0.113.1", b"192.0.2.1"):
        line = b"X-Forwarded-For: " + client_address
        for target in (b"/items/1", b"/fails", b"/gone", b"/nowhere", b"/shadow"):
            await client.ask(get(target, line))
    for credential in (GOOD, BAD):
        await client.ask(get(b"/guarded", credential))
    await client.ask(get(b"/tokens", b"Authorization: Bearer e30.e30.e30"))
    await client.ask(post(LARGE, b"/json", JSON))


async def _serve(peer: Peer) -> None:
    while peer.waiting or await peer.more():
        request = await peer.request()
        if request.start[1] == b"/fails":
            await peer.send(ok(0).replace(b"200 OK", b"500 Broken"))
        else:
            await peer.send(ok(2) + b"ok")


def _policy(upstream: str, folder: Path, server: Valkey, provider: Provider) -> str:
    """Write a policy in which something is about to end, to be full or to be away."""
    ca = folder / "ca.pem"
    soon = datetime.now(UTC) + timedelta(days=1)
    issued = trustme.CA().issue_cert("a.example", not_after=soon)
    issued.cert_chain_pems[0].write_to_path(str(ca))
    issuer = {
        "issuer": "https://issuer.example",
        "audiences": ["a"],
        "algorithms": ["ES256"],
        "jwks": f"{provider.url}/keys",
        "refresh": "1s",
        "cooldown": "1s",
    }
    tls = {"url": "https://127.0.0.1:1", "tls": {"ca": str(ca)}}
    over = {
        "listen": {"trusted_proxies": ["127.0.0.1"], "health": "127.0.0.1:0"},
        "authentication": {"jwt": [issuer]},
        "limits": {
            "address": {"limit": "1000000/h", "on_store_failure": "local"},
            "entries": 1,
            "lease": "1s",
        },
        "blocks": {"on_store_failure": "last_known"},
        "bodies": {"memory": "64KB", "total": "64KB"},
        "body": {"max": "64KB"},
        "security_txt": {
            "contact": "mailto:security@example.com",
            "expires": f"{datetime.now(UTC) + timedelta(days=10):%Y-%m-%dT%H:%M:%SZ}",
        },
        "metrics": {"step_sample": 2, "tenants": {"max": 5}},
        "audit": {"sinks": [{"file": str(folder / "audit.jsonl")}, {"file": "/dev/full"}]},
        "routes": [
            *ROUTES,
            {"path": "/tls", **PLAIN, "upstream": tls},
        ],
    }
    state = {"store": server.url, "timeout": "300ms", "poll": "100ms"}
    return a_policy(upstream, **merged(sections(folder, state), over))


def _with_bad_sinks(upstream: str, folder: Path) -> str:
    """Write a policy of which one sink is to be full soon, and another to spill."""
    trail = {"file": str(folder / "other.jsonl")}
    full = {"file": "/dev/full", "queue": "4KB", "on_full": "block"}
    spill = {"file": str(folder / "other.spill"), "size": "1MB"}
    (folder / "full").symlink_to("/dev/full")
    slow = {"file": str(folder / "full"), "queue": "4KB", "on_full": "spill", "spill": spill}
    return a_policy(upstream, reload={"every": "200ms"}, audit={"sinks": [trail, full, slow]})


@asynccontextmanager
async def scene(folder: Path, server: Valkey) -> AsyncIterator[Scene]:
    """Run it until the block ends."""
    store = RedisStore(a_state(server.url))
    await store.open()
    await store.add_key(a_record("good", KEY, "owner"))
    await store.close()
    provider = Provider(jwks(public_jwk("P-256", kid="one")))
    await provider.open()
    try:
        async with a_service(_serve) as service, a_service(Echo()) as another:
            first = folder / "policy.yaml"
            first.write_text(_policy(service.url, folder, server, provider))
            second = folder / "other.yaml"
            second.write_text(_with_bad_sinks(another.url, folder))
            place = Place(folder)
            async with (
                serving(place) as injector,
                launched([str(first)], folder / "audit.jsonl") as sidecar,
                launched([str(second)], folder / "other.jsonl") as other,
            ):
                await sidecar.started()
                await other.started()
                yield Scene(sidecar, other, server, provider, injector, place.trust())
    finally:
        await provider.close()
