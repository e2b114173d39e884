"""How many go on at the same time."""

from sidecar.knowledge.limits.occupancy import RETRY, Occupancy
from tests.knowledge.limits.a_limit import a_concurrency


def test_no_more_go_on_than_the_limit_says_and_whoever_ends_makes_room() -> None:
    one = Occupancy(a_concurrency(2))
    assert one.ends() == 0
    for left in (1, 0):
        assert one.wait(7, 1) == 0
        one.charge(7, 1)
        assert one.left(7) == left
    assert one.wait(7, 1) == RETRY
    assert one.ends() > 1 << 60
    one.held -= 1
    assert (one.wait(7, 1), one.left(7), one.next(7)) == (0, 1, 0)


def test_a_copy_counts_on_apart() -> None:
    one = Occupancy(a_concurrency(2))
    one.charge(0, 1)
    other = one.copy()
    other.charge(0, 1)
    assert (one.left(0), other.left(0)) == (1, 0)
