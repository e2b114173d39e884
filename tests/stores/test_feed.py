"""The change feed: what changed is forgotten and passed on; silence of the store is said once."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator

import pytest

from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.uses import KeyUses
from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import UnsealedSecrets, Vault
from sidecar.model.blocks import BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId, TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN, Change, ChangeKind, Changes, Event
from sidecar.model.questions import FindCredential
from sidecar.model.secret import Secret
from sidecar.model.verdict import Ending, Verdict
from tests.builders import a_principal, an_exchange
from tests.conftest import ManualClock
from tests.stores.failing import FailingStore
from tests.stores.rows import a_block, a_digest, a_key, a_revocation, changed

LIMIT = 4.0
SLOW_SECONDS = 3600.0
QUICK_SECONDS = 0.01


class Events:
    """Takes no note."""

    def note_event(self, event: Event) -> None:
        del event


class Following:
    """A feed over a store in memory, and everything that follows it."""

    def __init__(self, clock: ManualClock, poll_seconds: float = SLOW_SECONDS) -> None:
        self.clock = clock
        self.store = FailingStore(clock)
        freshness = Freshness(clock, LIMIT)
        memories = self.memories = Memories(freshness, RememberedTenants({}, freshness))
        vault = self.vault = Vault(self.store, Box([Secret(bytes(32))], bytes))
        self.secrets = memories.secrets = UnsealedSecrets(vault, freshness.is_current, Events())
        self.took: list[float] = []
        self.heard: list[Changes] = []
        self._news = asyncio.Event()
        self.uses = KeyUses()
        rhythm = Rhythm(poll_seconds, clock, self.took.append)
        self.feed = Feed(self.store, memories, self.uses, rhythm)
        self.feed.listen(self._hear)
        self.feed.listen_to_blocks(self._sweep)
        self.swept = 0

    def remember_blocks(self) -> RememberedBlocks:
        """Have blocks read and remembered."""
        held = RememberedBlocks(Freshness(self.clock, LIMIT), keeps_last=False)
        self.memories.blocks = held
        return held

    def _sweep(self) -> None:
        self.swept += 1

    def _hear(self, changes: Changes) -> None:
        self.heard.append(changes)
        self._news.set()

    async def news(self) -> None:
        """Wait for the next changes."""
        async with asyncio.timeout(5):
            await self._news.wait()
        self._news.clear()

    async def read_times(self, times: int) -> None:
        """Wait until the store was asked for changes so many times."""
        async with asyncio.timeout(5):
            while self.store.asked["changes"] < times:  # noqa: ASYNC110 -- a counter
                await asyncio.sleep(0.001)


@pytest.fixture
async def following(clock: ManualClock) -> AsyncIterator[Following]:
    following = Following(clock)
    yield following
    await following.feed.close()


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


async def test_without_secrets_their_changes_concern_nobody(following: Following) -> None:
    following.memories.secrets = None
    following.memories.forget(Change(1, ChangeKind.SECRET, "acme/upstream", 0.0))
    following.memories.forget(Change(2, ChangeKind.REVOCATION, "1", 0.0))
    following.memories.forget_all()
    assert following.memories.keys.forgotten == 1


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
