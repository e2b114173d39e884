"""Judges rate limits by nothing but the log of requests: who asked, when, and what was answered.

It knows no counter, no server and no clock but that of whoever asked. A request was counted at some
moment between its send and its answer, so an admission surely lies in a window only if both do.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ADMITTED = 200
"""Status of the service behind the sidecar."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its sender saw it.

    Attributes:
        caller: for whom it is counted.
        sent: moment before its first byte was written, on a steady clock.
        answered: moment after its last byte was read, on the same.
        status: what was answered; 0 for nothing.
    """

    caller: str
    sent: int
    answered: int
    status: int

    @property
    def is_admitted(self) -> bool:
        """Whether it came through to the service."""
        return self.status == ADMITTED


@dataclass(frozen=True, slots=True)
class Full:
    """The window in which a caller had most.

    Attributes:
        caller: who.
        start: its first moment.
        admitted: admissions that surely lie in it.
    """

    caller: str
    start: int
    admitted: int


def fullest(log: Iterable[Asked], period: int) -> list[Full]:
    """Find for each caller the window in which most was admitted.

    Args:
        log: requests, in any order.
        period: length of the window, which holds its first moment and not its end.
    """
    admitted: dict[str, list[Asked]] = defaultdict(list)
    for one in log:
        if one.is_admitted:
            admitted[one.caller].append(one)
    return [_fullest(caller, own, period) for caller, own in admitted.items()]


def _fullest(caller: str, admitted: list[Asked], period: int) -> Full:
    admitted.sort(key=lambda one: one.sent)
    best = Full(caller, 0, 0)
    # A window that holds most can begin with the send of the first that it holds.
    for at, first in enumerate(admitted):
        count = _within(admitted, at, first.sent + period)
        if count > best.admitted:
            best = Full(caller, first.sent, count)
    return best


def _within(admitted: Sequence[Asked], at: int, end: int) -> int:
    count = 0
    for place in range(at, len(admitted)):
        if admitted[place].sent >= end:
            break
        count += admitted[place].answered < end
    return count


def above(log: Iterable[Asked], amount: int, period: int) -> list[Full]:
    """List the callers who had more than an amount in a window, with the fullest of theirs."""
    return [one for one in fullest(log, period) if one.admitted > amount]


def greedy(log: Iterable[Asked], amount: int, period: int) -> list[Asked]:
    """Choose what could have been admitted: each request for which there is room when it is sent.

    Nobody who keeps the limit can admit more: what is admitted early is free again early.

    Args:
        log: requests, in any order.
        amount: admissions in any window.
        period: length of the window.

    Returns:
        The requests that are chosen, by their send.
    """
    held: dict[str, deque[int]] = defaultdict(deque)
    chosen = []
    for one in sorted(log, key=lambda one: one.sent):
        own = held[one.caller]
        while own and own[0] + period <= one.sent:
            own.popleft()
        if len(own) < amount:
            own.append(one.sent)
            chosen.append(one)
    return chosen
