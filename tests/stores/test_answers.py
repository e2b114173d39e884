"""Answers to what steps ask: shared, bounded, and never older than what is known to be changed."""

import asyncio

import pytest

from sidecar.adapters.stores.answers import ATTEMPTS, LOOKUPS, NothingToAsk, StoreAnswers
from sidecar.adapters.stores.feed import Memories
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyStatus, TenantId, TenantRecord
from sidecar.model.ports import Change, ChangeKind
from sidecar.model.questions import (
    AdmitDomain,
    FindCredential,
    FindKey,
    FindKeySet,
    FindTenant,
    Introspect,
)
from tests.conftest import ManualClock
from tests.stores.failing import FailingStore
from tests.stores.rows import a_digest, a_key, changed

ASKED = FindKey((a_digest("k1"),))


class Asking:
    """Answers over a store in memory."""

    def __init__(self, clock: ManualClock) -> None:
        freshness = Freshness(clock, 4.0)
        freshness.note(clock.now)
        self.memories = Memories(freshness, RememberedTenants({}, freshness))
        self.store = FailingStore(clock)
        self.answers = StoreAnswers(self.store, self.memories)

    async def until_asked(self, times: int, what: str = "find_key") -> None:
        async with asyncio.timeout(5):
            while self.store.asked[what] < times:  # noqa: ASYNC110 -- a counter
                await asyncio.sleep(0)

    def hear(self, kind: ChangeKind = ChangeKind.KEY, name: str = "k1") -> None:
        """Do what the feed does with a change."""
        self.memories.forget(Change(1, kind, name, 0.0))


@pytest.fixture
async def asking(clock: ManualClock) -> Asking:
    asking = Asking(clock)
    await asking.store.add_key(a_key("k1"))
    return asking


async def test_where_nobody_can_be_asked_nothing_is_admitted() -> None:
    with pytest.raises(StoreUnavailableError, match="nobody answers FindKey"):
        await NothingToAsk().find(ASKED)


@pytest.mark.parametrize(
    "question",
    [
        FindKeySet("https://idp.example", "r1"),
        Introspect(b"opaque"),
        FindCredential(TenantId("acme"), "upstream"),
    ],
)
async def test_a_question_without_an_addressee_cannot_be_answered(
    asking: Asking, question: FindKeySet
) -> None:
    with pytest.raises(StoreUnavailableError, match=r"nobody answers|no secrets\.master_key"):
        await asking.answers.find(question)


async def test_answers_are_remembered(asking: Asking) -> None:
    await asking.store.put_tenant(TenantRecord(TenantId("globex")))
    found = await asking.answers.find(FindTenant(TenantId("globex")))
    assert await asking.answers.find(ASKED) == a_key("k1")
    assert asking.memories.keys.at_hand(a_digest("k1")) == a_key("k1")
    assert asking.memories.tenants.at_hand(TenantId("globex")) is found


async def test_a_domain_is_admitted_by_the_store(asking: Asking) -> None:
    admit = [AdmitDomain(TenantId("acme"), "shop", f"{n}.example", 1) for n in range(2)]
    assert [await asking.answers.find(one) for one in admit] == [True, False]


async def test_all_who_ask_the_same_share_one_look_up(asking: Asking) -> None:
    asking.store.gate.clear()
    asked = [asyncio.create_task(asking.answers.find(ASKED)) for _ in range(50)]
    await asking.until_asked(1)
    asking.store.gate.set()
    assert await asyncio.gather(*asked) == [a_key("k1")] * 50
    assert asking.store.asked["find_key"] == 1


async def test_the_first_who_asked_may_leave(asking: Asking) -> None:
    asking.store.gate.clear()
    first = asyncio.create_task(asking.answers.find(ASKED))
    await asking.until_asked(1)
    second = asyncio.create_task(asking.answers.find(ASKED))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    asking.store.gate.set()
    assert await second == a_key("k1")
    assert asking.store.asked["find_key"] == 1


async def test_a_failure_that_everybody_left_concerns_nobody(asking: Asking) -> None:
    asking.store.is_broken = True
    asked = asyncio.create_task(asking.answers.find(ASKED))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asking.until_asked(1)
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailableError, match="broken"):
        await asking.answers.find(ASKED)
    asking.store.is_broken = False
    assert await asking.answers.find(ASKED) == a_key("k1")


@pytest.mark.control("AN-10")
async def test_a_key_that_changes_during_its_look_up_is_looked_up_again(asking: Asking) -> None:
    """Who hears of the change could not yet know whom the answer was going to admit."""
    asking.store.gate.clear()
    asked = asyncio.create_task(asking.answers.find(ASKED))
    await asking.until_asked(1)
    revoked = changed(a_key("k1"), status=KeyStatus.REVOKED)
    await asking.store.replace_key(revoked)
    asking.hear()
    asking.store.gate.set()
    assert await asked == revoked
    assert asking.memories.keys.at_hand(a_digest("k1")) == revoked


@pytest.mark.control("AN-10")
async def test_whoever_asks_after_a_change_does_not_join_a_look_up_from_before(
    asking: Asking,
) -> None:
    asking.store.gate.clear()
    before = asyncio.create_task(asking.answers.find(ASKED))
    await asking.until_asked(1)
    revoked = changed(a_key("k1"), status=KeyStatus.REVOKED)
    await asking.store.replace_key(revoked)
    asking.hear()
    after = asyncio.create_task(asking.answers.find(ASKED))
    await asking.until_asked(2)
    asking.store.gate.set()
    assert [await before, await after] == [revoked, revoked]


async def test_a_tenant_that_changes_during_its_look_up_is_looked_up_again(asking: Asking) -> None:
    asked = asyncio.create_task(asking.answers.find(FindTenant(TenantId("globex"))))
    asking.store.gate.clear()
    await asking.until_asked(1, "tenant")
    asking.hear(ChangeKind.KEY)
    asking.hear(ChangeKind.TENANT, "globex")
    asking.store.gate.set()
    assert await asked is None
    assert asking.store.asked["tenant"] == 2


async def test_what_changes_under_every_look_up_is_not_admitted(asking: Asking) -> None:
    asking.store.gate.clear()
    asked = asyncio.create_task(asking.answers.find(ASKED))
    for times in range(1, ATTEMPTS + 1):
        await asking.until_asked(times)
        asking.hear()
        asking.store.gate.set()
        await asyncio.sleep(0)
        asking.store.gate.clear()
    with pytest.raises(StoreUnavailableError, match="again and again"):
        await asked


async def test_look_ups_are_bounded_and_those_beyond_are_told_at_once(asking: Asking) -> None:
    asking.store.gate.clear()
    asked = [
        asyncio.create_task(asking.answers.find(FindKey((a_digest(str(n)),))))
        for n in range(LOOKUPS)
    ]
    await asking.until_asked(LOOKUPS)
    with pytest.raises(StoreUnavailableError, match="too many look-ups"):
        await asking.answers.find(FindKey((a_digest("one more"),)))
    asking.store.gate.set()
    assert await asyncio.gather(*asked) == [None] * LOOKUPS
    assert await asking.answers.find(FindKey((a_digest("one more"),))) is None


async def test_closing_gives_up_what_is_under_way(asking: Asking) -> None:
    asking.store.gate.clear()
    asked = asyncio.create_task(asking.answers.find(ASKED))
    await asking.until_asked(1)
    await asking.answers.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asking.answers.close()
