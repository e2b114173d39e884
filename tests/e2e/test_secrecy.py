"""Nothing that was secret stands anywhere afterwards: audit, logs, metrics, answers, states."""

import base64
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.callers import KEYS, PEPPER, admit_all, callers, key_of, sections
from tests.e2e.conftest import Running, running
from tests.e2e.test_callers import asking, rows
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.knowledge.auth.minting import SECRET
from tests.stores.servers import valkey

ADMIN_TOKEN: Final = "an-admin-token-of-thirty-six-letters"  # noqa: S105 -- looked for afterwards
PAGES: Final = (
    b"/metrics", b"/livez", b"/readyz", b"/v1/status", b"/v1/routes", b"/v1/keys", b"/v1/tenants",
    b"/v1/nothing",
)  # fmt: skip


def secrets() -> dict[str, bytes]:
    """List everything that must not be found, by a name that may be printed."""
    found = {f"key of {name}": key_of(name).encode() for name in KEYS}
    found |= {"pepper": PEPPER, "shared secret": SECRET, "admin token": ADMIN_TOKEN.encode()}
    for name, caller in callers().items():
        for line in caller.lines:
            field, _, value = line.partition(b": ")
            if field.lower() in {b"authorization", b"x-api-key"}:
                found[f"credential of {name}"] = value.removeprefix(b"Bearer ")
    # The short ones are in every file by chance.
    return {name: value for name, value in found.items() if len(value) > len("Basic YTpi")}


def spellings(secret: bytes) -> tuple[bytes, ...]:
    """Give what a secret may have become on its way into a file."""
    return (
        secret,
        secret.hex().encode(),
        base64.b64encode(secret).rstrip(b"="),
        repr(secret)[2:-1].encode(),
    )


def leaks(places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Name each secret that is found, and where."""
    return [
        (name, place)
        for place, text in places.items()
        for name, secret in secrets().items()
        if any(spelling in text for spelling in spellings(secret))
    ]


def test_a_leak_would_be_found_in_any_spelling() -> None:
    secret = secrets()["pepper"]
    for spelling in spellings(secret):
        assert ("pepper", "log") in leaks({"log": b"x" + spelling + b"y"})
    assert leaks({"log": b"nothing"}) == []


@asynccontextmanager
async def after_the_table(
    folder: Path, state: Mapping[str, object]
) -> AsyncIterator[tuple[Running, dict[str, bytes]]]:
    """Ask everything of the table; give what the sidecar answered."""
    (folder / "admin").write_text(ADMIN_TOKEN)
    admin = {"tokens": [{"name": "ops", "token": "file:admin", "role": "admin"}]}
    async with a_service(Echo.new()) as service:
        policy = a_policy(service.url, **sections(folder, state), admin=admin)
        async with running(policy, folder) as proxy, a_client(proxy.port) as client:
            await admit_all(proxy.store)
            known, answers = callers(), []
            for row in rows():
                answer = await client.ask(asking(known[row.caller], row.request))
                answers.append(repr(answer.fields).encode() + answer.body)
            places = {"answers": b"\n".join(answers)}
            token = b"Authorization: Bearer " + ADMIN_TOKEN.encode()
            for page in PAGES:
                async with a_client(proxy.admin_port) as admin_client:
                    asked = get(page, token).replace(b"Host: a.example", b"Host: localhost")
                    places[page.decode()] = (await admin_client.ask(asked)).body
            places["audit"] = repr(await proxy.records()).encode()
            yield proxy, places


def files_of(folder: Path) -> dict[str, bytes]:
    """Read what the sidecar wrote; the policy's own secrets lie beside it."""
    given = {"jwks.json", "shared", "pepper", "admin", "policy.yaml"}
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in given
    }


@pytest.mark.control("AN-2")
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_nothing_secret_is_left_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    folder, options = tmp_path / "sidecar", ("--rdbcompression", "no")
    folder.mkdir()
    with valkey(*options) as server:
        store = server.url if kind == "redis" else f"sqlite:{folder / 'state.db'}"
        async with after_the_table(folder, {"store": store}) as (_, places):
            if kind == "redis":
                server.command("SAVE")
                places.update(files_of(server.folder))
            places.update(files_of(folder))
        places.update({f"{name}, closed": text for name, text in files_of(folder).items()})
        places["log"] = caplog.text.encode()
    wanted = "dump.rdb" if kind == "redis" else "state.db"
    assert b"user-owner" in places[wanted] + places.get("state.db-wal", b"")
    assert b"unknown key" in places["audit"]
    assert b"sidecar_requests_total" in places["/metrics"]
    assert leaks(places) == []
