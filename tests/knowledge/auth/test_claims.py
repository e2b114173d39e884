"""How claims map: nested, listed, separated by blanks, by tenant; and what wins over what."""

import pytest

from sidecar.knowledge.auth.claims import (
    MISSING,
    Bearer,
    Mapped,
    Source,
    bearer_of,
    path_of,
    value_at,
)
from sidecar.model.identity import Method
from sidecar.policy.schema.jwt import Claims
from tests.knowledge.auth.minting import Json

SOURCE = Source(Method.JWT, "https://idp.example", "0011223344556677", 7.0)
URL = "https://acme.example/roles"


def bearer(claims: Json, *, accepts_unknown: bool = False, **mapping: object) -> Bearer:
    mapped = Mapped.compile(Claims.model_validate(mapping), accepts_unknown_tenant=accepts_unknown)
    found = bearer_of({"sub": "u", **claims}, mapped, SOURCE)
    assert isinstance(found, Bearer)
    return found


@pytest.mark.parametrize(
    ("claims", "claim", "value"),
    [
        ({"roles": 1}, "roles", 1),
        ({"realm_access": {"roles": 1}}, "realm_access.roles", 1),
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({URL: 1}, URL, 1),
        ({"https://acme.example/app": {"roles": 1}}, "https://acme.example/app.roles", 1),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a.b": {"c": 1}, "a": {"b.c": 2, "b": {"c": 3}}}, "a.b.c", 1),
        ({"a": {"b.c": 2, "b": {"c": 3}}}, "a.b.c", 2),
        ({"a": {"b": None}}, "a.b", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_its_path(
    claims: dict[str, object], claim: str, value: object
) -> None:
    assert value_at(claims, path_of(claim)) == value


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        ({}, "a"),
        ({}, "a.b"),
        ({"a": {}}, "a.b"),
        ({"a": 1}, "a.b"),
        ({"a": ["b"]}, "a.b"),
        ({"a": "b"}, "a.b"),
        ({"a.b": 1, "a": {"b": {"c": 1}}}, "a.b.c"),
        ({"A": 1}, "a"),
    ],
)
def test_a_claim_that_is_not_there_is_missing(claims: dict[str, object], claim: str) -> None:
    assert value_at(claims, path_of(claim)) is MISSING


@pytest.mark.parametrize(
    ("tenant", "memberships"),
    [
        ("acme", {"acme": ("a", "b")}),
        (["acme", "globex"], {"acme": ("a", "b"), "globex": ("a", "b")}),
        ([], {}),
        (
            {"acme": ["x"], "globex": "y z", "i": []},
            {"acme": ("x",), "globex": ("y", "z"), "i": ()},
        ),
    ],
)
def test_a_tenant_is_text_or_a_list_or_a_mapping_to_roles(
    tenant: object, memberships: object
) -> None:
    found = bearer({"t": tenant, "r": ["a", "b"]}, tenant="t", roles="r")
    assert found.principal.memberships == memberships


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        (["a", "b"], ("a", "b")),
        ("a b", ("a", "b")),
        ("a  b ", ("a", "b")),
        ("a", ("a",)),
        ("", ()),
        ([], ()),
        (["site admin"], ("site admin",)),
    ],
)
def test_roles_are_a_list_or_words(value: object, roles: tuple[str, ...]) -> None:
    found = bearer({"t": "acme", "x": {"r": value}}, tenant="t", roles="x.r")
    assert found.principal.memberships == {"acme": roles}


def test_what_is_not_mapped_is_not_read() -> None:
    claims = {"tenant": 1, "roles": 2, "tier": 3, "project": 4, "login": 5, "scope": 6, "sid": 7}
    principal = bearer(claims, scopes=None, session=None).principal
    assert principal.memberships == {}
    assert (principal.tier, principal.project, principal.login) == (None, None, "jwt")
    assert principal.scopes == frozenset()
    assert principal.attributes["tier"] == 3


def test_everything_that_is_mapped_reaches_the_principal() -> None:
    claims = {"t": "acme", "plan": "pro", "p": "shop", "amr": ["pwd", "otp"], "jti": "j", "ip": "x"}
    found = bearer(claims, accepts_unknown=True, tenant="t", tier="plan", project="p", login="amr")
    principal = found.principal
    assert (principal.tier, principal.project, principal.login) == ("pro", "shop", "pwd otp")
    assert principal.credential_id == "https://idp.example#j"
    assert principal.accepts_unknown_tenant
    assert principal.expires_at == 7.0
    assert principal.attributes["ip"] == "x"


def test_a_subject_may_be_another_claim() -> None:
    assert bearer({"client": {"id": "c-1"}}, subject="client.id").principal.subject == "c-1"


def test_a_token_without_an_id_is_named_by_its_fingerprint() -> None:
    assert bearer({}).principal.credential_id == "https://idp.example#0011223344556677"


def test_every_tenant_session_and_id_revokes() -> None:
    found = bearer({"t": ["acme", "globex"], "jti": "j", "sid": "s"}, tenant="t")
    assert found.identities == (
        {"subject": "u", "token": "j", "session": "s", "tenant": "acme"},
        {"tenant": "globex"},
    )
    assert bearer({}).identities == ({"subject": "u", "token": SOURCE.fingerprint},)
