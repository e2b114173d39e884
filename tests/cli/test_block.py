"""`sidecar block`, on a real store and a real admin listener."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from sidecar.cli.exit_codes import DONE, NO, USAGE
from sidecar.cli.main import invoke
from tests.cli.acting import POLICY, Said, a_folder, listening, said
from tests.lifecycle.desks import Installation, a_guarded_policy

BLOCKING = POLICY + "blocks: {}\nlisten: {trusted_proxies: [10.0.0.0/8]}\n"

Act = Callable[..., Awaitable[Said]]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SIDECAR_POLICY", "SIDECAR_ADMIN", "SIDECAR_ADMIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def acting(options: Sequence[str], capfd: pytest.CaptureFixture[str]) -> Act:
    async def act(*words: str) -> Said:
        code = await asyncio.to_thread(invoke, ["block", *words, *options])
        return said(code, capfd)

    return act


@pytest.fixture(params=["store", "admin"])
async def act(
    request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[Act]:
    """Run `sidecar block …` against a store, or against a running admin listener."""
    if request.param == "store":
        yield acting(["--policy", str(a_folder(tmp_path, BLOCKING))], capfd)
        return
    listen = {"trusted_proxies": ["10.0.0.0/8"]}
    installation = Installation(a_guarded_policy(blocks={}, listen=listen))
    async with listening(installation, tmp_path) as options:
        yield acting(options, capfd)


async def listed(act: Act) -> list[dict[str, object]]:
    seen = await act("list", "--json")
    assert seen.code == DONE, seen.err
    blocks = json.loads("\n".join(seen.out))["blocks"]
    assert isinstance(blocks, list)
    return blocks


async def test_a_network_is_blocked_listed_and_let_in_again(act: Act) -> None:
    seen = await act("add", "address", "203.0.113.0/24", "--for", "2h", "--reason", "scans")
    assert (seen.code, seen.out) == (DONE, []), seen.err
    assert "address 203.0.113.0/24 is blocked until 2" in seen.err
    [block] = await listed(act)
    assert (block["kind"], block["value"], block["reason"]) == (
        "address", "203.0.113.0/24", "scans",
    )  # fmt: skip
    text = (await act("list")).out
    assert text[0].split() == ["KIND", "VALUE", "UNTIL", "REASON", "CREATED", "CREATED_BY"]
    assert "203.0.113.0/24" in text[1]
    seen = await act("remove", "address", "203.0.113.0/24")
    assert (seen.code, seen.out) == (DONE, []), seen.err
    assert "is not blocked any more" in seen.err
    assert await listed(act) == []


async def test_a_tenant_is_blocked_until_a_moment_and_then_for_good(act: Act) -> None:
    seen = await act("add", "tenant", "acme", "--until", "9000-12-01T00:00:00Z", "--json")
    assert json.loads("\n".join(seen.out))["until"] == "9000-12-01T00:00:00Z"
    seen = await act("add", "tenant", "acme")
    assert "tenant acme is blocked until it is removed" in seen.err
    [block] = await listed(act)
    assert block["until"] is None


async def test_several_blocks_are_listed_in_order(act: Act) -> None:
    for number in range(3):
        await act("add", "address", f"203.0.113.{number}")
    assert [one["value"] for one in await listed(act)] == [f"203.0.113.{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["add", "address", "203.0.113.7/24"], USAGE, "(203.0.113.0/24)"),
        (["add", "address", "0.0.0.0/0"], USAGE, "force blocks it all the same"),
        (["add", "address", "10.1.2.3"], NO, "trusted proxies of the policy (10.0.0.0/8)"),
        (["add", "tenant", "initech"], NO, "there is no tenant initech"),
        (["add", "key", "sk_live_x"], USAGE, "this is no id of a key"),
        (["add", "country", "xx"], USAGE, "'country' is not one of"),
        (["add", "tenant", "acme", "--for", "2h", "--until", "2h"], USAGE, "either --for or"),
        (["add", "tenant", "acme", "--for", "2099-01-01"], USAGE, "--for is no span of time"),
        (["add", "tenant", "acme", "--until", "2001-01-01"], USAGE, "until is past"),
        (["remove", "tenant", "acme"], NO, "the tenant acme is not blocked"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line(
    act: Act, words: list[str], code: int, text: str
) -> None:
    seen = await act(*words)
    assert (seen.code, text in seen.err, seen.out) == (code, True, []), seen.err
    assert len(seen.err.splitlines()) == 1
    assert await listed(act) == []


async def test_what_is_doubtful_can_be_forced(act: Act) -> None:
    for kind, value in (("address", "0.0.0.0/0"), ("address", "10.1.2.3"), ("tenant", "initech")):
        assert (await act("add", kind, value, "--force")).code == DONE
    assert len(await listed(act)) == 3


async def test_a_policy_that_enforces_no_blocks_says_how_to_switch_them_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    act = acting(["--policy", str(a_folder(tmp_path))], capfd)
    seen = await act("add", "tenant", "acme")
    assert seen.code == NO
    assert "this policy enforces no blocks (blocks: {} switches them on)" in seen.err
