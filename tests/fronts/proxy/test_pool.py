"""Pools are told apart by what their connections are for, and their number is bounded."""

from dataclasses import replace

from sidecar.fronts.proxy.pool import TARGETS, Pool, Pools
from sidecar.model.route import UpstreamTarget
from tests.builders import a_target


def owned(owner: str) -> UpstreamTarget:
    return replace(a_target(), owner=owner)


def test_equal_targets_share_a_pool() -> None:
    pools = Pools()
    assert pools.of(owned("acme")) is pools.of(owned("acme"))


def test_tenants_share_no_pool_whatever_the_address() -> None:
    pools = Pools()
    assert len({pools.of(owned(owner)) for owner in ("", "acme", "globex")}) == 3


def test_pools_that_serve_nobody_are_forgotten_when_there_are_too_many() -> None:
    pools = Pools()
    unused, busy = pools.of(owned("unused")), pools.of(owned("busy"))
    busy.busy += 1
    for number in range(TARGETS):
        pools.of(owned(f"t{number}"))
    assert pools.of(owned("busy")) is busy
    assert pools.of(owned("unused")) is not unused
    assert pools.counts() == (0, 1)


def test_a_pool_that_was_adopted_is_never_forgotten() -> None:
    pools = Pools()
    own = owned("")
    adopted = Pool(own)
    pools.adopt(own, adopted)
    for number in range(TARGETS + 1):
        pools.of(owned(f"t{number}"))
    assert pools.of(own) is adopted
