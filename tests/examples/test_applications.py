"""The example applications: one tenant sees its rows alone, and nobody else gets in."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.knowledge.auth.assertion import Signer
from tests.examples.apps import Application
from tests.examples.assertions import (
    OTHER_SEED,
    SEED,
    a_signer,
    a_statement,
    an_assertion,
)
from tests.examples.postgres import Postgres


@pytest.fixture(autouse=True)
def rows(postgres: Postgres) -> Iterator[dict[str, list[int]]]:
    """Give two tenants two orders each; gives their numbers."""
    numbers: dict[str, list[int]] = {}
    with closing(postgres.connect("postgres")) as connection:
        cursor = connection.cursor()
        for tenant in ("acme", "globex"):
            cursor.execute(
                "INSERT INTO orders (tenant_id, item) VALUES (%s, 'one'), (%s, 'two') RETURNING id",
                (tenant, tenant),
            )
            numbers[tenant] = [int(str(row[0])) for row in cursor.fetchall()]
        connection.commit()
        yield numbers
        cursor.execute("TRUNCATE orders")
        connection.commit()


def tenants_in(document: object) -> set[str]:
    assert isinstance(document, list)
    return {row["tenant_id"] for row in document}


@pytest.mark.control("TN-4")
@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_a_statement_without_a_where_finds_the_rows_of_one_tenant(
    app: Application, tenant: str
) -> None:
    status, document = app.ask("GET", "/orders", an_assertion(tenant))
    assert (status, tenants_in(document)) == (200, {tenant})


def test_a_tenant_without_rows_finds_none(app: Application) -> None:
    assert app.ask("GET", "/orders", an_assertion("initech")) == (200, [])


def test_a_row_of_another_tenant_is_not_there(app: Application, rows: dict[str, list[int]]) -> None:
    own, foreign = rows["acme"][0], rows["globex"][0]
    for number, expected in ((own, 200), (foreign, 404)):
        target = f"/orders/{number}"
        assert app.ask("GET", target, an_assertion("acme", target=target))[0] == expected


def test_a_new_row_belongs_to_the_tenant_that_made_it(app: Application) -> None:
    body = {"item": "three", "tenant_id": "globex"}
    status, document = app.ask("POST", "/orders", an_assertion("acme", "POST"), body)
    assert isinstance(document, dict)
    assert (status, document["tenant_id"], document["item"]) == (201, "acme", "three")


def test_requests_of_two_tenants_in_turn_never_meet(app: Application) -> None:
    # FastAPI has a pool of one connection here: every request follows another's on it.
    for tenant in ("acme", "globex") * 10:
        status, document = app.ask("GET", "/orders", an_assertion(tenant))
        assert (status, tenants_in(document)) == (200, {tenant})


def test_a_transaction_that_failed_leaves_no_tenant_behind(app: Application) -> None:
    bad = {"item": None}
    assert app.ask("POST", "/orders", an_assertion("globex", "POST"), bad)[0] >= 400
    status, document = app.ask("GET", "/orders", an_assertion("acme"))
    assert (status, tenants_in(document)) == (200, {"acme"})


def test_a_caller_without_a_tenant_gets_no_transaction(app: Application) -> None:
    assert app.ask("GET", "/orders", an_assertion(None)) == (403, None)


@pytest.mark.parametrize("target", ["/orders", "/orders?", "/orders?limit=1&x=%41+b", "/%6frders"])
def test_what_is_bound_is_what_was_sent_byte_for_byte(app: Application, target: str) -> None:
    assert app.ask("GET", target, an_assertion("acme", target=target))[0] == 200


def resigned(change: Callable[[dict[str, object], dict[str, object]], object]) -> str:
    """Sign a good assertion with other claims or another header, by the sidecar's own key."""
    good = an_assertion("acme")
    header = jwt.get_unverified_header(good)
    claims = jwt.decode(good, options={"verify_signature": False})
    change(header, claims)
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return jwt.encode(claims, key, "EdDSA", headers=header)


def unsigned() -> str:
    claims = jwt.decode(an_assertion("acme"), options={"verify_signature": False})
    return jwt.encode(claims, "", "none", headers={"typ": "sidecar+jwt", "kid": the_kid()})


def signed_with_the_public_key() -> str:
    claims = jwt.decode(an_assertion("acme"), options={"verify_signature": False})
    public = base64.urlsafe_b64decode(json.loads(a_signer().key_set)["keys"][0]["x"] + "=")
    headers = {"typ": "sidecar+jwt", "kid": the_kid()}
    return jwt.encode(claims, public, "HS256", headers=headers)


def the_kid() -> str:
    kid: str = json.loads(a_signer().key_set)["keys"][0]["kid"]
    return kid


def forged_under_the_name_of_the_key() -> str:
    claims = jwt.decode(an_assertion("acme"), options={"verify_signature": False})
    key = Ed25519PrivateKey.from_private_bytes(OTHER_SEED)
    return jwt.encode(claims, key, "EdDSA", headers={"typ": "sidecar+jwt", "kid": the_kid()})


def signed_by(signer: Signer) -> str:
    return signer.sign(a_statement("acme"), time.time()).decode()


def without(claim: str) -> Callable[[], str]:
    return lambda: resigned(lambda _, claims: claims.pop(claim))


REFUSED: dict[str, Callable[[], str | None]] = {
    "no assertion": lambda: None,
    "an empty one": lambda: "",
    "a word": lambda: "admin",
    "expired": lambda: an_assertion("acme", age=40),
    "of the future": lambda: an_assertion("acme", age=-60),
    "for another service": lambda: signed_by(a_signer(audience="billing")),
    "of another sidecar": lambda: signed_by(a_signer(issuer="elsewhere")),
    "for another method": lambda: an_assertion("acme", "HEAD"),
    "for another path": lambda: an_assertion("acme", target="/orders/1"),
    "for the path with a slash": lambda: an_assertion("acme", target="/orders/"),
    "for the path in another spelling": lambda: an_assertion("acme", target="/%6frders"),
    "for another query": lambda: an_assertion("acme", target="/orders?all=1"),
    "by an unknown key": lambda: signed_by(a_signer(OTHER_SEED)),
    "by an unknown key of the known name": forged_under_the_name_of_the_key,
    "by nobody": unsigned,
    "by HMAC with the public key": signed_with_the_public_key,
    "a token of another type": lambda: resigned(lambda head, _: head.update(typ="JWT")),
    "a token without a type": lambda: resigned(lambda head, _: head.update(typ=None)),
    "cut": lambda: an_assertion("acme")[:-2],
    **{
        f"without {claim}": without(claim)
        for claim in ("iss", "aud", "exp", "iat", "jti", "sub", "htm", "path", "query_sha256")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_whatever_the_sidecar_did_not_sign_for_this_request_is_refused(
    app: Application, name: str
) -> None:
    assert app.ask("GET", "/orders", REFUSED[name]()) == (401, None)


def test_an_assertion_that_was_seen_opens_no_other_request(
    app: Application, rows: dict[str, list[int]]
) -> None:
    seen = an_assertion("acme")
    assert app.ask("GET", "/orders", seen)[0] == 200
    others = [
        ("GET", f"/orders/{rows['acme'][0]}"),
        ("GET", "/orders?tenant=globex"),
        ("POST", "/orders"),
    ]
    for method, target in others:
        assert app.ask(method, target, seen, {"item": "x"})[0] == 401
