"""Limits of keys, tiers and routes, without a server and without a socket."""

import pytest

from sidecar.decision.charges import LONGEST, Counted, Networks
from sidecar.decision.steps.limits import AddressLimit, KeyLimit
from sidecar.model.limits import Charge, Count
from sidecar.model.outcome import PASS, Ask
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import FindTenant, TakeLimits
from sidecar.policy.schema.limits import RateLimits
from tests.builders import a_head, an_exchange
from tests.decision.steps.known import a_member
from tests.knowledge.limits.a_limit import a_window


class Server:
    """Limits that have to be asked for."""

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        assert charges
        return UNKNOWN


def counted(*by: str) -> Counted:
    return Counted(a_window(3), by, Networks(RateLimits()), 1)


@pytest.mark.control("RL-2")
def test_a_token_is_not_charged_to_the_limit_of_keys() -> None:
    step = KeyLimit(counted("key_prefix"), Server())
    assert step.decide(a_member("viewer", key_prefix="")) is PASS
    assert isinstance(step.decide(a_member("viewer", key_prefix="sk_ABCDEFGH")), Ask)


def test_another_answer_than_counts_is_a_mistake_of_ours() -> None:
    step = AddressLimit(counted("address"), Server())
    exchange = an_exchange()
    for question, answer in ((FindTenant, ()), (TakeLimits, "no counts")):
        with pytest.raises(TypeError, match="counts alone"):
            step.resume(exchange, question(()), answer)  # type: ignore[arg-type]  # that is the test


def test_callers_that_could_be_mistaken_for_each_other_are_counted_apart() -> None:
    one = counted("header:a", "header:b")
    pairs = [("x", "y:z"), ("x:y", "z"), ("x1:y", ""), ("", "xy:z"), ("xy:z", "")]
    assert len({one.charge(pair).caller for pair in pairs}) == len(pairs)


def test_an_address_with_a_zone_is_its_network() -> None:
    networks = Networks(RateLimits())
    assert networks.of("fe80::1%eth0") == networks.of("fe80::2") == "fe80::/64"


def test_what_is_too_long_to_be_a_name_is_not_remembered() -> None:
    networks = Networks(RateLimits())
    one = Counted(a_window(3), ["header:a"], networks, 1)
    for size, known in ((10, 1), (LONGEST, 2), (LONGEST + 1, 2)):
        exchange = an_exchange(head=a_head(b"GET", b"/", b"A: " + b"x" * size))
        assert one.of(exchange).caller == one.charge(("x" * size,)).caller
        assert len(networks.charges.known) == known
