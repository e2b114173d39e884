"""Tokens of others are revoked by what they name, for as long as they can be valid."""

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.tokens import Tokens, token_life
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import Revocation, RevocationKind
from sidecar.model.ports import Event
from sidecar.policy.schema.authentication import Authentication
from tests.lifecycle.noting import NOW, OPS, Noted

DAY = 86400.0


def on(store: MemoryStore, events: Noted) -> Tokens:
    return Tokens(store, events, lambda: NOW, DAY)


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        pytest.param(RevocationKind.TOKEN, NOW + DAY, id="a token is over for good"),
        pytest.param(RevocationKind.SESSION, NOW + DAY, id="and so is a session"),
        pytest.param(RevocationKind.SUBJECT, NOW, id="a user may sign in again"),
        pytest.param(RevocationKind.TENANT, NOW, id="and so may a tenant's users"),
    ],
)
async def test_what_is_revoked_says_which_tokens(kind: RevocationKind, before: float) -> None:
    store, events = MemoryStore(lambda: NOW), Noted()
    made = await on(store, events).revoke(OPS, kind, "u7", issuer="https://idp.example")
    assert made == Revocation(kind, "https://idp.example", "u7", before, NOW + DAY)
    assert await store.revocations(0) == (1, [made])
    tenant = "u7" if kind is RevocationKind.TENANT else None
    details = {"issuer": "https://idp.example"}
    assert events == [Event("token.revoke", OPS, tenant, kind.value, "u7", details=details)]


async def test_a_revocation_may_last_for_a_given_time() -> None:
    store = MemoryStore(lambda: NOW)
    made = await on(store, Noted()).revoke(OPS, RevocationKind.TOKEN, "j1", life_seconds=60.0)
    assert (made.issuer, made.expires_at) == ("", NOW + 60)


@pytest.mark.parametrize(
    ("value", "issuer", "life", "message"),
    [
        pytest.param("", "", None, "no token has such a name", id="nothing"),
        pytest.param("a\nb", "", None, "no token has such a name", id="a line break"),
        pytest.param("a" * 513, "", None, "no token has such a name", id="too long"),
        pytest.param("j1", "\x7f", None, "no issuer has such a name", id="an issuer"),
        pytest.param("j1", "", 0.0, "for no time", id="no time"),
    ],
)
async def test_what_cannot_be_revoked_is_told_and_audited(
    value: str, issuer: str, life: float | None, message: str
) -> None:
    store, events = MemoryStore(lambda: NOW), Noted()
    with pytest.raises(BadValueError, match=message):
        await on(store, events).revoke(
            OPS, RevocationKind.TOKEN, value, issuer=issuer, life_seconds=life
        )
    assert await store.revocations(0) == (0, [])
    assert events.done == []
    assert [action for action, _ in events.undone] == ["token.revoke"]


async def test_the_tenant_of_tokens_has_a_tenant_s_id() -> None:
    with pytest.raises(BadValueError, match="the tenant's id"):
        await on(MemoryStore(lambda: NOW), Noted()).revoke(OPS, RevocationKind.TENANT, "a b")


async def test_a_store_that_is_gone_is_audited_as_not_done() -> None:
    class Gone(MemoryStore):
        async def revoke(self, revocation: Revocation) -> None:
            del revocation
            raise StoreUnavailableError("the store does not answer")

    events = Noted()
    with pytest.raises(StoreUnavailableError):
        await on(Gone(lambda: NOW), events).revoke(OPS, RevocationKind.TOKEN, "j1")
    assert events.undone == [("token.revoke", "the store does not answer")]


@pytest.mark.parametrize(
    ("authentication", "seconds"),
    [
        pytest.param({}, DAY, id="no tokens"),
        pytest.param({"jwt": [("a", "1h"), ("b", "7d")]}, 7 * DAY + 30, id="the longest"),
        pytest.param({"jwt": [("a", "1h")]}, DAY, id="a day at least"),
        pytest.param({"introspection": True, "jwt": [("a", "1h")]}, 90 * DAY, id="opaque tokens"),
    ],
)
def test_a_revocation_lasts_as_long_as_a_token(
    authentication: dict[str, object], seconds: float
) -> None:
    document: dict[str, object] = {}
    issuers = authentication.get("jwt", [])
    assert isinstance(issuers, list)
    document["jwt"] = [
        {"issuer": f"https://{name}", "audiences": ["a"], "algorithms": ["ES256"], "max_life": life}
        for name, life in issuers
    ]
    if "introspection" in authentication:
        document["introspection"] = {"url": "https://idp/i", "client_id": "a", "client_secret": "b"}
    assert token_life(Authentication.model_validate(document)) == seconds
