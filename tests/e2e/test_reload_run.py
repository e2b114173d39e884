"""A sidecar that runs reads its policy anew: whatever changes the file, and whoever asks."""

import asyncio
import json
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import trustme

from tests.corpora.reader import Message
from tests.e2e.launch import Launched, launched, serving
from tests.e2e.test_tls import files, trusting
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

FreePort = Callable[[], int]

QUICK: Final = {"every": "100ms"}
OPS: Final = "0123456789abcdef"
ADMIN: Final = {
    "tokens": [
        {"name": "ops", "token": OPS, "role": "admin"},
        {"name": "watch", "token": "only-looking", "role": "read"},
    ]
}
SECONDS: Final = 25.0
LISTENER_END: Final = 'sidecar_certificate_expiry_timestamp_seconds{file="'
BEHIND: Final = 'sidecar_degraded{what="policy"}'


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds in another process."""
    async with asyncio.timeout(SECONDS):
        while not await found():  # noqa: ASYNC110 -- seen from outside
            await asyncio.sleep(0.05)


async def answers(sidecar: Launched, target: bytes, status: int) -> None:
    """Wait until a target is answered so."""

    async def found() -> bool:
        return await sidecar.ask(target) == status

    await until(found)


async def counted(sidecar: Launched, result: str, number: int = 1) -> None:
    """Wait until so many reloads ended so."""
    metric = f'sidecar_policy_reload_total{{result="{result}"}}'

    async def found() -> bool:
        return await sidecar.count(metric) >= number

    await until(found)


def with_routes(name: Path, *paths: str) -> str:
    """Write the policy with public routes of its own."""
    document = json.loads(name.read_text())
    return json.dumps({**document, "routes": [{"path": path, "public": True} for path in paths]})


def put(name: Path, text: str) -> None:
    """Replace a file in one step, as editors and Kubernetes do."""
    fresh = name.with_name(f".{name.name}.fresh")
    fresh.write_text(text)
    fresh.rename(name)


def details_of(record: Mapping[str, object]) -> Mapping[str, object]:
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    details: Mapping[str, object] = metadata["details"]
    return details


def moved(name: str, over: str) -> None:
    Path(name).rename(over)


def reloads(sidecar: Launched) -> list[Mapping[str, object]]:
    return [record for record in sidecar.records() if record["action"] == "config.reload"]


async def asks(sidecar: Launched, target: bytes, token: str = OPS) -> tuple[int, dict[str, object]]:
    """Post to the admin API."""
    line = b"Authorization: Bearer " + token.encode()
    async with a_client(sidecar.admin_port) as client:
        head = b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\nContent-Length: 0\r\n\r\n"
        await client.send(head % (target, line))
        async with asyncio.timeout(SECONDS):
            while b"\r\n\r\n" not in client.waiting:
                await client.more()
        answer = await client.response(b"POST")
    return answer.status, json.loads(answer.body)


async def test_a_file_that_is_renamed_over_and_one_written_in_place_are_both_seen(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, reload=QUICK), tmp_path) as sidecar,
    ):
        name = tmp_path / "policy.yaml"
        put(name, with_routes(name, "/one"))
        await answers(sidecar, b"/any", 404)
        name.write_text(with_routes(name, "/two"))
        await answers(sidecar, b"/two", 200)
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        first, second = reloads(sidecar)
        assert (first["actor"], first["outcome"]) == ("files", "admitted")
        details = [details_of(one) for one in (first, second)]
        assert details[0]["after"] == details[1]["before"] == first["resource_id"]


async def test_a_configmap_is_swapped_by_its_link(tmp_path: Path) -> None:
    """Kubernetes leads `..data` to another folder; the file itself is never written."""
    async with a_service(Echo()) as service:
        for at, path in enumerate(("/first", "/second")):
            (tmp_path / f"..{at}").mkdir()
            routes = [{"path": path, "public": True}]
            text = a_policy(service.url, reload=QUICK, routes=routes)
            (tmp_path / f"..{at}" / "policy.yaml").write_text(text)
        (tmp_path / "..data").symlink_to("..0")
        (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
        async with launched([str(tmp_path / "policy.yaml")], tmp_path / "none") as sidecar:
            await sidecar.started()
            assert await sidecar.ask(b"/first") == 200
            (tmp_path / "..tmp").symlink_to("..1")
            (tmp_path / "..tmp").rename(tmp_path / "..data")
            await answers(sidecar, b"/second", 200)
            assert await sidecar.ask(b"/first") == 404


async def test_a_secret_is_swapped_by_its_link_and_a_bad_one_leaves_the_former(
    tmp_path: Path,
) -> None:
    """Kubernetes does the same with a Secret; the policy and the name of the file stay."""
    volume = tmp_path / "secrets"
    for at, text in enumerate(("former-token", "", "other-token")):
        (volume / f"..{at}").mkdir(parents=True)
        (volume / f"..{at}" / "token").write_text(text)
    (volume / "..data").symlink_to("..0")
    (volume / "token").symlink_to("..data/token")

    def lead(to: str) -> None:
        (volume / "..tmp").symlink_to(to)
        (volume / "..tmp").rename(volume / "..data")

    token = {"name": "ops", "token": "file:secrets/token", "role": "admin"}
    policy = {"reload": QUICK, "admin": {"tokens": [token]}}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, **policy), tmp_path) as sidecar,
    ):
        lead("..1")
        await counted(sidecar, "invalid")
        assert await opens(sidecar, "former-token")
        lead("..2")
        await counted(sidecar, "admitted")
        assert not await opens(sidecar, "former-token")
        assert await opens(sidecar, "other-token")
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        refused, admitted = (details_of(one) for one in reloads(sidecar) if one["actor"] == "files")
    assert "admin.tokens[0].token: is an empty secret" in str(refused["problems"])
    assert "admin.tokens" in str(admitted["diff"])
    assert "other-token" not in str(admitted)


@pytest.mark.parametrize("kind", ["extends", "schema", "secret", "openapi"])
async def test_a_file_that_the_policy_names_is_seen(tmp_path: Path, kind: str) -> None:
    posted = post(b"{}", b"/a", b"Content-Type: application/json")
    described = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {}}
    added = {"/new": {"get": {"responses": {}, "x-sidecar": {"public": True}}}}
    sections: Mapping[str, Mapping[str, object]] = {
        "extends": {"extends": "general.yaml"},
        "schema": {"body": {"schema": "schema.json"}},
        "secret": {"admin": {"tokens": [{"name": "ops", "token": "file:token", "role": "read"}]}},
        "openapi": {"openapi": {"file": "api.json", "routes": "add"}},
    }
    more = sections[kind]
    (tmp_path / "general.yaml").write_text("{}")
    (tmp_path / "schema.json").write_text("true")
    (tmp_path / "token").write_text("former\n")
    (tmp_path / "api.json").write_text(json.dumps(described))
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, reload=QUICK, state="memory", **more), tmp_path) as sidecar,
    ):
        put(tmp_path / "general.yaml", json.dumps({"absent": {}}))
        put(tmp_path / "schema.json", '{"required": ["a"]}')
        put(tmp_path / "token", "other\n")
        put(tmp_path / "api.json", json.dumps({**described, "paths": added}))
        await counted(sidecar, "admitted")
        async with a_client(sidecar.port) as client:
            noise = (await client.ask(get(b"/favicon.ico"))).values(b"cache-control")
            posting = (await client.ask(posted)).status
        assert (noise != []) == (kind == "extends")
        assert (posting == 422) == (kind == "schema")
        line = b"Authorization: Bearer other"
        async with a_client(sidecar.admin_port) as client:
            asked = b"GET /v1/routes HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % line
            answer = await client.ask(asked)
        assert answer.status == (200 if kind == "secret" else 404)


async def test_a_bad_policy_is_refused_in_the_words_of_check_and_the_old_one_stays(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo()) as service,
        serving(
            a_policy(service.url, reload=QUICK, admin=ADMIN, state="memory"), tmp_path
        ) as sidecar,
    ):
        name = tmp_path / "policy.yaml"
        good = name.read_text()
        put(name, good.replace('"routes"', '"paths"'))
        await counted(sidecar, "invalid")
        assert await sidecar.count(BEHIND) == 1
        assert await sidecar.ask(b"/any") == 200
        assert (await sidecar.ask_admin(b"/readyz"))[0] == 200
        status, document = await asks(sidecar, b"/v1/reload")
        assert status == 409
        said = await check(name)
        assert said
        assert str(document["detail"]).splitlines()[1:] == said
        await sidecar.says(said[0])
        put(name, good)
        await counted(sidecar, "unchanged")
        assert await sidecar.count(BEHIND) == 0
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        refused = reloads(sidecar)
        assert {one["outcome"] for one in refused} == {"refused"}
        assert details_of(refused[0])["problems"] == said


async def check(name: Path) -> list[str]:
    """Return what `sidecar check` says of a policy."""
    child = await asyncio.create_subprocess_exec(
        "python", "-m", "sidecar", "check", str(name), stderr=asyncio.subprocess.PIPE
    )
    _, said = await child.communicate()
    return said.decode().splitlines()


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_takes_a_restart_is_said_and_nothing_of_it_is_in_force(
    tmp_path: Path, free_port: FreePort, workers: int
) -> None:
    listen = {"proxy": f"127.0.0.1:{free_port()}"}
    async with (
        a_service(Echo()) as service,
        serving(
            a_policy(service.url, reload=QUICK, workers=workers, listen=listen), tmp_path
        ) as sidecar,
    ):
        await sidecar.becomes_ready()
        name = tmp_path / "policy.yaml"
        document = json.loads(with_routes(name, "/one"))
        document["listen"]["admin"] = "127.0.0.1:9"
        put(name, json.dumps({**document, "workers": 3, "state": "sqlite:s.db", "admin": ADMIN}))
        await counted(sidecar, "restart")
        await sidecar.says("listen.admin, workers, state, admin.tokens")
        assert await sidecar.ask(b"/any") == 200


async def test_sighup_and_the_admin_api_reload_where_files_are_not_watched(tmp_path: Path) -> None:
    policy = {"reload": {"every": "0s"}, "admin": ADMIN, "state": "memory"}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, **policy), tmp_path) as sidecar,
    ):
        name = tmp_path / "policy.yaml"
        put(name, with_routes(name, "/one"))
        assert (await asks(sidecar, b"/v1/reload", "only-looking"))[0] == 403
        assert (await asks(sidecar, b"/v1/reload?dry_run=yes"))[0] == 400
        status, document = await asks(sidecar, b"/v1/reload?dry_run=1")
        assert (status, document["result"]) == (200, "planned")
        assert await sidecar.ask(b"/any") == 200
        status, document = await asks(sidecar, b"/v1/reload")
        assert (status, document["result"]) == (200, "admitted")
        assert await sidecar.ask(b"/any") == 404
        assert (await asks(sidecar, b"/v1/reload"))[1]["result"] == "unchanged"
        put(name, with_routes(name, "/two"))
        sidecar.order(signal.SIGHUP)
        await answers(sidecar, b"/two", 200)
        shown = json.loads((await ask_status(sidecar)).decode())
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        assert [one["actor"] for one in reloads(sidecar)] == ["ops", "signal"]
        assert shown["policy"]["sha256"] == reloads(sidecar)[-1]["resource_id"]


async def asked_status(sidecar: Launched, token: str = OPS) -> Message:
    async with a_client(sidecar.admin_port) as client:
        head = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
        return await client.ask(head % token.encode())


async def ask_status(sidecar: Launched) -> bytes:
    return (await asked_status(sidecar)).body


async def opens(sidecar: Launched, token: str) -> bool:
    return (await asked_status(sidecar, token)).status == 200


@pytest.mark.timeout(150)  # one does not answer for ten seconds, and is asked again after ten more
async def test_all_workers_take_a_policy_or_none(tmp_path: Path, free_port: FreePort) -> None:
    listen = {"proxy": f"127.0.0.1:{free_port()}"}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, reload=QUICK, workers=2, listen=listen), tmp_path) as sidecar,
    ):
        await sidecar.becomes_ready()
        name = tmp_path / "policy.yaml"
        admitted = 'sidecar_policy_reload_total{result="admitted"}'
        put(name, with_routes(name, "/one"))
        await counted(sidecar, "admitted")
        assert {await sidecar.ask(b"/any") for _ in range(20)} == {404}
        # One that does not answer keeps all from taking another policy.
        stopped = sidecar.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            put(name, with_routes(name, "/two"))
            await counted(sidecar, "failed")
            assert await sidecar.count(admitted) == 1
        finally:
            os.kill(stopped, signal.SIGCONT)
        # It is tried again, and a worker that is replaced meanwhile serves what is in force.
        for worker in sidecar.workers():
            os.kill(worker, signal.SIGKILL)
        await sidecar.becomes_ready(ready=False)
        await sidecar.becomes_ready()
        await counted(sidecar, "admitted", 2)
        assert {await sidecar.ask(b"/two") for _ in range(20)} == {200}


async def test_a_certificate_that_was_renewed_is_shown_to_new_clients(tmp_path: Path) -> None:
    former, renewed = trustme.CA(), trustme.CA()
    server = files(former.issue_cert("localhost", "127.0.0.1"), tmp_path, "server")
    policy = {"listen": {"tls": server}, "reload": QUICK}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, **policy), tmp_path) as sidecar,
        a_client(sidecar.port, trusting(former)) as open_before,
    ):
        assert (await open_before.ask(get())).status == 200
        # The certificate comes first, and fits no key until that comes too.
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
        issued = renewed.issue_cert("localhost", "127.0.0.1", not_after=end)
        made = files(issued, tmp_path, "fresh")
        moved(made["certificate"], server["certificate"])
        await counted(sidecar, "failed")
        assert (await open_before.ask(get())).status == 200
        assert await sidecar.count(LISTENER_END) > end.timestamp()
        moved(made["key"], server["key"])
        await counted(sidecar, "admitted")
        assert await sidecar.count(LISTENER_END) == end.timestamp()
        async with a_client(sidecar.port, trusting(renewed)) as client:
            assert (await client.ask(get())).status == 200
        with pytest.raises(ssl.SSLError):
            async with a_client(sidecar.port, trusting(former)):
                pass
        assert (await open_before.ask(get())).status == 200
