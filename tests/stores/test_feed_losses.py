"""The change feed where changes are lost, or one of its lists cannot be read."""

import dataclasses

import pytest

from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN, ChangeKind, Changes
from sidecar.model.questions import FindCredential
from sidecar.model.secret import Secret
from tests.stores.following import LIMIT, Following
from tests.stores.rows import a_block, a_digest, a_key, a_revocation, changed


async def test_a_log_that_does_not_reach_back_has_the_blocks_read_anew(
    following: Following,
) -> None:
    blocks = following.remember_blocks()
    await following.feed.read()
    await following.store.put_block(a_block(), 9)
    for n in range(LOG_ENTRIES + 1):
        await following.store.put_secret("", f"s{n}", b"sealed")
    await following.feed.read()
    assert blocks.address("203.0.113.7", 0.0) is not None


async def test_blocks_that_cannot_be_read_keep_no_revocation_back(following: Following) -> None:
    """A list that is garbage grows old; keys that are changed meanwhile are told as ever."""
    blocks = following.remember_blocks()
    await following.feed.read()
    following.store.blocks_are_broken = True
    await following.store.put_block(a_block(), 9)
    await following.store.revoke(a_revocation("jti-9"))
    following.clock.advance(LIMIT + 1)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await following.feed.read()
    assert following.memories.revocations.is_revoked("https://idp.example", {"token": "jti-9"}, 1.0)
    assert following.memories.freshness.is_current()
    assert not blocks.is_current()
    assert (len(following.heard), following.swept) == (1, 1)
    # The list comes back although nothing has changed since: whoever is on it is ended then.
    following.store.blocks_are_broken = False
    await following.feed.read()
    assert blocks.is_current()
    assert blocks.address("203.0.113.7", 0.0) is not None
    assert (len(following.heard), following.swept) == (1, 2)


@pytest.mark.control("AN-10")
async def test_revocations_that_cannot_be_read_keep_no_revoked_key_back(
    following: Following,
) -> None:
    """A record of a newer version: tokens are refused, keys that are changed are told as ever."""
    keys, revocations = following.memories.keys, following.memories.revocations
    await following.store.add_key(a_key())
    await following.feed.read()
    keys.put(a_digest("k1"), a_key(), keys.forgotten)
    following.store.revocations_are_broken = True
    await following.store.revoke(a_revocation("jti-9"))
    await following.store.replace_key(changed(a_key()))
    following.clock.advance(LIMIT)
    assert revocations.is_current()
    following.clock.advance(1)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="garbage"):
            await following.feed.read()
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    assert following.memories.freshness.is_current()
    assert not revocations.is_current()
    assert [[one.id for one in told.items] for told in following.heard] == [["k1"]]
    # They come back although nothing has changed since: whoever is revoked is ended then.
    following.store.revocations_are_broken = False
    await following.feed.read()
    assert revocations.is_current()
    assert revocations.is_revoked("https://idp.example", {"token": "jti-9"}, 1.0)
    told = [[(one.kind, one.id) for one in told.items] for told in following.heard]
    assert told[1:] == [[(ChangeKind.REVOCATION, "1")]]
    await following.feed.read()
    assert len(following.heard) == 2


async def test_a_loss_is_told_although_revocations_cannot_be_read(following: Following) -> None:
    await following.feed.read()
    following.store.revocations_are_broken = True
    await following.store.revoke(a_revocation("jti-9"))
    for n in range(LOG_ENTRIES + 1):
        await following.store.put_secret("", f"s{n}", b"sealed")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="garbage"):
            await following.feed.read()
    assert [one.is_complete for one in following.heard] == [False]
    assert not following.memories.revocations.is_current()
    following.store.revocations_are_broken = False
    await following.feed.read()
    assert following.memories.revocations.is_current()


async def test_revocations_that_cannot_be_read_stop_the_start(following: Following) -> None:
    following.store.revocations_are_broken = True
    with pytest.raises(StoreUnavailableError):
        await following.feed.start()


async def test_what_ended_knows_nothing_whatever_is_noted(following: Following) -> None:
    blocks = following.remember_blocks()
    await following.feed.read()
    following.memories.end()
    await following.feed.read()
    assert not following.memories.freshness.is_current()
    assert not following.memories.revocations.is_current()
    assert not blocks.is_current()


async def test_blocks_that_cannot_be_read_stop_the_start(following: Following) -> None:
    following.remember_blocks()
    following.store.blocks_are_broken = True
    with pytest.raises(StoreUnavailableError):
        await following.feed.start()


async def test_a_log_that_does_not_reach_back_makes_everything_be_forgotten(
    following: Following,
) -> None:
    keys = following.memories.keys
    tenants, acme = following.memories.tenants, TenantId("acme")
    await following.store.add_key(a_key())
    await following.store.revoke(a_revocation())
    await following.vault.set("acme", "upstream", Secret(b"one"))
    await following.feed.read()
    keys.put(a_digest("k1"), a_key(), keys.forgotten)
    tenants.put(acme, TenantRecord(acme), tenants.forgotten)
    await following.secrets.find(FindCredential(acme, "upstream"))
    for n in range(LOG_ENTRIES + 1):
        await following.store.put_secret("", f"s{n}", b"sealed")
    await following.feed.read()
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    assert tenants.at_hand(acme) is UNKNOWN
    assert following.secrets.at_hand(acme, "upstream") is UNKNOWN
    assert not following.heard[0].is_complete
    assert following.memories.revocations.is_revoked("https://idp.example", {"token": "jti-1"}, 1.0)


async def test_a_reading_that_fails_halfway_is_done_again(following: Following) -> None:
    """The revision moves on only when all that it stands for was taken in."""
    await following.feed.read()
    await following.store.revoke(a_revocation())

    async def broken(after: int) -> tuple[int, list[object]]:
        raise StoreUnavailableError(f"broken after {after}")

    whole, following.store.revocations = following.store.revocations, broken  # type: ignore[method-assign, assignment]  # for one reading
    with pytest.raises(StoreUnavailableError):
        await following.feed.read()
    following.store.revocations = whole  # type: ignore[method-assign]  # as it was
    await following.feed.read()
    assert following.memories.revocations.number == 1
    assert len(following.heard) == 1


async def test_a_loss_is_told_although_its_first_reading_failed_halfway(
    following: Following,
) -> None:
    """The store may be the one from before by then; revocations are read and listeners told."""
    await following.store.revoke(a_revocation())
    await following.feed.read()
    changes, revocations = following.store.changes, following.store.revocations

    async def lost(after: int | None, mark: bytes = b"") -> Changes:
        return dataclasses.replace(await changes(after, mark), is_complete=False)

    async def broken(after: int) -> tuple[int, list[object]]:
        raise ValueError(f"a fault of ours after {after}")

    following.store.changes = lost  # type: ignore[method-assign]  # for one reading
    following.store.revocations = broken  # type: ignore[method-assign, assignment]  # for one reading
    with pytest.raises(ValueError, match="of ours"):
        await following.feed.read()
    assert not following.memories.revocations.is_current()
    following.store.changes = changes  # type: ignore[method-assign]  # as it was
    following.store.revocations = revocations  # type: ignore[method-assign]  # as it was
    await following.feed.read()
    assert following.memories.revocations.is_current()
    assert [one.is_complete for one in following.heard] == [False]
    await following.feed.read()
    assert len(following.heard) == 1
