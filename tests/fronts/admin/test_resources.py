"""What operators do over the admin API: the table of operations, on real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.fronts.admin.applications import admin_app
from sidecar.fronts.admin.listener import Listener
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyRecord, TenantId
from tests.fronts.admin.listening import ADMIN, READ, Seen, Sidecar, ask, send
from tests.lifecycle.desks import Installation, a_guarded_policy
from tests.lifecycle.noting import NOW

WATCH = "Authorization: Bearer read-token"
OPS = "Authorization: Bearer admin-token"
NOBODY = "0190a4c2-7d10-7abc-8def-ffffffffffff"
OWN = {
    ("get", "/v1/status"),
    ("get", "/v1/routes"),
    ("get", "/v1/openapi.json"),
    # Its row is there where decisions are kept.
    ("get", "/v1/explain/{id}"),
    # Not of an installation, but of the sidecar that serves it.
    ("post", "/v1/reload"),
}


@pytest.fixture
def place() -> Installation:
    return Installation()


@pytest.fixture
async def admin(place: Installation) -> AsyncIterator[int]:
    async with serving(place) as port:
        yield port


@asynccontextmanager
async def serving(place: Installation) -> AsyncIterator[int]:
    """Serve the admin API of an installation; gives the port."""
    sidecar = Sidecar()
    operations = place.operations.values()
    app = admin_app(sidecar, [READ, ADMIN], sidecar.note, operations=operations)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    yield listener.port
    await listener.close()


async def post(port: int, target: str, body: bytes, *lines: str, token: str = OPS) -> Seen:
    head = [f"POST {target} HTTP/1.1", "Host: localhost", token, *lines]
    if not lines:
        head.append(f"Content-Length: {len(body)}")
    return await send(port, "\r\n".join([*head, "", ""]).encode() + body)


def read(seen: Seen) -> dict[str, object]:
    document = json.loads(seen.body)
    assert isinstance(document, dict)
    if seen.status >= 400:
        assert seen.values("Content-Type") == ["application/problem+json"]
        assert document["status"] == seen.status
    return document


async def test_the_description_names_every_operation_and_no_other(
    admin: int, place: Installation
) -> None:
    description = read(await ask(admin, "/v1/openapi.json", WATCH))
    paths = description["paths"]
    assert isinstance(paths, dict)
    described = {(method, path) for path, methods in paths.items() for method in methods}
    assert described == OWN | {(method.lower(), path) for method, path in place.operations}


async def test_a_key_is_made_and_shown_to_whoever_may_look(admin: int, place: Installation) -> None:
    seen = await post(admin, "/v1/keys", b'{"tenant": "acme", "roles": ["viewer"]}')
    made = read(seen)
    assert seen.status == 201
    assert seen.values("Cache-Control") == ["no-store"]
    assert str(made["key"]).startswith("sk_live_")
    assert made["created_by"] == "ops"
    assert place.events[0].actor == "ops"
    shown = await ask(admin, f"/v1/keys/{made['id']}", WATCH)
    assert read(shown) == {name: value for name, value in made.items() if name != "key"}
    listed = await ask(admin, "/v1/keys?tenant=acme&limit=1", WATCH)
    assert read(listed) == {"keys": [read(shown)], "next": made["id"]}
    assert (await ask(admin, "/v1/keys", WATCH, method="HEAD")).status == 200


async def test_a_token_that_may_only_look_changes_nothing(admin: int, place: Installation) -> None:
    seen = await post(admin, "/v1/keys", b'{"tenant": "acme"}', token=WATCH)
    assert read(seen)["code"] == "FORBIDDEN"
    assert place.events == []


async def test_nobody_without_a_token_sees_an_operation(admin: int) -> None:
    for target in ("/v1/keys", f"/v1/keys/{NOBODY}", "/v1/keys/import"):
        assert read(await ask(admin, target))["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("target", "body", "status", "detail"),
    [
        ("/v1/keys", b"{", 400, "the body is no JSON"),
        ("/v1/keys", b"\xff", 400, "the body is no JSON"),
        ("/v1/keys", b"[" * 20_000, 400, "the body is no JSON"),
        ("/v1/keys", b"[]", 400, "the body is no object"),
        ("/v1/keys", b'{"tenant": "acme", "tenant": "globex"}', 400, "a member twice"),
        ("/v1/keys", b'{"tenant": "acme", "admin": true}', 400, "admin is no member"),
        ("/v1/keys", b'{"tenant": {"$ne": 1}}', 400, "tenant: "),
        ("/v1/keys?dry=1", b'{"tenant": "acme"}', 400, "dry is no parameter"),
        ("/v1/keys", b'{"tenant": "initech"}', 404, "there is no tenant initech"),
        (f"/v1/keys/{NOBODY}/revoke", b"", 404, f"there is no key {NOBODY}"),
        (f"/v1/keys/{NOBODY}/revoke", b"{}", 404, f"there is no key {NOBODY}"),
        (f"/v1/keys/{NOBODY}/revoke", b'{"why": 1}', 400, "why is no member"),
        ("/v1/keys/%2e%2e%2fstatus/revoke", b"", 404, "this is no id of a key"),
    ],
)
async def test_what_does_not_fit_is_said(
    admin: int, target: str, body: bytes, status: int, detail: str
) -> None:
    seen = await post(admin, target, body)
    assert (seen.status, detail in str(read(seen)["detail"])) == (status, True), seen.body


async def test_a_parameter_is_given_once_and_known(admin: int) -> None:
    for query, detail in (
        ("limit=1&limit=2", "limit is given twice"),
        ("page=2", "page is no parameter"),
        ("limit=0", "limit is no number of records"),
        ("%1b%5b=1", "'\\x1b[' is no parameter"),
    ):
        seen = await ask(admin, f"/v1/keys?{query}", WATCH)
        assert (seen.status, read(seen)["detail"]) == (400, detail)


async def test_a_state_that_forbids_it_is_a_conflict(admin: int, place: Installation) -> None:
    made = str((await place.make())["id"])
    await place.call("POST", "/v1/keys/{id}/revoke", made)
    seen = read(await post(admin, f"/v1/keys/{made}/enable", b""))
    assert (seen["status"], seen["code"], seen["hint"]) == (409, "CONFLICT", "sidecar keys create")


class Silent(MemoryStore):
    """A store that cannot answer."""

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        raise StoreUnavailableError(f"no {limit} keys of {tenant} after {after or 'nothing'}")


async def test_a_store_that_cannot_answer_is_said() -> None:
    async with serving(Installation(store=Silent(lambda: NOW))) as port:
        seen = read(await ask(port, "/v1/keys?limit=9&tenant=acme", WATCH))
    assert seen["code"] == "STORE_UNAVAILABLE"
    assert seen["detail"] == "no 9 keys of acme after nothing"


async def test_a_body_is_bounded_however_it_is_framed(admin: int) -> None:
    body = b'{"label": "' + b"x" * (64 * 1024) + b'"}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for seen in (
        await post(admin, "/v1/keys", body),
        await post(admin, "/v1/keys", chunked, "Transfer-Encoding: chunked"),
    ):
        assert read(seen)["code"] == "PAYLOAD_TOO_LARGE"


async def test_a_method_that_a_path_does_not_know_is_405(admin: int) -> None:
    seen = await ask(admin, f"/v1/keys/{NOBODY}/revoke", OPS)
    assert read(seen)["code"] == "METHOD_NOT_ALLOWED"
    assert seen.values("Allow") == ["POST"]


async def test_a_network_is_blocked_and_let_in_again_by_its_parameters() -> None:
    place = Installation(a_guarded_policy(blocks={}))
    async with serving(place) as port:
        body = b'{"kind": "address", "value": "203.0.113.0/24", "until": "2h"}'
        denied = await post(port, "/v1/blocks", body, token=WATCH)
        made = await post(port, "/v1/blocks", body)
        assert (denied.status, made.status) == (403, 201)
        assert read(made)["created_by"] == "ops"
        listed = read(await ask(port, "/v1/blocks", WATCH))
        assert listed == {"blocks": [read(made)], "next": None}
        target = "/v1/blocks?kind=address&value=203.0.113.0%2F24"
        assert (await ask(port, target, WATCH, method="DELETE")).status == 403
        gone = await ask(port, target, OPS, method="DELETE")
        assert read(gone) == {"kind": "address", "value": "203.0.113.0/24"}
        again = read(await ask(port, target, OPS, method="DELETE"))
        assert (again["status"], again["hint"]) == (404, "sidecar block list")


async def test_a_policy_that_enforces_no_blocks_is_a_conflict(admin: int) -> None:
    seen = read(await post(admin, "/v1/blocks", b'{"kind": "tenant", "value": "acme"}'))
    assert (seen["status"], seen["detail"]) == (409, "this policy enforces no blocks")
