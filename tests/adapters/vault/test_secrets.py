"""The vault holds nothing in the clear; its memory forgets what was changed."""

import asyncio
import itertools
import os

import pytest

from sidecar.adapters.vault.box import Box, SealedError
from sidecar.adapters.vault.secrets import UnsealedSecrets, Vault
from sidecar.model.identity import TenantId
from sidecar.model.ports import UNKNOWN, Event
from sidecar.model.questions import FindCredential
from sidecar.model.secret import Secret

OLD = Secret(b"\x01" * 32)
NEW = Secret(b"\x02" * 32)
ACME = TenantId("acme")
ASKED = FindCredential(ACME, "token")


class Shelf:
    """A store of sealed secrets that can be asked what it holds, and made to wait."""

    def __init__(self) -> None:
        self.sealed: dict[tuple[str, str], bytes] = {}
        self.reads = 0
        self.has_read = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        self.sealed[tenant, name] = sealed

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        self.reads += 1
        sealed = self.sealed.get((tenant, name))
        self.has_read.set()
        await self.may_answer.wait()
        return sealed

    async def secret_names(self, tenant: str) -> list[str]:
        return [name for owner, name in self.sealed if owner == tenant]

    async def delete_secret(self, tenant: str, name: str) -> bool:
        return self.sealed.pop((tenant, name), None) is not None


class Noted(list[Event]):
    """An audit that keeps its events."""

    def note_event(self, event: Event) -> None:
        self.append(event)


def a_vault(shelf: Shelf, *ring: Secret) -> Vault:
    return Vault(shelf, Box(ring or (OLD,), os.urandom))


def revealed(secret: object) -> bytes:
    assert isinstance(secret, Secret)
    return secret.reveal()


@pytest.mark.control("SE-1")
async def test_a_store_never_sees_a_secret_in_the_clear() -> None:
    shelf = Shelf()
    await a_vault(shelf).set("acme", "token", Secret(b"Bearer hunter2"))
    assert b"hunter2" not in b"".join(shelf.sealed.values())
    assert revealed(await a_vault(shelf).get("acme", "token")) == b"Bearer hunter2"


@pytest.mark.control("SE-1")
async def test_what_was_copied_to_another_tenant_does_not_open() -> None:
    shelf = Shelf()
    await a_vault(shelf).set("acme", "token", Secret(b"Bearer hunter2"))
    shelf.sealed["globex", "token"] = shelf.sealed["acme", "token"]
    with pytest.raises(SealedError, match="sealed for another place"):
        await a_vault(shelf).get("globex", "token")


async def test_secrets_are_set_listed_and_deleted_by_tenant() -> None:
    vault = a_vault(Shelf())
    await vault.set("acme", "token", Secret(b"1"))
    await vault.set("acme", "hook", Secret(b"2"))
    await vault.set("", "token", Secret(b"3"))
    assert await vault.names("acme") == ["hook", "token"]
    assert await vault.names("") == ["token"]
    assert await vault.delete("acme", "token") is True
    assert await vault.delete("acme", "token") is False
    assert await vault.get("acme", "token") is None
    assert revealed(await vault.get("", "token")) == b"3"


async def test_without_a_master_key_nothing_is_sealed_or_opened() -> None:
    shelf = Shelf()
    await a_vault(shelf).set("acme", "token", Secret(b"1"))
    shut = Vault(shelf, None)
    for attempt in (
        shut.set("acme", "token", Secret(b"2")),
        shut.get("acme", "token"),
        shut.reseal("acme"),
    ):
        with pytest.raises(SealedError, match=r"need secrets\.master_key"):
            await attempt
    assert await shut.names("acme") == ["token"]
    assert await shut.delete("acme", "token") is True


async def test_after_a_rotation_secrets_are_sealed_anew() -> None:
    shelf = Shelf()
    await a_vault(shelf, OLD).set("acme", "token", Secret(b"1"))
    await a_vault(shelf, NEW).set("acme", "hook", Secret(b"2"))
    both = a_vault(shelf, NEW, OLD)
    assert await both.reseal("acme") == 1
    assert await both.reseal("acme") == 0
    assert revealed(await a_vault(shelf, NEW).get("acme", "token")) == b"1"


async def test_a_secret_that_vanished_meanwhile_is_not_sealed_anew() -> None:
    class Vanishing(Shelf):
        async def secret_names(self, tenant: str) -> list[str]:
            return ["gone", *await super().secret_names(tenant)]

    assert await a_vault(Vanishing()).reseal("acme") == 0


async def a_filled_shelf(value: bytes = b"1") -> Shelf:
    shelf = Shelf()
    await a_vault(shelf).set("acme", "token", Secret(value))
    return shelf


async def test_a_secret_is_at_hand_once_it_was_found() -> None:
    shelf = await a_filled_shelf()
    known = UnsealedSecrets(a_vault(shelf), lambda: True, Noted())
    assert known.at_hand(ACME, "token") is UNKNOWN
    assert revealed(await known.find(ASKED)) == b"1"
    assert revealed(known.at_hand(ACME, "token")) == b"1"
    assert known.at_hand(TenantId("globex"), "token") is UNKNOWN
    assert shelf.reads == 1


async def test_that_there_is_no_secret_is_remembered_too() -> None:
    known = UnsealedSecrets(a_vault(Shelf()), lambda: True, Noted())
    assert await known.find(ASKED) is None
    assert known.at_hand(ACME, "token") is None


async def test_nothing_is_at_hand_while_changes_cannot_be_seen() -> None:
    fresh = True
    known = UnsealedSecrets(a_vault(await a_filled_shelf()), lambda: fresh, Noted())
    await known.find(ASKED)
    fresh = False
    assert known.at_hand(ACME, "token") is UNKNOWN
    fresh = True
    assert revealed(known.at_hand(ACME, "token")) == b"1"


async def test_a_changed_secret_is_forgotten_alone() -> None:
    shelf = await a_filled_shelf()
    await a_vault(shelf).set("acme", "hook", Secret(b"2"))
    known = UnsealedSecrets(a_vault(shelf), lambda: True, Noted())
    await known.find(ASKED)
    await known.find(FindCredential(ACME, "hook"))
    known.forget("acme", "token")
    known.forget("acme", "never known")
    assert known.at_hand(ACME, "token") is UNKNOWN
    assert revealed(known.at_hand(ACME, "hook")) == b"2"
    known.forget_all()
    assert known.at_hand(ACME, "hook") is UNKNOWN


@pytest.mark.parametrize("is_all", [True, False])
async def test_what_changed_while_the_store_was_asked_is_not_remembered(*, is_all: bool) -> None:
    shelf = await a_filled_shelf()
    known = UnsealedSecrets(a_vault(shelf), lambda: True, Noted())
    shelf.has_read.clear()
    shelf.may_answer.clear()
    asking = asyncio.create_task(known.find(ASKED))
    await shelf.has_read.wait()
    if is_all:
        known.forget_all()
    else:
        known.forget("acme", "token")
    shelf.may_answer.set()
    assert revealed(await asking) == b"1"
    assert known.at_hand(ACME, "token") is UNKNOWN


async def test_the_memory_is_bounded() -> None:
    known = UnsealedSecrets(a_vault(Shelf()), lambda: True, Noted(), limit=3)
    names = [f"n{index}" for index in range(7)]
    for name in names:
        await known.find(FindCredential(ACME, name))
    found = [name for name in names if known.at_hand(ACME, name) is None]
    assert found == ["n6"]


async def test_what_does_not_open_is_not_remembered() -> None:
    shelf = await a_filled_shelf()
    known = UnsealedSecrets(a_vault(shelf, NEW), lambda: True, Noted())
    for _ in itertools.repeat(None, 2):
        with pytest.raises(SealedError, match=r"not in secrets\.master_key"):
            await known.find(ASKED)
    assert known.at_hand(ACME, "token") is UNKNOWN


async def test_opening_a_secret_is_audited_once_while_it_is_remembered() -> None:
    events = Noted()
    known = UnsealedSecrets(a_vault(await a_filled_shelf()), lambda: True, events)
    expected = Event("secret.access", "sidecar", "acme", "secret", "token")
    await known.find(ASKED)
    await known.find(ASKED)
    assert events == [expected]
    known.forget("acme", "token")
    await known.find(ASKED)
    await known.find(FindCredential(ACME, "none"))
    assert events == [expected, expected]
