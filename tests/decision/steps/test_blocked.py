"""Whom an operator shut out is refused: addresses at the edge, keys and tenants as unproved."""

import pytest

from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.memories import Freshness
from sidecar.decision.pipeline import build
from sidecar.decision.runner import decide
from sidecar.decision.steps.authenticate import NOBODY
from sidecar.decision.steps.blocked_address import BlockedAddress
from sidecar.decision.steps.blocked_caller import BlockedCaller
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import PASS, Refuse
from sidecar.model.ports import AtHand
from sidecar.model.refusals import RefusalCode
from tests.builders import PEER, PROXY, a_head, a_policy, a_principal, a_tenant, an_exchange
from tests.conftest import ManualClock
from tests.decision.steps.known import a_guarded_policy, a_request_of
from tests.stores.rows import a_block

NOW = 1_800_000_000.0
KEY, TENANT = BlockKind.KEY, BlockKind.TENANT
LIMIT = 4.0


def holding(*blocks: Block, clock: ManualClock | None = None) -> RememberedBlocks:
    clock = clock or ManualClock()
    held = RememberedBlocks(Freshness(clock, LIMIT), keeps_last=False)
    held.load(blocks)
    held.note(clock.now)
    return held


def reason(outcome: object) -> str:
    assert isinstance(outcome, Refuse)
    return outcome.reason


# --- addresses


def a_client(address: str) -> Exchange:
    exchange = an_exchange()
    exchange.client = address
    return exchange


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (None, "blocked address: 203.0.113.0/24 until it is lifted"),
        (NOW + 60, "blocked address: 203.0.113.0/24 until 2027-01-15T08:01:00Z"),
    ],
)
def test_a_blocked_address_is_told_that_it_is_refused_and_no_more(
    until: float | None, words: str
) -> None:
    step = BlockedAddress(holding(a_block("203.0.113.0/24", until=until, reason="scans")))
    outcome = step.decide(a_client("203.0.113.9"))
    assert outcome == Refuse(RefusalCode.FORBIDDEN, words)
    assert step.decide(a_client("203.0.112.9")) is PASS


def test_a_block_ends_by_the_time_of_the_request() -> None:
    step = BlockedAddress(holding(a_block(until=NOW)))
    assert step.decide(a_client("203.0.113.7")) is PASS


def test_while_nobody_knows_who_is_blocked_nobody_is_admitted(clock: ManualClock) -> None:
    address, caller = (
        kind(holding(a_block(), a_block("k1", KEY), clock=clock))
        for kind in (BlockedAddress, BlockedCaller)
    )
    clock.advance(LIMIT + 0.1)
    refused = address.decide(a_client("192.0.2.1"))
    assert isinstance(refused, Refuse)
    assert refused.code is RefusalCode.STORE_UNAVAILABLE
    # Who was on the list last is refused as before, and learns nothing of the store.
    outcome = address.decide(a_client("203.0.113.7"))
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.FORBIDDEN
    other = caller.decide(a_caller(a_principal(credential_id="k2")))
    assert isinstance(other, Refuse)
    assert (other.code, other.has_floor) == (RefusalCode.STORE_UNAVAILABLE, True)
    assert caller.decide(a_caller(a_principal())) == unauthorized(
        "blocked key: k1 until it is lifted"
    )


# --- keys and tenants


def a_caller(principal: Principal, tenant: str | None = "acme") -> Exchange:
    exchange = a_request_of(principal)
    exchange.tenant = None if tenant is None else a_tenant(tenant)
    return exchange


TWO = {"acme": ("viewer",), "globex": ("viewer",)}


@pytest.mark.parametrize(
    ("block", "principal", "tenant", "words"),
    [
        pytest.param(a_block("k1", KEY), a_principal(), "acme", "blocked key: k1", id="a key"),
        pytest.param(a_block("k2", KEY), a_principal(), "acme", None, id="another key"),
        pytest.param(
            a_block("k1", KEY), a_principal(method=Method.JWT), "acme", None, id="a token's id"
        ),
        pytest.param(
            a_block("acme", TENANT), a_principal(), "acme", "blocked tenant: acme", id="a tenant"
        ),
        pytest.param(
            a_block("acme", TENANT),
            a_principal(method=Method.JWT),
            "acme",
            "blocked tenant: acme",
            id="a tenant, by token",
        ),
        pytest.param(a_block("globex", TENANT), a_principal(), "acme", None, id="another tenant"),
        pytest.param(
            a_block("globex", TENANT), a_principal(memberships=TWO), "acme", None,
            id="a tenant of the caller's that the request is not for",
        ),
        pytest.param(
            a_block("globex", TENANT), a_principal(memberships=TWO), None, None,
            id="one of several, for a request without a tenant",
        ),
        pytest.param(
            a_block("acme", TENANT), a_principal(), None, "blocked tenant: acme",
            id="a sole tenant that was not written",
        ),
        pytest.param(a_block("acme", TENANT), a_principal(None), None, None, id="no tenant"),
        pytest.param(a_block("", KEY), NOBODY, None, "blocked key", id="nobody is no key's"),
        pytest.param(
            a_block("k1", KEY, until=NOW), a_principal(), "acme", None, id="a block that is over"
        ),
    ],
)  # fmt: skip
def test_a_blocked_caller_has_the_face_of_a_failed_authentication(
    block: Block, principal: Principal, tenant: str | None, words: str | None
) -> None:
    outcome = BlockedCaller(holding(block)).decide(a_caller(principal, tenant))
    if words is None:
        assert outcome is PASS
    else:
        assert reason(outcome).startswith(words)
        assert outcome == unauthorized(reason(outcome))


def test_a_tenant_that_shadow_mode_let_pass_is_blocked_all_the_same() -> None:
    step = BlockedCaller(holding(a_block("globex", TENANT)))
    exchange = a_caller(a_principal(memberships=TWO), None)
    exchange.shadow.append(unauthorized("suspended tenant"))
    assert reason(step.decide(exchange)).startswith("blocked tenant: globex")


# --- their places


def refusal(policy_keys: dict[str, object], held: RememberedBlocks, exchange: Exchange) -> object:
    generation = build(a_policy(**policy_keys), AtHand(blocks=held))
    outcome = decide(generation.edge, exchange, shadow=generation.shadow)
    assert outcome is None or isinstance(outcome, Refuse)
    return outcome and (outcome.code, exchange.refused_by)


BLOCKED = (RefusalCode.FORBIDDEN, "blocked_address")


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_the_client_behind_a_trusted_proxy_is_blocked_and_not_the_proxy(mode: str) -> None:
    keys: dict[str, object] = {
        "blocks": {}, "listen": {"trusted_proxies": ["10.0.0.0/8"]}, "mode": mode,
    }  # fmt: skip
    head = a_head(b"GET", b"/a", b"X-Forwarded-For: 198.51.100.1, 203.0.113.7")
    client = holding(a_block("203.0.113.7"))
    forged = holding(a_block("198.51.100.1"))
    proxy = holding(a_block(PROXY))
    assert refusal(keys, client, an_exchange(head, peer=PROXY)) == BLOCKED
    for other in (forged, proxy):
        assert refusal(keys, other, an_exchange(head, peer=PROXY)) is None


def test_a_stranger_s_word_of_its_address_helps_and_harms_nobody() -> None:
    head = a_head(b"GET", b"/a", b"X-Forwarded-For: 203.0.113.7")
    assert refusal({"blocks": {}}, holding(a_block()), an_exchange(head)) is None
    assert refusal({"blocks": {}}, holding(a_block(PEER)), an_exchange(head)) == BLOCKED


def test_a_blocked_address_is_charged_to_no_limit_and_learns_of_no_route() -> None:
    keys: dict[str, object] = {"blocks": {}, "limits": {"address": {"limit": "1/min"}}}
    exchange = an_exchange(a_head(b"GET", b"/nowhere"))
    assert refusal(keys, holding(a_block(PEER)), exchange) == BLOCKED
    assert exchange.taken == ()
    assert not hasattr(exchange, "route")


def test_a_policy_without_blocks_has_no_step_of_theirs() -> None:
    held = AtHand(blocks=holding(a_block(PEER)))
    keys: dict[str, object] = {"authentication": {"api_keys": {}}}
    without = build(a_guarded_policy(sections=keys), held)
    names = {step.name for step in (*without.edge, *without.plans[0].steps)}
    assert not {"blocked_address", "blocked_caller"} & names
    [plan] = build(a_guarded_policy(sections={**keys, "blocks": {}}), held).plans
    order = [step.name for step in plan.steps]
    at = order.index("blocked_caller")
    assert order[at - 1 : at + 2] == ["tenant", "blocked_caller", "authorize"]
    assert [step.name for step in plan.identity] == ["authenticate", "tenant", "blocked_caller"]


def test_public_routes_ask_for_no_caller_but_for_the_address() -> None:
    policy = a_policy(authentication={"api_keys": {}}, blocks={})
    generation = build(policy, AtHand(blocks=holding(a_block(PEER))))
    assert "blocked_address" in {step.name for step in generation.edge}
    assert "blocked_caller" not in {step.name for step in generation.plans[0].steps}


def test_a_policy_that_is_not_to_serve_admits_nobody() -> None:
    generation = build(a_policy(blocks={}))
    outcome = decide(generation.edge, an_exchange(), shadow=False)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.STORE_UNAVAILABLE
