"""Secrets are set, listed and deleted; none is ever shown."""

import os

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.adapters.vault.box import Box, SealedError
from sidecar.adapters.vault.secrets import Vault
from sidecar.lifecycle.errors import BadValueError, ConflictError, NotFoundError
from sidecar.lifecycle.secrets import MOST_BYTES, Secrets
from sidecar.lifecycle.tenants import Tenants
from sidecar.model.ports import Event
from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.state import Secrets as SecretsSection
from tests.builders import a_policy
from tests.lifecycle.noting import NOW, OPS, Noted

OLD = Secret(b"\x01" * 32)
NEW = Secret(b"\x02" * 32)
VALUE = Secret(b"Bearer hunter2")


def a_sealing_policy(*ring: Secret) -> Policy:
    section = SecretsSection.model_construct(master_key=ring or (OLD,))
    return a_policy(secrets=section, tenants={"own": {}})


def a_vault(store: MemoryStore, *ring: Secret) -> Vault:
    return Vault(store, Box(ring or (OLD,), os.urandom))


def on(store: MemoryStore, events: Noted | None = None, *ring: Secret) -> Secrets:
    noted = Noted() if events is None else events
    return Secrets(a_vault(store, *ring), store, a_sealing_policy(*ring), noted)


async def a_store_with_acme() -> MemoryStore:
    store = MemoryStore(lambda: NOW)
    await Tenants(store, a_policy(), Noted(), lambda: NOW).create(OPS, "acme", {})
    return store


@pytest.mark.control("SE-1")
@pytest.mark.parametrize("tenant", ["acme", "own", None])
async def test_a_secret_is_set_sealed_and_audited_without_its_value(tenant: str | None) -> None:
    store, events = await a_store_with_acme(), Noted()
    await on(store, events).set(OPS, tenant, "token", VALUE)
    assert await on(store).list(tenant) == ["token"]
    sealed = await store.sealed_secret(tenant or "", "token")
    assert sealed is not None
    assert b"hunter2" not in sealed
    opened = await a_vault(store).get(tenant or "", "token")
    assert opened is not None
    assert opened.reveal() == VALUE.reveal()
    assert events == [Event("secret.set", OPS, tenant, "secret", "token")]


async def test_a_secret_is_deleted_once() -> None:
    store, events = await a_store_with_acme(), Noted()
    secrets = on(store, events)
    await secrets.set(OPS, "acme", "token", VALUE)
    await secrets.delete(OPS, "acme", "token")
    assert await secrets.list("acme") == []
    with pytest.raises(NotFoundError, match="acme has no secret token"):
        await secrets.delete(OPS, "acme", "token")
    with pytest.raises(NotFoundError, match="the installation has no secret token"):
        await secrets.delete(OPS, None, "token")
    assert events.done == [("secret.set", "token"), ("secret.delete", "token")]
    assert len(events.undone) == 2


@pytest.mark.parametrize(
    ("tenant", "name", "value", "message"),
    [
        pytest.param("acme", "a/b", b"x", "the name is no such name", id="a name"),
        pytest.param("a b", "token", b"x", "the tenant's id", id="a tenant's id"),
        pytest.param("acme", "token", b"", "empty or too large", id="nothing"),
        pytest.param("acme", "token", b"x" * (MOST_BYTES + 1), "too large", id="too much"),
    ],
)
async def test_what_cannot_be_set_is_told(
    tenant: str, name: str, value: bytes, message: str
) -> None:
    events = Noted()
    with pytest.raises(BadValueError, match=message):
        await on(await a_store_with_acme(), events).set(OPS, tenant, name, Secret(value))
    assert [action for action, _ in events.undone] == ["secret.set"]


async def test_a_secret_in_the_place_of_its_name_is_not_repeated() -> None:
    events = Noted()
    secrets = on(await a_store_with_acme(), events)
    for attempt in (
        secrets.set(OPS, "acme", "Bearer hunter2", VALUE),
        secrets.delete(OPS, "acme", "Bearer hunter2"),
    ):
        with pytest.raises(BadValueError) as caught:
            await attempt
        assert "hunter2" not in caught.value.message + caught.value.hint
    assert [event.resource_id for event in events] == ["-", "-"]
    assert "hunter2" not in repr(events)


async def test_the_largest_secret_fits() -> None:
    store = await a_store_with_acme()
    await on(store).set(OPS, "acme", "token", Secret(b"x" * MOST_BYTES))
    assert await on(store).list("acme") == ["token"]


async def test_a_secret_needs_a_tenant_that_is_there() -> None:
    store = await a_store_with_acme()
    with pytest.raises(NotFoundError, match="no tenant globex"):
        await on(store).set(OPS, "globex", "token", VALUE)
    await Tenants(store, a_policy(), Noted(), lambda: NOW).delete(OPS, "acme")
    with pytest.raises(ConflictError, match="was deleted"):
        await on(store).set(OPS, "acme", "token", VALUE)


async def test_without_a_master_key_the_missing_key_of_the_policy_is_named() -> None:
    store, events = await a_store_with_acme(), Noted()
    secrets = Secrets(Vault(store, None), store, a_policy(), events)
    for attempt in (secrets.set(OPS, "acme", "token", VALUE), secrets.reseal(OPS, "acme")):
        with pytest.raises(BadValueError, match=r"secrets\.master_key"):
            await attempt
    assert await secrets.list("acme") == []
    assert len(events.undone) == 2


async def test_after_a_rotation_secrets_move_to_the_new_key() -> None:
    store, events = await a_store_with_acme(), Noted()
    await on(store).set(OPS, "acme", "token", VALUE)
    assert await on(store, events, NEW, OLD).reseal(OPS, "acme") == 1
    assert events == [Event("secret.reseal", OPS, "acme", "secret", "*", details={"count": 1})]
    opened = await a_vault(store, NEW).get("acme", "token")
    assert opened is not None
    assert opened.reveal() == VALUE.reveal()


async def test_a_secret_of_a_lost_key_is_not_moved() -> None:
    store, events = await a_store_with_acme(), Noted()
    await on(store).set(OPS, "acme", "token", VALUE)
    with pytest.raises(SealedError, match=r"not in secrets\.master_key"):
        await on(store, events, NEW).reseal(OPS, "acme")
    assert [action for action, _ in events.undone] == ["secret.reseal"]
