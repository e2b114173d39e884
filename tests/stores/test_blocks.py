"""Blocks as a process remembers them: whom they cover, for how long, and whether to believe it."""

from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.memories import Freshness
from sidecar.model.blocks import Block, BlockKind, client_network, network_text
from sidecar.model.errors import StoreUnavailableError
from tests.conftest import ManualClock
from tests.stores.rows import a_block

LIMIT = 4.0
NOW = 1_800_000_000.0


@pytest.fixture
def blocks(clock: ManualClock) -> RememberedBlocks:
    return holding(clock)


def holding(clock: ManualClock, *blocks: Block, keeps_last: bool = False) -> RememberedBlocks:
    held = RememberedBlocks(Freshness(clock, LIMIT), keeps_last=keeps_last)
    held.load(blocks)
    return held


@pytest.mark.parametrize(
    ("value", "client", "is_blocked"),
    [
        pytest.param("203.0.113.7", "203.0.113.7", True, id="one address"),
        pytest.param("203.0.113.7", "203.0.113.6", False, id="its neighbour below"),
        pytest.param("203.0.113.7", "203.0.113.8", False, id="its neighbour above"),
        pytest.param("203.0.113.0/24", "203.0.113.0", True, id="the first of a network"),
        pytest.param("203.0.113.0/24", "203.0.113.255", True, id="the last of a network"),
        pytest.param("203.0.113.0/24", "203.0.112.255", False, id="below a network"),
        pytest.param("203.0.113.0/24", "203.0.114.0", False, id="above a network"),
        pytest.param("203.0.113.0/24", "::ffff:203.0.113.9", True, id="a mapped client"),
        pytest.param("203.0.113.0/24", "::ffff:cb00:7109", True, id="a mapped client in hex"),
        pytest.param("::ffff:203.0.113.0/120", "203.0.113.9", True, id="a mapped network"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7", True, id="a mapped address"),
        pytest.param("2001:db8::/64", "2001:db8::", True, id="the first of IPv6"),
        pytest.param("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", True, id="the last of it"),
        pytest.param("2001:db8::/64", "2001:db8:0:1::", False, id="above it"),
        pytest.param("2001:db8::/64", "2001:DB8:0:0:0::1", True, id="another spelling"),
        pytest.param("fe80::1", "fe80::1%eth0", True, id="a client with a zone"),
        pytest.param("fe80::/10", "fe80::1%a%b", True, id="a client with two"),
        pytest.param("0.0.0.0/0", "203.0.113.7", True, id="all of IPv4"),
        pytest.param("0.0.0.0/0", "2001:db8::1", False, id="IPv6 is not IPv4"),
        pytest.param("::/0", "203.0.113.7", False, id="IPv4 is not IPv6"),
        pytest.param("::/0", "2001:db8::1", True, id="all of IPv6"),
        pytest.param("0.0.0.1", "::1", False, id="equal numbers of two families"),
        pytest.param("0.0.0.0/0", "", False, id="a Unix socket"),
        pytest.param("0.0.0.0/0", "unknown", False, id="no address"),
    ],
)
def test_a_client_is_blocked_by_its_address_or_network(
    clock: ManualClock, value: str, client: str, *, is_blocked: bool
) -> None:
    block = a_block(value)
    held = holding(clock, block, a_block("198.51.100.0/24"), a_block("2001:db8:ffff::1"))
    for _ in range(2):  # the second time from memory
        assert held.address(client, NOW) == (block if is_blocked else None)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=20), st.data())
def test_a_look_up_finds_what_going_through_all_networks_would(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    networks = {IPv4Network((number, length), strict=False) for number, length in rows}
    held = holding(ManualClock(), *(a_block(network_text(one)) for one in networks))
    near = [int(one.network_address) + step for one in networks for step in (-1, 0, 1)]
    number = data.draw(st.sampled_from([one % 2**32 for one in near] or [0]))
    client = ip_address(number)
    found = held.address(str(client), NOW)
    assert (found is not None) is any(client in one for one in networks)
    assert found is None or client in client_network(found.value)


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_a_network_is_read_as_it_is_written(number: int, length: int) -> None:
    once = network_text(client_network(str(IPv6Network((number, length), strict=False))))
    assert network_text(client_network(once)) == once


def test_a_block_ends_at_its_moment_and_one_behind_it_goes_on(clock: ManualClock) -> None:
    single = a_block("203.0.113.7", until=NOW + 10)
    network = a_block("203.0.113.0/24", until=NOW + 20)
    key = a_block("id-1", BlockKind.KEY, until=NOW + 10)
    tenant = a_block("acme", BlockKind.TENANT, until=NOW + 10)
    held = holding(clock, single, network, key, tenant)

    def found(now: float) -> list[Block | None]:
        return [held.address("203.0.113.7", now), held.key("id-1", now), held.tenant("acme", now)]

    assert found(NOW + 9.99) == [single, key, tenant]
    assert held.count(NOW + 9.99) == 4
    assert found(NOW + 10) == [network, None, None]
    assert held.count(NOW + 10) == 1
    assert found(NOW + 20) == [None, None, None]


def test_kinds_are_kept_apart(clock: ManualClock) -> None:
    held = holding(clock, a_block("acme", BlockKind.KEY), a_block("id-1", BlockKind.TENANT))
    assert held.tenant("acme", NOW) is None
    assert held.key("id-1", NOW) is None
    assert held.key("acme", NOW) is not None


def test_a_list_takes_the_place_of_the_one_before(blocks: RememberedBlocks) -> None:
    kept = a_block("203.0.113.0/24")
    blocks.load([a_block("203.0.113.7"), kept, a_block("acme", BlockKind.TENANT)])
    assert blocks.address("203.0.113.7", NOW) == a_block("203.0.113.7")
    anew = a_block("203.0.113.0/24", reason="anew")
    blocks.load([anew])
    assert blocks.address("203.0.113.7", NOW) == anew
    assert blocks.tenant("acme", NOW) is None
    blocks.load([])
    assert blocks.address("203.0.113.7", NOW) is None


@pytest.mark.parametrize("value", ["", "country:xx", "203.0.113.7/24", "fe80::1%eth0", "1.2.3"])
def test_a_list_that_cannot_be_read_leaves_the_one_before(
    blocks: RememberedBlocks, value: str
) -> None:
    blocks.load([a_block()])
    with pytest.raises(StoreUnavailableError, match="cannot be read"):
        blocks.load([a_block("198.51.100.1"), a_block(value)])
    assert blocks.address("203.0.113.7", NOW) == a_block()
    assert blocks.address("198.51.100.1", NOW) is None


@pytest.mark.parametrize(("keeps_last", "after_limit"), [(False, False), (True, True)])
def test_a_list_is_believed_up_to_the_bound_unless_it_is_to_hold_on(
    clock: ManualClock, *, keeps_last: bool, after_limit: bool
) -> None:
    blocks = RememberedBlocks(Freshness(clock, LIMIT), keeps_last=keeps_last)
    blocks.note(clock.now)
    assert not blocks.is_current()  # nothing was read yet
    blocks.load([])
    assert blocks.is_current()
    clock.advance(LIMIT)
    assert blocks.is_current()
    assert not blocks.is_last_known()
    clock.advance(0.01)
    assert blocks.is_current() is after_limit
    assert blocks.is_last_known() is keeps_last
    blocks.note(clock.now)
    assert blocks.is_current()
    assert not blocks.is_last_known()


def test_a_list_that_is_over_is_not_believed_by_who_keeps_the_last_one(clock: ManualClock) -> None:
    held = holding(clock, a_block(), keeps_last=True)
    assert held.is_current()
    held.end()
    assert not held.is_current()
