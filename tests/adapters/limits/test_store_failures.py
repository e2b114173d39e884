"""Servers of counts that are gone, hang, are full, came back empty, or do not let us."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from redis.crc import key_slot

from sidecar.adapters.limits.redis import TOGETHER, WAITING
from sidecar.adapters.stores.breaker import FAILURES, OPEN_SECONDS, Circuit
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import SECOND, Charge, Count, Limit, OnStoreFailure
from tests.adapters.limits.charges import a_charge
from tests.adapters.limits.counting import Counting, counting
from tests.knowledge.limits.a_limit import MINUTE, a_bucket, a_window
from tests.stores.redis.served import run
from tests.stores.servers import Cluster, Valkey, valkey, valkey_cluster, wait_until

HOUR = 60 * MINUTE
PASSWORD = "correct-horse"  # noqa: S105 -- of a server that lives for one test
GONE = "the server cannot be reached"
LEFT_ALONE = "the store did not answer lately and is not asked now"
LATE = "the store did not answer in time"
ENDS = "the sidecar ends"


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
async def replica(server: Valkey) -> AsyncIterator[Counting]:
    async with counting(server.url) as replica:
        yield replica


def _on_failure(answer: OnStoreFailure, limit: Limit) -> Limit:
    return replace(limit, id=f"{limit.id}/{answer}", on_store_failure=answer)


REFUSED = a_charge(a_window(2, HOUR))
LOCAL = a_charge(_on_failure(OnStoreFailure.LOCAL, a_window(2, HOUR)))
ALLOWED = a_charge(_on_failure(OnStoreFailure.ALLOW, a_bucket(1, 5, HOUR)))


# --- a server that is gone


@pytest.mark.control("RL-1")
async def test_a_limit_refuses_while_its_counts_cannot_be_reached(
    server: Valkey, replica: Counting
) -> None:
    assert await replica.admits(REFUSED)
    await asyncio.to_thread(server.kill)
    for charges in ((REFUSED,), (REFUSED, ALLOWED), (LOCAL, REFUSED)):
        assert await replica.reason(*charges) == GONE
    assert replica.limits.degraded == replica.local.size == 0


async def test_a_limit_may_count_in_its_process_meanwhile(
    server: Valkey, replica: Counting
) -> None:
    assert await replica.admits(LOCAL)
    await asyncio.to_thread(server.kill)
    assert [(await replica.ask(LOCAL))[0].left for _ in range(3)] == [1, 0, 0]
    assert not await replica.admits(LOCAL)
    assert replica.limits.degraded == 4
    assert replica.failed == ["take_limits"] * 4


async def test_a_limit_may_admit_everybody_meanwhile(server: Valkey, replica: Counting) -> None:
    await asyncio.to_thread(server.kill)
    for _ in range(9):
        assert await replica.ask(ALLOWED) == (Count(is_admitted=True, left=5, wait=0),)
    assert (replica.limits.degraded, replica.local.size) == (9, 0)


async def test_each_limit_of_a_step_does_as_it_was_told(server: Valkey, replica: Counting) -> None:
    await asyncio.to_thread(server.kill)
    for left in (1, 0):
        told = await replica.ask(ALLOWED, LOCAL)
        assert [(one.is_admitted, one.left) for one in told] == [(True, 5), (True, left)]
    assert [one.is_admitted for one in await replica.ask(ALLOWED, LOCAL)] == [True, False]
    assert await replica.ask() == ()


# --- a breaker, and recovery


async def test_a_server_that_fails_often_is_left_alone_and_its_return_needs_no_restart(
    server: Valkey, replica: Counting
) -> None:
    await asyncio.to_thread(server.kill)
    assert [await replica.reason(REFUSED) for _ in range(FAILURES)] == [GONE] * FAILURES
    await asyncio.to_thread(server.start)
    assert await replica.reason(REFUSED) == LEFT_ALONE
    assert await replica.admits(LOCAL)
    assert replica.limits.degraded == 1
    # Who is not even asked for has failed as well.
    assert replica.failed == ["take_limits"] * (FAILURES + 2)
    replica.clock.advance(OPEN_SECONDS)
    assert await replica.admits(REFUSED)
    assert replica.breaker.circuit is Circuit.CLOSED


async def test_one_script_finds_out_whether_the_server_is_back(
    server: Valkey, replica: Counting
) -> None:
    async def ask_often() -> list[str]:
        return await asyncio.gather(*(replica.reason(REFUSED) for _ in range(3 * TOGETHER)))

    await asyncio.to_thread(server.kill)
    for _ in range(FAILURES):
        await replica.reason(REFUSED)
    replica.clock.advance(OPEN_SECONDS)
    assert await ask_often() == [GONE] * TOGETHER + [LEFT_ALONE] * (2 * TOGETHER)
    assert replica.breaker.circuit is Circuit.OPEN
    await asyncio.to_thread(server.start)
    replica.clock.advance(OPEN_SECONDS)
    assert await ask_often() == [""] * TOGETHER + [LEFT_ALONE] * (2 * TOGETHER)
    assert await ask_often() == [""] * (3 * TOGETHER)


# --- a server that hangs


async def test_a_server_that_hangs_costs_each_request_one_deadline(server: Valkey) -> None:
    async with counting(server.url, timeout="300ms") as replica:
        server.pause()
        began = time.monotonic()
        calls = (replica.reason(REFUSED) for _ in range(8 * TOGETHER))
        assert set(await asyncio.gather(*calls)) == {LATE}
        assert time.monotonic() - began < 1
        server.resume()
        replica.clock.advance(OPEN_SECONDS)
        # An answer that comes too late is taken for no other's.
        assert (await replica.ask(a_charge(a_window(7, HOUR), "bob")))[0].left == 6


async def test_requests_that_wait_are_bounded(replica: Counting) -> None:
    await replica.ask(LOCAL)
    told = await asyncio.gather(*(replica.reason(REFUSED) for _ in range(WAITING + 3)))
    assert told == [""] * WAITING + ["too many charges wait for the store"] * 3


@pytest.mark.parametrize("rounds", range(6))
async def test_closing_leaves_nobody_waiting(server: Valkey, rounds: int) -> None:
    replica = Counting(server.url, timeout="300ms")
    await replica.limits.open()
    server.pause()
    others = asyncio.all_tasks()
    waiting = [asyncio.create_task(replica.reason(REFUSED)) for _ in range(3 * TOGETHER)]
    for _ in range(rounds):
        await asyncio.sleep(0)
    late = asyncio.create_task(replica.reason(REFUSED))
    await asyncio.sleep(0)
    await replica.limits.close()
    async with asyncio.timeout(5):
        told = await asyncio.gather(*waiting, late)
    # Python 3.11 may lose a cancellation; then a call ends by its deadline.
    assert set(told) <= {ENDS, LATE}
    assert asyncio.all_tasks() == others
    assert await replica.reason(REFUSED) == "the store is not open"


async def test_closing_what_does_nothing_is_no_work(replica: Counting) -> None:
    assert await replica.admits(REFUSED)
    await replica.limits.close()
    await replica.limits.close()
    assert await replica.reason(REFUSED) == "the store is not open"


# --- a server that does not let us


async def test_a_user_who_may_not_count_is_told_so(server: Valkey) -> None:
    await run(server, "ACL", "SETUSER", "sidecar", "on", f">{PASSWORD}", "resetkeys",
               "~{sidecar}:*", "-@all", "+@read", "+@write", "+@scripting", "+@connection",
               "+time")  # fmt: skip
    async with counting(server.url, user="sidecar", password=PASSWORD) as replica:
        assert await replica.admits(REFUSED, LOCAL)
        await run(server, "ACL", "SETUSER", "sidecar", "-@write")
        assert await replica.reason(REFUSED) == "the user may not do what the store needs"
        await run(server, "ACL", "SETUSER", "sidecar", "+@write", "-evalsha", "-eval")
        assert await replica.reason(REFUSED) == "the user may not do what the store needs"
        await run(server, "ACL", "SETUSER", "sidecar", "+evalsha")
        assert (await replica.ask(REFUSED))[0].left == 0


async def test_strict_mode_asks_for_one_right_more(server: Valkey) -> None:
    await run(server, "ACL", "SETUSER", "sidecar", "on", f">{PASSWORD}", "~*", "+@all", "-info")
    replica = Counting(server.url, is_strict=True, user="sidecar", password=PASSWORD)
    with pytest.raises(StoreUnavailableError, match="may not do what the store needs"):
        await replica.limits.open()
    await run(server, "ACL", "SETUSER", "sidecar", "+info")
    await replica.limits.open()
    assert not await replica.admits(REFUSED)
    await replica.limits.close()


async def test_a_wrong_password_is_said_and_not_repeated(server: Valkey) -> None:
    replica = Counting(server.url, user="nobody", password=PASSWORD)
    with pytest.raises(StoreUnavailableError, match="or refuses those") as caught:
        await replica.limits.open()
    assert PASSWORD not in caught.value.reason
    await replica.limits.close()


async def test_a_full_server_charges_nothing(server: Valkey, replica: Counting) -> None:
    other = a_charge(a_bucket(1, 5, HOUR))
    assert await replica.admits(REFUSED, other)
    await run(server, "CONFIG", "SET", "maxmemory", "1")
    assert await replica.reason(REFUSED, other) == "the server is out of memory"
    await run(server, "CONFIG", "SET", "maxmemory", "0")
    assert [one.left for one in await replica.ask(REFUSED, other)] == [0, 3]


async def test_a_server_that_may_forget_counts_is_not_opened(server: Valkey) -> None:
    await run(server, "CONFIG", "SET", "maxmemory", "100mb")
    await run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    replica = Counting(server.url)
    with pytest.raises(StoreUnavailableError, match="noeviction"):
        await replica.limits.open()
    await replica.limits.close()


async def test_a_replica_of_the_server_counts_nothing(server: Valkey, replica: Counting) -> None:
    with valkey() as other:
        await run(server, "REPLICAOF", "127.0.0.1", str(other.port))
        assert await replica.reason(REFUSED) == "the server is a read-only replica"


# --- a server that came back empty

SHORT = 300_000
"""Microseconds of a window that is waited for."""


async def _is_admitted(replica: Counting, charge: Charge) -> bool:
    """Ask, where the connection may be found broken."""
    try:
        return await replica.admits(charge)
    except StoreUnavailableError:
        return False


async def test_without_strict_mode_a_loss_admits_one_limit_more(
    server: Valkey, replica: Counting
) -> None:
    charge = a_charge(a_window(3, HOUR))
    assert [await replica.admits(charge) for _ in range(5)] == [True] * 3 + [False] * 2
    await asyncio.to_thread(server.restart)
    told = [await _is_admitted(replica, charge) for _ in range(6)]
    assert sum(told) == 3
    assert not told[-1]


async def test_in_strict_mode_a_loss_admits_nothing_more(server: Valkey) -> None:
    charge = a_charge(a_window(3, SHORT))
    # Nothing of what may have been lost is younger than the first question.
    began = time.monotonic()
    async with counting(server.url, is_strict=True) as replica, asyncio.timeout(20):
        for _ in range(2):
            while not await _is_admitted(replica, charge):
                pass
            assert (time.monotonic() - began) * SECOND >= SHORT
            assert await replica.admits(charge)
            await asyncio.to_thread(server.restart)
            began = time.monotonic()


# --- a Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as cluster:
        yield cluster


async def test_a_cluster_counts_all_limits_of_a_request_on_one_node(cluster: Cluster) -> None:
    limits = (a_window(40, HOUR), a_bucket(1, 30, HOUR), a_window(70, HOUR))
    for prefix in ("a", "b", "c"):  # on different nodes
        async with (
            counting(cluster.url, topology="cluster", prefix=prefix) as one,
            counting(cluster.url, topology="cluster", prefix=prefix, timeout="4s") as other,
        ):
            charges = [a_charge(limit, caller) for caller in "xyz" for limit in limits]
            told = await asyncio.gather(*(each.admits(*charges) for each in (one, other) * 40))
            assert sum(told) == 30
    assert len({key_slot(prefix) // 5461 for prefix in (b"a", b"b", b"c")}) == 3


def _ports(server: Valkey, slot: int) -> list[int]:
    """Ask a node who holds a slot: the port of the master, then that of its replica."""
    rows = server.command("CLUSTER", "SLOTS")
    assert isinstance(rows, list)
    return next(
        [node[1] for node in nodes] for first, last, *nodes in rows if first <= slot <= last
    )


def _hand_over(cluster: Cluster, slot: int) -> None:
    """Let the replica take the slot over from its master without a loss; wait until all know."""
    first = cluster.servers[0]
    wait_until(lambda: len(_ports(first, slot)) == 2, "the replica is known")
    after = _ports(first, slot)[::-1]
    [replica] = [one for one in cluster.servers if one.port == after[0]]
    replica.command("CLUSTER", "FAILOVER")
    wait_until(lambda: all(_ports(one, slot) == after for one in cluster.servers), "all know of it")


async def test_a_cluster_whose_keys_move_is_followed(cluster: Cluster) -> None:
    charge = a_charge(a_window(9, HOUR))
    async with counting(cluster.url, topology="cluster", prefix="moves") as replica:
        assert (await replica.ask(charge))[0].left == 8
        await asyncio.to_thread(_hand_over, cluster, key_slot(b"moves"))
        # The old master closes no connection; what it refuses is not charged.
        assert await replica.reason(charge) == "the cluster has moved the keys"
        assert (await replica.ask(charge))[0].left == 7
