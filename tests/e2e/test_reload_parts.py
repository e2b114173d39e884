"""Each part of a policy is reloaded alone: another one is in force at once, a bad one never."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from sidecar.reload import Result
from tests.corpora.reader import Message
from tests.e2e.callers import RSA_ISSUER, a_token
from tests.e2e.guarded import GOOD
from tests.e2e.mcp_attacks import a_call
from tests.e2e.reload_parts import admits, refuses, reloads
from tests.e2e.reloading import Sections
from tests.e2e.wire import a_client, get, post
from tests.knowledge.auth.minting import jwks, public_jwk

HELD: Final = b"X-Hold: 1"
JSON: Final = b"Content-Type: application/json"
TOKEN: Final = b"Authorization: Bearer " + a_token()
ORIGIN: Final = b"Origin: https://a.example"
OPAQUE: Final = b"Authorization: Bearer opaque"
DESCRIBED: Final[Mapping[str, object]] = {
    "openapi": "3.1.0", "info": {"title": "a", "version": "1"},
    "paths": {"/told": {"get": {"responses": {}, "x-sidecar": {"public": True}}}},
}  # fmt: skip
OPENAPI: Final[Sections] = {"openapi": {"file": "api.json", "routes": "add"}}


@dataclass(frozen=True, slots=True)
class Change:
    """What is written: sections of the policy, and files that it names."""

    sections: Sections = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class Part(NamedTuple):
    """A part of a policy, and what a request shows of it.

    Attributes:
        before: the policy at first.
        good: another one.
        bad: one that must not come into force.
        result: what becomes of the bad one.
        told: what is said of it.
        diff: what the audit names of the good one.
        request: a request, with further lines.
        look: what to look at in its answer.
        former: what is there under the first policy.
        then: what is there under the other one.
    """

    before: Change
    good: Change
    bad: Change
    result: Result
    told: str
    diff: str
    request: Callable[..., bytes]
    look: Callable[[Message], object]
    former: object
    then: object


def asking(target: bytes, *lines: bytes) -> Callable[..., bytes]:
    return lambda *more: get(target, *lines, *more)


def status(answer: Message) -> object:
    return answer.status


def tool(answer: Message) -> object:
    return "refused" if b'"error"' in answer.body else "called"


def allowed(answer: Message) -> object:
    return answer.values(b"access-control-allow-origin")


def limits(limit: str) -> Change:
    return Change({"limits": {"address": {"limit": limit}}})


def firewall(*tools: str) -> Change:
    rules = {"tools": {"anonymous": list(tools)}}
    return Change({"routes": [{"path": "/mcp", "public": True, "mcp": rules}]})


def key_set(place: str) -> Change:
    claims = {"tenant": "tenants", "roles": "roles"}
    made = {"issuer": RSA_ISSUER, "audiences": ["orders"], "algorithms": ["RS256"]}
    return Change({"authentication": {"jwt": [{**made, "jwks": place, "claims": claims}]}})


def origins(*some: str) -> Change:
    return Change({"cors": {"origins": list(some)}})


def described(text: str) -> Change:
    return Change(OPENAPI, {"api.json": text})


def secret(text: str) -> Change:
    return Change({"secrets": {"pepper": "file:own"}}, {"own": text})


PEPPER: Final = "a pepper of thirty-two characters"
FILES: Final = {
    "other.json": jwks(public_jwk("RSA", kid="r2")).decode(),
    "garbled.json": "no key set",
}
PARTS: Final = {
    "limits": Part(
        limits("9/min"), limits("8/min"), limits("8/fortnight"), Result.INVALID, "8/fortnight",
        "limits.address", asking(b"/public"), lambda answer: answer.values(b"ratelimit-policy"),
        [b'"address";q=9;w=60'], [b'"address";q=8;w=60'],
    ),
    "the firewall for MCP": Part(
        firewall("search"), firewall("read_*"), firewall("*search"), Result.INVALID, "*search",
        "mcp", lambda *more: post(a_call(), b"/mcp", JSON, *more), tool, "called", "refused",
    ),
    "the keys of an issuer": Part(
        key_set("file:jwks.json"), key_set("file:other.json"), key_set("file:garbled.json"),
        Result.INVALID, "jwt[0].jwks: holds no key", "authentication.jwt",
        asking(b"/any", TOKEN), status, 200, 401,
    ),
    "an issuer that gives no keys": Part(
        key_set("file:jwks.json"), key_set("file:other.json"), key_set("http://127.0.0.1:1/jwks"),
        Result.FAILED, f"no key set of {RSA_ISSUER}", "authentication.jwt",
        asking(b"/any", TOKEN), status, 200, 401,
    ),
    "where keys are": Part(
        Change(), Change({"authentication": {"api_keys": {"header": "X-Other"}}}),
        Change({"authentication": {"api_keys": {"header": "X Other"}}}), Result.INVALID, "X Other",
        "authentication.api_keys.header", asking(b"/any", GOOD), status, 200, 401,
    ),
    "the store of keys": Part(
        Change(), Change({"authentication": {"api_keys": {"header": "X-Other"}}}),
        Change({"state": {"store": "sqlite:other.db"}}), Result.RESTART, "takes a restart: state",
        "authentication.api_keys.header", asking(b"/any", GOOD), status, 200, 401,
    ),
    "CORS": Part(
        origins("https://a.example"), origins("https://b.example"),
        origins("https://b.example/path"), Result.INVALID, "b.example/path", "cors.origins",
        asking(b"/public", ORIGIN), allowed, [b"https://a.example"], [],
    ),
    "an OpenAPI document": Part(
        described(json.dumps(DESCRIBED)), described(json.dumps({**DESCRIBED, "paths": {}})),
        described('{"openapi": "3.1.0"'), Result.INVALID, "api.json", "routes", asking(b"/told"),
        status, 200, 404,
    ),
    "a secret in a file": Part(
        secret(PEPPER), secret("another pepper of thirty-two or so"), secret("short"),
        Result.INVALID, "secrets.pepper", "secrets.pepper", asking(b"/any", GOOD), status, 200, 401,
    ),
}  # fmt: skip


def put(folder: Path, change: Change) -> Sections:
    """Write the files of a change; give its sections."""
    for name, text in change.files.items():
        (folder / name).write_text(text)
    return change.sections


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_is_in_force_for_the_next_request_and_a_bad_one_never(
    tmp_path: Path, name: str
) -> None:
    part = PARTS[name]
    for file, text in FILES.items():
        (tmp_path / file).write_text(text)
    before = put(tmp_path, part.before)
    async with (
        reloads(tmp_path, before) as sidecar,
        a_client(sidecar.port) as waiting,
        a_client(sidecar.port) as client,
    ):
        assert part.look(await client.ask(part.request())) == part.former
        await refuses(
            sidecar, await sidecar.reload(before, put(tmp_path, part.bad)), part.result, part.told
        )
        assert part.look(await client.ask(part.request())) == part.former
        await waiting.send(part.request(HELD))
        await sidecar.gate.held.acquire()
        outcome = await sidecar.reload(before, put(tmp_path, part.good))
        await admits(sidecar, outcome, part.diff)
        assert part.look(await client.ask(part.request())) == part.then
        # Whose credential is good no more is not waited for (AN-10).
        is_ended = part.then == 401
        if not is_ended:
            sidecar.gate.open()
        answer = await waiting.response(part.request().partition(b" ")[0])
        assert part.look(answer) == (part.then if is_ended else part.former)
