"""Tenants and tokens, as the admin API and the command line ask about them."""

import json

import pytest

from sidecar.lifecycle.errors import BadValueError, LifecycleError, NotFoundError
from sidecar.model.identity import RevocationKind
from sidecar.model.moments import write_moment
from tests.lifecycle.desks import Installation
from tests.lifecycle.noting import NOW

ONE = "/v1/tenants/{id}"
DAY = 86400.0


async def perform(
    at: Installation, method: str, path: str, tenant: str = "", members: object = None
) -> dict[str, object]:
    body = b"" if members is None else json.dumps(members).encode()
    return dict(await at.operations[method, path].perform("ops", {"id": tenant}, (), body))


async def test_a_tenant_is_created_shown_changed_and_deleted() -> None:
    at = Installation()
    made = await perform(
        at, "POST", "/v1/tenants", members={"id": "initech", "tier": "pro", "logins": ["sso"]}
    )
    assert (made["id"], made["status"], made["tier"]) == ("initech", "active", "pro")
    assert await perform(at, "GET", ONE, "initech") == made
    after = await perform(at, "PATCH", ONE, "initech", {"tier": None})
    assert (after["tier"], after["logins"], after["version"]) == (None, ["sso"], 2)
    suspended = await perform(at, "POST", f"{ONE}/suspend", "initech")
    resumed = await perform(at, "POST", f"{ONE}/resume", "initech")
    deleted = await perform(at, "DELETE", ONE, "initech")
    assert [one["status"] for one in (suspended, resumed, deleted)] == [
        "suspended", "active", "deleted",
    ]  # fmt: skip
    assert [action for action, _ in at.events.done] == [
        "tenant.create", "tenant.update", "tenant.suspend", "tenant.resume", "tenant.delete",
    ]  # fmt: skip


@pytest.mark.parametrize("members", [{"tier": "pro"}, {"id": 7}, {"id": None}, {"id": "a b"}])
async def test_a_tenant_is_created_with_an_id(members: dict[str, object]) -> None:
    with pytest.raises(BadValueError, match="the tenant's id"):
        await perform(Installation(), "POST", "/v1/tenants", members=members)


async def test_tenants_are_listed_by_pages() -> None:
    at = Installation()
    await perform(at, "POST", "/v1/tenants", members={"id": "initech"})
    listing = at.operations["GET", "/v1/tenants"]
    first = await listing.perform("ops", {}, [("limit", "2")], b"")
    last = await listing.perform("ops", {}, [("limit", "2"), ("after", "globex")], b"")
    assert isinstance(first["tenants"], list)
    assert [(one["id"], one["source"]) for one in first["tenants"]] == [
        ("acme", "policy"), ("globex", "policy"),
    ]  # fmt: skip
    assert first["next"] == "globex"
    assert isinstance(last["tenants"], list)
    assert [one["id"] for one in last["tenants"]] == ["initech"]
    assert last["next"] is None


async def test_a_tenant_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await perform(Installation(), "GET", ONE, "initech")


async def test_the_tokens_of_a_tenant_are_revoked() -> None:
    at = Installation()
    made = await perform(at, "POST", f"{ONE}/revoke-tokens", "acme")
    assert made == {"tenant": "acme", "issuer": None, "until": write_moment(NOW + DAY)}


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        ("jti", RevocationKind.TOKEN),
        ("sid", RevocationKind.SESSION),
        ("sub", RevocationKind.SUBJECT),
        ("tenant", RevocationKind.TENANT),
    ],
)
async def test_tokens_are_revoked_by_a_claim(claim: str, kind: RevocationKind) -> None:
    at = Installation()
    members = {claim: "acme", "issuer": "https://idp.example", "life": "2h"}
    made = await perform(at, "POST", "/v1/tokens/revoke", members=members)
    until = write_moment(NOW + 7200)
    assert made == {claim: "acme", "issuer": "https://idp.example", "until": until}
    assert at.store is not None
    _, (revocation,) = await at.store.revocations(0)
    assert (revocation.kind, revocation.expires_at) == (kind, NOW + 7200)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param({}, "not said, or said twice", id="nothing"),
        pytest.param({"jti": "a", "sub": "b"}, "not said, or said twice", id="two claims"),
        pytest.param({"aud": "a"}, "aud", id="another claim"),
        pytest.param({"jti": "a", "life": "0s"}, "life", id="no time"),
        pytest.param({"jti": 7}, "jti", id="a number"),
    ],
)
async def test_which_tokens_must_be_said_once(members: dict[str, object], message: str) -> None:
    with pytest.raises(LifecycleError, match=message):
        await perform(Installation(), "POST", "/v1/tokens/revoke", members=members)
