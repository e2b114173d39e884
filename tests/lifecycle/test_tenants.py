"""Tenants are created, changed, suspended and deleted, each time with word to the audit."""

from collections.abc import Mapping

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.errors import BadValueError, ConflictError, LifecycleError, NotFoundError
from sidecar.lifecycle.tenants import Tenants
from sidecar.model.identity import (
    Revocation,
    RevocationKind,
    TenantId,
    TenantRecord,
    TenantStatus,
)
from sidecar.model.ports import Event
from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.state import Secrets as SecretsSection
from tests.builders import a_policy
from tests.lifecycle.noting import NOW, OPS, Noted

ACME = TenantId("acme")
SEALING = SecretsSection.model_construct(master_key=(Secret(b"\x01" * 32),))


def a_store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


def on(store: MemoryStore, events: Noted | None = None, policy: Policy | None = None) -> Tenants:
    noted = Noted() if events is None else events
    return Tenants(store, a_policy() if policy is None else policy, noted, lambda: NOW)


async def test_a_tenant_is_created_and_found() -> None:
    store, events = a_store(), Noted()
    record = await on(store, events).create(OPS, "acme", {"tier": "pro", "domains": ["a.example"]})
    assert (record.status, record.tier, record.version) == (TenantStatus.ACTIVE, "pro", 1)
    assert await store.tenant(ACME) is record
    shown = await on(store).show("acme")
    assert (shown.record, shown.source) == (record, "store")
    own = await on(store, policy=a_policy(tenants={"acme": {"tier": "own"}})).show("acme")
    assert (own.record.tier, own.source) == ("own", "policy")
    details = {"fields": ["domains", "tier"]}
    assert events == [Event("tenant.create", OPS, "acme", "tenant", "acme", details=details)]


async def test_a_tenant_is_created_once() -> None:
    store, events = a_store(), Noted()
    await on(store).create(OPS, "acme", {})
    with pytest.raises(ConflictError, match="exists") as caught:
        await on(store, events).create(OPS, "acme", {"tier": "pro"})
    assert events.undone == [("tenant.create", caught.value.message)]
    assert (await on(store).show("acme")).record.tier is None


async def test_an_update_changes_the_named_fields_and_counts() -> None:
    store, events = a_store(), Noted()
    await on(store).create(OPS, "acme", {"tier": "pro", "logins": ["sso"]})
    record = await on(store, events).update(OPS, "acme", {"tier": "free"})
    assert (record.tier, record.logins, record.version) == ("free", ("sso",), 2)
    assert events.done == [("tenant.update", "acme")]
    assert events[0].details == {"fields": ["tier"]}


async def test_an_update_of_nothing_is_told() -> None:
    store = a_store()
    await on(store).create(OPS, "acme", {})
    with pytest.raises(BadValueError, match="nothing is to be changed"):
        await on(store).update(OPS, "acme", {})


async def test_a_tenant_is_suspended_resumed_and_again() -> None:
    store, events = a_store(), Noted()
    tenants = on(store, events)
    await tenants.create(OPS, "acme", {"tier": "pro"})
    suspended = await tenants.suspend(OPS, "acme")
    assert (suspended.status, suspended.tier) == (TenantStatus.SUSPENDED, "pro")
    assert await tenants.suspend(OPS, "acme") is suspended
    resumed = await tenants.resume(OPS, "acme")
    assert (resumed.status, resumed.version) == (TenantStatus.ACTIVE, 3)
    assert [action for action, _ in events.done] == [
        "tenant.create", "tenant.suspend", "tenant.suspend", "tenant.resume",
    ]  # fmt: skip


async def test_a_deleted_tenant_is_a_tombstone_without_secrets() -> None:
    store, events = a_store(), Noted()
    tenants = on(store, events)
    await tenants.create(OPS, "acme", {"tier": "pro", "domains": ["a.example"]})
    await store.put_secret("acme", "token", b"sealed")
    await store.put_secret("globex", "token", b"sealed")
    await tenants.delete(OPS, "acme")
    found = await store.tenant(ACME)
    assert found is not None
    assert (found.status, found.tier, found.domains) == (TenantStatus.DELETED, None, ())
    assert await store.secret_names("acme") == []
    assert await store.secret_names("globex") == ["token"]
    await tenants.delete(OPS, "acme")
    assert (await tenants.show("acme")).record.version == 2
    assert events.done[-2:] == [("tenant.delete", "acme")] * 2


@pytest.mark.parametrize("verb", ["create", "update", "suspend", "resume"])
async def test_a_deleted_tenant_never_comes_back(verb: str) -> None:
    store, events = a_store(), Noted()
    await on(store).create(OPS, "acme", {})
    await on(store).delete(OPS, "acme")
    tenants = on(store, events)
    facts = ({"tier": "pro"},) if verb in {"create", "update"} else ()
    with pytest.raises(ConflictError, match="deleted"):
        await getattr(tenants, verb)(OPS, "acme", *facts)
    assert [action for action, _ in events.undone] == [f"tenant.{verb}"]
    found = await store.tenant(ACME)
    assert found is not None
    assert found.status is TenantStatus.DELETED


@pytest.mark.parametrize("verb", ["create", "update", "suspend", "resume", "delete"])
async def test_a_tenant_of_the_policy_is_changed_there_alone(verb: str) -> None:
    store, events = a_store(), Noted()
    tenants = on(store, events, a_policy(tenants={"acme": {"tier": "pro"}}))
    facts = ({"tier": "free"},) if verb in {"create", "update"} else ()
    with pytest.raises(ConflictError, match=r"defined by the policy, at tenants\.acme"):
        await getattr(tenants, verb)(OPS, "acme", *facts)
    assert await store.tenant(ACME) is None
    assert [action for action, _ in events.undone] == [f"tenant.{verb}"]


@pytest.mark.parametrize("verb", ["update", "suspend", "resume", "delete"])
async def test_a_tenant_that_is_not_there_is_told(verb: str) -> None:
    events = Noted()
    facts = ({"tier": "free"},) if verb == "update" else ()
    with pytest.raises(NotFoundError, match="no tenant acme"):
        await getattr(on(a_store(), events), verb)(OPS, "acme", *facts)
    assert events.undone == [(f"tenant.{verb}", "there is no tenant acme")]


async def test_what_is_not_there_or_no_id_is_not_shown() -> None:
    with pytest.raises(NotFoundError):
        await on(a_store()).show("acme")
    with pytest.raises(BadValueError):
        await on(a_store()).show("../acme")


async def test_tenants_of_policy_and_store_are_listed_together() -> None:
    store = a_store()
    for name in ("a", "c", "e"):
        await on(store).create(OPS, name, {})
    tenants = on(store, policy=a_policy(tenants={"b": {}, "c": {"tier": "pro"}, "f": {}}))
    found = await tenants.list("", 100)
    assert [(one.record.id, one.source) for one in found] == [
        ("a", "store"), ("b", "policy"), ("c", "policy"), ("e", "store"), ("f", "policy"),
    ]  # fmt: skip
    pages: list[str] = []
    while page := await tenants.list(pages[-1] if pages else "", 2):
        pages += [one.record.id for one in page]
    assert pages == ["a", "b", "c", "e", "f"]


@pytest.mark.parametrize("limit", [0, 1001])
async def test_a_page_has_bounds(limit: int) -> None:
    with pytest.raises(BadValueError, match="limit"):
        await on(a_store()).list("", limit)


async def test_a_credential_needs_a_master_key() -> None:
    store = a_store()
    facts: Mapping[str, object] = {"upstream": "http://acme", "upstream_credential": "token"}
    with pytest.raises(BadValueError) as caught:
        await on(store).create(OPS, "acme", facts)
    assert "secrets.master_key" in caught.value.message
    await on(store, policy=a_policy(secrets=SEALING)).create(OPS, "acme", facts)
    await on(store).update(OPS, "acme", {"tier": "free"})
    await on(store).update(OPS, "acme", {"upstream_credential": None})


class Contested(MemoryStore):
    """A store in which somebody else is faster a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__(lambda: NOW)
        self.times = times

    async def put_tenant(self, record: TenantRecord) -> bool:
        if record.version > 1 and self.times:
            self.times -= 1
            old = await self.tenant(record.id)
            assert old is not None
            other = TenantRecord(old.id, tier=f"t{self.times}", version=old.version + 1)
            assert await super().put_tenant(other)
        return await super().put_tenant(record)


async def test_a_change_is_made_to_what_others_made_of_the_tenant_meanwhile() -> None:
    store = Contested(3)
    await on(store).create(OPS, "acme", {})
    record = await on(store).update(OPS, "acme", {"logins": ["sso"]})
    assert (record.tier, record.logins, record.version) == ("t0", ("sso",), 5)


async def test_a_change_is_given_up_after_a_few_tries() -> None:
    store, events = Contested(1000), Noted()
    await on(store).create(OPS, "acme", {})
    with pytest.raises(ConflictError, match="being changed by others"):
        await on(store, events).suspend(OPS, "acme")
    assert len(events.undone) == 1


async def test_tokens_of_a_tenant_are_revoked_wherever_it_is_kept() -> None:
    store, events = a_store(), Noted()
    tenants = on(store, events, a_policy(tenants={"acme": {}}))
    made = await tenants.revoke_tokens(OPS, "acme")
    assert made == Revocation(RevocationKind.TENANT, "", "acme", NOW, NOW + 86400)
    assert events == [Event("token.revoke", OPS, "acme", "tenant", "acme")]
    with pytest.raises(LifecycleError):
        await tenants.revoke_tokens(OPS, "a b")
