"""A sidecar under load that gets one policy after another, each of which decides otherwise.

Each policy names itself in every answer, so that an answer tells whose decision it is: it has to be
the decision of that policy, and of one that was in force between the request and its answer.
"""

import asyncio
import itertools
import os
import re
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trustme

from sidecar.adapters.stores.redis.store import RedisStore
from tests.corpora.reader import Message
from tests.e2e.callers import RSA_ISSUER, a_record, a_token, sections
from tests.e2e.collector import a_collector
from tests.e2e.guarded import GOOD, KEY, merged
from tests.e2e.launch import Launched, serving
from tests.e2e.test_tls import files, trusting
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get, post
from tests.knowledge.auth.minting import jwks, public_jwk
from tests.stores.rows import a_state
from tests.stores.servers import valkey

OPS: Final = "0123456789abcdef" * 2
PAUSE_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 45.0
JSON: Final = b"Content-Type: application/json"
NAME: Final = b"x-policy"
TOKEN: Final = b"Authorization: Bearer " + a_token()

REQUESTS: Final = (
    get(b"/public"),
    get(b"/any", GOOD),
    get(b"/any", TOKEN),
    post(b"{}", b"/any", GOOD, JSON),
    get(b"/new"),
    get(b"/any"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A policy.

    Attributes:
        statuses: of the answers to `REQUESTS`, in their order.
        sections: laid over the general ones.
    """

    statuses: tuple[int, ...]
    sections: Mapping[str, object]


PUBLIC: Final[Mapping[str, object]] = {"path": "/public", "public": True}
ANY: Final[Mapping[str, object]] = {"path": "/any", "role": "viewer"}
FEW: Final[Mapping[str, object]] = {"concurrency": 50, "by": "subject"}
WEBHOOK: Final = {"url": "http://127.0.0.1:1/", "secret": "whsec_" + "A" * 43 + "="}


def _traced(collector: str) -> Kind:
    return Kind(
        (200, 401, 200, 401, 404, 401),
        {
            "secrets": {"pepper": "another pepper of thirty-two or so"},
            "tracing": {"otlp": collector, "sample": 1},
            "explain": {"requests": "all", "last": 100},
        },
    )


def _of_other_keys(folder: Path) -> Kind:
    (folder / "other.json").write_bytes(jwks(public_jwk("RSA other", kid="r1")))
    claims = {"tenant": "tenants", "roles": "roles", "login": "amr"}
    issuer = {"issuer": RSA_ISSUER, "audiences": ["orders"], "algorithms": ["RS256"]}
    issuers = [{**issuer, "jwks": "file:other.json", "claims": claims}]
    spill = {"file": str(folder / "spilled"), "size": "1MB"}
    more = {"file": str(folder / "more.jsonl"), "on_full": "spill", "spill": spill}
    sinks = [{"file": str(folder / "audit.jsonl")}, more]
    return Kind(
        (200, 200, 401, 200, 404, 401),
        {
            "authentication": {"jwt": issuers},
            "audit": {"sinks": sinks, "alerts": {"webhook": WEBHOOK}},
            "metrics": {"tenants": {"max": 10}, "step_sample": 10},
        },
    )


def kinds(folder: Path, collector: str) -> tuple[Kind, ...]:
    """Write policies that differ in all that a reload makes anew."""
    strict = {**ANY, "scopes": ["nobody:has"], "limits": FEW}
    return (
        Kind((200, 200, 200, 200, 404, 401), {}),
        _traced(collector),
        _of_other_keys(folder),
        Kind(
            (200, 200, 200, 422, 200, 401),
            {
                "routes": [PUBLIC, ANY, {"path": "/new", "public": True}],
                "body": {"schema": {"required": ["a"]}},
                "limits": {"address": {"limit": "100000/min"}},
                "blocks": {},
            },
        ),
        Kind(
            (404, 403, 403, 403, 404, 401),
            {
                "routes": [strict],
                "audit": {"pseudonyms": {"key": "k" * 40}, "requests": "refused"},
                "csp": "default-src 'self'",
                "headers": {"preset": "web"},
                "reports": {},
            },
        ),
    )


async def _patiently(client: Peer, method: bytes) -> Message:
    """Read an answer, which a busy machine may be slow to give."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(TimeoutError):
                return await client.response(method)


@dataclass(slots=True)
class Reloading:
    """A sidecar under load, and what is known of its policies.

    Attributes:
        sidecar: the sidecar.
        texts: the policies that come in turns.
        kinds: what they decide.
        settled: number of the policy that was last seen to be in force.
        coming: number of the one that may be.
        asked: requests that were answered.
        wrong: what was not as it has to be, in words.
    """

    sidecar: Launched
    texts: Sequence[str]
    kinds: Sequence[Kind]
    trust: ssl.SSLContext
    settled: int = 0
    coming: int = 0
    asked: int = 0
    wrong: list[str] = field(default_factory=list)
    _may_ask: asyncio.Event = field(default_factory=asyncio.Event)
    _asking: int = 0

    async def load(self) -> None:
        """Ask on a connection for as long as it is kept, then on another, until told to stop."""
        turns = itertools.cycle(range(len(REQUESTS)))
        while True:
            async with a_client(self.sidecar.port, self.trust) as client:
                is_kept = True
                while is_kept:
                    await self._may_ask.wait()
                    is_kept = await self._ask_in_turn(client, next(turns))
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _ask_in_turn(self, client: Peer, at: int) -> bool:
        self._asking += 1
        try:
            return await self._ask(client, at)
        finally:
            self._asking -= 1

    async def _ask(self, client: Peer, at: int) -> bool:
        """Judge an answer; False where the sidecar said that it closes the connection after it."""
        first = self.settled
        await client.send(REQUESTS[at])
        answer = await _patiently(client, REQUESTS[at].partition(b" ")[0])
        self.asked += 1
        possible = {number % len(self.kinds) for number in range(first, self.coming + 1)}
        named = [int(value) for value in answer.values(NAME)]
        if len(named) != 1 or named[0] not in possible:
            self.wrong.append(f"{named} answered, {possible} may be in force")
            return True
        right = {self.kinds[named[0]].statuses[at]}
        if any(self.kinds[one].statuses[at] == 401 for one in possible):
            # What is under way ends when a policy comes that does not know the caller (ADR 24).
            right.add(401)
        if answer.status not in right:
            self.wrong.append(f"policy {named[0]} gave {answer.status} to request {at}")
        return b"close" not in answer.values(b"connection")

    @asynccontextmanager
    async def loaded(self, connections: int) -> AsyncIterator[None]:
        """Ask on so many connections for as long as the block lasts; each answer is judged."""
        self._may_ask.set()
        clients = [asyncio.create_task(self.load()) for _ in range(connections)]
        try:
            yield
            await self.rests()
            ended = [repr(client.exception()) for client in clients if client.done()]
            assert not ended, ended
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def rests(self) -> None:
        """Have nobody ask any more."""
        self._may_ask.clear()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._asking:  # noqa: ASYNC110 -- a number of the test's own
                await asyncio.sleep(0.01)

    def goes_on(self) -> None:
        """Have all ask again."""
        self._may_ask.set()

    async def reload(self) -> None:
        """Bring the next policy into force, by the next way of doing so."""
        self.coming += 1
        number = self.coming
        name = self.sidecar.trail.with_name("policy.yaml")
        fresh = name.with_name(".fresh")
        fresh.write_text(self.texts[number % len(self.texts)])
        fresh.rename(name)
        if number % 3 == 1:
            self.sidecar.order(signal.SIGHUP)
        elif number % 3 == 2:
            await self._by_admin()
        await self._seen(number)
        self.settled = number

    async def _by_admin(self) -> None:
        line = b"Authorization: Bearer " + OPS.encode()
        head = b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\n%b\r\nContent-Length: 0\r\n\r\n"
        async with a_client(self.sidecar.admin_port) as client:
            await client.send(head % line)
            # A reload takes longer than anything else that a client waits for.
            async with asyncio.timeout(PATIENCE_SECONDS):
                client.waiting += await client.reader.read(1)
            answer = await client.response(b"POST")
        # A busy machine may take longer than the listener waits; what has begun goes on.
        assert answer.status in {200, 503}, answer.body

    async def _seen(self, number: int) -> None:
        admitted = 'sidecar_policy_reload_total{result="admitted"}'
        if not await becomes(lambda: self._has(admitted, number), PATIENCE_SECONDS):
            raise AssertionError(f"policy {number} is not in force: {self.reloads()[-2:]}")

    async def _has(self, metric: str, number: int) -> bool:
        return await self.sidecar.count(metric) >= number

    def reloads(self) -> list[Mapping[str, object]]:
        """List the records of reloads."""
        return [one for one in self.sidecar.records() if one["action"] == "config.reload"]

    async def failed(self) -> int:
        """Count the reloads that did not bring a policy into force."""
        total = await self.sidecar.count("sidecar_policy_reload_total")
        words = [f'sidecar_policy_reload_total{{result="{one}"}}' for one in _GOOD]
        return total - sum([await self.sidecar.count(one) for one in words])


# A look at the files may come just after somebody asked for the same.
_GOOD: Final = ("admitted", "unchanged")


@dataclass(frozen=True, slots=True)
class Held:
    """What the processes of a sidecar hold.

    Attributes:
        resident: bytes, process by process.
        descriptors: open files, likewise.
        threads: likewise.
    """

    resident: tuple[int, ...]
    descriptors: tuple[int, ...]
    threads: tuple[int, ...]


def held(sidecar: Launched, workers: int) -> Held:
    """Look at the processes of a sidecar that serve, from outside."""
    # The children of one that serves itself judge bodies, and have a bound of their own.
    children = sorted(sidecar.workers()) if workers > 1 else ()
    folders = [Path(f"/proc/{pid}") for pid in (sidecar.child.pid, *children)]
    return Held(
        tuple(_status(one, "VmRSS") * 1024 for one in folders),
        tuple(len(os.listdir(one / "fd")) for one in folders),  # noqa: PTH208 -- names alone
        tuple(_status(one, "Threads") for one in folders),
    )


def _status(folder: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", (folder / "status").read_text(), re.MULTILINE)
    assert found, f"the kernel says no {name}"
    return int(found[1])


async def becomes(found: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Wait until something holds in another process; False if it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while not await found():  # noqa: ASYNC110 -- seen from outside
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


def _texts(
    folder: Path, general: Mapping[str, object], found: Sequence[Kind], authority: trustme.CA
) -> list[str]:
    """Write the policies down, each with a certificate of its own."""
    texts = []
    for at, one in enumerate(found):
        tls = files(authority.issue_cert("localhost", "127.0.0.1"), folder, f"server{at}")
        named = {"headers": {"set": {"X-Policy": str(at)}}, "listen": {"tls": tls}}
        made = merged(merged(general, one.sections), named)
        texts.append(a_policy(made.pop("upstream"), **made))
    return texts


async def _with_a_key(url: str) -> None:
    store = RedisStore(a_state(url))
    await store.open()
    assert await store.add_key(a_record("good", KEY, "owner"))
    await store.close()


@asynccontextmanager
async def reloading(folder: Path, port: int, workers: int) -> AsyncIterator[Reloading]:
    """Run a sidecar on the first of the policies; its listener speaks TLS.

    Args:
        folder: for all files.
        port: of the proxy listener.
        workers: how many processes serve.
    """
    async with AsyncExitStack() as stack:
        server = stack.enter_context(valkey())
        await _with_a_key(server.url)
        collector = await stack.enter_async_context(a_collector())
        service = await stack.enter_async_context(a_service(Echo()))
        # A key of RSA takes its time.
        found = await asyncio.to_thread(kinds, folder, collector.url)
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        own = {
            "upstream": {"url": service.url, "keepalive": {"connections": 1}},
            "routes": [PUBLIC, ANY],
            "reload": {"every": "200ms"},
            "workers": workers,
            # While the soak looks at what is held, nobody asks.
            "listen": {"proxy": f"127.0.0.1:{port}", "timeouts": {"idle": "10m"}},
            "admin": {"tokens": [{"name": "ops", "token": OPS, "role": "admin"}]},
            "audit": {"sinks": [{"file": str(folder / "audit.jsonl")}]},
        }
        general = merged(sections(folder, {"store": server.url, "timeout": "5s"}), own)
        texts = _texts(folder, general, found, authority)
        sidecar = await stack.enter_async_context(serving(texts[0], folder))
        await sidecar.becomes_ready()
        yield Reloading(sidecar, texts, found, trusting(authority))
