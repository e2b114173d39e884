"""The change feed: what changed is forgotten and passed on; silence of the store is said once."""

import asyncio
import logging

import pytest

from sidecar.model.blocks import BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId, TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN, Change, ChangeKind, Changes
from sidecar.model.questions import FindCredential
from sidecar.model.secret import Secret
from sidecar.model.verdict import Ending, Verdict
from tests.builders import a_principal, an_exchange
from tests.conftest import ManualClock
from tests.stores.following import LIMIT, QUICK_SECONDS, Following
from tests.stores.rows import a_block, a_digest, a_key, a_revocation, changed


async def test_the_first_reading_makes_memories_fresh_and_tells_nobody(
    following: Following,
) -> None:
    await following.store.add_key(a_key())
    await following.store.revoke(a_revocation())
    await following.feed.read()
    assert following.memories.freshness.is_current()
    assert following.memories.revocations.is_current()
    assert following.memories.revocations.number == 1
    assert (following.heard, following.took) == ([], [])


async def test_a_store_that_cannot_be_read_stops_the_start(following: Following) -> None:
    following.store.is_broken = True
    with pytest.raises(StoreUnavailableError):
        await following.feed.start()
    assert not following.memories.freshness.is_current()


@pytest.mark.control("AN-10")
async def test_a_change_is_forgotten_passed_on_and_measured(following: Following) -> None:
    keys = following.memories.keys
    await following.store.add_key(a_key())
    await following.feed.read()
    keys.put(a_digest("k1"), a_key(), keys.forgotten)
    await following.store.replace_key(changed(a_key()))
    following.clock.advance(1.5)
    await following.feed.read()
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    [changes] = following.heard
    assert [(one.kind, one.id) for one in changes.items] == [(ChangeKind.KEY, "k1")]
    assert following.took == [1.5]
    await following.feed.read()
    assert len(following.heard) == 1


async def test_a_tenant_a_secret_and_a_revocation_are_forgotten_and_read(
    following: Following,
) -> None:
    memories, acme = following.memories, TenantId("acme")
    await following.vault.set("acme", "upstream", Secret(b"one"))
    await following.feed.read()
    memories.tenants.put(acme, None, 0)
    await following.secrets.find(FindCredential(acme, "upstream"))
    secret = following.secrets.at_hand(acme, "upstream")
    assert isinstance(secret, Secret)
    assert secret.reveal() == b"one"
    await following.store.put_tenant(TenantRecord(acme))
    await following.store.revoke(a_revocation("jti-9"))
    await following.vault.set("acme", "upstream", Secret(b"two"))
    await following.feed.read()
    assert memories.tenants.at_hand(acme) is UNKNOWN
    assert following.secrets.at_hand(acme, "upstream") is UNKNOWN
    assert memories.revocations.is_revoked("https://idp.example", {"token": "jti-9"}, 1.0)


async def test_the_list_of_blocks_is_read_at_first_and_at_each_change(
    following: Following,
) -> None:
    blocks = following.remember_blocks()
    await following.store.put_block(a_block(), 9)
    assert not blocks.is_current()
    await following.feed.read()
    assert blocks.address("203.0.113.7", 0.0) == a_block()
    assert following.swept == 1
    await following.store.remove_block(BlockKind.ADDRESS, "203.0.113.7")
    await following.store.put_block(a_block("acme", BlockKind.TENANT), 9)
    await following.feed.read()
    assert blocks.address("203.0.113.7", 0.0) is None
    assert blocks.tenant("acme", 0.0) is not None
    assert following.swept == 2
    await following.store.add_key(a_key())
    await following.feed.read()
    assert (following.swept, following.store.asked["blocks"]) == (2, 2)
    following.clock.advance(LIMIT)
    assert blocks.is_current()
    following.clock.advance(0.1)
    assert not blocks.is_current()
    await following.feed.read()
    assert blocks.is_current()


async def test_without_secrets_their_changes_concern_nobody(following: Following) -> None:
    following.memories.secrets = None
    following.memories.forget(Change(1, ChangeKind.SECRET, "acme/upstream", 0.0))
    following.memories.forget(Change(2, ChangeKind.REVOCATION, "1", 0.0))
    following.memories.forget_all()
    assert following.memories.keys.forgotten == 1


async def test_freshness_counts_from_the_question_not_from_the_answer(
    following: Following,
) -> None:
    changes = following.store.changes

    async def slow(after: int | None, mark: bytes = b"") -> Changes:
        found = await changes(after, mark)
        following.clock.advance(3.0)
        return found

    following.store.changes = slow  # type: ignore[method-assign]  # a store that takes its time
    blocks = following.remember_blocks()
    await following.feed.read()
    assert following.memories.freshness.age() == 3.0
    following.clock.advance(LIMIT - 3.0)
    assert (following.memories.revocations.is_current(), blocks.is_current()) == (True, True)
    following.clock.advance(0.1)
    assert (following.memories.revocations.is_current(), blocks.is_current()) == (False, False)


@pytest.mark.control("AN-10")
async def test_a_push_shortens_the_wait(following: Following) -> None:
    await following.feed.start()
    await following.store.watches.acquire()
    await following.store.add_key(a_key())
    await following.news()
    assert following.heard[0].items[0].id == "k1"


@pytest.mark.control("AN-10")
async def test_polling_goes_on_without_a_subscription(clock: ManualClock) -> None:
    following = Following(clock, QUICK_SECONDS)

    async def refused(wake: object) -> None:
        raise StoreUnavailableError(f"no subscription for {type(wake).__name__}")

    following.store.watch = refused  # type: ignore[method-assign]  # no push, ever
    await following.feed.start()
    await following.store.add_key(a_key())
    await following.news()
    await following.feed.close()
    assert following.feed.errors >= 1


async def test_a_subscription_that_broke_is_made_again_and_the_log_is_read_then(
    clock: ManualClock,
) -> None:
    following = Following(clock, QUICK_SECONDS)
    broken = asyncio.Event()

    async def breaks(wake: object) -> None:
        del wake
        following.store.watches.release()
        await broken.wait()
        raise StoreUnavailableError("cut")

    following.store.watch = breaks  # type: ignore[method-assign]  # a subscription that is cut
    await following.feed.start()
    await following.store.watches.acquire()
    broken.set()
    for _ in range(3):
        await following.store.watches.acquire()
    await following.feed.close()
    assert following.feed.errors >= 3


async def test_a_subscription_that_fails_by_a_fault_of_ours_is_made_again(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    following = Following(clock, QUICK_SECONDS)

    async def fails(wake: object) -> None:
        following.store.watches.release()
        raise ValueError(f"a fault of ours with {type(wake).__name__}")

    following.store.watch = fails  # type: ignore[method-assign]  # a fault, each time
    await following.feed.start()
    async with asyncio.timeout(5):
        for _ in range(2):
            await following.store.watches.acquire()
    await following.feed.close()
    assert "a fault of ours" in caplog.text


async def test_silence_of_the_store_is_said_once_and_its_return_too(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    following = Following(clock, QUICK_SECONDS)
    caplog.set_level(logging.WARNING, "sidecar.state")
    await following.feed.start()
    following.store.is_broken = True
    await following.read_times(5)
    clock.advance(LIMIT + 1)
    assert not following.memories.freshness.is_current()
    following.store.is_broken = False
    await following.store.add_key(a_key())
    await following.news()
    await following.read_times(following.store.asked["changes"] + 2)
    await following.feed.close()
    assert following.memories.freshness.is_current()
    assert [record.message for record in caplog.records] == [
        "changes of the state store cannot be read: broken",
        "changes of the state store are read again",
    ]
    assert following.feed.errors >= 2


async def test_uses_are_written_once_a_minute(clock: ManualClock) -> None:
    following = Following(clock, QUICK_SECONDS)
    await following.store.add_key(a_key())
    await following.feed.start()
    exchange = an_exchange()
    exchange.principal = a_principal(credential_id="k1")
    following.uses.note(
        exchange,
        Verdict(Ending.ADMITTED, 200, None, "", "", 0.1, None, 0, 0, False),  # noqa: FBT003 -- by position
    )
    await following.read_times(3)
    assert following.store.asked["note_uses"] == 0
    clock.advance(61)
    await following.read_times(following.store.asked["changes"] + 3)
    record = await following.store.key(KeyId("k1"))
    assert record is not None
    assert record.last_used_at == exchange.now
    clock.advance(61)
    await following.read_times(following.store.asked["changes"] + 3)
    await following.feed.close()
    assert following.store.asked["note_uses"] == 1


async def test_a_feed_that_was_not_started_can_be_closed(following: Following) -> None:
    await following.feed.close()
    await following.feed.close()
