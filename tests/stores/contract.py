"""What every state store promises: one suite, whatever is behind it.

A test module of a store derives `StoreContract` and gives the fixtures `store` (open and empty) and
`elapse` (lets seconds pass on the store's own clock).
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sidecar.model.blocks import BlockKind
from sidecar.model.identity import (
    KeyId,
    KeyRecord,
    KeyStatus,
    ProjectRecord,
    TenantId,
    TenantStatus,
)
from sidecar.model.ports import ChangeKind, Store
from tests.builders import a_tenant
from tests.stores.contract_blocks import ROOM, BlockContract
from tests.stores.rows import a_block, a_digest, a_key, a_revocation, changed, facts_of

Elapse = Callable[[float], Awaitable[None]]

RICH_KEY = a_key(
    "k-rich",
    tenant=None,
    kind="publishable",
    roles=("owner", "développeur"),
    scopes=("a:read", "b|c"),
    tier="pro",
    project="shop",
    status=KeyStatus.GRACE,
    is_read_only=True,
    addresses=("10.0.0.0/8", "2001:db8::/32"),
    label='a "label"\n\0|\\',
    created_at=1_799_999_999.123456,
    created_by="cli:ops",
    not_before=0.1,
    expires_at=1e10,
    changed_at=5.0,
    last_used_at=6.5,
    replaced_by=KeyId("k2"),
)


class StoreContract(BlockContract):
    """The behaviour of a store."""

    # --- keys

    @pytest.mark.parametrize("key", [a_key(), RICH_KEY], ids=["plain", "rich"])
    async def test_a_key_is_found_by_id_and_digest_as_it_was_added(
        self, store: Store, key: KeyRecord
    ) -> None:
        assert await store.add_key(key)
        assert await store.key(key.id) == key
        assert await store.find_key([key.digest]) == key
        assert await store.keys(key.tenant, "", 10) == [key]

    async def test_what_was_never_added_is_not_found(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        assert await store.key(KeyId("k")) is None
        assert await store.key(KeyId("k11")) is None
        assert await store.find_key([a_digest("k2")]) is None
        assert await store.find_key([]) is None

    async def test_one_of_several_digests_finds_a_key(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        digests = [a_digest("other"), a_digest("k1"), a_digest("another")]
        assert await store.find_key(digests) == a_key("k1")

    async def test_the_first_digest_that_is_known_wins(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        await store.add_key(a_key("k2"))
        assert await store.find_key([a_digest("k2"), a_digest("k1")]) == a_key("k2")

    async def test_an_id_is_given_once(self, store: Store) -> None:
        assert await store.add_key(a_key("k1"))
        assert not await store.add_key(a_key("k1", digest=a_digest("other"), tenant="globex"))
        assert await store.find_key([a_digest("other")]) is None
        assert await store.keys(TenantId("globex"), "", 10) == []

    async def test_a_digest_is_given_once(self, store: Store) -> None:
        assert await store.add_key(a_key("k1"))
        assert not await store.add_key(a_key("k2", digest=a_digest("k1")))
        assert await store.key(KeyId("k2")) is None
        assert await store.find_key([a_digest("k1")]) == a_key("k1")

    async def test_keys_are_listed_by_id_in_pages(self, store: Store) -> None:
        for name in ("c", "a", "ab", "d", "b"):
            await store.add_key(a_key(name))
        first = await store.keys(None, "", 2)
        assert [one.id for one in first] == ["a", "ab"]
        assert [one.id for one in await store.keys(None, "ab", 2)] == ["b", "c"]
        assert [one.id for one in await store.keys(None, "c", 9)] == ["d"]
        assert await store.keys(None, "d", 9) == []

    async def test_a_tenant_lists_its_own_keys_only(self, store: Store) -> None:
        await store.add_key(a_key("a", tenant="acme"))
        await store.add_key(a_key("b", tenant="globex"))
        await store.add_key(a_key("c", tenant=None))
        assert [one.id for one in await store.keys(TenantId("acme"), "", 9)] == ["a"]
        assert [one.id for one in await store.keys(TenantId("nobody"), "", 9)] == []
        assert [one.id for one in await store.keys(None, "", 9)] == ["a", "b", "c"]

    async def test_a_changed_key_takes_the_place_of_the_version_before(self, store: Store) -> None:
        await store.add_key(a_key())
        revoked = changed(a_key(), status=KeyStatus.REVOKED, changed_at=7.25)
        assert await store.replace_key(revoked)
        assert await store.find_key([revoked.digest]) == revoked
        assert await store.key(revoked.id) == revoked
        assert await store.keys(revoked.tenant, "", 9) == [revoked]

    async def test_of_two_changes_of_one_version_the_first_wins(self, store: Store) -> None:
        await store.add_key(a_key())
        assert await store.replace_key(changed(a_key(), label="first"))
        assert not await store.replace_key(changed(a_key(), label="second"))
        found = await store.key(KeyId("k1"))
        assert found is not None
        assert found.label == "first"

    async def test_two_changes_at_once_cannot_both_win(self, store: Store) -> None:
        await store.add_key(a_key())
        won = await asyncio.gather(
            *(store.replace_key(changed(a_key(), label=str(n))) for n in range(8))
        )
        assert sorted(won) == [False] * 7 + [True]

    async def test_a_key_that_is_not_there_cannot_be_changed(self, store: Store) -> None:
        assert not await store.replace_key(changed(a_key()))
        assert await store.find_key([a_key().digest]) is None

    async def test_a_key_never_moves_to_another_tenant(self, store: Store) -> None:
        await store.add_key(a_key(tenant="acme"))
        assert not await store.replace_key(changed(a_key(tenant="globex")))
        assert await store.key(KeyId("k1")) == a_key(tenant="acme")

    async def test_a_key_may_get_a_digest_under_another_pepper(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        anew = changed(a_key("k1"), digest=a_digest("anew"), pepper="p2")
        assert await store.replace_key(anew)
        assert await store.find_key([a_digest("k1")]) is None
        assert await store.find_key([a_digest("anew")]) == anew
        assert await store.key(anew.id) == anew
        assert await store.keys(anew.tenant, "", 9) == [anew]

    async def test_a_key_cannot_take_the_digest_of_another(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        await store.add_key(a_key("k2"))
        assert not await store.replace_key(changed(a_key("k1"), digest=a_digest("k2")))
        assert await store.find_key([a_digest("k2")]) == a_key("k2")
        assert await store.find_key([a_digest("k1")]) == a_key("k1")

    async def test_the_last_use_is_noted_and_never_goes_back(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        await store.note_uses({KeyId("k1"): 100.25, KeyId("nobody"): 5.0})
        await store.note_uses({KeyId("k1"): 50.0})
        assert await store.key(KeyId("k1")) == a_key("k1", last_used_at=100.25)
        assert await store.key(KeyId("nobody")) is None

    async def test_noting_no_uses_changes_nothing(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        await store.note_uses({})
        assert await store.key(KeyId("k1")) == a_key("k1")

    async def test_a_use_does_not_get_in_the_way_of_a_change(self, store: Store) -> None:
        await store.add_key(a_key("k1"))
        await store.note_uses({KeyId("k1"): 100.0})
        assert await store.replace_key(changed(a_key("k1"), label="new"))
        found = await store.find_key([a_digest("k1")])
        assert found == changed(a_key("k1"), label="new", last_used_at=100.0)

    # --- tenants

    async def test_a_tenant_is_returned_as_it_was_put(self, store: Store) -> None:
        rich = a_tenant(
            "acme",
            status=TenantStatus.SUSPENDED,
            tier="pro",
            origins=("https://app.example",),
            domains=("acme.example",),
            projects={"shop": ProjectRecord(("shop.example",), is_system=True)},
            logins=("sso",),
            upstream="http://acme:3000",
            upstream_credential="token",
            attributes={"region": "eu"},
        )
        assert await store.put_tenant(rich)
        assert facts_of(await store.tenant(TenantId("acme"))) == facts_of(rich)
        assert await store.tenant(TenantId("acm")) is None

    async def test_a_tenant_is_added_once(self, store: Store) -> None:
        assert await store.put_tenant(a_tenant("acme"))
        assert not await store.put_tenant(a_tenant("acme", tier="pro"))

    async def test_a_changed_tenant_takes_the_place_of_the_version_before(
        self, store: Store
    ) -> None:
        await store.put_tenant(a_tenant("acme"))
        suspended = a_tenant("acme", status=TenantStatus.SUSPENDED, version=2)
        assert await store.put_tenant(suspended)
        assert not await store.put_tenant(a_tenant("acme", version=2))
        assert facts_of(await store.tenant(TenantId("acme"))) == facts_of(suspended)

    async def test_a_tenant_that_is_not_there_cannot_be_changed(self, store: Store) -> None:
        assert not await store.put_tenant(a_tenant("acme", version=2))
        assert await store.tenant(TenantId("acme")) is None

    async def test_tenants_are_listed_by_id_in_pages(self, store: Store) -> None:
        for name in ("c", "a", "b"):
            await store.put_tenant(a_tenant(name))
        assert [one.id for one in await store.tenants("", 2)] == ["a", "b"]
        assert [one.id for one in await store.tenants("b", 2)] == ["c"]

    # --- domains

    async def test_a_project_admits_as_many_domains_as_its_cap(self, store: Store) -> None:
        admitted = [await _admit(store, name) for name in ("a.example", "b.example", "c.example")]
        assert admitted == [True, True, False]
        assert await _admit(store, "a.example")

    async def test_projects_and_tenants_count_their_own_domains(self, store: Store) -> None:
        for name in ("a.example", "b.example"):
            await _admit(store, name)
        assert await _admit(store, "c.example", project="acme/other")
        assert await _admit(store, "c.example", project="globex/shop")

    async def test_a_cap_of_none_admits_nothing(self, store: Store) -> None:
        assert not await _admit(store, "a.example", cap=0)

    async def test_a_domain_leaves_when_it_was_not_seen_for_the_window(
        self, store: Store, elapse: Elapse
    ) -> None:
        for name in ("a.example", "b.example"):
            await _admit(store, name, window=0.2)
        await elapse(0.15)
        await _admit(store, "a.example", window=0.2)
        await elapse(0.1)
        assert await _admit(store, "c.example", window=0.2)
        assert not await _admit(store, "b.example", window=0.2)
        assert await _admit(store, "a.example", window=0.2)

    # --- revocations

    async def test_revocations_are_returned_from_a_number_on(self, store: Store) -> None:
        assert await store.revocations(0) == (0, [])
        await store.revoke(a_revocation("a"))
        number, found = await store.revocations(0)
        assert (number, found) == (1, [a_revocation("a")])
        await store.revoke(a_revocation("b"))
        await store.revoke(a_revocation("c", before=1.5))
        assert await store.revocations(1) == (
            3,
            [a_revocation("b"), a_revocation("c", before=1.5)],
        )
        assert await store.revocations(3) == (3, [])

    async def test_an_expired_revocation_is_gone(self, store: Store) -> None:
        await store.revoke(a_revocation("old", expires_at=1.0))
        assert await store.revocations(0) == (1, [])
        await store.revoke(a_revocation("new"))
        assert await store.revocations(0) == (2, [a_revocation("new")])

    async def test_a_revocation_that_expired_lately_is_kept(self, store: Store) -> None:
        """The clock that says so may be wrong, and its token good again when it is set right."""
        now = (await store.changes(None)).now
        await store.revoke(a_revocation("old", expires_at=now - 3600))
        await store.revoke(a_revocation("new"))
        number, found = await store.revocations(0)
        assert (number, [one.value for one in found]) == (2, ["old", "new"])

    async def test_many_revocations_are_all_returned(self, store: Store) -> None:
        for number in range(120):
            await store.revoke(a_revocation(str(number)))
        newest, found = await store.revocations(0)
        assert newest == 120
        assert [one.value for one in found] == [str(number) for number in range(120)]

    # --- secrets

    async def test_a_secret_is_returned_as_it_was_sealed(self, store: Store) -> None:
        sealed = bytes(range(256))
        await store.put_secret("acme", "token", sealed)
        assert await store.sealed_secret("acme", "token") == sealed
        assert await store.sealed_secret("acme", "other") is None
        assert await store.sealed_secret("", "token") is None

    async def test_a_secret_is_set_anew(self, store: Store) -> None:
        await store.put_secret("", "token", b"first")
        await store.put_secret("", "token", b"second")
        assert await store.sealed_secret("", "token") == b"second"

    async def test_names_of_secrets_are_listed_by_tenant(self, store: Store) -> None:
        for tenant, name in (("acme", "b"), ("acme", "a"), ("", "c")):
            await store.put_secret(tenant, name, b"sealed")
        assert await store.secret_names("acme") == ["a", "b"]
        assert await store.secret_names("") == ["c"]
        assert await store.secret_names("globex") == []

    async def test_a_secret_is_deleted_once(self, store: Store) -> None:
        await store.put_secret("acme", "token", b"sealed")
        assert await store.delete_secret("acme", "token")
        assert not await store.delete_secret("acme", "token")
        assert await store.sealed_secret("acme", "token") is None
        assert await store.secret_names("acme") == []

    # --- changes

    async def test_every_change_is_told_in_order(self, store: Store) -> None:
        start = await store.changes(None)
        assert (start.revision, start.items, start.is_complete) == (0, (), True)
        await _change_everything(store)
        told = await store.changes(0)
        assert told.is_complete
        assert told.revision == 9
        assert [(one.revision, one.kind, one.id) for one in told.items] == [
            (1, ChangeKind.KEY, "k1"),
            (2, ChangeKind.KEY, "k1"),
            (3, ChangeKind.TENANT, "acme"),
            (4, ChangeKind.REVOCATION, "1"),
            (5, ChangeKind.SECRET, "/token"),
            (6, ChangeKind.SECRET, "acme/token"),
            (7, ChangeKind.SECRET, "acme/token"),
            (8, ChangeKind.BLOCK, "address:203.0.113.0/24"),
            (9, ChangeKind.BLOCK, "address:203.0.113.0/24"),
        ]
        assert [one.at for one in told.items] == sorted(one.at for one in told.items)
        assert told.items[-1].at <= told.now < told.items[0].at + 60

    async def test_changes_are_told_from_a_revision_on(self, store: Store) -> None:
        await _change_everything(store)
        told = await store.changes(7)
        assert [one.revision for one in told.items] == [8, 9]
        assert told.is_complete
        assert (await store.changes(9)).items == ()
        assert (await store.changes(9)).is_complete

    async def test_the_newest_revision_alone_is_told_to_who_remembers_nothing(
        self, store: Store
    ) -> None:
        await _change_everything(store)
        told = await store.changes(None)
        assert (told.revision, told.items, told.is_complete) == (9, (), True)

    async def test_a_revision_that_was_never_reached_is_not_complete(self, store: Store) -> None:
        await _change_everything(store)
        told = await store.changes(10)
        assert not told.is_complete
        assert told.revision == 9

    async def test_what_changes_nothing_is_not_told(self, store: Store) -> None:
        await store.add_key(a_key())
        await store.add_key(a_key())
        await store.replace_key(changed(a_key("k2")))
        await store.note_uses({KeyId("k1"): 1.0})
        await store.put_tenant(a_tenant("acme", version=5))
        await store.delete_secret("acme", "token")
        await store.remove_block(BlockKind.KEY, "k1")
        await _admit(store, "a.example")
        assert (await store.changes(None)).revision == 1

    async def test_a_change_wakes_who_watches(self, store: Store) -> None:
        woken = asyncio.Event()
        watching = asyncio.create_task(store.watch(woken.set))
        async with asyncio.timeout(5):
            number = 0
            while not woken.is_set():  # the subscription has no event of its own
                number += 1
                await store.put_secret("", str(number), b"sealed")
                await asyncio.sleep(0.01)
        assert not watching.done()
        watching.cancel()
        await asyncio.wait([watching])
        assert watching.cancelled()


async def _admit(
    store: Store, domain: str, *, project: str = "acme/shop", cap: int = 2, window: float = 3600.0
) -> bool:
    tenant, _, name = project.partition("/")
    return await store.admit_domain(TenantId(tenant), name, domain, cap=cap, window_seconds=window)


async def _change_everything(store: Store) -> None:
    await store.add_key(a_key())
    await store.replace_key(changed(a_key()))
    await store.put_tenant(a_tenant("acme"))
    await store.revoke(a_revocation())
    await store.put_secret("", "token", b"sealed")
    await store.put_secret("acme", "token", b"sealed")
    await store.delete_secret("acme", "token")
    await store.put_block(a_block("203.0.113.0/24"), ROOM)
    await store.remove_block(BlockKind.ADDRESS, "203.0.113.0/24")
