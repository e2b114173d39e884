"""`sidecar keys`, on a real store and on a real admin listener, with the same words."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.cli.main import invoke
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyRecord, TenantId
from tests.cli.acting import Said, a_folder, listening, said
from tests.lifecycle.desks import Installation, Moved, a_guarded_policy

KEY = re.compile(r"sk_live_[0-9A-HJKMNP-TV-Z]{26}\Z")
NOBODY = "0190a4c2-7d10-7abc-8def-ffffffffffff"

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
    """Run `sidecar keys …` against a store, or against a running admin listener."""

    def acting(options: Sequence[str]) -> Act:
        async def act(*words: str) -> Said:
            code = await asyncio.to_thread(invoke, ["keys", *words, *options])
            return said(code, capfd)

        return act

    if request.param == "store":
        yield acting(["--policy", str(a_folder(tmp_path))])
    else:
        async with listening(Installation(a_guarded_policy()), tmp_path) as options:
            yield acting(options)


def save(name: str, lines: Sequence[str]) -> None:
    Path(name).write_text("\n".join(lines) + "\n")


async def made(act: Act, *words: str) -> tuple[str, str]:
    """Make a key of acme; returns the key and its id."""
    seen = await act("create", "--tenant", "acme", *words)
    assert seen.code == DONE, seen.err
    (key,) = seen.out
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", seen.err)
    assert found
    return key, found[0]


@pytest.mark.control("SE-2")
async def test_the_key_alone_is_printed_and_this_once(act: Act) -> None:
    key, key_id = await made(act, "--role", "developer", "--label", "ci")
    assert KEY.match(key)
    shown = await act("show", key_id, "--json")
    assert shown.code == DONE
    document = json.loads("\n".join(shown.out))
    assert document["prefix"] == key[:16]
    assert (document["roles"], document["label"], document["status"]) == (
        ["developer"],
        "ci",
        "active",
    )
    for seen in (shown, await act("list"), await act("list", "--json"), await act("show", key_id)):
        assert key not in "\n".join(seen.out) + seen.err


async def test_a_key_has_what_the_options_say(act: Act) -> None:
    words = "--role admin --role viewer --scope a:b --kind publishable --project shop --tier pro"
    more = "--expires 2099-01-31 --not-before 2027-02-01 --address 10.0.0.0/8 --subject svc-7"
    seen = await act(
        "create", "--tenant", "acme", *words.split(), *more.split(), "--read-only", "--json"
    )
    document = json.loads("\n".join(seen.out))
    assert document["key"].startswith("pk_")
    expected = {
        "roles": ["admin", "viewer"],
        "scopes": ["a:b"],
        "kind": "publishable",
        "project": "shop",
        "tier": "pro",
        "expires": "2099-01-31T00:00:00Z",
        "not_before": "2027-02-01T00:00:00Z",
        "addresses": ["10.0.0.0/8"],
        "subject": "svc-7",
        "read_only": True,
    }
    assert {name: document[name] for name in expected} == expected


async def test_a_rotated_key_is_printed_alone(act: Act) -> None:
    key, key_id = await made(act)
    seen = await act("rotate", key_id, "--grace", "24h")
    (fresh,) = seen.out
    assert KEY.match(fresh)
    assert fresh != key
    listed = json.loads("\n".join((await act("list", "--tenant", "acme", "--json")).out))
    assert sorted(one["status"] for one in listed["keys"]) == ["active", "grace"]


async def test_a_key_is_switched_and_revoked(act: Act) -> None:
    _, key_id = await made(act)
    for verb, state in (("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")):
        seen = await act(verb, key_id)
        assert (seen.code, seen.out) == (DONE, [])
        assert f"is {state}" in seen.err
    refused = await act("enable", key_id)
    assert (refused.code, refused.out) == (NO, [])
    assert "for good" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["show", NOBODY], NO, f"there is no key {NOBODY} (sidecar keys list shows the ids)"),
        (["revoke", "../x?y#z"], USAGE, "this is no id of a key"),
        (["create", "--tenant", "initech"], NO, "there is no tenant initech"),
        (["create", "--tenant", "acme", "--role", "root"], USAGE, "root is no role of the policy"),
        (["create", "--expires", "soon"], USAGE, "expires is no point in time"),
        (["rotate", NOBODY, "--grace", "1"], USAGE, "grace is not a duration"),
        (["breach", "a b"], USAGE, "the tenant's id is no such name"),
        (["breach", "acme", "--grace", "1h"], USAGE, "grace is for keys that are rotated"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line(
    act: Act, words: list[str], code: int, told: str
) -> None:
    seen = await act(*words)
    assert (seen.code, seen.out) == (code, [])
    assert seen.err.startswith("sidecar: ")
    assert told in seen.err
    assert seen.err.count("\n") == 1


async def test_the_list_is_a_table(act: Act) -> None:
    _, key_id = await made(act, "--role", "viewer", "--label", "nightly job")
    head, line = (await act("list")).out
    assert head.split() == ["ID", "PREFIX", "TENANT", "KIND", "STATUS", "ROLES", "EXPIRES", "LABEL"]
    assert line.split()[0] == key_id
    assert line.endswith("acme    secret  active  viewer  -        nightly job")


async def test_a_long_list_is_read_to_its_end(act: Act) -> None:
    lines = [
        json.dumps({"digest": hashlib.sha256(b"%d" % n).hexdigest(), "prefix": "sk_live_"})
        for n in range(501)
    ]
    file = "import.jsonl"
    save(file, lines)
    assert (await act("import", file)).err == "501 keys imported, 0 known already\n"
    listed = json.loads("\n".join((await act("list", "--json")).out))
    assert len({key["id"] for key in listed["keys"]}) == 501
    again = await act("import", file)
    assert (again.code, again.err) == (DONE, "0 keys imported, 501 known already\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: the body is no JSON"),
        ("[]", "line 2: the body is no object"),
        ('{"digest": "00", "digest": "00"}', "line 2: the body names a member twice"),
        ('{"digest": "00", "prefix": "sk_live_"}', "key 2: digest is no SHA-256"),
        ('{"prefix": "sk_live_"}', "keys.1.digest is missing"),
    ],
)
async def test_an_import_with_a_bad_line_takes_nothing_in(act: Act, line: str, told: str) -> None:
    good = json.dumps({"digest": hashlib.sha256(b"k").hexdigest(), "prefix": "sk_live_"})
    save("import.jsonl", [good, line])
    seen = await act("import", "import.jsonl")
    assert seen.code == USAGE
    assert told in seen.err
    assert len((await act("list")).out) == 1


@pytest.mark.control("AN-17")
async def test_a_breach_ends_all_keys_of_a_tenant(act: Act) -> None:
    ids = {(await made(act))[1] for _ in range(3)}
    other = await act("create", "--tenant", "globex")
    seen = await act("breach", "acme", "--json")
    assert seen.code == DONE
    assert set(json.loads("\n".join(seen.out))["revoked"]) == ids
    listed = json.loads("\n".join((await act("list", "--json")).out))["keys"]
    states = {(key["tenant"], key["status"]) for key in listed}
    assert states == {("acme", "revoked"), ("globex", "active")}
    assert other.code == DONE
    again = await act("breach", "acme")
    assert (again.code, again.out) == (DONE, [])
    assert "is it the right tenant?" in again.err


@pytest.mark.control("AN-17")
async def test_a_breach_may_rotate_instead(act: Act) -> None:
    pairs = [await made(act) for _ in range(2)]
    seen = await act("breach", "acme", "--rotate", "--grace", "10m")
    lines = [line.split() for line in seen.out]
    assert [line[0] for line in lines] == [key_id for _, key_id in pairs]
    assert all(KEY.match(line[2]) for line in lines)
    assert "0 keys revoked, 2 rotated" in seen.err
    listed = json.loads("\n".join((await act("list", "--json")).out))["keys"]
    assert [key["status"] for key in listed] == ["grace", "grace", "active", "active"]


async def test_a_rotation_may_set_another_end(act: Act) -> None:
    _, key_id = await made(act, "--expires", "2098-01-31")
    seen = await act("rotate", key_id, "--expires", "2099-01-31", "--json")
    document = json.loads("\n".join(seen.out))
    assert KEY.match(document["key"])
    assert document["expires"] == "2099-01-31T00:00:00Z"


async def test_an_import_may_come_in_many_batches(act: Act) -> None:
    label = "x" * 120
    lines = [
        json.dumps(
            {"digest": hashlib.sha256(b"%d" % n).hexdigest(), "prefix": "sk_live_", "label": label}
        )
        for n in range(250)
    ]
    save("import.jsonl", ["", *lines, ""])
    assert (await act("import", "import.jsonl")).err == "250 keys imported, 0 known already\n"
    save("import.jsonl", [])
    assert (await act("import", "import.jsonl")).err == "0 keys imported, 0 known already\n"


class Slow(MemoryStore):
    """A store at which a page of keys takes eight seconds, and that may fail at the third."""

    def __init__(self, clock: Moved, *, fails: bool) -> None:
        super().__init__(clock)
        self._moved = clock
        self._pages = 3 if fails else 1000

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        self._pages -= 1
        if not self._pages:
            raise StoreUnavailableError("the store did not answer in time")
        self._moved.now += 8
        return await super().keys(tenant, after, limit)


@pytest.mark.parametrize(("fails", "code", "count"), [(False, DONE, 120), (True, FAILED, 100)])
async def test_a_breach_of_many_keys_takes_several_calls(
    fails: bool, code: int, count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Moved()
    place = Installation(a_guarded_policy(), clock, store=Slow(clock, fails=fails))
    for _ in range(120):
        await place.make()
    async with listening(place, tmp_path) as options:
        words = ["keys", "breach", "acme", "--rotate", *options]
        seen = said(await asyncio.to_thread(invoke, words), capfd)
    assert (seen.code, len(seen.out)) == (code, count)
    assert f"{count} rotated" in seen.err
    assert ("not all was ended: the store did not answer in time" in seen.err) is fails


@pytest.mark.parametrize("verb", ["show", "rotate", "revoke", "disable", "enable"])
async def test_a_key_given_for_its_id_is_not_repeated(act: Act, verb: str) -> None:
    key, _ = await made(act)
    seen = await act(verb, key)
    assert (seen.code, seen.out) == (USAGE, [])
    assert key not in seen.err
