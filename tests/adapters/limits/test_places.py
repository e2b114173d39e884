"""What goes on at the same time, counted in memory and by the script."""

from collections.abc import Iterator

import pytest

from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.limits.slots import LIFE
from sidecar.knowledge.limits.occupancy import RETRY
from sidecar.model.limits import SECOND, Count
from tests.adapters.limits.charges import a_charge, shadow
from tests.adapters.limits.moved import HOLDER, Moved
from tests.conftest import ManualClock
from tests.knowledge.limits.a_limit import MINUTE, a_concurrency, a_window
from tests.stores.servers import Valkey, valkey

OTHER = b"replica2"
THREE = a_charge(a_concurrency(3))


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


def given_back(*counts: Count) -> None:
    for count in counts:
        assert count.slot is not None
        count.slot.release()


# --- in memory


def test_in_memory_a_request_holds_its_place_until_it_is_over(clock: ManualClock) -> None:
    memory = MemoryLimits(100, clock, clock)
    held = [memory.at_hand((THREE,))[0] for _ in range(3)]
    assert [one.left for one in held] == [2, 1, 0]
    [refused] = memory.at_hand((THREE,))
    assert (refused.is_admitted, refused.wait, refused.slot) == (False, RETRY, None)
    assert memory.at_hand((a_charge(THREE.limit, "bob"),))[0].is_admitted
    clock.advance(1e6)
    memory.forget(100)
    assert not memory.at_hand((THREE,))[0].is_admitted
    given_back(held[0])
    assert memory.at_hand((THREE,))[0].is_admitted
    assert memory.held() == 4


def test_in_memory_nothing_is_held_of_what_another_limit_refuses(clock: ManualClock) -> None:
    memory = MemoryLimits(100, clock, clock)
    rate = a_charge(a_window(1))
    first = memory.at_hand((THREE, rate))
    assert [one.is_admitted for one in first] == [True, True]
    second = memory.at_hand((THREE, rate))
    assert ([one.is_admitted for one in second], second[0].slot) == ([True, False], None)
    assert memory.held() == 1
    given_back(first[0])
    assert memory.held() == 0
    one = a_charge(a_concurrency(1))
    assert memory.at_hand((one, THREE))[1].slot is not None
    plenty = a_charge(a_window(9))
    for _ in range(3):
        assert [c.is_admitted for c in memory.at_hand((one, plenty))] == [False, True]
    assert memory.at_hand((plenty,))[0].left == 8


def test_in_memory_a_limit_on_trial_holds_what_has_room_alone(clock: ManualClock) -> None:
    memory = MemoryLimits(100, clock, clock)
    trial = a_charge(shadow(a_concurrency(1)))
    [first], [second] = memory.at_hand((trial,)), memory.at_hand((trial,))
    assert (first.is_admitted, second.is_admitted, second.slot) == (True, False, None)
    given_back(first)
    assert memory.held() == 0


# --- the script, on a moved clock


@pytest.fixture(scope="module")
def moving(server: Valkey) -> Iterator[Moved]:
    moved = Moved(server)
    yield moved
    moved.end()


@pytest.fixture
def moved(moving: Moved) -> Moved:
    moving.begin()
    moving.holder = HOLDER
    return moving


def take(moved: Moved, holder: bytes = HOLDER) -> bool:
    moved.holder = holder
    return moved.on_server((THREE,))[0][0].is_admitted


def test_what_a_process_held_that_died_is_free_in_time_and_not_before(moved: Moved) -> None:
    assert take(moved, OTHER)
    assert take(moved, OTHER)
    moved.now += LIFE // 2
    assert take(moved)
    assert not take(moved)
    moved.now += LIFE // 2 - 1
    assert not take(moved)
    moved.now += 1
    assert [take(moved) for _ in range(3)] == [True, True, False]


def test_what_a_process_says_again_goes_on_counting(moved: Moved) -> None:
    assert take(moved, OTHER)
    for _ in range(5):
        moved.now += LIFE - 1
        moved.hold([(THREE, 2)], OTHER)
    assert [take(moved), take(moved)] == [True, False]
    moved.hold([(THREE, 0)], OTHER)
    assert [take(moved), take(moved), take(moved)] == [True, True, False]
    moved.hold([(THREE, 0), (a_charge(THREE.limit, "bob"), 0)])
    assert [take(moved) for _ in range(4)] == [True, True, True, False]


def test_a_process_that_comes_back_late_keeps_others_out_until_it_is_below(moved: Moved) -> None:
    for _ in range(3):
        assert take(moved, OTHER)
    moved.now += LIFE
    assert [take(moved) for _ in range(2)] == [True, True]
    moved.hold([(THREE, 3)], OTHER)
    assert not take(moved)
    moved.hold([(THREE, 1)], OTHER)
    assert not take(moved)
    moved.hold([(THREE, 0)], OTHER)
    assert take(moved)


def test_a_clock_that_was_set_back_keeps_no_places(moved: Moved) -> None:
    moved.now += 3600 * SECOND
    assert take(moved, OTHER)
    assert take(moved, OTHER)
    moved.now -= 3600 * SECOND
    assert [take(moved) for _ in range(4)] == [True, True, True, False]


def test_a_server_that_lost_its_counts_admits_nothing_in_strict_mode(moved: Moved) -> None:
    [[first]] = moved.on_server((THREE,), mode="strict")
    assert (first.is_admitted, first.left, first.wait) == (False, 0, LIFE)
    moved.now += LIFE - 1
    assert not moved.on_server((THREE,), mode="strict")[0][0].is_admitted
    moved.now += 1
    assert moved.on_server((THREE,), mode="strict")[0][0].is_admitted


def test_the_script_refuses_all_or_nothing(moved: Moved) -> None:
    rate = a_charge(a_window(1, MINUTE))
    assert [one.is_admitted for one in moved.on_server((THREE, rate))[0]] == [True, True]
    for _ in range(3):
        assert [one.is_admitted for one in moved.on_server((THREE, rate))[0]] == [True, False]
    assert [take(moved), take(moved), take(moved)] == [True, True, False]
