"""The way of a request as the lists have it: what is left out of them is missed here."""

from dataclasses import replace
from time import perf_counter
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision.pipeline import UNROUTED, Generation, OrderError, build, prove_order
from sidecar.decision.runner import decide, respond
from sidecar.model.exchange import GIVEN, Exchange
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.policy import Policy
from tests.builders import (
    PEER,
    PROXY,
    a_head,
    a_policy,
    an_exchange,
    an_unread_exchange,
    flat,
    names_of,
    values_of,
)


def refusal(generation: Generation, exchange: Exchange) -> Refuse | None:
    """Take an exchange the whole way to the upstream."""
    cause = decide(generation.edge, exchange, shadow=generation.shadow)
    if cause is None:
        cause = decide(exchange.route.steps, exchange, shadow=exchange.route.shadow)
    assert cause is None or isinstance(cause, Refuse)
    return cause


def code(policy: Policy, head: RequestHead) -> RefusalCode | None:
    cause = refusal(build(policy), an_exchange(head))
    return None if cause is None else cause.code


def admitted(policy: Policy, *lines: bytes, peer: str = PEER, is_tls: bool = False) -> Exchange:
    exchange = an_exchange(a_head(b"GET", b"/a", *lines), peer=peer, is_tls=is_tls)
    assert refusal(build(policy), exchange) is None
    return exchange


def answered(policy: Policy, *lines: bytes, is_tls: bool = False) -> list[bytes]:
    exchange = admitted(policy, is_tls=is_tls)
    exchange.response_lines = list(lines)
    respond(exchange.route.response, exchange)
    return flat(exchange.response_lines)


def test_every_fact_is_there_when_the_request_goes_on() -> None:
    exchange = admitted(a_policy())
    assert exchange.client == PEER
    assert exchange.segments == ("a",)
    assert exchange.route.name == "/**"
    assert exchange.body_limit == 1_000_000
    assert str(exchange.target) == "http://127.0.0.1:3000"
    assert exchange.upstream_path == b"/a"
    assert exchange.upstream_lines[0] == b"Host: shop.example"
    assert values_of(exchange.upstream_lines, b"x-request-id") == [exchange.request_id]


@pytest.mark.control("AZ-4")
@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        (b"GET", b"/orders", None),
        (b"GET", b"/", RefusalCode.NOT_FOUND),
        (b"GET", b"/orders/7", RefusalCode.NOT_FOUND),
        (b"POST", b"/orders", RefusalCode.METHOD_NOT_ALLOWED),
    ],
)
def test_what_no_route_names_is_refused(
    method: bytes, target: bytes, expected: RefusalCode | None
) -> None:
    policy = a_policy({"path": "/orders", "methods": ["GET"]})
    assert code(policy, a_head(method, target)) is expected


@pytest.mark.control("RQ-1")
def test_a_body_declared_above_the_route_s_limit_is_refused() -> None:
    policy = a_policy({"path": "/**"}, {"path": "/batch", "body": {"max": "5MB"}})
    head = replace(a_head(b"POST", b"/one"), length=2_000_000)
    assert code(policy, head) is RefusalCode.PAYLOAD_TOO_LARGE
    assert code(policy, replace(head, path=b"/batch", target=b"/batch")) is None


@pytest.mark.control("RQ-4")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a/../b", RefusalCode.BAD_REQUEST),
        (b"/a%2Fb", RefusalCode.BAD_REQUEST),
        (b"/nowhere/a%2Fb", RefusalCode.BAD_REQUEST),
        (b"/slashes/a%2Fb", None),
        (b"/.sidecar/x", RefusalCode.NOT_FOUND),
    ],
)
def test_a_path_with_two_readings_is_refused_before_it_is_routed(
    target: bytes, expected: RefusalCode | None
) -> None:
    policy = a_policy(
        {"path": "/**"}, {"path": "/slashes/{name}", "allow_encoded_slash": True}
    )  # fmt: skip
    assert code(policy, a_head(b"GET", target)) is expected


@pytest.mark.control("TN-1")
def test_no_client_names_its_tenant() -> None:
    exchange = admitted(a_policy(), b"X-Tenant-Id: other", b"x_tenant_id: other", b"Accept: */*")
    assert names_of(exchange.upstream_lines).count(b"accept") == 1
    assert b"other" not in b"\n".join(exchange.upstream_lines)


@pytest.mark.control("RS-1")
def test_hsts_is_sent_over_tls_alone() -> None:
    name = b"strict-transport-security"
    assert len(values_of(answered(a_policy(), is_tls=True), name)) == 1
    assert values_of(answered(a_policy()), name) == []


@pytest.mark.control("RS-3")
def test_every_answer_is_protected_and_shows_the_request_s_id() -> None:
    lines = answered(a_policy(), b"Server: nginx", b"X-Request-Id: theirs")
    assert values_of(lines, b"x-content-type-options") == [b"nosniff"]
    assert len(values_of(lines, b"x-request-id")) == 1
    assert b"nginx" not in b"".join(lines)


@pytest.mark.control("RS-3")
def test_an_answer_to_an_unread_head_is_protected_too() -> None:
    exchange = an_unread_exchange()
    respond(build(a_policy()).unrouted.response, exchange)
    assert values_of(exchange.response_lines, b"x-content-type-options") == [b"nosniff"]
    assert len(values_of(exchange.response_lines, b"x-request-id")) == 1


def test_a_client_outside_the_route_s_addresses_is_refused() -> None:
    policy = a_policy(
        {"path": "/a", "addresses": {"allow": ["192.0.2.0/24"]}},
        listen={"trusted_proxies": ["10.0.0.0/8"]},
    )
    generation = build(policy)
    stranger = an_exchange(a_head(b"GET", b"/a"))
    cause = refusal(generation, stranger)
    assert cause is not None
    assert (cause.code, stranger.refused_by) == (RefusalCode.FORBIDDEN, "addresses")
    client = an_exchange(a_head(b"GET", b"/a", b"X-Forwarded-For: 192.0.2.1"), peer=PROXY)
    assert refusal(generation, client) is None


def test_a_route_may_have_its_own_upstream_prefix_host_and_time_outs() -> None:
    policy = a_policy(
        {
            "path": "/a",
            "upstream": {"url": "http://other:1", "host": "upstream"},
            "strip_prefix": "/a",
            "timeouts": {"response": "5s"},
        },
    )
    exchange = admitted(policy)
    assert str(exchange.target) == "http://other:1"
    assert exchange.upstream_path == b"/"
    assert exchange.upstream_lines[0] == b"Host: other:1"
    assert (exchange.route.timeouts.response, exchange.route.timeouts.idle) == (5.0, 60.0)


def test_shadow_lets_pass_what_it_may_and_records_it() -> None:
    policy = a_policy({"path": "/b", "methods": ["GET"], "body": {"max": "1B"}}, mode="shadow")
    generation = build(policy)
    lost = an_exchange(a_head(b"GET", b"/nowhere"))
    assert refusal(generation, lost) is None
    assert [one.code for one in lost.shadow] == [RefusalCode.NOT_FOUND]
    assert lost.route.name == UNROUTED
    assert str(lost.target) == "http://127.0.0.1:3000"
    wrong = an_exchange(replace(a_head(b"POST", b"/b"), length=5))
    assert refusal(generation, wrong) is None
    assert [one.code for one in wrong.shadow] == [
        RefusalCode.METHOD_NOT_ALLOWED, RefusalCode.PAYLOAD_TOO_LARGE,
    ]  # fmt: skip


@pytest.mark.control("RQ-4")
@pytest.mark.parametrize("target", [b"/a/../b", b"/a%2Fb"])
def test_shadow_never_lets_a_path_with_two_readings_pass(target: bytes) -> None:
    assert code(a_policy(mode="shadow"), a_head(b"GET", target)) is RefusalCode.BAD_REQUEST


@pytest.mark.control("TN-1")
def test_shadow_still_takes_identity_headers_out() -> None:
    exchange = admitted(a_policy(mode="shadow"), b"X-Tenant-Id: other")
    assert b"other" not in b"\n".join(exchange.upstream_lines)


@pytest.mark.parametrize(
    ("route", "policy", "is_shadow"),
    [(None, "shadow", True), ("enforce", "shadow", False), ("shadow", "enforce", True)],
)
def test_a_route_s_mode_goes_before_the_policy_s(
    route: str | None, policy: str, *, is_shadow: bool
) -> None:
    generation = build(a_policy({"path": "/a", "mode": route}, mode=policy))
    assert generation.plans[0].shadow is is_shadow
    assert generation.shadow is (policy == "shadow")


def test_a_route_without_a_rule_has_no_step_for_it() -> None:
    plain, ruled = build(
        a_policy(
            {"path": "/a", "allow_encoded_slash": True},
            {"path": "/b", "addresses": {"deny": ["192.0.2.1"]}},
        )
    ).plans
    assert [step.name for step in plain.steps] == ["declared_body", "upstream", "forward"]
    assert [step.name for step in ruled.steps] == [
        "path", "declared_body", "addresses", "upstream", "forward",
    ]  # fmt: skip


def test_routes_of_equal_rules_share_what_their_steps_remember() -> None:
    one, other, third = build(
        a_policy(
            {"path": "/a", "addresses": {"deny": ["192.0.2.1"]}, "headers": {"remove": ["ETag"]}},
            {"path": "/b", "addresses": {"deny": ["192.0.2.1"]}, "headers": {"remove": ["ETag"]}},
            {"path": "/c", "body": {"max": "1KB"}, "upstream": {"url": "http://b", "host": "b"}},
        )
    ).plans
    assert [a is b for a, b in zip(one.steps[1:], other.steps[1:], strict=True)] == [True] * 4
    assert one.response is other.response
    assert not set(map(id, one.steps[1:])) & set(map(id, third.steps[1:]))
    assert one.response is not third.response


def test_twenty_thousand_routes_are_built_quickly() -> None:
    policy = a_policy(*({"path": f"/tenants/t{i}/{{id}}/**"} for i in range(20_000)))
    start = perf_counter()
    generation = build(policy)
    # Tenfold what a slow machine needs.
    assert perf_counter() - start < 20
    exchange = an_exchange(a_head(b"GET", b"/tenants/t19999/7/x"))
    assert refusal(generation, exchange) is None
    assert exchange.route.name == "/tenants/t19999/{id}/**"


def test_the_faces_of_the_policy_are_filled_in() -> None:
    policy = a_policy()
    plain = build(policy).faces.of(RefusalCode.FORBIDDEN, navigates=False)
    assert b'"status":403' in plain[1]


def a_step(read: str, written: str) -> Step:
    """Make a step that only says what it reads and writes."""

    class Saying:
        name: ClassVar[str] = "saying"
        reads: ClassVar[frozenset[str]] = frozenset(read.split())
        writes: ClassVar[frozenset[str]] = frozenset(written.split())
        can_shadow: ClassVar[bool] = True

        def decide(self, exchange: Exchange) -> Outcome:
            del exchange
            return PASS

    return Saying()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        pytest.param([("a", "")], "reads", id="a fact that nobody writes"),
        pytest.param([("b", ""), ("", "b")], "reads", id="a fact that is written later"),
        pytest.param([("b", "b")], "reads", id="a fact of its own"),
        pytest.param([("", "b"), ("", "b")], "writes", id="a fact that is written twice"),
        pytest.param([("", "head")], "writes", id="a fact that the driver gave"),
    ],
)
def test_a_list_in_an_impossible_order_is_refused(
    rows: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(OrderError, match=complaint):
        prove_order([a_step(*row) for row in rows])


def test_a_list_in_a_possible_order_passes() -> None:
    prove_order([a_step("head", "b"), a_step("b now", "c"), a_step("b c", "")])


_BUILT = build(a_policy({"path": "/a", "addresses": {"deny": ["192.0.2.1"]}}))
_STEPS = (*_BUILT.edge, *_BUILT.plans[0].steps)


@given(st.permutations(_STEPS))
def test_an_order_passes_exactly_when_every_fact_is_there(steps: list[Step]) -> None:
    before = [GIVEN.union(*(step.writes for step in steps[:at])) for at in range(len(steps))]
    is_possible = all(step.reads <= facts for step, facts in zip(steps, before, strict=True))
    try:
        prove_order(steps)
    except OrderError:
        assert not is_possible
    else:
        assert is_possible


@pytest.mark.control("TN-6")
@pytest.mark.parametrize(
    ("keys", "authentication", "expected"),
    [
        pytest.param({"role": "viewer"}, {"api_keys": {}}, "tenant_upstream", id="a known caller"),
        pytest.param(
            {"role": "viewer", "upstream": "http://reports"},
            {"api_keys": {}},
            "upstream",
            id="an upstream of the route's own",
        ),
        pytest.param({"public": True}, {"api_keys": {}}, "upstream", id="a public route"),
        pytest.param({"role": "viewer"}, {}, "upstream", id="nobody can be known"),
    ],
)
def test_tenants_choose_the_upstream_where_they_are_known_and_the_route_does_not(
    keys: dict[str, object], authentication: dict[str, object], expected: str
) -> None:
    policy = a_policy(
        {"path": "/a", "public": False, **keys},
        {"path": "/b", "public": False, **keys, "strip_prefix": "/b"},
        authentication=authentication,
    )
    for plan in build(policy).plans:
        names = [step.name for step in plan.steps]
        assert [name for name in names if name.endswith("upstream")] == [expected]
        assert expected == "upstream" or names.index("tenant") < names.index(expected)


def test_routes_share_what_is_remembered_of_tenants_upstreams() -> None:
    guarded: dict[str, object] = {"public": False, "role": "viewer"}
    policy = a_policy(
        {"path": "/a", **guarded}, {"path": "/b", **guarded}, authentication={"api_keys": {}}
    )
    steps = [step for plan in build(policy).plans for step in plan.steps]
    one, other = (step for step in steps if step.name == "tenant_upstream")
    assert one is other
