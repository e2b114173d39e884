"""Keys that exist come in by their digests, and are good at once."""

import hashlib
import hmac

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.knowledge.auth.api_key import ApiKeyProver
from sidecar.knowledge.auth.digest import DigestRing
from sidecar.lifecycle.errors import BadValueError, LifecycleError, NotFoundError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyDigest, KeyRecord, Principal, TenantId, TenantRecord
from sidecar.model.ports import NothingAtHand
from sidecar.model.questions import FindKey
from sidecar.model.secret import Secret
from tests.builders import an_exchange
from tests.lifecycle.desks import Installation, a_guarded_policy, peppered
from tests.lifecycle.noting import NOW, OPS

IMPORT = "/v1/keys/import"
KEY = b"sk_live_0123456789ABCDEFGHJKMNPQRS"
PLAIN = hashlib.sha256(KEY).hexdigest()


def a_line(**members: object) -> dict[str, object]:
    return {"digest": PLAIN, "prefix": "sk_live_01234567", "tenant": "acme", **members}


async def found(place: Installation, digest: bytes) -> KeyRecord | None:
    assert place.store is not None
    return await place.store.find_key([KeyDigest(digest)])


@pytest.mark.control("AN-2")
async def test_a_key_that_was_imported_proves_its_caller() -> None:
    place = Installation()
    answer = await place.call("POST", IMPORT, keys=[a_line(roles=["viewer"], label="old")])
    record = await found(place, hashlib.sha256(KEY).digest())
    assert record is not None
    assert answer == {"imported": [record.id], "known": 0}
    section = place.policy.authentication.api_keys
    assert section is not None
    prover = ApiKeyProver(section, (), NothingAtHand())
    exchange = an_exchange()
    exchange.client = "198.51.100.7"
    principal = prover.resume(KEY, exchange, FindKey((record.digest,)), record)
    assert isinstance(principal, Principal)
    assert principal.memberships == {"acme": ("viewer",)}
    assert (record.label, record.created_at, record.created_by) == ("old", NOW, OPS)


@pytest.mark.control("AN-3")
async def test_a_peppered_digest_names_its_pepper() -> None:
    place = Installation(peppered(a_guarded_policy(), b"new", b"old"))
    name = DigestRing([Secret(b"old")]).newest
    digest = hmac.digest(b"old", KEY, "sha256")
    await place.call("POST", IMPORT, keys=[a_line(digest=digest.hex().upper(), pepper=name)])
    record = await found(place, digest)
    assert record is not None
    assert record.pepper == name


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"digest": "ab" * 31}, "key 2: digest is no SHA-256"),
        ({"digest": "ag" * 32}, "key 2: digest is no SHA-256"),
        ({"digest": "ab" * 33}, "keys.1.digest: "),
        ({"pepper": "deadbeef"}, "key 2: no pepper is named deadbeef"),
        ({"pepper": "x"}, "keys.1.pepper: "),
        ({"prefix": "sk_test_01234567"}, "key 2: prefix begins like no format"),
        ({"prefix": KEY.decode()}, "key 2: prefix begins like no format of the policy, or shows"),
        ({"prefix": "sk_live_012345678"}, "key 2: prefix begins like no format"),
        ({"prefix": ""}, "keys.1.prefix: "),
        ({"tenant": "initech"}, "key 2: there is no tenant initech"),
        ({"roles": ["root"]}, "key 2: root is no role"),
        ({"kind": "admin"}, "key 2: kind admin is not in"),
        ({"expires": "2020-01-01"}, "key 2: expires is past"),
        ({"key": KEY.decode()}, "keys.1.key is no member"),
    ],
)
async def test_one_line_that_does_not_fit_keeps_all_out(
    members: dict[str, object], message: str
) -> None:
    place = Installation()
    good = a_line(digest=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(LifecycleError) as caught:
        await place.call("POST", IMPORT, keys=[good, a_line(**members)])
    assert caught.value.message.startswith(message)
    assert KEY.decode() not in caught.value.message + caught.value.hint
    # A body that cannot be read is no import that could be noted.
    undone = [] if message.startswith("keys.") else [("key.import", caught.value.message)]
    assert place.events.undone == undone
    assert place.events.done == []
    assert await place.call("GET", "/v1/keys") == {"keys": [], "next": None}


@pytest.mark.parametrize("fails", ["tenant", "add_key"])
async def test_an_import_that_the_store_did_not_take_is_noted(fails: str) -> None:
    class Failing(MemoryStore):
        async def tenant(self, tenant: TenantId) -> TenantRecord | None:
            if fails == "tenant":
                raise StoreUnavailableError("silence")
            return TenantRecord(tenant)

        async def add_key(self, record: KeyRecord) -> bool:
            raise StoreUnavailableError(f"no room for {record.label}")

    place = Installation(store=Failing(lambda: NOW))
    with pytest.raises(StoreUnavailableError):
        await place.call("POST", IMPORT, keys=[a_line(tenant="umbrella", label="it")])
    reason = "silence" if fails == "tenant" else "no room for it"
    assert place.events.undone == [("key.import", reason)]


async def test_what_kind_of_mistake_it_is_stays() -> None:
    with pytest.raises(NotFoundError, match="key 1"):
        await Installation().call("POST", IMPORT, keys=[a_line(tenant="initech")])


async def test_an_import_may_be_repeated() -> None:
    place = Installation()
    await place.call("POST", IMPORT, keys=[a_line()])
    second = a_line(digest=hashlib.sha256(b"other").hexdigest())
    answer = await place.call("POST", IMPORT, keys=[a_line(label="again"), second])
    assert answer["known"] == 1
    record = await found(place, bytes.fromhex(PLAIN))
    assert record is not None
    assert record.label == ""
    assert [event.action for event in place.events] == ["key.import"] * 2
    assert place.events[0].details == {"prefix": "sk_live_01234567", "pepper": ""}


async def test_a_batch_is_bounded() -> None:
    with pytest.raises(BadValueError, match="keys: "):
        await Installation().call("POST", IMPORT, keys=[a_line()] * 101)
    with pytest.raises(BadValueError, match="keys: "):
        await Installation().call("POST", IMPORT, keys=[])
    with pytest.raises(BadValueError, match="keys is missing"):
        await Installation().call("POST", IMPORT)
