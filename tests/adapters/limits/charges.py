"""Makers of charges, and the promise of every limit, held against the bare log of admissions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sidecar.model.limits import SECOND, Calendar, Charge, Count, Limit


def micros_of(text: str) -> int:
    """Return the microseconds of Unix time of a moment in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


MOMENT: Final = micros_of("2026-02-27T23:59:30")
"""Half a minute before midnight; a day later a month begins."""

Entry = tuple[int, int]
"""Microseconds of an admission, and its units."""


def a_charge(limit: Limit, caller: str = "alice", cost: int = 1, place: str = "home") -> Charge:
    """Make what a request takes from a limit."""
    return Charge(limit, caller.encode(), cost, place.encode())


def shadow(limit: Limit) -> Limit:
    """Make the same limit, which only records what it would refuse."""
    return replace(limit, id=f"{limit.id}/shadow", is_shadow=True)


def greedy(limit: Limit) -> Limit:
    """Make the same limit, to which requests that it refuses are charged too."""
    return replace(limit, id=f"{limit.id}/greedy", is_charged_refused=True)


def is_let_through(limits: Iterable[Limit], counts: Iterable[Count]) -> bool:
    """Tell whether no limit that is enforced refuses."""
    pairs = zip(limits, counts, strict=True)
    return all(count.is_admitted or limit.is_shadow for limit, count in pairs)


def keeps_promise(limit: Limit, log: Sequence[Entry]) -> bool:
    """Tell whether no stretch of time holds more units than the limit admits.

    Args:
        limit: the limit.
        log: all admissions of one caller, in their order.
    """
    if limit.calendar is not None:
        return _keeps_quota(limit, log)
    return all(_keeps_from(limit, log[first:]) for first in range(len(log)))


def _keeps_from(limit: Limit, log: Sequence[Entry]) -> bool:
    """Tell whether no stretch holds too much that begins with the first admission."""
    units = 0
    for moment, cost in log:
        units += cost
        span = moment - log[0][0]
        if limit.burst:
            is_over = units * limit.period > limit.burst * limit.period + limit.amount * span
        else:
            is_over = span < limit.period and units > limit.amount
        if is_over:
            return False
    return True


def _keeps_quota(limit: Limit, log: Sequence[Entry]) -> bool:
    used: dict[str, int] = {}
    for moment, cost in log:
        text = datetime.fromtimestamp(moment // SECOND, UTC).isoformat()
        period = text[: 10 if limit.calendar is Calendar.DAY else 7]
        used[period] = used.get(period, 0) + cost
    return all(units <= limit.amount for units in used.values())
