"""A condition sees the request and the caller, bounded, and nothing else."""

from datetime import UTC, datetime

import pytest

from sidecar.knowledge.conditions.facts import FACTS, UnfitError, facts_of
from sidecar.model.exchange import Exchange
from tests.builders import a_principal, a_tenant
from tests.decision.steps.known import a_request_of

pytestmark = pytest.mark.control("AZ-6")


def an_exchange(
    target: str | bytes = "/orders/7", *lines: bytes, host: bytes | None = b"shop.example:80"
) -> Exchange:
    principal = a_principal(
        "acme", "owner", login="sso", kind="secret", project="web", scopes=frozenset({"b", "a"})
    )
    exchange = a_request_of(principal, target, *lines, host=host)
    exchange.client = "198.51.100.7"
    exchange.tenant = a_tenant(tier="pro", attributes={"region": "eu"})
    exchange.roles = ("owner",)
    exchange.tier = "gold"
    principal.attributes = {"plan": ["x", 1, 1.5, True, None], "deep": {"a": {"b": "c"}}}
    return exchange


def fact(exchange: Exchange, name: str, field: str) -> object:
    values = facts_of(exchange, [(name, field)]).values[name]
    return values[field] if isinstance(values, dict) and field else values


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("request", "method", "GET"),
        ("request", "path", "/orders/7"),
        ("request", "host", "shop.example"),
        ("request", "query", {}),
        ("request", "headers", {"host": "shop.example:80"}),
        ("client", "address", "198.51.100.7"),
        ("caller", "subject", "key:k1"),
        ("caller", "tenant", "acme"),
        ("caller", "roles", ["owner"]),
        ("caller", "scopes", ["a", "b"]),
        ("caller", "tier", "gold"),
        ("caller", "kind", "secret"),
        ("caller", "project", "web"),
        ("caller", "login", "sso"),
        ("caller", "claims", {"plan": ["x", 1, 1.5, True, None], "deep": {"a": {"b": "c"}}}),
        ("tenant", "id", "acme"),
        ("tenant", "tier", "pro"),
        ("tenant", "attributes", {"region": "eu"}),
        ("now", "", datetime.fromtimestamp(1_800_000_000, UTC)),
    ],
)
def test_each_fact_is_what_its_name_says(name: str, field: str, value: object) -> None:
    assert fact(an_exchange(), name, field) == value
    assert not FACTS[name] if field == "" else field in FACTS[name]


def test_only_what_is_needed_is_collected() -> None:
    facts = facts_of(an_exchange(), [("caller", "kind"), ("caller", "roles")])
    assert facts.values == {"caller": {"kind": "secret", "roles": ["owner"]}}
    assert facts.weight == 3


def test_without_a_tenant_and_a_head_there_is_little_to_see() -> None:
    exchange = an_exchange()
    exchange.tenant = exchange.head = None
    assert fact(exchange, "tenant", "id") is None
    assert fact(exchange, "tenant", "tier") is None
    assert fact(exchange, "tenant", "attributes") == {}
    assert fact(exchange, "request", "method") == fact(exchange, "request", "host") == ""
    assert fact(exchange, "request", "query") == fact(exchange, "request", "headers") == {}


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"a.example.", "a.example"), (b"[::1]", "[::1]"), (b"[::1]:80", "[::1]"), (None, "")],
)
def test_the_host_has_no_port(host: bytes | None, name: str) -> None:
    assert fact(an_exchange(host=host), "request", "host") == name


def test_parameters_and_fields_come_with_all_their_values() -> None:
    exchange = an_exchange("/?a=1&b=%20&a=2+3", b"X-A: 1", b"x-a:2", b"X-B: \xff", host=None)
    assert fact(exchange, "request", "query") == {"a": ["1", "2 3"], "b": [" "]}
    assert fact(exchange, "request", "headers") == {"x-a": "1, 2", "x-b": "\ufffd"}


@pytest.mark.parametrize("query", ["a=1;b=2", "a=%zz", "%ff=1", "a=%ff"])
def test_a_query_with_two_readings_is_no_fact(query: str) -> None:
    with pytest.raises(UnfitError, match="a query that"):
        facts_of(an_exchange(f"/?{query}"), [("request", "query")])


@pytest.mark.parametrize(
    ("claim", "bound"),
    [
        pytest.param([0] * 1001, "over 1,000 items", id="a list"),
        pytest.param({str(i): 0 for i in range(1001)}, "over 1,000 items", id="a map"),
        pytest.param([[0] * 1001], "over 1,000 items", id="a list in a list"),
        pytest.param("a" * 8193, "over 8 KiB", id="a string"),
        pytest.param("é" * 4097, "over 8 KiB", id="a string in bytes"),
        pytest.param({"a" * 8193: 0}, "over 8 KiB", id="a key"),
        pytest.param(object(), "a type", id="an object"),
        pytest.param(b"a", "a type", id="bytes"),
    ],
)
def test_a_fact_beyond_the_bounds_is_refused(claim: object, bound: str) -> None:
    exchange = an_exchange()
    exchange.principal.attributes = {"claim": claim}
    with pytest.raises(UnfitError, match=bound):
        facts_of(exchange, [("caller", "claims")])


def test_a_claim_nested_without_end_is_refused() -> None:
    exchange = an_exchange()
    claim: dict[str, object] = {}
    claim["own"] = claim
    exchange.principal.attributes = claim
    with pytest.raises(UnfitError, match="over 16 deep"):
        facts_of(exchange, [("caller", "claims")])


def test_facts_at_the_bounds_pass() -> None:
    exchange = an_exchange()
    exchange.principal.attributes = {"list": [0] * 1000, "string": "a" * 8192}
    assert facts_of(exchange, [("caller", "claims")]).weight == 1 + 2 + 1001 + 129
