"""What is remembered: within the bound on staleness, bounded, and never an old record again."""

from dataclasses import replace

import pytest

from sidecar.adapters.stores.memories import (
    Freshness,
    RememberedKeys,
    RememberedRevocations,
    RememberedTenants,
)
from sidecar.model.identity import RevocationKind, TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN
from tests.conftest import ManualClock
from tests.stores.rows import NEVER, a_digest, a_key, a_revocation

LIMIT = 4.0
DAY = 86400
ISSUED = 1_700_000_000.0


@pytest.fixture
def freshness(clock: ManualClock) -> Freshness:
    freshness = Freshness(clock, LIMIT)
    freshness.note(clock.now)
    return freshness


# --- freshness


def test_nothing_may_be_used_before_the_first_word(clock: ManualClock) -> None:
    freshness = Freshness(clock, LIMIT)
    assert not freshness.is_current()
    assert freshness.age() == float("inf")


@pytest.mark.control("AN-16")
@pytest.mark.parametrize(("seconds", "is_current"), [(0.0, True), (4.0, True), (4.01, False)])
def test_what_is_remembered_may_be_used_up_to_the_bound(
    freshness: Freshness, clock: ManualClock, seconds: float, *, is_current: bool
) -> None:
    clock.advance(seconds)
    assert freshness.is_current() is is_current
    assert freshness.age() == pytest.approx(seconds)
    assert freshness.now() == clock.now


def test_an_answer_to_an_earlier_question_makes_nothing_older(
    freshness: Freshness, clock: ManualClock
) -> None:
    freshness.note(clock.now - 3)
    assert freshness.age() == 0.0


# --- keys


def test_a_key_is_unknown_then_known_then_forgotten(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness)
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    keys.put(a_digest("k1"), a_key("k1"), keys.forgotten)
    assert keys.at_hand(a_digest("k1")) == a_key("k1")
    assert len(keys) == 1
    keys.forget("another")
    assert keys.at_hand(a_digest("k1")) == a_key("k1")
    keys.forget("k1")
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    assert len(keys) == 0


@pytest.mark.control("AN-16")
def test_a_look_up_that_began_before_a_change_does_not_put_the_old_record_back(
    freshness: Freshness,
) -> None:
    keys = RememberedKeys(freshness)
    for forgets_all in (False, True):
        began = keys.forgotten
        if forgets_all:
            keys.forget_all()
        else:
            keys.forget("k1")
        keys.put(a_digest("k1"), a_key("k1"), began)
        assert keys.at_hand(a_digest("k1")) is UNKNOWN


@pytest.mark.control("AN-16")
def test_a_memory_knows_nothing_while_the_store_is_silent(
    freshness: Freshness, clock: ManualClock
) -> None:
    keys = RememberedKeys(freshness)
    keys.put(a_digest("k1"), a_key("k1"), 0)
    clock.advance(LIMIT + 0.1)
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    freshness.note(clock.now)
    assert keys.at_hand(a_digest("k1")) == a_key("k1")


def test_a_digest_that_is_nobodys_is_remembered_for_a_moment(
    freshness: Freshness, clock: ManualClock
) -> None:
    keys = RememberedKeys(freshness)
    keys.put(a_digest("k1"), None, 0)
    assert keys.at_hand(a_digest("k1")) is None
    clock.advance(1.9)
    assert keys.at_hand(a_digest("k1")) is None
    clock.advance(0.1)
    assert keys.at_hand(a_digest("k1")) is UNKNOWN


def test_any_change_of_a_key_may_have_made_a_digest_somebodys(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness)
    keys.put(a_digest("k1"), None, 0)
    keys.forget("k1")
    assert keys.at_hand(a_digest("k1")) is UNKNOWN


def test_guesses_do_not_drive_out_good_keys_and_are_bounded(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness, limit=3)
    keys.put(a_digest("k1"), a_key("k1"), 0)
    for guess in range(4):
        keys.put(a_digest(f"guess {guess}"), None, 0)
    assert keys.at_hand(a_digest("k1")) == a_key("k1")
    assert keys.at_hand(a_digest("guess 0")) is UNKNOWN
    assert keys.at_hand(a_digest("guess 3")) is None


def test_the_key_that_was_looked_up_first_makes_room(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness, limit=2)
    for name in ("k1", "k2", "k3"):
        keys.put(a_digest(name), a_key(name), 0)
    assert len(keys) == 2
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    assert keys.at_hand(a_digest("k3")) == a_key("k3")
    keys.forget("k1")
    assert len(keys) == 2


def test_all_keys_and_guesses_can_be_forgotten(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness)
    keys.put(a_digest("k1"), a_key("k1"), 0)
    keys.put(a_digest("k2"), None, 0)
    keys.forget_all()
    assert len(keys) == 0
    assert keys.at_hand(a_digest("k1")) is UNKNOWN
    assert keys.at_hand(a_digest("k2")) is UNKNOWN


# --- tenants


def test_a_tenant_of_the_policy_is_known_whatever_the_store_says(
    freshness: Freshness, clock: ManualClock
) -> None:
    own = TenantRecord(TenantId("acme"))
    tenants = RememberedTenants({"acme": own}, freshness)
    tenants.put(TenantId("acme"), None, 0)
    tenants.forget("acme")
    tenants.forget_all()
    clock.advance(1000)
    assert tenants.at_hand(TenantId("acme")) is own


@pytest.mark.parametrize("record", [TenantRecord(TenantId("globex")), None])
def test_a_tenant_of_the_store_is_remembered_until_it_is_changed(
    freshness: Freshness, clock: ManualClock, record: TenantRecord | None
) -> None:
    tenants = RememberedTenants({}, freshness)
    globex = TenantId("globex")
    assert tenants.at_hand(globex) is UNKNOWN
    tenants.put(globex, record, 0)
    assert tenants.at_hand(globex) is record
    tenants.forget("globex")
    assert tenants.at_hand(globex) is UNKNOWN
    tenants.put(globex, record, 0)
    assert tenants.at_hand(globex) is UNKNOWN
    tenants.put(globex, record, tenants.forgotten)
    clock.advance(LIMIT + 0.1)
    assert tenants.at_hand(globex) is UNKNOWN
    freshness.note(clock.now)
    before = tenants.forgotten
    tenants.forget_all()
    assert tenants.at_hand(globex) is UNKNOWN
    tenants.put(globex, record, before)  # of a look-up that was under way
    assert tenants.at_hand(globex) is UNKNOWN


def test_the_tenant_that_was_looked_up_first_makes_room(freshness: Freshness) -> None:
    tenants = RememberedTenants({}, freshness, limit=2)
    for name in ("t1", "t2", "t3"):
        tenants.put(TenantId(name), TenantRecord(TenantId(name)), 0)
    assert tenants.at_hand(TenantId("t1")) is UNKNOWN
    assert isinstance(tenants.at_hand(TenantId("t3")), TenantRecord)


def test_names_of_no_tenant_drive_out_no_tenant(freshness: Freshness) -> None:
    tenants = RememberedTenants({}, freshness, limit=2)
    good = TenantRecord(TenantId("good"))
    tenants.put(good.id, good, 0)
    for name in ("t1", "t2", "t3"):
        tenants.put(TenantId(name), None, 0)
    assert tenants.at_hand(good.id) is good
    assert tenants.at_hand(TenantId("t1")) is UNKNOWN
    assert tenants.at_hand(TenantId("t3")) is None


# --- revocations


def test_nobody_is_admitted_before_revocations_were_read(
    freshness: Freshness, clock: ManualClock
) -> None:
    revocations = RememberedRevocations(freshness)
    assert not revocations.is_current()
    revocations.load(0, [], clock.now)
    assert revocations.is_current()
    clock.advance(LIMIT + 0.1)
    assert not revocations.is_current()


TOKEN = {"token": "jti-1", "subject": "ann", "session": "s1"}


@pytest.mark.parametrize(
    ("facts", "asked", "is_revoked"),
    [
        pytest.param({}, (TOKEN, ISSUED), True, id="by its id"),
        pytest.param({}, ({"token": "jti-2"}, ISSUED), False, id="another id"),
        pytest.param({}, ({"subject": "jti-1"}, ISSUED), False, id="a subject is no id"),
        pytest.param({"issuer": ""}, (TOKEN, ISSUED), True, id="of every issuer"),
        pytest.param({"issuer": "https://other.example"}, (TOKEN, ISSUED), False, id="of another"),
        pytest.param({"kind": RevocationKind.SUBJECT, "value": "ann"}, (TOKEN, ISSUED), True,
                     id="by its subject"),
        pytest.param({"before": ISSUED}, (TOKEN, ISSUED), True, id="issued in that second"),
        pytest.param({"before": ISSUED - 1}, (TOKEN, ISSUED), False, id="issued afterwards"),
        pytest.param({"before": ISSUED - 1}, (TOKEN, None), True, id="issued nobody knows when"),
        pytest.param({"expires_at": 1.0}, (TOKEN, ISSUED), False, id="that has expired"),
    ],
)  # fmt: skip
def test_a_token_is_revoked_by_what_names_it(
    freshness: Freshness,
    facts: dict[str, object],
    asked: tuple[dict[str, str], float | None],
    *,
    is_revoked: bool,
) -> None:
    revocations = RememberedRevocations(freshness)
    revocations.load(1, [replace(a_revocation(), **facts)], freshness.now())  # type: ignore[arg-type]  # facts by name
    assert revocations.is_revoked("https://idp.example", *asked) is is_revoked


def test_news_are_added_and_what_has_expired_goes(freshness: Freshness, clock: ManualClock) -> None:
    revocations = RememberedRevocations(freshness)
    revocations.load(1, [a_revocation("a", expires_at=clock.now + 5)], clock.now)
    revocations.load(2, [a_revocation("b", expires_at=NEVER)], clock.now + DAY)
    assert revocations.number == 2
    # The clock may have been wrong: then the token is good again tomorrow.
    assert revocations.is_revoked("https://idp.example", {"token": "a"}, ISSUED)
    revocations.load(2, [], clock.now + DAY + 6)
    assert not revocations.is_revoked("https://idp.example", {"token": "a"}, ISSUED)
    assert revocations.is_revoked("https://idp.example", {"token": "b"}, ISSUED)


def test_a_store_that_lost_its_revocations_does_not_withdraw_them(
    freshness: Freshness, clock: ManualClock
) -> None:
    revocations = RememberedRevocations(freshness)
    revocations.load(2, [a_revocation("b", expires_at=NEVER)], clock.now)
    revocations.begin_anew()
    assert not revocations.is_current()
    assert revocations.number == 0
    assert revocations.is_revoked("https://idp.example", {"token": "b"}, ISSUED)
    revocations.load(1, [a_revocation("c", expires_at=NEVER)], clock.now)
    assert revocations.is_revoked("https://idp.example", {"token": "b"}, ISSUED)
    assert revocations.is_revoked("https://idp.example", {"token": "c"}, ISSUED)


def test_a_key_is_remembered_under_one_digest(freshness: Freshness) -> None:
    keys = RememberedKeys(freshness)
    freshness.note(freshness.now())
    record = a_key("one")
    keys.put(a_digest("old"), record, keys.forgotten)
    keys.put(a_digest("new"), record, keys.forgotten)
    assert keys.at_hand(a_digest("old")) is UNKNOWN
    keys.forget(record.id)
    assert keys.at_hand(a_digest("new")) is UNKNOWN
    assert len(keys) == 0
