"""What becomes of API keys in the hands of operators, and what the audit hears of it."""

import dataclasses
import hashlib
import hmac

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.errors import BadValueError, ConflictError, LifecycleError, NotFoundError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId, KeyRecord, KeyStatus, TenantId
from tests.builders import a_policy
from tests.lifecycle.desks import Installation, a_guarded_policy, peppered
from tests.lifecycle.noting import NOW, OPS

KEY = "/v1/keys/{id}"
NOBODY = "0190a4c2-7d10-7abc-8def-ffffffffffff"


def a_place(**sections: object) -> Installation:
    return Installation(a_guarded_policy(**sections))


async def stored(place: Installation, key_id: object) -> KeyRecord:
    assert place.store is not None
    record = await place.store.key(KeyId(str(key_id)))
    assert record is not None
    return record


@pytest.mark.control("SE-2")
@pytest.mark.control("AN-2")
async def test_a_key_is_in_the_answer_that_makes_it_and_nowhere_else() -> None:
    place = a_place()
    made = await place.make(roles=["developer"])
    key = str(made["key"])
    assert key.startswith("sk_live_")
    assert made["prefix"] == key[:16]
    record = await stored(place, made["id"])
    assert record.digest == hashlib.sha256(key.encode()).digest()
    shown = await place.call("GET", KEY, str(made["id"]))
    listed = await place.call("GET", "/v1/keys")
    assert shown == {name: value for name, value in made.items() if name != "key"}
    for text in (repr(record), repr(shown), repr(listed), repr(place.events)):
        assert not [word for word in (key, key[16:], record.digest.hex()) if word in text]


@pytest.mark.control("AN-3")
async def test_a_new_key_is_stored_under_the_newest_pepper() -> None:
    place = Installation(peppered(a_guarded_policy(), b"new", b"old"))
    made = await place.make()
    record = await stored(place, made["id"])
    assert record.digest == hmac.digest(b"new", str(made["key"]).encode(), "sha256")
    assert made["pepper"] == record.pepper != ""


async def test_a_key_has_what_its_draft_says() -> None:
    place = a_place()
    made = await place.make(
        kind="publishable",
        roles=["admin", "viewer"],
        scopes=["orders:read"],
        project="shop",
        tier="pro",
        subject="svc-7",
        label="Anna's laptop",
        addresses=["10.0.0.0/8", "2001:db8::1"],
        expires="90d",
        not_before="1d",
        read_only=True,
    )
    key = made.pop("key")
    assert str(key).startswith("pk_")
    assert made == {
        "id": made["id"],
        "prefix": str(key)[:11],
        "tenant": "acme",
        "subject": "svc-7",
        "kind": "publishable",
        "status": "active",
        "roles": ["admin", "viewer"],
        "scopes": ["orders:read"],
        "tier": "pro",
        "project": "shop",
        "read_only": True,
        "addresses": ["10.0.0.0/8", "2001:db8::1/128"],
        "label": "Anna's laptop",
        "pepper": "",
        "created": "2027-01-15T08:00:00Z",
        "created_by": OPS,
        "not_before": "2027-01-16T08:00:00Z",
        "expires": "2027-04-15T08:00:00Z",
        "changed": "2027-01-15T08:00:00Z",
        "last_used": None,
        "replaced_by": None,
    }


async def test_what_is_left_out_is_the_usual() -> None:
    place = a_place()
    made = await place.call("POST", "/v1/keys", kind="secret")
    assert made["subject"] == f"key:{made['id']}"
    assert (made["tenant"], made["roles"], made["expires"]) == (None, [], None)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"roles": ["root"]}, "root is no role of the policy"),
        ({"kind": "admin"}, "kind admin is not in authentication.api_keys.formats"),
        ({"project": "forge"}, "tenant acme has no project forge"),
        ({"tenant": "initech"}, "there is no tenant initech"),
        ({"tenant": "a b"}, "tenant is no such name"),
        ({"tenant": None, "roles": ["viewer"]}, "a key of no tenant has neither roles"),
        ({"tenant": None, "project": "shop"}, "a key of no tenant has neither roles"),
        ({"addresses": ["10.0.0.1/8"]}, "addresses.0 has bits set beyond its prefix length"),
        ({"addresses": ["here"]}, "addresses.0 is not a network"),
        ({"expires": "yesterday"}, "expires is no point in time"),
        ({"expires": "2026-01-01"}, "expires is past"),
        ({"expires": "2027-02-01T12:00:00"}, "expires has no time zone"),
        ({"expires": "0s"}, "expires is past"),
        ({"expires": "1d", "not_before": "2d"}, "the key ends before it begins"),
        ({"subject": "two words"}, "subject: "),
        ({"subject": "line\r\nX-Roles: owner"}, "subject: "),
        ({"label": "red\x1b[31m"}, "label is not printable"),
        ({"scopes": ["two words"]}, "scopes.0 is no such name"),
        ({"role": "viewer"}, "role is no member"),
        ({"roles": "viewer"}, "roles: "),
        ({"read_only": "yes"}, "read_only: "),
        ({"tenant": 7}, "tenant: "),
    ],
)
async def test_a_draft_that_does_not_fit_makes_no_key(
    members: dict[str, object], message: str
) -> None:
    place = a_place()
    with pytest.raises(LifecycleError) as caught:
        await place.make(**members)
    assert caught.value.message.startswith(message)
    assert await place.call("GET", "/v1/keys") == {"keys": [], "next": None}


async def test_each_attempt_to_make_a_key_is_audited() -> None:
    place = a_place()
    made = await place.make()
    with pytest.raises(BadValueError):
        await place.make(roles=["root"])
    good, bad = place.events
    assert (good.action, good.actor, good.tenant, good.resource_type, good.resource_id) == (
        "key.create",
        OPS,
        "acme",
        "key",
        made["id"],
    )
    assert (good.reason, bad.reason) == (None, "root is no role of the policy")


async def test_a_policy_without_keys_makes_none() -> None:
    place = Installation(a_policy(tenants={"acme": {}}))
    with pytest.raises(BadValueError, match="takes no API keys"):
        await place.make()


async def test_a_tenant_of_the_store_may_have_keys_until_it_is_deleted() -> None:
    place = a_place()
    for verb in ("create", "suspend"):
        await place.tenants(verb, "initech")
    assert (await place.make(tenant="initech"))["tenant"] == "initech"
    await place.tenants("delete", "initech")
    with pytest.raises(NotFoundError, match="no tenant initech"):
        await place.make(tenant="initech")


async def test_keys_are_listed_in_pages() -> None:
    place = a_place()
    ids = [(await place.make())["id"] for _ in range(5)]
    other = await place.make(tenant="globex")
    first = await place.call("GET", "/v1/keys", query={"limit": "2", "tenant": "acme"})
    assert [key["id"] for key in first["keys"]] == ids[:2]  # type: ignore[attr-defined]  # a document
    assert first["next"] == ids[1]
    query = {"limit": "4", "tenant": "acme", "after": str(ids[1])}
    rest = await place.call("GET", "/v1/keys", query=query)
    assert [key["id"] for key in rest["keys"]] == ids[2:]  # type: ignore[attr-defined]  # a document
    assert rest["next"] is None
    every = await place.call("GET", "/v1/keys")
    assert len(every["keys"]) == 6  # type: ignore[arg-type]  # a document
    assert other["tenant"] == "globex"


async def test_a_rotation_leaves_the_old_key_its_grace() -> None:
    place = a_place()
    old = await place.make(roles=["admin"], scopes=["a:b"], expires="90d", label="ci")
    place.clock.now += 60
    new = await place.call("POST", f"{KEY}/rotate", str(old["id"]), grace="24h")
    assert new["key"] != old["key"]
    kept = {"tenant", "subject", "kind", "roles", "scopes", "expires", "label", "addresses"}
    assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
    assert new["created"] == "2027-01-15T08:01:00Z"
    retired = await stored(place, old["id"])
    assert retired.status is KeyStatus.GRACE
    assert retired.expires_at == NOW + 60 + 86400
    assert retired.replaced_by == new["id"]
    assert retired.version == 2
    details = {"replaced_by": new["id"], "grace_seconds": 86400.0}
    assert (place.events[-1].action, place.events[-1].details) == ("key.rotate", details)
    assert place.events.done[-1] == ("key.rotate", old["id"])


async def test_a_rotation_without_grace_revokes_the_old_key() -> None:
    place = a_place()
    old = await place.make()
    new = await place.call("POST", f"{KEY}/rotate", str(old["id"]), expires="30d")
    assert (await stored(place, old["id"])).status is KeyStatus.REVOKED
    assert new["expires"] == "2027-02-14T08:00:00Z"


async def test_grace_never_makes_a_key_live_longer() -> None:
    place = a_place()
    old = await place.make(expires="1h")
    await place.call("POST", f"{KEY}/rotate", str(old["id"]), grace="24h")
    assert (await stored(place, old["id"])).expires_at == NOW + 3600


async def test_only_an_active_key_is_rotated() -> None:
    place = a_place()
    old = await place.make(expires="1d")
    await place.call("POST", f"{KEY}/rotate", str(old["id"]), grace="1h")
    with pytest.raises(ConflictError, match="in grace") as caught:
        await place.call("POST", f"{KEY}/rotate", str(old["id"]))
    assert caught.value.hint.startswith("it was replaced by")
    for verb, state in (("disable", "disabled"), ("revoke", "revoked")):
        made = await place.make()
        await place.call("POST", f"{KEY}/{verb}", str(made["id"]))
        with pytest.raises(ConflictError, match=state):
            await place.call("POST", f"{KEY}/rotate", str(made["id"]))
    ending = await place.make(expires="1d")
    place.clock.now += 86400
    with pytest.raises(ConflictError, match="the key ended at 2027-01-16"):
        await place.call("POST", f"{KEY}/rotate", str(ending["id"]))


async def test_a_key_is_switched_off_and_on() -> None:
    place = a_place()
    made = str((await place.make())["id"])
    assert (await place.call("POST", f"{KEY}/disable", made))["status"] == "disabled"
    assert (await place.call("POST", f"{KEY}/disable", made))["status"] == "disabled"
    assert (await place.call("POST", f"{KEY}/enable", made))["status"] == "active"
    assert (await place.call("POST", f"{KEY}/enable", made))["status"] == "active"
    assert place.events.done[1:] == [("key.disable", made), ("key.enable", made)]


async def test_a_key_in_grace_goes_back_to_its_grace() -> None:
    place = a_place()
    old = str((await place.make())["id"])
    await place.call("POST", f"{KEY}/rotate", old, grace="1h")
    await place.call("POST", f"{KEY}/disable", old)
    assert (await place.call("POST", f"{KEY}/enable", old))["status"] == "grace"
    assert (await stored(place, old)).expires_at == NOW + 3600


async def test_a_revoked_key_stays_so() -> None:
    place = a_place()
    made = str((await place.make())["id"])
    assert (await place.call("POST", f"{KEY}/revoke", made))["status"] == "revoked"
    assert (await place.call("POST", f"{KEY}/revoke", made))["status"] == "revoked"
    for verb in ("enable", "disable"):
        with pytest.raises(ConflictError, match="for good"):
            await place.call("POST", f"{KEY}/{verb}", made)
    assert place.events.done == [("key.create", made), ("key.revoke", made)]
    assert (await stored(place, made)).version == 2


@pytest.mark.parametrize("verb", ["rotate", "revoke", "disable", "enable"])
async def test_a_key_that_is_not_there_cannot_be_changed(verb: str) -> None:
    place = a_place()
    with pytest.raises(NotFoundError, match=NOBODY):
        await place.call("POST", f"{KEY}/{verb}", NOBODY)
    assert place.events[0].resource_id == NOBODY
    assert place.events.undone == [(f"key.{verb}", f"there is no key {NOBODY}")]


async def test_a_key_given_for_its_id_is_repeated_nowhere() -> None:
    place = a_place()
    key = str((await place.make())["key"])
    with pytest.raises(NotFoundError) as caught:
        await place.call("POST", f"{KEY}/revoke", key)
    assert key not in str(caught.value) + caught.value.hint + repr(place.events)


class Contested(MemoryStore):
    """A store in which somebody else is faster, so many times."""

    losses = 0

    async def replace_key(self, record: KeyRecord) -> bool:
        if self.losses:
            self.losses -= 1
            now = await self.key(record.id)
            assert now is not None
            label = f"{now.label}+"
            await super().replace_key(
                dataclasses.replace(now, label=label, version=now.version + 1)
            )
        return await super().replace_key(record)


def contested() -> tuple[Installation, Contested]:
    store = Contested(lambda: NOW)
    return Installation(store=store), store


async def test_a_change_of_somebody_else_is_not_lost() -> None:
    place, store = contested()
    made = str((await place.make())["id"])
    store.losses = 3
    await place.call("POST", f"{KEY}/disable", made)
    record = await stored(place, made)
    assert (record.status, record.label, record.version) == (KeyStatus.DISABLED, "+++", 5)


async def test_a_key_that_is_changed_all_the_time_is_given_up() -> None:
    place, store = contested()
    made = str((await place.make())["id"])
    store.losses = 1000
    with pytest.raises(ConflictError, match="somebody else"):
        await place.call("POST", f"{KEY}/revoke", made)
    assert place.events.undone[-1][0] == "key.revoke"


async def test_a_rotation_that_fails_leaves_no_second_key_alive() -> None:
    place, store = contested()
    made = str((await place.make())["id"])
    store.losses = 8
    with pytest.raises(ConflictError):
        await place.call("POST", f"{KEY}/rotate", made, grace="1h")
    alive = [key.id for key in await store.keys(None, "", 10) if key.status is KeyStatus.ACTIVE]
    assert alive == [made]


class Overtaken(MemoryStore):
    """A store in which somebody else revokes a key a moment before."""

    async def replace_key(self, record: KeyRecord) -> bool:
        now = await self.key(record.id)
        assert now is not None
        if now.status is KeyStatus.REVOKED:
            return await super().replace_key(record)
        theirs = dataclasses.replace(now, status=KeyStatus.REVOKED, version=now.version + 1)
        await super().replace_key(theirs)
        return False


async def test_a_key_that_somebody_else_revoked_meanwhile_is_revoked() -> None:
    place = Installation(store=Overtaken(lambda: NOW))
    made = str((await place.make())["id"])
    assert (await place.call("POST", f"{KEY}/revoke", made))["status"] == "revoked"
    assert (await stored(place, made)).version == 2


class Silent(MemoryStore):
    """A store that cannot answer."""

    async def add_key(self, record: KeyRecord) -> bool:
        raise StoreUnavailableError(f"no room for a key of {record.tenant}")

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        raise StoreUnavailableError(f"no page of {limit} for {tenant} after {after or 'nothing'}")


async def test_a_store_that_cannot_answer_is_audited() -> None:
    place = Installation(store=Silent(lambda: NOW))
    with pytest.raises(StoreUnavailableError):
        await place.make()
    assert place.events.undone == [("key.create", "no room for a key of acme")]


async def test_a_digest_that_is_there_already_is_not_added_twice() -> None:
    place = a_place()
    made = await place.make()
    again = Installation(place.policy, place.clock, store=place.store)
    with pytest.raises(ConflictError, match="such a key already"):
        await again.make()
    assert len((await place.call("GET", "/v1/keys"))["keys"]) == 1  # type: ignore[arg-type]  # a document
    assert made["status"] == "active"
