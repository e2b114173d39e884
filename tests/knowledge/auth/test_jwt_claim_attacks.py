"""Claims that are not what they must be; each row is refused, and says why (RFC 7519, RFC 8725)."""

import pytest

from sidecar.model.identity import Principal
from tests.knowledge.auth.minting import (
    ISSUER,
    NOW,
    Json,
    KeysAtHand,
    a_key_set,
    an_at_hand,
    claims,
    minted,
)
from tests.knowledge.auth.proving import CLAIMS, a_prover, an_issuer, verdict_on

IN_TIME = int(NOW)
ISSUERS = "jwt: unknown issuer"
AUDIENCE = "jwt: audience not ours"
TENANT = "jwt: tenant is no tenant's id"
TENANT_TYPE = "jwt: tenant is no text"
ROLES = "jwt: roles are not plain words"
SCOPES = "jwt: scopes are not plain words"


def judged(changes: Json, issuer: Json | None = None) -> Principal | str:
    keys = KeysAtHand(a_key_set(ISSUER, "RSA"))
    mapping = CLAIMS | {"project": "project", "login": "amr"}
    prover = a_prover(an_at_hand(*keys.known.values()), an_issuer(claims=mapping, **(issuer or {})))
    payload = claims()
    payload.update(changes)
    left = {name: value for name, value in payload.items() if value is not ...}
    return verdict_on(prover, minted(payload=left), keys)


@pytest.mark.control("AN-13")
@pytest.mark.parametrize(
    ("claim", "value", "reason"),
    [
        # Who issued it: exactly, before any work (RFC 8725 §3.8).
        ("iss", ..., ISSUERS),
        ("iss", None, ISSUERS),
        ("iss", "", ISSUERS),
        ("iss", 1, ISSUERS),
        ("iss", [ISSUER], ISSUERS),
        ("iss", ISSUER + "/", ISSUERS),
        ("iss", ISSUER.upper(), ISSUERS),
        ("iss", ISSUER + " ", ISSUERS),
        ("iss", ISSUER + "\0", ISSUERS),
        ("iss", "http://idp.example", ISSUERS),
        ("iss", "https://idp.example.evil.example", ISSUERS),
        ("iss", "https://idp.ex\u0430mple", ISSUERS),
        ("iss", "https://\uff49dp.example", ISSUERS),
        # For whom it is (RFC 8725 §3.9).
        ("aud", ..., AUDIENCE),
        ("aud", None, AUDIENCE),
        ("aud", "", AUDIENCE),
        ("aud", [], AUDIENCE),
        ("aud", "order", AUDIENCE),
        ("aud", "orders2", AUDIENCE),
        ("aud", "ORDERS", AUDIENCE),
        ("aud", " orders", AUDIENCE),
        ("aud", "billing orders", AUDIENCE),
        ("aud", "orders,billing", AUDIENCE),
        ("aud", ["billing"], AUDIENCE),
        ("aud", [["orders"]], AUDIENCE),
        ("aud", ["orders", 1], AUDIENCE),
        ("aud", {"orders": True}, AUDIENCE),
        ("aud", 0, AUDIENCE),
        # Until when it is good.
        ("exp", ..., "jwt: exp missing"),
        ("exp", None, "jwt: exp is no time"),
        ("exp", str(IN_TIME + 600), "jwt: exp is no time"),
        ("exp", True, "jwt: exp is no time"),
        ("exp", [IN_TIME + 600], "jwt: exp is no time"),
        ("exp", 1e300, "jwt: exp is no time"),
        ("exp", 2**53, "jwt: exp is no time"),
        ("exp", -(2**63), "jwt: exp is no time"),
        ("exp", 0, "jwt: expired"),
        ("exp", -1, "jwt: expired"),
        ("exp", IN_TIME - 30, "jwt: expired"),
        ("exp", IN_TIME + 86_391, "jwt: lives too long"),
        ("exp", 4_102_444_800, "jwt: lives too long"),
        # Since when.
        ("nbf", IN_TIME + 31, "jwt: not valid yet"),
        ("nbf", "0", "jwt: nbf is no time"),
        ("nbf", None, "jwt: nbf is no time"),
        ("nbf", False, "jwt: nbf is no time"),
        ("iat", IN_TIME + 31, "jwt: issued in the future"),
        ("iat", "now", "jwt: iat is no time"),
        ("iat", None, "jwt: iat is no time"),
        ("iat", {}, "jwt: iat is no time"),
        ("iat", 0, "jwt: lives too long"),
        ("iat", -1, "jwt: lives too long"),
        # Who it is.
        ("sub", ..., "jwt: subject missing"),
        ("sub", None, "jwt: subject is no plain text"),
        ("sub", "", "jwt: subject is no plain text"),
        ("sub", " ", "jwt: subject is no plain text"),
        ("sub", "root\0", "jwt: subject is no plain text"),
        ("sub", "u\r\nX-Role: owner", "jwt: subject is no plain text"),
        ("sub", "u-1\n", "jwt: subject is no plain text"),
        ("sub", "\u0430dmin", "jwt: subject is no plain text"),
        ("sub", 1, "jwt: subject is no plain text"),
        ("sub", ["u-1"], "jwt: subject is no plain text"),
        ("sub", "u" * 256, "jwt: subject is no plain text"),
        # What revokes it.
        ("jti", 7, "jwt: jti is no plain text"),
        ("jti", "", "jwt: jti is no plain text"),
        ("jti", "a\r\nb", "jwt: jti is no plain text"),
        ("sid", ["s"], "jwt: session is no plain text"),
        # Whose tenant.
        ("tenant_id", None, TENANT_TYPE),
        ("tenant_id", 7, TENANT_TYPE),
        ("tenant_id", True, TENANT_TYPE),
        ("tenant_id", ["acme", 7], TENANT_TYPE),
        ("tenant_id", [["acme"]], TENANT_TYPE),
        ("tenant_id", "", TENANT),
        ("tenant_id", "../acme", TENANT),
        ("tenant_id", "acme corp", TENANT),
        ("tenant_id", "acme,globex", TENANT),
        ("tenant_id", "acme\n", TENANT),
        ("tenant_id", "-acme", TENANT),
        ("tenant_id", "\u0430cme", TENANT),
        ("tenant_id", "a" * 65, TENANT),
        ("tenant_id", ["acme", "*"], TENANT),
        ("tenant_id", {"acme/x": []}, TENANT),
        ("tenant_id", [f"t{number}" for number in range(257)], TENANT),
        ("tenant_id", {"acme": 7}, ROLES),
        ("tenant_id", {"acme": ["a,b"]}, ROLES),
        # What it may do.
        ("roles", None, ROLES),
        ("roles", 7, ROLES),
        ("roles", {"owner": True}, ROLES),
        ("roles", [None], ROLES),
        ("roles", [["owner"]], ROLES),
        ("roles", [""], ROLES),
        ("roles", ["viewer,owner"], ROLES),
        ("roles", "viewer,owner", ROLES),
        ("roles", ["viewer\r\nX-Tenant-Id: globex"], ROLES),
        ("roles", "viewer\towner", ROLES),
        ("roles", [" owner"], ROLES),
        ("roles", ["r"] * 257, ROLES),
        ("scope", 7, SCOPES),
        ("scope", ["orders:read orders:write"], SCOPES),
        ("scope", 'orders:read "', SCOPES),
        ("scope", "orders:read\norders:write", SCOPES),
        ("plan", ["pro"], "jwt: tier is no plain text"),
        ("plan", "pro\r\n", "jwt: tier is no plain text"),
        ("project", 7, "jwt: project is no plain text"),
        ("amr", {"pwd": 1}, "jwt: login are not plain words"),
    ],
)
def test_a_claim_that_is_not_what_it_must_be_refuses_the_token(
    claim: str, value: object, reason: str
) -> None:
    assert judged({claim: value}) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iat": ..., "exp": IN_TIME + 86_401}, "jwt: lives too long"),
        ({"aud": "client-7", "nonce": "n"}, AUDIENCE),
        ({"iat": IN_TIME + 20, "exp": IN_TIME - 100}, "jwt: expired"),
    ],
    ids=["long from now on", "an ID token", "ends before it begins"],
)
def test_claims_that_do_not_go_together_refuse_the_token(
    changes: dict[str, object], reason: str
) -> None:
    assert judged(changes) == reason


@pytest.mark.parametrize("value", [..., None])
def test_a_required_claim_must_be_there(value: object) -> None:
    issuer: dict[str, object] = {"require": ["client.id"]}
    assert judged({"client": {} if value is ... else {"id": value}}, issuer) == (
        "jwt: required claim missing"
    )
    assert isinstance(judged({"client": {"id": "c"}}, issuer), Principal)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": IN_TIME - 29},
        {"exp": IN_TIME + 86_390},
        {"exp": IN_TIME + 0.5},
        {"iat": IN_TIME + 30},
        {"nbf": IN_TIME + 30},
        {"iat": ..., "exp": IN_TIME + 86_400},
        {"aud": ["billing", "orders"]},
        {"jti": ...},
        {"tenant_id": ...},
        {"roles": ...},
        {"scope": ...},
        {"scope": ""},
    ],
)
def test_a_claim_at_the_edge_of_what_is_allowed_passes(changes: dict[str, object]) -> None:
    assert isinstance(judged(changes), Principal)
