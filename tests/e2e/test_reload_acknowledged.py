"""A reload that widens access waits until exactly that change is acknowledged (ADR 25)."""

import json
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sidecar.adapters.handover import hand_over
from sidecar.cli.decoding import main
from sidecar.cli.main import invoke
from tests.e2e.launch import Launched, serving
from tests.e2e.test_reload_run import (
    ADMIN,
    OPS,
    ask_status,
    asks,
    counted,
    details_of,
    put,
    reloads,
)
from tests.e2e.wire import Echo, a_policy, a_service
from tests.policy.reading import GOOD, loaded

FreePort = Callable[[], int]
GUARD = {"every": "100ms", "widening": "acknowledge"}


def changed(name: Path, **sections: object) -> str:
    """Write the policy with other sections."""
    return json.dumps({**json.loads(name.read_text()), **sections})


def paths(*some: str) -> list[Mapping[str, object]]:
    return [{"path": path, "public": True} for path in some]


async def refused(sidecar: Launched, number: int) -> str:
    """Wait until so many reloads were refused; return the digest that the status names."""
    await counted(sidecar, "unacknowledged", number)
    status = json.loads(await ask_status(sidecar))
    assert status["reload"]["result"] == "unacknowledged"
    digest = re.search(r"--acknowledge ([0-9a-f]{64})\Z", status["reload"]["reason"])
    assert digest is not None
    return digest[1]


async def nobody_else_acknowledges(sidecar: Launched, digest: str) -> None:
    for acknowledged, token, status in (
        ("0" * 64, OPS, 409),
        ("no-digest", OPS, 400),
        (digest, "only-looking", 403),
    ):
        asked = f"/v1/reload?acknowledge={acknowledged}".encode()
        assert (await asks(sidecar, asked, token))[0] == status


async def test_a_widening_is_in_force_once_it_is_acknowledged_by_its_digest(
    tmp_path: Path, free_port: FreePort
) -> None:
    listen = {"proxy": f"127.0.0.1:{free_port()}"}
    state = f"sqlite:{tmp_path / 'state.db'}"
    sections = {"reload": GUARD, "admin": ADMIN, "state": state, "listen": listen, "workers": 2}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, routes=paths("/one"), **sections), tmp_path) as sidecar,
    ):
        await sidecar.becomes_ready()
        name = tmp_path / "policy.yaml"
        # It cannot take its own guard away.
        put(name, changed(name, routes=paths("/one", "/two"), reload={"every": "100ms"}))
        digest = await refused(sidecar, 1)
        assert {await sidecar.ask(b"/two") for _ in range(6)} == {404}
        await nobody_else_acknowledges(sidecar, digest)
        # What was reviewed is not what is there any more.
        put(name, changed(name, routes=paths("/one", "/two", "/three")))
        other = await refused(sidecar, 3)
        assert other != digest
        assert (await asks(sidecar, f"/v1/reload?acknowledge={digest}".encode()))[0] == 409
        status, planned = await asks(sidecar, b"/v1/reload?dry_run=1")
        assert (status, planned["digest"], planned["widens"]) == (200, other, True)
        status, told = await asks(sidecar, f"/v1/reload?acknowledge={other}".encode())
        assert (status, told["result"]) == (200, "admitted")
        assert {await sidecar.ask(b"/three") for _ in range(6)} == {200}
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        records = reloads(sidecar)
    assert details_of(records[-1])["digest"] == other
    whole_story(records[0], records[-1])


def whole_story(refused: Mapping[str, object], admitted: Mapping[str, object]) -> None:
    """Both records say what changes."""
    assert (refused["actor"], refused["outcome"], admitted["actor"]) == ("files", "refused", "ops")
    assert details_of(refused)["result"] == "unacknowledged"
    for record in (refused, admitted):
        lines = details_of(record)["diff"]
        assert isinstance(lines, list)
        assert any("routes[1]" in line and "admits everybody" in line for line in lines)
        assert any("reload.widening" in line for line in lines)


async def test_what_only_narrows_needs_nobody_and_is_recorded_with_what_it_changes(
    tmp_path: Path,
) -> None:
    async with (
        a_service(Echo()) as service,
        serving(
            a_policy(service.url, routes=paths("/one", "/two"), reload=GUARD), tmp_path
        ) as sidecar,
    ):
        name = tmp_path / "policy.yaml"
        put(name, changed(name, routes=paths("/one")))
        await counted(sidecar, "admitted")
        assert await sidecar.ask(b"/two") == 404
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        [record] = reloads(sidecar)
        details = details_of(record)
        assert [details[one] for one in ("widens", "changes", "narrows")] == [0, 0, 1]


def test_the_review_before_and_the_sidecar_name_a_change_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The digest of `sidecar diff` is the one that a running sidecar wants."""
    old, new = tmp_path / "old.yaml", tmp_path / "policy.yaml"
    old.write_text(GOOD)
    new.write_text(GOOD + "mode: shadow\n")
    assert invoke(["diff", str(old), str(new), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    in_force = hand_over(loaded(GOOD), is_whole=False)
    assert main([str(new), str(in_force), str(hand_over(loaded(GOOD), is_whole=False))]) == 0
    assert json.loads(capsys.readouterr().out)["diff"]["digest"] == told["digest"]
