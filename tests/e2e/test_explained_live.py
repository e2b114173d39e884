"""A running sidecar tells why it refused a request, to whoever has a token, and to nobody else."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.main import group
from tests.corpora.reader import Message
from tests.e2e.conftest import running
from tests.e2e.launch import serving
from tests.e2e.reloading import loaded_again
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

CANARY: Final = b"c4n4ry"
TOKEN: Final = "0123456789abcdef" * 2
ADMIN: Final = {"tokens": [{"name": "watch", "token": "file:token", "role": "read"}]}
ROUTES: Final = [
    {"path": "/open", "public": True},
    {"path": "/inside", "public": True, "addresses": {"allow": ["192.0.2.0/24"]}},
]


def a_guarded_policy(upstream: str, folder: Path, **more: object) -> str:
    (folder / "token").write_text(TOKEN)
    return a_policy(upstream, admin=ADMIN, routes=ROUTES, **more)


async def refused(port: int) -> str:
    """Have a request refused that holds secrets; give its id."""
    lines = (b"Authorization: Bearer " + CANARY, b"Cookie: s=" + CANARY, b"Connection: close")
    async with a_client(port) as client:
        answer = await client.ask(get(b"/inside?k=" + CANARY, *lines))
    assert answer.status == 403
    return answer.values(b"x-request-id")[0].decode()


async def asked(admin_port: int, request_id: str, token: str | None = TOKEN) -> Message:
    lines = [f"GET /v1/explain/{request_id} HTTP/1.1", "Host: localhost"]
    lines += [] if token is None else [f"Authorization: Bearer {token}"]
    async with a_client(admin_port) as client:
        return await client.ask("\r\n".join((*lines, "", "")).encode())


def explained(answer: Message) -> Mapping[str, object]:
    assert answer.status == 200, answer.body
    assert CANARY not in answer.body
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


async def test_a_refusal_is_explained_by_its_id_and_the_reading_is_in_the_audit(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo.new()) as service,
        running(a_guarded_policy(service.url, tmp_path), tmp_path) as proxy,
    ):
        request_id = await refused(proxy.port)
        found = explained(await asked(proxy.admin_port, request_id))
        assert (found["status"], found["step"], found["key"]) == (
            403, "addresses", "routes[1].addresses",
        )  # fmt: skip
        assert (await asked(proxy.admin_port, request_id, None)).status == 401
        assert (await asked(proxy.admin_port, "00000000-nothing")).status == 404
        records = [one for one in await proxy.records() if one["action"] == "explain.read"]
        assert [(one["actor"], one["outcome"], one["resource_id"]) for one in records] == [
            ("watch", "admitted", request_id),
            ("watch", "refused", "00000000-nothing"),
        ]


async def test_nothing_is_kept_where_nobody_may_ask_or_the_policy_says_so(tmp_path: Path) -> None:
    async with a_service(Echo.new()) as service:
        policy = a_guarded_policy(service.url, tmp_path, explain=None)
        async with running(policy, tmp_path) as proxy:
            request_id = await refused(proxy.port)
            assert (await asked(proxy.admin_port, request_id)).status == 404
            assert proxy.sidecar.proxy.explained(request_id) is None


async def test_the_worker_that_decided_is_found(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    listen = {"proxy": f"127.0.0.1:{free_port()}", "drain": "1s"}
    async with a_service(Echo()) as service:
        policy = a_guarded_policy(service.url, tmp_path, workers=2, listen=listen)
        async with serving(policy, tmp_path) as sidecar:
            await sidecar.becomes_ready()
            for _ in range(8):
                request_id = await refused(sidecar.port)
                found = explained(await asked(sidecar.admin_port, request_id))
                assert found["request_id"] == request_id
            assert (await asked(sidecar.admin_port, "00000000-nothing")).status == 404
            # What workers are asked for beside their numbers must not become their numbers.
            assert await sidecar.count("sidecar_requests_total{") == 8


async def test_the_command_tells_it_with_the_line_of_the_policy(tmp_path: Path) -> None:
    async with (
        a_service(Echo.new()) as service,
        running(a_guarded_policy(service.url, tmp_path), tmp_path) as proxy,
    ):
        request_id = await refused(proxy.port)
        words = [
            "explain", "--request", request_id, "--admin", f"http://127.0.0.1:{proxy.admin_port}",
            "--token-file", str(tmp_path / "token"),
        ]  # fmt: skip
        policy = str(tmp_path / "policy.yaml")
        plain = await asyncio.to_thread(_invoked, [words[0], policy, *words[1:]])
        assert "refused by   addresses  (" in plain
        assert f"{policy}:1 routes[1].addresses)" in plain
        assert "reason: client address is not admitted" in plain
        assert "refused 403 FORBIDDEN" in plain
        found = json.loads(await asyncio.to_thread(_invoked, [*words, "--json"]))
        assert (found["request_id"], found["where"]) == (request_id, None)
        assert CANARY.decode() not in plain


async def test_what_was_expected_of_a_decided_request_decides_the_exit_code(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo.new()) as service,
        running(a_guarded_policy(service.url, tmp_path), tmp_path) as proxy,
    ):
        words = [
            "explain", "--request", await refused(proxy.port), "--admin",
            f"http://127.0.0.1:{proxy.admin_port}", "--token-file", str(tmp_path / "token"),
        ]  # fmt: skip
        codes = [
            await asyncio.to_thread(_code_of, [*words, "--expect", expected])
            for expected in ("admit", "refuse")
        ]
        assert codes == [NO, DONE]
        assert "is_from_proxy false" in await asyncio.to_thread(_invoked, words)


async def test_a_reload_forgets_no_decision_and_no_line_of_another_policy_is_named(
    tmp_path: Path,
) -> None:
    async with a_service(Echo.new()) as service:
        policy = a_guarded_policy(service.url, tmp_path)
        async with running(policy, tmp_path) as proxy:
            request_id = await refused(proxy.port)
            before = explained(await asked(proxy.admin_port, request_id))
            text = json.dumps({**json.loads(policy), "routes": [{"path": "/else", "public": True}]})
            ready = await proxy.sidecar.stage_loaded(loaded_again(text, tmp_path))
            await ready.commit(-1)
            after = explained(await asked(proxy.admin_port, request_id))
            assert after == before
            assert after["policy"] != proxy.sidecar.loaded.sha256
            assert after["key"] == "routes[1].addresses"
            name = str(tmp_path / "policy.yaml")
            url = f"http://127.0.0.1:{proxy.admin_port}"
            words = ["explain", name, "--request", request_id, "--admin", url]
            words += ["--token-file", str(tmp_path / "token")]
            plain = await asyncio.to_thread(_invoked, words)
            assert f"policy       {after['policy']}" in plain
            assert f"{name} is not the policy that decided: no line is named" in plain
            assert "refused by   addresses  (routes[1].addresses)" in plain


def _code_of(words: list[str]) -> object:
    answer = CliRunner().invoke(group, words, standalone_mode=False)
    assert answer.exception is None, answer.exception
    return answer.return_value


def _invoked(words: list[str]) -> str:
    answer = CliRunner().invoke(group, words, standalone_mode=False)
    assert answer.exception is None, answer.exception
    return answer.output
