"""A route may admit clients by their address; deny wins."""

import pytest

from sidecar.decision.steps.addresses import Addresses
from sidecar.model.outcome import PASS
from sidecar.model.refusals import RefusalCode
from tests.builders import a_route, an_exchange, refusal_of


def a_step(**addresses: object) -> Addresses:
    rule = a_route(addresses=addresses).addresses
    assert rule is not None
    return Addresses(rule)


@pytest.mark.parametrize(
    ("allow", "deny", "client", "is_admitted"),
    [
        pytest.param([], [], "192.0.2.1", True, id="no rule"),
        pytest.param(["192.0.2.0/24"], [], "192.0.2.1", True, id="inside"),
        pytest.param(["192.0.2.0/24"], [], "192.0.3.1", False, id="outside"),
        pytest.param(["192.0.2.0/24"], ["192.0.2.9"], "192.0.2.9", False, id="deny wins"),
        pytest.param(["192.0.2.0/24"], ["192.0.2.9"], "192.0.2.8", True, id="beside the denied"),
        pytest.param([], ["192.0.2.9"], "192.0.2.9", False, id="denied alone"),
        pytest.param([], ["192.0.2.9"], "192.0.2.8", True, id="all but the denied"),
        pytest.param(["192.0.2.0/24"], [], "::ffff:192.0.2.1", True, id="IPv4-mapped inside"),
        pytest.param([], ["192.0.2.9"], "::ffff:192.0.2.9", False, id="IPv4-mapped denied"),
        pytest.param(["2001:db8::/32"], [], "2001:db8:1::1", True, id="IPv6 inside"),
        pytest.param(["2001:db8::/32"], [], "192.0.2.1", False, id="IPv4 is not IPv6"),
        pytest.param(["0.0.0.0/0"], [], "2001:db8::1", False, id="IPv6 is not IPv4"),
        pytest.param(["10.0.0.0/8", "::1"], [], "::1", True, id="two families"),
        pytest.param([], ["10.0.0.0/8"], "", False, id="no address, deny asks for one"),
        pytest.param(["0.0.0.0/0", "::/0"], [], "", False, id="no address, allow asks for one"),
    ],
)
def test_a_client_is_admitted_by_address(
    allow: list[str], deny: list[str], client: str, *, is_admitted: bool
) -> None:
    exchange = an_exchange()
    exchange.client = client
    step = a_step(deny=deny, **({"allow": allow} if allow else {}))
    for _ in range(2):
        outcome = step.decide(exchange)
        assert refusal_of(outcome) is (None if is_admitted else RefusalCode.FORBIDDEN)


def test_who_is_refused_is_asked_again_for_each_client() -> None:
    step = a_step(allow=["192.0.2.1"])
    exchange = an_exchange()
    exchange.client = "192.0.2.2"
    assert step.decide(exchange) is not PASS
    exchange.client = "192.0.2.1"
    assert step.decide(exchange) is PASS
