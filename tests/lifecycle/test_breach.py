"""After a breach everything by which a tenant can be entered ends (AN-17)."""

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.errors import BadValueError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyRecord, KeyStatus, RevocationKind, TenantId
from tests.lifecycle.desks import Installation, Moved, a_guarded_policy
from tests.lifecycle.noting import NOW

BREACH = "/v1/tenants/{id}/breach"
KEY = "/v1/keys/{id}"


async def states(place: Installation) -> dict[str, KeyStatus]:
    assert place.store is not None
    return {key.id: key.status for key in await place.store.keys(None, "", 1000)}


def listed(document: dict[str, object], name: str) -> list[dict[str, object]]:
    found = document[name]
    assert isinstance(found, list)
    return found


@pytest.mark.control("AN-17")
async def test_all_keys_and_tokens_of_the_tenant_end_and_no_others() -> None:
    place = Installation()
    ids = [str((await place.make())["id"]) for _ in range(3)]
    other = str((await place.make(tenant="globex"))["id"])
    await place.call("POST", f"{KEY}/disable", ids[0])
    await place.call("POST", f"{KEY}/revoke", ids[1])
    ended = await place.call("POST", BREACH, "acme")
    assert ended == {
        "revoked": [ids[0], ids[2]],
        "rotated": [],
        "before": NOW,
        "after": ids[2],
        "complete": True,
        "failure": None,
    }
    assert await states(place) == {
        **dict.fromkeys(ids, KeyStatus.REVOKED),
        other: KeyStatus.ACTIVE,
    }
    assert place.store is not None
    _, (revocation,) = await place.store.revocations(0)
    assert (revocation.kind, revocation.issuer, revocation.value) == (
        RevocationKind.TENANT,
        "",
        "acme",
    )
    assert revocation.before == NOW


@pytest.mark.control("AN-17")
async def test_each_key_is_audited_and_the_whole_beside() -> None:
    place = Installation()
    ids = [str((await place.make())["id"]) for _ in range(2)]
    place.events.clear()
    await place.call("POST", BREACH, "acme", actor="ops")
    assert place.events.done == [
        ("token.revoke", "acme"),
        ("key.revoke", ids[0]),
        ("key.revoke", ids[1]),
        ("tenant.breach", "acme"),
    ]
    assert {event.actor for event in place.events} == {"ops"}
    assert place.events[-1].details == {
        "revoked": 2,
        "rotated": 0,
        "grace_seconds": 0.0,
        "complete": True,
    }


@pytest.mark.control("AN-17")
async def test_active_keys_may_be_replaced_and_the_others_are_revoked() -> None:
    place = Installation()
    active = await place.make(roles=["admin"])
    disabled = str((await place.make())["id"])
    ending = str((await place.make(expires="1h"))["id"])
    await place.call("POST", f"{KEY}/disable", disabled)
    place.clock.now += 3600
    ended = await place.call("POST", BREACH, "acme", rotate=True, grace="10m")
    (made,) = listed(ended, "rotated")
    assert made["replaces"] == active["id"]
    assert str(made["key"]).startswith("sk_live_")
    assert made["roles"] == ["admin"]
    assert ended["revoked"] == [disabled, ending]
    assert await states(place) == {
        str(active["id"]): KeyStatus.GRACE,
        str(made["id"]): KeyStatus.ACTIVE,
        disabled: KeyStatus.REVOKED,
        ending: KeyStatus.REVOKED,
    }


async def test_a_kind_without_a_format_is_revoked_where_others_are_rotated() -> None:
    place = Installation()
    gone = str((await place.make(kind="publishable"))["id"])
    formats = {"formats": [{"kind": "secret", "prefix": "sk_live"}]}
    policy = a_guarded_policy(authentication={"api_keys": formats})
    later = Installation(policy, place.clock, store=place.store)
    ended = await later.call("POST", BREACH, "acme", rotate=True)
    assert (ended["rotated"], ended["revoked"]) == ([], [gone])


async def test_keys_made_on_the_way_are_not_rotated_again() -> None:
    place = Installation()
    for _ in range(120):
        await place.make()
    ended = await place.call("POST", BREACH, "acme", rotate=True)
    assert len(listed(ended, "rotated")) == 120
    alive = [state for state in (await states(place)).values() if state is KeyStatus.ACTIVE]
    assert len(alive) == 120


class Slow(MemoryStore):
    """A store at which a page takes four seconds."""

    def __init__(self, clock: Moved) -> None:
        super().__init__(clock)
        self.clock = clock

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        self.clock.now += 4
        return await super().keys(tenant, after, limit)


async def test_a_long_response_is_gone_on_with_where_it_ended() -> None:
    clock = Moved()
    place = Installation(clock=clock, store=Slow(clock))
    for _ in range(120):
        await place.make()
    clock.now += 1
    ended = await place.call("POST", BREACH, "acme", rotate=True)
    assert (len(listed(ended, "rotated")), ended["complete"]) == (100, False)
    made_meanwhile = str((await place.make())["id"])
    count = 100
    while not ended["complete"]:
        ended = await place.go_on("acme", ended)
        count += len(listed(ended, "rotated"))
    assert count == 120
    found = await states(place)
    assert found[made_meanwhile] is KeyStatus.ACTIVE
    assert sum(state is KeyStatus.ACTIVE for state in found.values()) == 121


class Failing(MemoryStore):
    """A store that fails after so many changes."""

    left = 1000

    async def replace_key(self, record: KeyRecord) -> bool:
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailableError("the store did not answer in time")
        return await super().replace_key(record)


async def test_keys_that_were_made_before_the_store_failed_are_shown() -> None:
    store = Failing(lambda: NOW)
    place = Installation(store=store)
    for _ in range(3):
        await place.make()
    store.left = 2
    ended = await place.call("POST", BREACH, "acme", rotate=True)
    assert len(listed(ended, "rotated")) == 2
    assert (ended["complete"], ended["failure"]) == (False, "the store did not answer in time")
    assert place.events[-1].reason == "the store did not answer in time"


async def test_a_store_that_fails_before_any_key_was_made_is_an_error() -> None:
    store = Failing(lambda: NOW)
    place = Installation(store=store)
    await place.make()
    store.left = 0
    with pytest.raises(StoreUnavailableError):
        await place.call("POST", BREACH, "acme")
    assert place.events.undone[-1] == ("tenant.breach", "the store did not answer in time")


async def test_a_call_that_makes_no_sense_ends_nothing() -> None:
    place = Installation()
    made = str((await place.make())["id"])
    with pytest.raises(BadValueError, match="grace is for keys that are rotated"):
        await place.call("POST", BREACH, "acme", grace="1h")
    with pytest.raises(BadValueError, match="before"):
        await place.call("POST", BREACH, "acme", before=-1)
    with pytest.raises(BadValueError, match="tenant's id"):
        await place.call("POST", BREACH, "../acme")
    assert await states(place) == {made: KeyStatus.ACTIVE}
