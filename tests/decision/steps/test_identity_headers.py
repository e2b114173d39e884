"""The upstream learns who the caller is from fields that no value can break out of."""

from collections.abc import Mapping

import pytest

from sidecar.decision.steps.authenticate import NOBODY
from sidecar.decision.steps.identity_headers import IdentityHeaders
from sidecar.decision.strangers import managed_names
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, TenantRecord
from sidecar.model.outcome import PASS, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.assertion import Assertion as AssertionSection
from tests.builders import a_policy, a_principal, a_tenant, flat
from tests.decision.steps.known import a_member, a_request_of

pytestmark = pytest.mark.control("TN-3")
ACME = a_tenant()


def a_step(names: Mapping[str, object] | None = None) -> IdentityHeaders:
    return IdentityHeaders.compile(a_policy(identity_headers=names or {}))


def an_exchange_of(
    tenant: TenantRecord | None = ACME,
    roles: tuple[str, ...] = ("owner", "viewer"),
    tier: str | None = "pro",
    **facts: object,
) -> Exchange:
    exchange = a_member(*roles, **facts)
    exchange.tenant = tenant
    exchange.tier = tier
    return exchange


def written(exchange: Exchange, names: Mapping[str, object] | None = None) -> list[bytes]:
    assert a_step(names).decide(exchange) is PASS
    return flat(exchange.identity_lines)


def test_all_facts_go_in_their_fields() -> None:
    exchange = an_exchange_of(scopes=frozenset({"b:write", "a:read"}))
    assert written(exchange) == [
        b"X-Tenant-Id: acme",
        b"X-User-Id: key:k1",
        b"X-Roles: owner,viewer",
        b"X-Scopes: a:read b:write",
        b"X-Tier: pro",
        b"X-Key-Id: k1",
    ]


def test_what_there_is_not_has_no_field() -> None:
    exchange = an_exchange_of(None, (), None, method=Method.JWT, credential_id="issuer#jti")
    assert written(exchange) == [b"X-User-Id: key:k1"]


def test_fields_are_renamed_and_switched_off() -> None:
    names = {"tenant": "X-Org", "subject": None, "roles": None, "tier": None, "key_id": None}
    assert written(an_exchange_of(subject="a\nb"), names) == [b"X-Org: acme"]


def test_all_switched_off_is_nothing() -> None:
    every = ("tenant", "subject", "roles", "scopes", "tier", "key_id")
    exchange = an_exchange_of()
    assert a_step(dict.fromkeys(every)).decide(exchange) is PASS
    assert exchange.identity_lines == []


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nX-Roles: owner", "a\n", "\na", "a\rb", "a\x00", "\x00", " a", "a ", " ", "\ta", "a\t",
        "a\x7fb", "a\x0bb", "a\x85b", "\x9f", "a\tb", "\ud800",
    ],
)  # fmt: skip
@pytest.mark.parametrize("fact", ["subject", "tier", "credential_id"])
def test_a_value_that_cannot_stand_in_a_field_is_refused(fact: str, value: str) -> None:
    exchange = an_exchange_of()
    setattr(exchange if fact == "tier" else exchange.principal, fact, value)
    outcome = a_step().decide(exchange)
    assert isinstance(outcome, Refuse)
    assert outcome == unauthorized(outcome.reason)
    word = "key id" if fact == "credential_id" else fact
    assert outcome.reason in {
        f"a {word} of the caller cannot stand in a header field",
        f"a {word} of the caller is not text",
    }
    assert exchange.identity_lines == []


@pytest.mark.parametrize(
    "role", ["viewer,owner", ",", "a b", "owner ", " owner", "a\n", "é", "", "a\x00"]
)
def test_a_role_that_would_read_as_another_is_refused(role: str) -> None:
    outcome = a_step().decide(an_exchange_of(roles=("viewer", role)))
    assert outcome == unauthorized("a role of the caller cannot stand in a header field")


@pytest.mark.parametrize("scope", ["a b", 'a"', "a\\", "é", "", "a\n"])
def test_a_scope_that_would_read_as_another_is_refused(scope: str) -> None:
    outcome = a_step().decide(an_exchange_of(scopes=frozenset({scope})))
    assert outcome == unauthorized("a scope of the caller cannot stand in a header field")


def test_a_name_of_any_script_goes_as_utf_8() -> None:
    exchange = an_exchange_of(subject="josé 武")
    assert "X-User-Id: josé 武".encode() in written(exchange)


def test_what_was_written_for_a_caller_is_kept_until_something_changes() -> None:
    step, principal = a_step(), a_principal()

    def lines(tenant: TenantRecord, tier: str, by: IdentityHeaders = step) -> list[bytes]:
        exchange = an_exchange_of(tenant, tier=tier)
        exchange.principal = principal
        assert by.decide(exchange) is PASS
        return exchange.identity_lines

    first = lines(ACME, "pro")
    assert lines(ACME, "pro") is first
    assert b"X-Tier: free" in flat(lines(ACME, "free"))
    assert b"X-Tenant-Id: globex" in flat(lines(a_tenant("globex"), "free"))
    assert b"X-Org: acme" in flat(lines(ACME, "pro", a_step({"tenant": "X-Org"})))
    assert lines(ACME, "pro") == first


@pytest.mark.control("TN-1")
def test_default_and_configured_names_are_managed() -> None:
    policy = a_policy(
        identity_headers={"tenant": "X-Org", "tier": None},
        assertion=AssertionSection.model_construct(key=(), audience="a", header="X-Caller"),
    )
    assert managed_names(policy) == {
        b"x-org", b"x-caller", b"x-tenant-id", b"x-user-id", b"x-roles", b"x-scopes", b"x-tier",
        b"x-key-id", b"x-sidecar-assertion",
    }  # fmt: skip


def test_nobody_whom_shadow_mode_lets_pass_has_no_identity() -> None:
    exchange = a_request_of(NOBODY)
    exchange.tenant, exchange.roles, exchange.tier = None, (), None
    assert IdentityHeaders.compile(a_policy()).decide(exchange) is PASS
    assert exchange.identity_lines == []
    assert NOBODY.identity is None


@pytest.mark.control("TN-3")
def test_a_caller_of_a_suspended_tenant_has_no_identity_in_shadow_mode_either() -> None:
    step, exchange = IdentityHeaders.compile(a_policy()), a_member()
    exchange.tenant, exchange.roles, exchange.tier = None, (), None
    exchange.shadow.append(unauthorized("suspended tenant"))
    assert step.decide(exchange) is PASS
    assert exchange.identity_lines == []
    exchange.shadow[:] = [Refuse(RefusalCode.FORBIDDEN, "role below admin")]
    assert step.decide(exchange) is PASS
    assert b"X-User-Id" in b"".join(exchange.identity_lines)
