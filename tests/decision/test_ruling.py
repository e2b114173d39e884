"""Each step leads to the key of the policy that made it say what it said."""

import pytest

from sidecar.decision.ruling import limit_key, ruling
from sidecar.model.exchange import Exchange
from sidecar.model.limits import Count, Limit, Outcome, Taken
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.policy.nodes import Path
from tests.builders import a_policy, a_principal, a_tenant, an_exchange

POLICY = a_policy(
    {"path": "/plain"},
    {
        "path": "/own/{tenant}",
        "methods": ["GET"],
        "public": False,
        "role": "viewer",
        "scopes": ["a:read"],
        "authenticate": ["api_key"],
        "body": {"max": "1MB"},
        "limits": [{"limit": "3/min", "by": "address"}, {"limit": "9/h", "by": "address"}],
    },
    authentication={"api_keys": {}},
    tenants={"acme": {}},
    tiers={"anonymous": {"limit": "5/min", "by": "address"}},
    secrets={},
)


def a_refusal(reason: str = "no", code: RefusalCode = RefusalCode.FORBIDDEN) -> Refuse:
    return Refuse(code, reason)


def an_identified_exchange(tenant: str | None = "acme") -> Exchange:
    exchange = an_exchange()
    exchange.principal = a_principal(tenant)
    exchange.tenant = None if tenant is None else a_tenant(tenant)
    return exchange


@pytest.mark.parametrize(
    ("index", "step", "refusal", "expected"),
    [
        (None, "nonsense", None, ()),
        (0, "path", None, ()),
        (0, "client_address", None, ("listen", "trusted_proxies")),
        (0, "route", None, ("routes", 0, "path")),
        (1, "route", None, ("routes", 1, "methods")),
        (1, "route", a_refusal(), ("routes", 1, "methods")),
        (None, "route", a_refusal(), ("routes",)),
        (None, "declared_body", None, ("body",)),
        (1, "declared_body", None, ("routes", 1, "body")),
        (
            1,
            "declared_body",
            a_refusal("x", RefusalCode.PAYLOAD_TOO_LARGE),
            ("routes", 1, "body", "max"),
        ),
        (0, "declared_body", a_refusal("x", RefusalCode.PAYLOAD_TOO_LARGE), ("body", "max")),
        (
            1,
            "declared_body",
            a_refusal("x", RefusalCode.UNSUPPORTED_MEDIA_TYPE),
            ("body", "content_types"),
        ),
        (
            0,
            "body_rules",
            a_refusal("more than 2 items", RefusalCode.PAYLOAD_TOO_LARGE),
            ("body", "items"),
        ),
        (0, "body_rules", a_refusal("no JSON", RefusalCode.BAD_REQUEST), ("body",)),
        (0, "body_rules", a_refusal("the body names a tenant"), ("routes", 0, "bind")),
        (0, "body_rules", a_refusal("the body has a member db"), ("routes", 0, "forbid")),
        (0, "body_rules", a_refusal("the form has the field db"), ("routes", 0, "forbid")),
        (0, "body_rules", a_refusal("a storage key of others"), ("routes", 0, "storage_keys")),
        (None, "body_rules", a_refusal("a storage key of others"), ("body",)),
        (0, "csrf", a_refusal(), ("csrf",)),
        (1, "authenticate", None, ("routes", 1, "authenticate")),
        (0, "authenticate", None, ("authentication",)),
        (1, "authenticate", a_refusal("no credential"), ("authentication",)),
        (1, "authenticate", a_refusal("jwt is not accepted here"), ("routes", 1, "authenticate")),
        (
            1,
            "authenticate",
            a_refusal("full", RefusalCode.RATE_LIMITED),
            ("limits", "failed_authentication"),
        ),
        (1, "authorize", None, ("routes", 1, "role")),
        (1, "authorize", a_refusal("role below owner"), ("routes", 1, "role")),
        (1, "authorize", a_refusal("permission a.b needs"), ("routes", 1, "permission")),
        (1, "authorize", a_refusal("lacks one of the scopes"), ("routes", 1, "scopes")),
        (1, "authorize", a_refusal("the route needs login by sso"), ("routes", 1, "logins")),
        (1, "authorize", a_refusal("key kind x is not"), ("routes", 1, "key_kinds")),
        (1, "authorize", a_refusal("a cause of another kind"), ("routes", 1, "role")),
        (None, "authorize", a_refusal("role below owner"), ()),
        (1, "tenant", None, ("tenants", "acme")),
        (1, "tenant", a_refusal("suspended tenant"), ("tenants", "acme", "status")),
        (1, "tenant", a_refusal("accepts no such login"), ("tenants", "acme", "logins")),
        (1, "limits", None, ("routes", 1, "limits")),
        (0, "limits", a_refusal("limit pro: used up"), ("tiers",)),
    ],
)
def test_a_step_leads_to_its_key(
    index: int | None, step: str, refusal: Refuse | None, expected: Path
) -> None:
    assert ruling(POLICY, index, step, refusal, an_identified_exchange()) == expected


def test_a_tenant_that_the_policy_does_not_know_leads_to_all_tenants() -> None:
    assert ruling(POLICY, 1, "tenant", None, an_identified_exchange("nova")) == ("tenants",)
    assert ruling(POLICY, 1, "tenant", None, an_identified_exchange(None)) == ("tenants",)


@pytest.mark.parametrize(
    ("tenant", "upstream", "expected"),
    [
        ("acme", "http://acme:1", ("tenants", "acme", "upstream")),
        ("acme", None, ("upstream",)),
        ("nova", "http://nova:1", ("upstream",)),
        (None, None, ("upstream",)),
    ],
)
def test_an_upstream_is_the_tenants_or_the_policys(
    tenant: str | None, upstream: str | None, expected: Path
) -> None:
    exchange = an_identified_exchange(tenant)
    if tenant is not None:
        exchange.tenant = a_tenant(tenant, upstream=upstream)
    assert ruling(POLICY, 0, "tenant_upstream", None, exchange) == expected


@pytest.mark.parametrize(
    ("index", "limit", "expected"),
    [
        (0, "tier/pro/1/60/60000000/0", ("tiers", "pro", 1)),
        (1, "route/GET//own/{tenant}/1/3/60000000/0", ("routes", 1, "limits", 1)),
        (None, "route/GET//own/{tenant}/1/3/60000000/0", ("routes", 0, "limits", 0)),
        (0, "address/60/60000000/0", ("limits", "address")),
        (0, "failed/60/60000000/0", ("limits", "failed_authentication")),
    ],
)
def test_a_limit_leads_to_its_key(index: int | None, limit: str, expected: Path) -> None:
    assert limit_key(POLICY, index, limit) == expected


def test_a_refusal_of_limits_leads_to_the_one_that_is_used_up() -> None:
    exchange = an_exchange()
    limits = [Limit(f"tier/pro/{at}/5/1/0", f"pro-{at + 1}", 5, 1) for at in range(2)]
    count = Count(False, 0, 1)  # noqa: FBT003 -- no room
    exchange.taken = tuple(Taken(one, count, Outcome.REFUSED) for one in limits)
    refusal = a_refusal("limit pro-2: 5 in 1s are used up", RefusalCode.RATE_LIMITED)
    assert ruling(POLICY, 0, "limits", refusal, exchange) == ("tiers", "pro", 1)
    other = a_refusal("limit pro-9: 5 in 1s are used up", RefusalCode.RATE_LIMITED)
    assert ruling(POLICY, 0, "limits", other, exchange) == ("tiers",)
