"""Where commands act: on the store of a policy or on a running sidecar, and what can go wrong."""

import asyncio
import json
import re
import sqlite3
from pathlib import Path

import jsonschema_rs
import pytest
from aiohttp import web

from sidecar.adapters.audit.record import json_schema
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.cli.main import invoke
from sidecar.fronts.admin.listener import Listener
from tests.cli.acting import POLICY, a_folder, listening, said
from tests.lifecycle.desks import Installation, a_guarded_policy

KEY = re.compile(r"sk_live_[0-9A-HJKMNP-TV-Z]{26}\Z")
NOBODY = "0190a4c2-7d10-7abc-8def-ffffffffffff"
RECORD = jsonschema_rs.validator_for(json_schema().decode())


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SIDECAR_POLICY", "SIDECAR_ADMIN", "SIDECAR_ADMIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def records(path: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (path / "audit.jsonl").read_text().splitlines()]
    for record in found:
        RECORD.validate(record)
    return [record for record in found if record["action"] != "audit.start"]


def test_what_is_done_on_a_store_is_in_its_audit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = ["--policy", str(a_folder(tmp_path))]
    assert invoke(["keys", "create", "--tenant", "acme", *policy]) == DONE
    key = said(0, capfd).out[0]
    assert invoke(["keys", "revoke", NOBODY, *policy]) == NO
    done, undone = records(tmp_path)
    assert (done["action"], done["outcome"], done["tenant_id"]) == (
        "key.create",
        "admitted",
        "acme",
    )
    assert str(done["actor"]).startswith("cli:")
    assert (undone["action"], undone["outcome"], undone["resource_id"]) == (
        "key.revoke",
        "refused",
        NOBODY,
    )
    assert key not in (tmp_path / "audit.jsonl").read_text()
    assert key.encode() not in (tmp_path / "state.db").read_bytes()


def test_records_for_standard_output_stand_beside_the_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = a_folder(tmp_path, POLICY.replace("[{file: audit.jsonl}]", "[stdout]"))
    seen = said(invoke(["keys", "create", "--policy", str(policy)]), capfd)
    assert len(seen.out) == 1
    assert KEY.match(seen.out[0])
    assert '"action":"key.create"' in seen.err


def test_a_store_in_memory_is_in_the_running_sidecar_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = a_folder(tmp_path, POLICY.replace('"sqlite:state.db"', "memory"))
    seen = said(invoke(["keys", "list", "--policy", str(policy)]), capfd)
    assert (seen.code, seen.out) == (USAGE, [])
    assert "--admin URL" in seen.err


def test_a_store_that_cannot_be_used_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = a_folder(tmp_path)
    (tmp_path / "state.db").write_text("this is a note, no database" * 100)
    seen = said(invoke(["keys", "list", "--policy", str(policy)]), capfd)
    assert (seen.code, seen.out) == (FAILED, [])
    assert "the state file is no SQLite database" in seen.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "say where: --policy FILE"),
        (["--admin", "http://127.0.0.1:1"], "--admin needs --token-file"),
        (["--admin", "127.0.0.1:9901", "--token-file", "t"], "no URL of an admin listener"),
        (["--admin", "http://h/v1", "--token-file", "t"], "no URL of an admin listener"),
        (["--admin", "http://h", "--policy", "p"], "give either --policy or --admin"),
        (["--admin", "http://h", "--token-file", "nothing"], "nothing: No such file"),
        (["--admin", "http://h", "--token-file", "empty"], "empty holds no token"),
    ],
)
def test_a_command_has_to_know_where(
    options: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("\n")
    seen = said(invoke(["keys", "list", *options]), capfd)
    assert seen.code == USAGE
    assert told in seen.err


async def test_the_command_line_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = str(a_folder(tmp_path))
    async with listening(Installation(a_guarded_policy()), tmp_path) as options:
        monkeypatch.setenv("SIDECAR_POLICY", policy)
        monkeypatch.setenv("SIDECAR_ADMIN", options[1])
        monkeypatch.setenv("SIDECAR_ADMIN_TOKEN_FILE", options[3])
        assert await asyncio.to_thread(invoke, ["keys", "create", "--tenant", "acme"]) == DONE
        listed = ["keys", "list", "--json"]
        assert await asyncio.to_thread(invoke, [*listed, "--policy", policy]) == DONE
        assert said(0, capfd).out[1:] == ["{", '  "keys": []', "}"]
        assert await asyncio.to_thread(invoke, listed) == DONE
        assert len(json.loads("\n".join(said(0, capfd).out))["keys"]) == 1


async def test_a_sidecar_that_does_not_let_one_in_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with listening(Installation(a_guarded_policy()), tmp_path) as options:
        for token, told in (("guess", "does not know the token"), ("read-token", "may only look")):
            (tmp_path / "token").write_text(token)
            code = await asyncio.to_thread(invoke, ["keys", "create", *options])
            seen = said(code, capfd)
            assert (seen.code, seen.out) == (FAILED, [])
            assert told in seen.err
            assert token not in seen.err.replace("--token-file", "")
    code = await asyncio.to_thread(invoke, ["keys", "list", *options])
    assert (code, "cannot be asked" in said(0, capfd).err) == (FAILED, True)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, "<html>"), "does not answer like an admin listener"),
        ((200, "[]"), "does not answer like an admin listener"),
        ((404, "<html>"), "there is no admin API"),
        ((302, ""), "the sidecar answered 302"),
        ((500, '{"detail": "opaque"}'), "sidecar: opaque"),
        ((200, " " * (17 << 20)), "the answer is too long"),
    ],
)
async def test_what_is_no_admin_listener_is_said(
    answer: tuple[int, str], told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(status=answer[0], text=answer[1], headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_get("/v1/keys", reply)
    (tmp_path / "token").write_text("t")
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    words = ["--admin", f"http://127.0.0.1:{listener.port}", "--token-file", "token"]
    seen = said(await asyncio.to_thread(invoke, ["keys", "list", *words]), capfd)
    await listener.close()
    assert (seen.code, seen.out) == (FAILED, [])
    assert told in seen.err


def test_a_file_that_another_process_locks_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = ["--policy", str(a_folder(tmp_path))]
    assert invoke(["keys", "list", *policy]) == DONE
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        code = invoke(["keys", "create", *policy])
    finally:
        other.close()
    seen = said(code, capfd)
    assert code == FAILED
    assert "the state file is locked by another process" in seen.err
    assert records(tmp_path)[0]["reason"] == "the state file is locked by another process"
