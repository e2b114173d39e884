"""The tenant comes from the credential; what a request names picks among memberships alone."""

import pytest

from sidecar.decision.bindings import NOWHERE, TENANT, Bindings, bindings_of
from sidecar.decision.steps.tenant import Tenant, record_of
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import (
    Method,
    Principal,
    ProjectRecord,
    TenantId,
    TenantRecord,
    TenantStatus,
)
from sidecar.model.outcome import PASS, Ask, Outcome
from sidecar.model.questions import FindKeySet, FindTenant
from tests.builders import a_policy, a_principal, a_tenant
from tests.decision.steps.known import KnownTenants, a_guarded_route, a_request_of

ALL = KnownTenants(a_tenant("acme"), a_tenant("globex"), a_tenant("no"), absent=("ghost",))
BOUND = bindings_of(
    a_guarded_route("/t/{tenant}", bind={"query": {"org": "tenant"}, "host": "tenant"}), TENANT
)
IN_QUERY = bindings_of(a_guarded_route(bind={"query": {"org": "tenant"}}), TENANT)
IN_HOST = bindings_of(a_guarded_route(bind={"host": "tenant"}), TENANT)
IN_PATH = bindings_of(a_guarded_route("/orgs/{org}/x"), TENANT)


def of_two(**facts: object) -> Principal:
    """Make a caller who is a member of two tenants."""
    principal = a_principal(None, method=Method.JWT, **facts)
    principal.memberships = {"acme": ("owner",), "globex": ("viewer", "developer")}
    return principal


def judged(
    exchange: Exchange, bindings: Bindings = NOWHERE, known: KnownTenants = ALL
) -> Outcome | Ask:
    return Tenant(bindings, known).decide(exchange)


def test_the_sole_membership_is_the_tenant() -> None:
    exchange = a_request_of(a_principal("no", "owner", "viewer"))
    assert judged(exchange) is PASS
    assert exchange.tenant is not None
    assert (exchange.tenant.id, exchange.roles) == ("no", ("owner", "viewer"))


def test_a_caller_without_a_tenant_has_no_roles() -> None:
    exchange = a_request_of(a_principal(None), "/t/acme")
    assert judged(exchange, BOUND) is PASS
    assert (exchange.tenant, exchange.roles) == (None, ())


@pytest.mark.control("TN-1")
@pytest.mark.parametrize(
    ("bindings", "target", "host", "tenant"),
    [
        pytest.param(IN_PATH, "/orgs/globex/x", b"h", "globex", id="path"),
        pytest.param(IN_QUERY, "/?org=globex", b"h", "globex", id="query"),
        pytest.param(IN_QUERY, "/?a=1&o%72g=%67lobex", b"h", "globex", id="query, escaped"),
        pytest.param(IN_QUERY, "/?org=acme&org=globex", b"h", "acme", id="query, the first"),
        pytest.param(IN_HOST, "/", b"globex.api.example:8443", "globex", id="host"),
        pytest.param(IN_HOST, "/", b"globex", "globex", id="host of one label"),
        pytest.param(BOUND, "/t/acme?org=globex", b"globex.e", "acme", id="path before query"),
        pytest.param(NOWHERE, "/orgs/globex/x?org=globex", b"globex.e", None, id="not bound"),
        pytest.param(IN_PATH, "/orgs/Globex/x", b"h", None, id="case"),
        pytest.param(IN_PATH, "/orgs/globex./x", b"h", None, id="a dot behind"),
        pytest.param(IN_PATH, "/orgs/initech/x", b"h", None, id="of others"),
        pytest.param(IN_QUERY, "/", b"h", None, id="not named"),
        pytest.param(IN_QUERY, "/?org", b"h", None, id="named empty"),
        pytest.param(IN_QUERY, "/?org=%67%6cobe%7", b"h", None, id="cut escape"),
        pytest.param(IN_QUERY, "/?%ff=1&org=globex", b"h", None, id="undecodable name"),
        pytest.param(IN_HOST, "/", b"[::1]:80", None, id="address for a host"),
        pytest.param(IN_HOST, "/", None, None, id="no host"),
    ],
)
def test_a_request_picks_one_of_several_memberships(
    bindings: Bindings, target: str, host: bytes | None, tenant: str | None
) -> None:
    principal = of_two()
    exchange = a_request_of(principal, target, host=host)
    assert judged(exchange, bindings) is PASS
    assert (exchange.tenant.id if exchange.tenant else None) == tenant
    assert exchange.roles == (principal.memberships[tenant] if tenant else ())


@pytest.mark.control("TN-1")
@pytest.mark.parametrize("target", ["/t/globex", "/t/x?org=globex", "/t/"])
def test_a_request_never_adds_a_membership(target: str) -> None:
    exchange = a_request_of(a_principal("acme"), target, host=b"globex.example")
    assert judged(exchange, BOUND) is PASS
    assert exchange.tenant is not None
    assert exchange.tenant.id == "acme"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(None, "unknown tenant", id="no record"),
        pytest.param(a_tenant(status=TenantStatus.SUSPENDED), "suspended tenant", id="suspended"),
        pytest.param(a_tenant(status=TenantStatus.DELETED), "deleted tenant", id="deleted"),
        pytest.param(
            a_tenant(logins=("sso", "password")),
            "the tenant does not accept the login method",
            id="login",
        ),
    ],
)
@pytest.mark.parametrize("is_at_hand", [True, False])
def test_a_tenant_that_is_not_served_is_refused_with_the_common_face(
    record: TenantRecord | None, reason: str, *, is_at_hand: bool
) -> None:
    exchange = a_request_of(a_principal("acme", "owner", login="api_key"))
    if not is_at_hand:
        known = KnownTenants()
    elif record is None:
        known = KnownTenants(absent=("acme",))
    else:
        known = KnownTenants(record)
    step = Tenant(NOWHERE, known)
    outcome = step.decide(exchange)
    if not is_at_hand:
        assert outcome == Ask(FindTenant(TenantId("acme")))
        outcome = step.resume(exchange, FindTenant(TenantId("acme")), record)
    assert outcome == unauthorized(reason)
    assert (exchange.tenant, exchange.roles) == (None, ())


def test_a_store_s_answer_goes_on_where_it_was_asked() -> None:
    exchange = a_request_of(a_principal("acme", "owner", login="sso"))
    step = Tenant(NOWHERE, KnownTenants())
    record = a_tenant(logins=("sso",))
    assert step.decide(exchange) == Ask(FindTenant(TenantId("acme")))
    assert step.resume(exchange, FindTenant(TenantId("acme")), record) is PASS
    assert (exchange.tenant, exchange.roles) == (record, ("owner",))


def test_an_answer_that_is_no_record_is_no_tenant() -> None:
    exchange = a_request_of()
    step = Tenant(NOWHERE, KnownTenants())
    step.decide(exchange)
    outcome = step.resume(exchange, FindTenant(TenantId("acme")), answer=True)
    assert outcome == unauthorized("unknown tenant")


def test_an_answer_to_a_question_of_another_step_is_a_bug() -> None:
    with pytest.raises(TypeError, match="never asked FindKeySet"):
        Tenant(NOWHERE, ALL).resume(a_request_of(), FindKeySet("i", "k"), a_tenant())


def test_an_issuer_may_vouch_for_tenants_without_a_record() -> None:
    step = Tenant(NOWHERE, ALL)
    first, second = (
        a_request_of(a_principal("ghost", "viewer", accepts_unknown_tenant=True)) for _ in range(2)
    )
    assert step.decide(first) is PASS
    assert step.decide(second) is PASS
    assert first.tenant is not None
    assert first.tenant is second.tenant
    assert (first.tenant.id, first.tenant.version, first.roles) == ("ghost", 0, ("viewer",))


@pytest.mark.parametrize(
    "odd", ["", ".", "../acme", "acme\r\nX-Roles: owner", "acme\n", "a" * 65, "ácme", "-a", "a b"]
)
@pytest.mark.parametrize("known", [KnownTenants(), "absent"])
def test_a_tenant_with_an_odd_id_is_nobody_s(odd: str, known: KnownTenants | str) -> None:
    principal = a_principal(None, accepts_unknown_tenant=True)
    principal.memberships = {odd: ("owner",)}
    exchange = a_request_of(principal)
    at_hand = KnownTenants(absent=(odd,)) if isinstance(known, str) else known
    assert judged(exchange, known=at_hand) == unauthorized("the tenant's id is malformed")
    assert exchange.tenant is None


def test_the_policy_s_tenants_are_records_too() -> None:
    policy = a_policy(
        tenants={
            "acme": {
                "status": "suspended",
                "tier": "pro",
                "domains": ["acme.example"],
                "projects": {"web": {"domains": ["*.acme.example"], "system": True}, "x": {}},
                "logins": ["sso"],
                "upstream": "http://acme:3000",
                "upstream_credential": "token",
                "attributes": {"region": "eu"},
            },
            "no": {},
        }
    )
    acme = record_of("acme", policy.tenants["acme"])
    assert (acme.id, acme.status, acme.tier) == ("acme", TenantStatus.SUSPENDED, "pro")
    assert acme.projects["web"] == ProjectRecord(("*.acme.example",), is_system=True)
    assert acme.projects["x"] == ProjectRecord()
    assert (acme.domains, acme.logins) == (("acme.example",), ("sso",))
    assert (acme.upstream, acme.upstream_credential) == ("http://acme:3000", "token")
    assert (acme.attributes, acme.version) == ({"region": "eu"}, 0)
    bare = record_of("no", policy.tenants["no"])
    assert (bare.id, bare.status, bare.upstream) == ("no", TenantStatus.ACTIVE, None)
