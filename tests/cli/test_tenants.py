"""`sidecar tenants`, `tokens` and `secrets`, on a real store and a real admin listener."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from sidecar.cli.exit_codes import DONE, NO, USAGE
from sidecar.cli.main import invoke
from sidecar.model.secret import Secret
from sidecar.policy.schema.state import Secrets as SecretsSection
from tests.cli.acting import POLICY, Said, a_folder, listening, said
from tests.lifecycle.desks import Installation, a_guarded_policy

MASTER = "7f" * 32
SEALING = POLICY.replace("secrets: {", 'secrets: {master_key: "file:master", ')
SECRET = "Bearer hunter2"  # noqa: S105 -- it opens nothing

Act = Callable[..., Awaitable[Said]]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SIDECAR_POLICY", "SIDECAR_ADMIN", "SIDECAR_ADMIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["store", "admin"])
async def act(
    request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[Act]:
    """Run `sidecar …` against a store, or against a running admin listener."""

    def acting(options: Sequence[str]) -> Act:
        async def act(*words: str) -> Said:
            code = await asyncio.to_thread(invoke, [*words, *options])
            return said(code, capfd)

        return act

    if request.param == "store":
        yield acting(["--policy", str(a_sealing_folder(tmp_path))])
        return
    section = SecretsSection.model_construct(master_key=(Secret(bytes.fromhex(MASTER)),))
    async with listening(Installation(a_guarded_policy(secrets=section)), tmp_path) as options:
        yield acting(options)


def a_sealing_folder(path: Path, policy: str = SEALING) -> Path:
    (path / "master").write_text(MASTER + "\n")
    return a_folder(path, policy)


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put something on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def save(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def shown(act: Act, tenant: str) -> dict[str, object]:
    seen = await act("tenants", "show", tenant, "--json")
    assert seen.code == DONE, seen.err
    document = json.loads("\n".join(seen.out))
    assert isinstance(document, dict)
    return document


async def test_a_tenant_has_what_the_options_say(act: Act) -> None:
    words = "--tier pro --domain a.example --domain b.example --origin https://app.a.example"
    more = "--project p1=shop.example,www.example --project p2 --login sso --upstream http://own"
    last = ["--upstream-credential", "token", "--attribute", "region=eu=west"]
    seen = await act("tenants", "create", "initech", *words.split(), *more.split(), *last)
    assert (seen.code, seen.out) == (DONE, []), seen.err
    assert "tenant initech is active" in seen.err
    assert await shown(act, "initech") == {
        "id": "initech",
        "status": "active",
        "tier": "pro",
        "origins": ["https://app.a.example"],
        "domains": ["a.example", "b.example"],
        "projects": {
            "p1": {"domains": ["shop.example", "www.example"], "system": False},
            "p2": {"domains": [], "system": False},
        },
        "logins": ["sso"],
        "upstream": "http://own",
        "upstream_credential": "token",
        "attributes": {"region": "eu=west"},
        "version": 1,
        "source": "store",
    }
    text = "\n".join((await act("tenants", "show", "initech")).out)
    assert "region=eu=west" in text
    assert "p1,p2" in text


async def test_a_tenant_is_changed_field_by_field(act: Act) -> None:
    await act("tenants", "create", "initech", "--tier", "pro", "--login", "sso")
    seen = await act("tenants", "update", "initech", "--clear", "tier", "--domain", "c.example")
    assert seen.code == DONE, seen.err
    document = await shown(act, "initech")
    assert (document["tier"], document["logins"], document["domains"], document["version"]) == (
        None, ["sso"], ["c.example"], 2,
    )  # fmt: skip
    printed = await act("tenants", "update", "initech", "--tier", "free", "--json")
    assert json.loads("\n".join(printed.out))["tier"] == "free"


async def test_a_tenant_is_suspended_resumed_and_deleted(act: Act) -> None:
    await act("tenants", "create", "initech")
    for verb, state in (("suspend", "suspended"), ("resume", "active"), ("delete", "deleted")):
        seen = await act("tenants", verb, "initech")
        assert (seen.code, seen.out) == (DONE, [])
        assert f"tenant initech is {state}" in seen.err
    again = await act("tenants", "create", "initech")
    assert again.code == NO
    assert "never used again" in again.err


async def test_tenants_are_listed_for_people_and_programs(act: Act) -> None:
    await act("tenants", "create", "initech", "--tier", "pro")
    lines = (await act("tenants", "list")).out
    assert lines[0].split() == ["ID", "STATUS", "TIER", "DOMAINS", "UPSTREAM", "SOURCE"]
    assert [line.split()[0] for line in lines[1:]] == ["acme", "globex", "initech"]
    listed = json.loads("\n".join((await act("tenants", "list", "--json")).out))
    assert [one["source"] for one in listed["tenants"]] == ["policy", "policy", "store"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param("show initech", NO, "no tenant initech", id="not there"),
        pytest.param("suspend acme", NO, "tenants.acme", id="the policy's"),
        pytest.param("create a/b", USAGE, "the tenant's id", id="no id"),
        pytest.param("create initech --upstream initech:80", USAGE, "upstream", id="no URL"),
        pytest.param("create initech --attribute a", USAGE, "NAME=TEXT", id="no attribute"),
        pytest.param("update acme", USAGE, "nothing is to be changed", id="nothing to change"),
        pytest.param("update acme --clear id", USAGE, "--clear", id="no field"),
    ],
)
async def test_what_cannot_be_done_is_one_readable_line(
    act: Act, words: str, code: int, message: str
) -> None:
    seen = await act("tenants", *words.split())
    assert (seen.code, seen.out) == (code, [])
    assert message in seen.err
    assert len(seen.err.splitlines()) == 1


@pytest.mark.parametrize("claim", ["jti", "sid", "sub", "tenant"])
async def test_tokens_are_revoked_by_a_claim(act: Act, claim: str) -> None:
    seen = await act("tokens", "revoke", f"--{claim}", "acme")
    assert (seen.code, seen.out) == (DONE, []), seen.err
    assert f"tokens of {claim} acme are refused until 20" in seen.err


async def test_a_revocation_may_name_issuer_and_life(act: Act) -> None:
    issuer = "https://idp.example"
    seen = await act(
        "tokens", "revoke", "--sid", "s1", "--issuer", issuer, "--life", "2h", "--json"
    )
    document = json.loads("\n".join(seen.out))
    assert (document["sid"], document["issuer"]) == ("s1", issuer)


async def test_one_claim_says_which_tokens(act: Act) -> None:
    for words in ([], ["--jti", "a", "--sub", "b"]):
        seen = await act("tokens", "revoke", *words)
        assert seen.code == USAGE
        assert "jti, sid, sub or tenant" in seen.err


@pytest.mark.parametrize(
    "owner", [["--tenant", "acme"], []], ids=["of a tenant", "of the installation"]
)
async def test_a_secret_is_set_listed_and_deleted_and_never_shown(
    act: Act, owner: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, SECRET.encode() + b"\n")
    seen = [await act("secrets", "set", "token", *owner)]
    save("value", b"\xff\xfehunter2\r\n")
    seen.append(await act("secrets", "set", "bytes", *owner, "--from-file", "value"))
    seen.append(await act("secrets", "list", *owner))
    assert seen[-1].out == ["bytes", "token"]
    seen.append(await act("secrets", "list", *owner, "--json"))
    assert json.loads("\n".join(seen[-1].out)) == {"secrets": ["bytes", "token"]}
    seen.append(await act("secrets", "delete", "token", *owner))
    assert (await act("secrets", "list", *owner)).out == ["bytes"]
    assert [one.code for one in seen] == [DONE] * 5
    assert "hunter2" not in repr(seen)
    again = await act("secrets", "delete", "token", *owner)
    assert again.code == NO
    assert "has no secret token" in again.err


async def test_a_secret_that_is_too_long_is_told_and_not_cut(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, b"x" * 100_000)
    seen = await act("secrets", "set", "token", "--tenant", "acme")
    assert seen.code == USAGE
    assert "too large" in seen.err
    assert (await act("secrets", "list", "--tenant", "acme")).out == []


async def test_secrets_of_all_are_sealed_anew(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, SECRET.encode())
    await act("secrets", "set", "token", "--tenant", "acme")
    seen = await act("secrets", "reseal")
    assert (seen.code, seen.out) == (DONE, [])
    assert "0 secrets were sealed anew" in seen.err


async def test_after_a_rotation_the_old_master_key_can_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--policy", str(a_sealing_folder(tmp_path))]
    for owner in (["--tenant", "acme"], []):
        typed(monkeypatch, SECRET.encode())
        assert await asyncio.to_thread(invoke, ["secrets", "set", "t", *owner, *options]) == DONE
    (tmp_path / "newest").write_text("8e" * 32)
    both = SEALING.replace('"file:master"', '["file:newest", "file:master"]')
    (tmp_path / "policy.yaml").write_text(both)
    assert await asyncio.to_thread(invoke, ["secrets", "reseal", *options]) == DONE
    assert "2 secrets were sealed anew" in said(DONE, capfd).err
    (tmp_path / "policy.yaml").write_text(SEALING.replace("file:master", "file:newest"))
    assert await asyncio.to_thread(invoke, ["secrets", "reseal", *options]) == DONE
    assert "0 secrets were sealed anew" in said(DONE, capfd).err
    assert b"hunter2" not in everything_in(tmp_path)


async def test_without_a_master_key_the_missing_key_of_the_policy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, SECRET.encode())
    words = ["secrets", "set", "token", "--tenant", "acme", "--policy", str(a_folder(tmp_path))]
    code = await asyncio.to_thread(invoke, words)
    seen = said(code, capfd)
    assert seen.code == USAGE
    assert "secrets.master_key" in seen.err
    assert "openssl rand -hex 32" in seen.err


def test_at_a_terminal_a_secret_is_asked_for_twice_and_not_echoed(tmp_path: Path) -> None:
    policy = a_sealing_folder(tmp_path)
    words = ["secrets", "set", "token", "--tenant", "acme", "--policy", str(policy)]
    ours, theirs = os.openpty()
    with subprocess.Popen(  # noqa: S603 -- our own command
        [sys.executable, "-m", "sidecar", *words],
        stdin=theirs, stderr=subprocess.PIPE, start_new_session=True,
    ) as asking:  # fmt: skip
        os.close(theirs)
        assert asking.stderr is not None
        said = b""
        for _ in range(2):
            while not said.endswith(b": "):
                piece = asking.stderr.read(1)
                assert piece, said
                said += piece
            os.write(ours, SECRET.encode() + b"\n")
            said += asking.stderr.read(1)
        said += asking.stderr.read()
    os.set_blocking(ours, False)
    echoed = b""
    try:
        echoed = os.read(ours, 4096)
    except OSError:  # a terminal that everybody left has nothing more to say
        os.close(ours)
    assert asking.returncode == DONE, said
    assert b"hunter2" not in said + echoed


def test_no_option_takes_a_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["secrets", "set", "token", SECRET, "--policy", str(a_sealing_folder(tmp_path))]
    assert invoke(words) == USAGE
    seen = said(USAGE, capfd)
    assert "the secret is no argument" in seen.err
    assert "hunter2" not in seen.err
