"""Ways over lines that are gone, and runs that are said as one."""

import pytest

from sidecar.knowledge.audit.bridges import Bridges, merged
from sidecar.knowledge.audit.chain import NO_HASH, Head
from sidecar.knowledge.audit.statements import Run

A, B = "web/0/000000000000", "web/1/000000000000"


def digest(seq: int) -> str:
    return f"{seq:064x}"


def a_run(first: int, last: int, writer: str = A, *, cut_off: bool = False) -> Run:
    before = NO_HASH.decode() if cut_off else digest(first - 1)
    return Run(writer, first, last, before, digest(last))


def head(seq: int) -> Head:
    return Head(A.encode(), seq, digest(seq).encode())


def bridges(*runs: Run) -> Bridges:
    found = Bridges()
    for number, run in enumerate(runs):
        found.add(run, str(number))
    return found


@pytest.mark.parametrize(
    ("runs", "limit", "end", "stated_at"),
    [
        pytest.param([], 9, 0, "", id="nothing is stated"),
        pytest.param([a_run(1, 8)], 9, 8, "0", id="one run"),
        pytest.param([a_run(1, 3), a_run(4, 8)], 9, 8, "1", id="runs that meet"),
        pytest.param([a_run(1, 3), a_run(1, 8)], 4, 3, "0", id="the shorter, where a line is"),
        pytest.param([a_run(1, 8), a_run(1, 3)], None, 8, "0", id="the longer, at the end"),
        pytest.param(
            [a_run(1, 7), a_run(1, 3), a_run(4, 8)], 9, 8, "2", id="the long one leads nowhere"
        ),
        pytest.param([a_run(1, 4), a_run(1, 2), a_run(3, 4)], 5, 4, "0", id="two ways to a line"),
        pytest.param([a_run(2, 8)], 9, 0, "", id="not from here"),
        pytest.param([a_run(1, 8, B)], 9, 0, "", id="of another chain"),
    ],
)
def test_statements_lead_as_far_as_they_meet(
    runs: list[Run], limit: int | None, end: int, stated_at: str
) -> None:
    assert bridges(*runs).over(head(0), limit) == (head(end), stated_at)


def test_what_had_lost_its_beginning_is_found_before_the_next_line() -> None:
    lost, longer = a_run(5, 8, cut_off=True), a_run(5, 9, cut_off=True)
    found = bridges(lost, longer, lost, a_run(20, 30, cut_off=True))
    assert found.cut_off(head(0), 9) == (lost, "0")
    assert found.cut_off(head(0), None) == (longer, "1")
    assert found.cut_off(head(0), 8) is None
    assert found.cut_off(head(30), None) is None
    assert bridges(a_run(5, 8)).cut_off(head(0), None) is None
    assert list(bridges(lost, a_run(1, 2, B), longer).writers()) == [A, B]


@pytest.mark.parametrize(
    ("runs", "whole"),
    [
        ([], []),
        ([a_run(4, 8), a_run(1, 3)], [a_run(1, 8)]),
        ([a_run(1, 8), a_run(2, 3)], [a_run(1, 8)]),
        ([a_run(1, 5), a_run(3, 8)], [a_run(1, 8)]),
        ([a_run(1, 3), a_run(5, 8)], [a_run(1, 3), a_run(5, 8)]),
        ([a_run(1, 3), a_run(4, 8, B)], [a_run(1, 3), a_run(4, 8, B)]),
        ([a_run(2, 3), a_run(4, 8, cut_off=True)], [a_run(2, 3), a_run(4, 8, cut_off=True)]),
        ([a_run(4, 8, cut_off=True), a_run(4, 6)], [a_run(4, 8)]),
        ([a_run(1, 1), a_run(2, 2), a_run(3, 3)], [a_run(1, 3)]),
    ],
)
def test_runs_that_meet_or_overlap_are_said_as_one(runs: list[Run], whole: list[Run]) -> None:
    assert merged(runs) == whole
