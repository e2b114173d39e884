"""The five profiles as a user runs them: what is laid over each, its callers, its probes."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sidecar.adapters.ids import UuidV7
from sidecar.lifecycle.desk import operations_of
from sidecar.lifecycle.keys import Source
from tests.corpora.reader import Message
from tests.e2e.callers import AUDIENCE, PEPPER, RSA_ISSUER, a_token
from tests.e2e.conftest import Running, load_policy, running
from tests.e2e.wire import Peer, Serve, a_client, a_service
from tests.knowledge.auth.minting import public_jwk
from tests.lifecycle.noting import OPS, Noted
from tests.policy.test_assertion import PEM

TABLE: Final = Path(__file__).with_name("profiles.txt").read_text(encoding="utf-8")
NAMES: Final = (
    "edge-database", "interaction-api", "agent-platform", "license-platform", "agent-workspace",
)  # fmt: skip
_ROW: Final = re.compile(
    r"(?P<control>\S+) +(?P<caller>\S+) +(?P<method>\S+) +(?P<target>\S+)"
    r"(?: with (?P<added>.+?))?(?: after (?P<after>\d+)(?: from (?P<addresses>\d+))?)?"
    r" +> (?P<status>\d+) ?(?P<said>.*)"
)
_ISSUER: Final = {
    "issuer": RSA_ISSUER,
    "audiences": [AUDIENCE],
    "algorithms": ["RS256"],
    "jwks": "file:jwks.json",
    "claims": {"tenant": "tenants", "roles": "roles", "login": "amr"},
}
_PAGES: Final = {"origins": ["https://console.example"]}
_ASSERTION: Final = {"assertion": {"key": "file:assertion.pem"}}
_MASTER: Final = {"secrets": {"pepper": "file:pepper", "master_key": "file:master"}}
# What each profile says is the user's to give.
_GIVEN: Final[Mapping[str, Mapping[str, object]]] = {
    "edge-database": {**_ASSERTION, "cors": _PAGES},
    "interaction-api": {"secrets": {"pepper": "file:pepper"}, "cors": _PAGES},
    "agent-platform": _ASSERTION,
    "license-platform": {**_MASTER, "authentication": {"jwt": [_ISSUER]}},
    "agent-workspace": {**_MASTER, "authentication": {"jwt": [_ISSUER]}},
}
_ACME: Final = {
    "id": "acme",
    "tier": "pro",
    "origins": ["https://app.acme.example"],
    "projects": {"shop": {"domains": ["shop.example"]}, "depot": {}},
    # A rate of its own, for callers of a tier that allows one.
    "attributes": {"rate_limit": "30/min", "rate_burst": "40"},
}
# Requests before a probe come on so many connections; a floor of authentication holds each back.
_LANES: Final = 50


@dataclass(frozen=True, slots=True)
class Probe:
    """One row of the table.

    Attributes:
        control: the control that it proves.
        caller: who asks.
        method: method of the request.
        target: its path and query.
        added: further field lines, or a body.
        status: status of the answer.
        said: reason in the audit, or what the service saw.
        after: how many such requests come before it.
        addresses: from how many addresses these come; 0 for that of the probe.
    """

    control: str
    caller: str
    method: str
    target: str
    added: tuple[str, ...]
    status: int
    said: str
    after: int = 0
    addresses: int = 0


def lines_of(profile: str) -> Iterator[str]:
    """List what the table says of a profile."""
    _, _, section = TABLE.partition(f"\n[{profile}]\n")
    yield from filter(None, section.partition("\n[")[0].splitlines())


def probes_of(profile: str) -> list[Probe]:
    """Read the probes of a profile."""
    found = []
    for line in lines_of(profile):
        if not line.startswith("key "):
            row = _ROW.fullmatch(line)
            assert row is not None, line
            added = tuple(filter(None, (row["added"] or "").split("; ")))
            head = (row["control"], row["caller"], row["method"], row["target"])
            after, addresses = int(row["after"] or 0), int(row["addresses"] or 0)
            said = (int(row["status"]), row["said"])
            found.append(Probe(*head, added, *said, after, addresses))
    return found


@dataclass(slots=True)
class Told:
    """A careless service: tells what it is made of, and keeps what it was asked.

    Attributes:
        name: what tells it from others.
        seen: requests to all services, with the names of those that got them.
    """

    name: str
    seen: list[tuple[str, Message]]

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while peer.waiting or await peer.more():
            self.seen.append((self.name, await peer.request()))
            await peer.send(
                b"HTTP/1.1 200 OK\r\nServer: Apache/2.4.1\r\nX-Powered-By: PHP/5.4.0\r\n"
                b"Content-Length: 2\r\n\r\nok"
            )


@dataclass(slots=True)
class World:
    """A profile that runs, with its callers.

    Attributes:
        proxy: the sidecar.
        folder: where its state is.
        seen: what its services were asked.
        credentials: field lines by caller.
        key_ids: ids of the keys by caller.
    """

    proxy: Running
    folder: Path
    seen: list[tuple[str, Message]]
    credentials: dict[str, bytes] = field(default_factory=dict)
    key_ids: dict[str, str] = field(default_factory=dict)


def policy_over(profile: str, upstream: str, folder: Path, **sections: object) -> str:
    """Write what a user lays over a profile; the files that it names go into the folder."""
    (folder / "jwks.json").write_text(json.dumps({"keys": [public_jwk("RSA", kid="r1")]}))
    (folder / "pepper").write_bytes(PEPPER)
    (folder / "master").write_text("7f" * 32)
    (folder / "assertion.pem").write_bytes(PEM)
    own = {
        "extends": profile,
        "upstream": upstream,
        "state": f"sqlite:{folder / 'state.db'}",
        "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "drain": "2s"},
        "audit": {"flush": "10ms"},
    }
    return json.dumps({**own, **_GIVEN[profile], **sections})


@asynccontextmanager
async def a_world(
    profile: str, folder: Path, serve: Serve | None = None, **sections: object
) -> AsyncIterator[World]:
    """Run a profile before a service that all share and one that is the tenant globex's own."""
    seen: list[tuple[str, Message]] = []
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(a_service(serve or Told("shared", seen)))
        own = await stack.enter_async_context(a_service(Told("globex", seen)))
        text = policy_over(profile, shared.url, folder, **sections)
        world = World(await stack.enter_async_context(running(text, folder)), folder, seen)
        await _people(world, profile, text, own.url)
        yield world


async def _people(world: World, profile: str, text: str, own_url: str) -> None:
    """Make tenants and keys as an operator does."""
    source = Source(time.time, os.urandom, UuidV7(time.time, os.urandom))
    policy = load_policy(text, world.folder).policy
    rows = operations_of(policy, world.proxy.store, Noted(), source)
    operations = {(row.method, row.path): row for row in rows}

    async def perform(
        method: str, path: str, ids: Mapping[str, str], body: object, tenant: str = ""
    ) -> Mapping[str, object]:
        query = [("tenant", tenant)] if tenant else []
        written = json.dumps(body).encode() if body else b""
        return await operations[method, path].perform(OPS, ids, query, written)

    globex: dict[str, object] = {"id": "globex", "tier": "free"}
    await perform("POST", "/v1/tenants", {}, _ACME)
    if profile == "agent-workspace":
        globex |= {"upstream": own_url, "upstream_credential": "token"}
    await perform("POST", "/v1/tenants", {}, globex)
    if profile == "agent-workspace":
        value = {"value": "Bearer sealed-7d1f"}
        await perform("PUT", "/v1/secrets/{name}", {"name": "token"}, value, "globex")
    for line in lines_of(profile):
        if line.startswith("key "):
            name, draft, is_revoked = _key_of(line)
            made = await perform("POST", "/v1/keys", {}, draft)
            world.credentials[name] = f"X-API-Key: {made['key']}".encode()
            world.key_ids[name] = str(made["id"])
            if is_revoked:
                await perform("POST", "/v1/keys/{id}/revoke", {"id": str(made["id"])}, None)
    _strangers(world.credentials)


def _key_of(line: str) -> tuple[str, dict[str, object], bool]:
    """Read who a key is made for."""
    _, name, *words = line.split()
    draft: dict[str, object] = {"tenant": "acme", "subject": name}
    for word in words:
        fact, _, value = word.partition("=")
        draft[fact] = value.split(",") if fact in {"roles", "scopes", "addresses"} else value
        draft |= {"read_only": True} if word == "read_only" else {}
    return name, draft, draft.pop("revoked", None) is not None


def _strangers(credentials: dict[str, bytes]) -> None:
    """Add callers that are no key of the store."""
    good = next(iter(credentials.values()))
    start, _, body = good.rpartition(b"_")
    tokens = {
        "sso": a_token(roles=["owner"]),
        "pwd": a_token(roles=["owner"], amr="pwd"),
        "stale": a_token(iat=1, exp=2),
        "forged": a_token()[:-4] + b"AAAA",
    }
    credentials |= {
        "nobody": b"",
        "malformed": good[:-1],
        "unknown": start + b"_" + b"0" * len(body),
        **{name: b"Authorization: Bearer " + token for name, token in tokens.items()},
    }


async def sent(world: World, probe: Probe) -> tuple[Message, float]:
    """Send a probe on a connection of its own; gives the answer, and the seconds that it took."""
    bodies = [added for added in probe.added if ": " not in added]
    head, pieces = _head_and_body(bodies, probe.added)
    request = _head_of(world, probe, head)
    async with a_client(world.proxy.port) as client:
        began = time.perf_counter()
        await client.send(request)
        # A body that is refused at its declaration is not sent at all.
        if probe.status != 413 or not probe.said.startswith("declared"):
            await client.send(*pieces)
        answer = await client.response(probe.method.encode())
        return answer, time.perf_counter() - began


async def precede(world: World, probe: Probe) -> list[Message]:
    """Send the requests that come before a probe; gives the answers."""
    lanes = min(probe.addresses or _LANES, probe.after)

    async def lane(number: int) -> list[Message]:
        address = f"X-Forwarded-For: 10.9.0.{number}".encode() if probe.addresses else b""
        request = _head_of(world, probe, address)
        async with a_client(world.proxy.port) as client:
            return [await client.ask(request) for _ in range(number, probe.after, lanes)]

    answers = await asyncio.gather(*[lane(number) for number in range(lanes)])
    return [answer for some in answers for answer in some]


def _head_of(world: World, probe: Probe, more: bytes = b"") -> bytes:
    lines = [line.encode() for line in probe.added if ": " in line]
    own = world.credentials[probe.caller]
    start = f"{probe.method} {probe.target} HTTP/1.1".encode()
    return b"\r\n".join([start, b"Host: a.example", *filter(None, [own, more, *lines]), b"", b""])


def _head_and_body(bodies: Sequence[str], lines: Sequence[str]) -> tuple[bytes, list[bytes]]:
    if not bodies:
        return b"", []
    word, _, said = bodies[0].partition(" ")
    body = _document(word, said)
    is_typed = any(line.startswith("Content-Type:") for line in lines)
    kind = b"" if is_typed else b"Content-Type: application/json\r\n"
    if word == "chunked":
        pieces = [b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"]
        return kind + b"Transfer-Encoding: chunked", pieces
    return kind + b"Content-Length: %d" % len(body), [body]


def _document(word: str, said: str) -> bytes:
    if word == "json":
        return said.encode()
    if word == "items":
        return json.dumps([{}] * int(said)).encode()
    if word == "text":
        run = {"session_id": "0190a4c2-7d10-7abc-8def-0123456789ab", "text": "x" * int(said)}
        return json.dumps(run).encode()
    return b'["' + b"x" * (int(said) - 4) + b'"]'
