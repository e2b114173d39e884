"""Who presents a key, and why another does not count."""

import dataclasses
import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.auth.api_key import ApiKeyProver
from sidecar.knowledge.auth.digest import PLAIN, DigestRing
from sidecar.knowledge.auth.prover import Proof, Prover, unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeyDigest, KeyId, KeyRecord, KeyStatus, Principal, TenantId
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import FindKey
from sidecar.model.secret import Secret
from sidecar.policy.schema.api_keys import ApiKeys
from tests.builders import PEER, an_exchange

PEPPER, OLDER = Secret(b"pepper"), Secret(b"older pepper")
RING = DigestRing((PEPPER, OLDER))
KEY = b"sk_0123456789ABCDEFGHJKMNPQRS"
OTHER = b"sk_ZZZZZZZZZZABCDEFGHJKMNPQRS"
NOW = 1_800_000_000.0


class Known:
    """Keys at hand, by the newest digest."""

    def __init__(self, records: Mapping[bytes, KeyRecord | None] | None = None) -> None:
        self.records = dict(records or {})

    def at_hand(self, digest: KeyDigest) -> KeyRecord | Unsure | None:
        return self.records.get(digest, UNKNOWN)


def a_record(key: bytes = KEY, /, **facts: object) -> KeyRecord:
    made = KeyRecord(
        KeyId("0190a4c2-7d10-7abc-8def-0123456789ab"),
        RING.digest(key),
        RING.newest,
        "sk_01234567",
        TenantId("acme"),
        "key:k1",
        roles=("developer",),
    )
    return dataclasses.replace(made, **facts)  # type: ignore[arg-type]  # facts by name


def a_prover(known: Known | None = None, **section: object) -> ApiKeyProver:
    return ApiKeyProver(ApiKeys.model_validate(section), (PEPPER, OLDER), known or Known())


def at(now: float = NOW, client: str = PEER) -> Exchange:
    exchange = an_exchange()
    exchange.now = now
    exchange.client = client
    return exchange


def judged(record: KeyRecord | None, key: bytes = KEY, **use: object) -> Proof:
    """Judge a key whose record is at hand."""
    prover = a_prover(Known({RING.digest(key): record}))
    return prover.judge(key, at(**use))  # type: ignore[arg-type]  # facts by name


def reason_of(proof: Proof) -> str | None:
    return proof.reason if isinstance(proof, Refuse) else None


@pytest.mark.parametrize(
    ("value", "is_ours"),
    [
        (KEY, True),
        (b"sk_", True),
        (b"pk_anything", True),
        (b"sk", False),
        (b"SK_" + KEY[3:], False),
        (b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", False),
        (b" " + KEY, False),
        (b"", False),
    ],
)
def test_a_key_is_recognised_by_how_it_begins(value: bytes, is_ours: bool) -> None:
    prover: Prover = a_prover()
    assert prover.recognises(value) is is_ours


@pytest.mark.control("AN-3")
def test_a_key_that_is_not_at_hand_is_asked_for_under_every_pepper() -> None:
    proof = a_prover().judge(KEY, at())
    plain = KeyDigest(hashlib.sha256(KEY).digest())
    assert proof == Ask(FindKey(RING.digests(KEY)))
    assert isinstance(proof, Ask)
    assert isinstance(proof.question, FindKey)
    assert len(proof.question.digests) == 3
    assert proof.question.digests[0] == RING.digest(KEY)
    assert proof.question.digests[2] == plain


def test_what_the_store_answers_is_judged() -> None:
    prover = a_prover()
    question = FindKey(RING.digests(KEY))
    assert isinstance(prover.resume(KEY, at(), question, a_record()), Principal)
    assert reason_of(prover.resume(KEY, at(), question, None)) == "unknown key"
    assert reason_of(prover.resume(KEY, at(), question, object())) == "unknown key"


@pytest.mark.control("AN-7")
def test_a_key_tells_the_whole_principal() -> None:
    record = a_record(
        scopes=("orders:read", "orders:write"),
        tier="pro",
        kind="publishable",
        project="shop",
        is_read_only=True,
        expires_at=NOW + 60,
        not_before=NOW,
    )
    principal = judged(record)
    assert isinstance(principal, Principal)
    assert (principal.method, principal.login) == ("api_key", "api_key")
    assert (principal.subject, principal.credential_id) == ("key:k1", record.id)
    assert principal.memberships == {"acme": ("developer",)}
    assert principal.scopes == {"orders:read", "orders:write"}
    assert (principal.tier, principal.kind, principal.project) == ("pro", "publishable", "shop")
    assert principal.key_prefix == "sk_01234567"
    assert principal.is_read_only
    assert principal.expires_at == NOW + 60
    assert not principal.accepts_unknown_tenant


def test_a_key_of_no_tenant_is_a_member_of_none() -> None:
    principal = judged(a_record(tenant=None))
    assert isinstance(principal, Principal)
    assert principal.memberships == {}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param({}, None, id="active"),
        pytest.param({"status": KeyStatus.REVOKED}, "revoked key", id="revoked"),
        pytest.param({"status": KeyStatus.DISABLED}, "disabled key", id="disabled"),
        pytest.param({"expires_at": NOW}, "expired key", id="expired this moment"),
        pytest.param({"expires_at": NOW + 0.001}, None, id="expires in a moment"),
        pytest.param({"not_before": NOW + 0.001}, "key not yet valid", id="not yet"),
        pytest.param({"not_before": NOW}, None, id="valid from now"),
        pytest.param({"status": KeyStatus.GRACE, "expires_at": NOW + 1}, None, id="in grace"),
        pytest.param(
            {"status": KeyStatus.GRACE, "expires_at": NOW}, "expired key", id="grace is over"
        ),
        pytest.param({"status": KeyStatus.GRACE}, "expired key", id="grace without an end"),
        pytest.param(
            {"status": KeyStatus.REVOKED, "expires_at": NOW - 1}, "revoked key", id="both"
        ),
        pytest.param({"pepper": "deadbeef"}, "key of an unknown pepper", id="unknown pepper"),
        pytest.param({"digest": RING.digest(OTHER)}, "unknown key", id="another key's record"),
        pytest.param({"digest": b""}, "unknown key", id="an empty digest"),
        pytest.param({"digest": bytes(32)}, "unknown key", id="the dummy digest"),
    ],
)
def test_each_refusal_has_its_own_reason_and_the_one_face(
    facts: dict[str, object], reason: str | None
) -> None:
    proof = judged(a_record(**facts))
    if reason is None:
        assert isinstance(proof, Principal)
    else:
        assert proof == unauthorized(reason)


@pytest.mark.parametrize(
    ("addresses", "client", "is_admitted"),
    [
        (("198.51.100.0/24",), "198.51.100.7", True),
        (("198.51.100.0/24",), "198.51.101.7", False),
        (("192.0.2.1", "198.51.100.7/32"), "198.51.100.7", True),
        (("198.51.100.0/24",), "::ffff:198.51.100.7", True),
        (("198.51.100.0/24",), "2001:db8::1", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "198.51.100.7", False),
        (("0.0.0.0/0",), "", False),
        (("0.0.0.0/0",), "unix", False),
        (("no network",), "198.51.100.7", False),
        (("no network", "198.51.100.0/24"), "198.51.100.7", True),
        ((), "unix", True),
    ],
)
def test_a_key_is_good_from_its_own_addresses_only(
    addresses: tuple[str, ...], client: str, is_admitted: bool
) -> None:
    proof = judged(a_record(addresses=addresses), client=client)
    expected = None if is_admitted else "address not allowed for the key"
    assert reason_of(proof) == expected


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (b"", "malformed key"),
        (b"sk_", "malformed key"),
        (KEY + b"\n", "malformed key"),
        (KEY.lower(), "malformed key"),
        (b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "malformed key"),
    ],
)
def test_what_is_no_key_costs_no_look_up(key: bytes, reason: str) -> None:
    assert a_prover().judge(key, at()) == unauthorized(reason)


def test_a_mistyped_key_costs_no_look_up() -> None:
    prover = a_prover(formats=[{"prefix": "sk", "checksum": True}])
    assert prover.judge(KEY + b"000000", at()) == unauthorized("mistyped key (checksum)")


def test_a_key_that_is_known_to_be_none_is_refused_without_asking() -> None:
    assert judged(None) == unauthorized("unknown key")


@pytest.mark.control("AN-3")
@pytest.mark.parametrize(
    ("digest", "pepper"),
    [
        pytest.param(DigestRing((OLDER,)).digest(KEY), DigestRing((OLDER,)).newest, id="older"),
        pytest.param(hashlib.sha256(KEY).digest(), PLAIN, id="imported as plain SHA-256"),
    ],
)
def test_a_key_counts_under_every_pepper_of_the_ring(digest: bytes, pepper: str) -> None:
    record = a_record(digest=digest, pepper=pepper)
    assert isinstance(judged(record), Principal)
    assert reason_of(judged(dataclasses.replace(record, digest=RING.digest(KEY)))) == "unknown key"


@pytest.mark.control("AN-2")
def test_without_a_pepper_keys_are_known_by_sha_256() -> None:
    digest = KeyDigest(hashlib.sha256(KEY).digest())
    prover = ApiKeyProver(ApiKeys(), (), Known({digest: a_record(digest=digest, pepper=PLAIN)}))
    assert isinstance(prover.judge(KEY, at()), Principal)
    peppered = ApiKeyProver(ApiKeys(), (), Known({digest: a_record()}))
    assert reason_of(peppered.judge(KEY, at())) == "key of an unknown pepper"


@pytest.mark.control("AN-16")
def test_a_remembered_key_is_judged_again_on_each_use() -> None:
    record = a_record(expires_at=NOW + 10, addresses=("198.51.100.0/24",))
    known = Known({RING.digest(KEY): record})
    prover = a_prover(known)
    assert isinstance(prover.judge(KEY, at(NOW)), Principal)
    assert reason_of(prover.judge(KEY, at(NOW + 10))) == "expired key"
    assert reason_of(prover.judge(KEY, at(NOW, "203.0.113.1"))) == "address not allowed for the key"
    known.records[RING.digest(KEY)] = dataclasses.replace(
        record, status=KeyStatus.REVOKED, version=2
    )
    assert reason_of(prover.judge(KEY, at(NOW))) == "revoked key"
    known.records[RING.digest(KEY)] = None
    assert reason_of(prover.judge(KEY, at(NOW))) == "unknown key"


def test_a_principal_is_made_once_for_a_record() -> None:
    record = a_record()
    known = Known({RING.digest(KEY): record})
    prover = a_prover(known)
    first = prover.judge(KEY, at())
    assert prover.judge(KEY, at()) is first
    known.records[RING.digest(KEY)] = dataclasses.replace(record)
    assert prover.judge(KEY, at()) is first, "the same record, read again"
    known.records[RING.digest(KEY)] = dataclasses.replace(record, roles=("viewer",))
    changed = prover.judge(KEY, at())
    assert changed is not first
    assert isinstance(changed, Principal)
    assert changed.memberships == {"acme": ("viewer",)}


def test_memory_of_judged_keys_is_bounded() -> None:
    prover = a_prover()
    question = FindKey(RING.digests(KEY))
    first = prover.resume(KEY, at(), question, a_record())
    for number in range(4096):
        prover.resume(KEY, at(), question, a_record(id=KeyId(f"k{number}")))
    again = prover.resume(KEY, at(), question, a_record())
    assert isinstance(again, Principal)
    assert again is not first, "it was forgotten and made again"


@given(value=st.binary(max_size=100), tail=st.binary(max_size=40))
def test_no_bytes_make_it_fail(value: bytes, tail: bytes) -> None:
    prover = a_prover()
    for credential in (value, b"sk_" + tail):
        assert isinstance(prover.judge(credential, at()), Refuse | Ask)
        assert prover.recognises(credential) in {True, False}
