"""The wheel of deadlines, moved by hand."""

import gc
import weakref

import pytest

from sidecar.fronts.proxy.deadlines import TICK, Deadline, Wheel


class Owner:
    """Somebody who is told when a deadline is due."""

    def __init__(self, wheel: Wheel) -> None:
        self.expiries: list[float] = []
        self.wheel = wheel
        self.deadline = Deadline(wheel, self.expire)

    def expire(self) -> None:
        self.expiries.append(self.wheel.now)


@pytest.fixture
def wheel() -> Wheel:
    return Wheel(1000.0)


def run(wheel: Wheel, seconds: float, step: float = TICK) -> None:
    for count in range(round(seconds / step)):
        wheel.advance(1000.0 + (count + 1) * step)


def test_a_deadline_fires_once_and_at_most_two_ticks_late(wheel: Wheel) -> None:
    owner = Owner(wheel)
    owner.deadline.arm(1.0)
    run(wheel, 5)
    assert len(owner.expiries) == 1
    assert 1001.0 <= owner.expiries[0] <= 1001.0 + 3 * TICK


@pytest.mark.parametrize("silence", ["disarm", "end"])
def test_a_silenced_deadline_does_not_fire(wheel: Wheel, silence: str) -> None:
    owner = Owner(wheel)
    owner.deadline.arm(1.0)
    getattr(owner.deadline, silence)()
    run(wheel, 5)
    assert owner.expiries == []


def test_the_last_setting_counts_whether_earlier_or_later(wheel: Wheel) -> None:
    earlier, later = Owner(wheel), Owner(wheel)
    earlier.deadline.arm(4.0)
    earlier.deadline.arm(1.0)
    later.deadline.arm(1.0)
    later.deadline.arm(4.0)
    run(wheel, 3)
    assert (len(earlier.expiries), len(later.expiries)) == (1, 0)
    assert earlier.expiries[0] < 1001.5
    wheel.advance(1010.0)
    assert (len(earlier.expiries), len(later.expiries)) == (1, 1)


def test_a_deadline_can_be_armed_again_after_it_fired(wheel: Wheel) -> None:
    owner = Owner(wheel)
    owner.deadline.arm(1.0)
    run(wheel, 2)
    owner.deadline.arm(1.0)
    wheel.advance(1010.0)
    assert len(owner.expiries) == 2


def test_a_deadline_that_fires_may_end_another_of_its_slot(wheel: Wheel) -> None:
    owner = Owner(wheel)
    first = Deadline(wheel, owner.deadline.end)
    first.arm(1.0)
    owner.deadline.arm(1.0)
    later = Owner(wheel)
    ender = Deadline(wheel, later.deadline.end)
    ender.arm(1.0)
    later.deadline.arm(2.0)
    wheel.advance(1050.0)
    assert owner.expiries == later.expiries == []


def test_the_wheel_forgets_whoever_ended(wheel: Wheel) -> None:
    # The life of a WebSocket is a day: a wheel that held what closed would fill the memory.
    gc.disable()
    try:
        assert [ended(wheel)() for _ in range(100)] == [None] * 100
        assert not any(isinstance(thing, Deadline) for thing in gc.get_referrers(wheel))
    finally:
        gc.enable()


def ended(wheel: Wheel) -> "weakref.ref[Owner]":
    owner = Owner(wheel)
    owner.deadline.arm(86_400.0)
    owner.deadline.arm(10.0)
    owner.deadline.end()
    return weakref.ref(owner)


def test_a_time_out_that_fails_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    wheel = Wheel(100.0)
    fired: list[str] = []

    def fail() -> None:
        raise ValueError("a bug")

    for expire in (fail, lambda: fired.append("second")):
        Deadline(wheel, expire).arm(1)
    wheel.advance(103.0)
    assert fired == ["second"]
    assert [record.message for record in caplog.records] == ["a time-out failed"]
