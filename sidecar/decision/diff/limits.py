"""Rate limits of two policies: whether each is at least as strict as another."""

from collections.abc import Sequence
from typing import Final

from sidecar.decision.diff.changes import Judging, Spot, verdict_of
from sidecar.decision.diff.values import listed
from sidecar.policy.schema.limits import Limit, TierLimit
from sidecar.policy.schema.quantities import Rate

_OPEN: Final = ("refuse", "local", "allow")
"""What happens while nothing can be counted, the strictest first."""


def judge_limits(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge limits that hold side by side; one alone, or none, is as good as a list."""
    before, after = _limits(old), _limits(new)
    is_no_wider = _are_as_strict(after, before)
    is_no_narrower = _are_as_strict(before, after)
    if not (is_no_wider and is_no_narrower):
        verdict = verdict_of(is_no_wider=is_no_wider, is_no_narrower=is_no_narrower)
        judging.note(verdict, spot, f"{_words(before)} → {_words(after)}")


def _limits(value: object) -> Sequence[Limit]:
    """List what really limits: in shadow mode nothing is refused."""
    some = value if isinstance(value, tuple) else (value,)
    return [one for one in some if isinstance(one, Limit) and one.mode == "enforce"]


def _are_as_strict(these: Sequence[Limit], those: Sequence[Limit]) -> bool:
    return all(any(_is_as_strict(one, other) for one in these) for other in those)


def _is_as_strict(one: Limit, other: Limit) -> bool:
    return (
        frozenset(one.by) == frozenset(other.by)
        and one.charge_refused >= other.charge_refused
        and _OPEN.index(one.on_store_failure) <= _OPEN.index(other.on_store_failure)
        and _admits_no_more(one, other)
        and _is_as_custom(one, other)
    )


def _admits_no_more(one: Limit, other: Limit) -> bool:
    if one.concurrency is not None and other.concurrency is not None:
        return one.concurrency <= other.concurrency
    if one.quota is not None and other.quota is not None:
        return one.quota.period == other.quota.period and one.quota.amount <= other.quota.amount
    if one.limit is None or other.limit is None:
        return False
    if one.burst is not None and other.burst is not None:
        is_slower = one.limit.amount * other.limit.seconds <= other.limit.amount * one.limit.seconds
        return is_slower and one.burst <= other.burst
    # A window and a bucket cannot be compared.
    return one.burst is other.burst and _is_no_more(one.limit, other.limit)


def _is_no_more(one: Rate, other: Rate) -> bool:
    return one.amount <= other.amount and one.seconds >= other.seconds


def _is_as_custom(one: Limit, other: Limit) -> bool:
    """Whether tenants with a rate of their own have the same; it may be below that of the tier."""
    own = one.custom_max if isinstance(one, TierLimit) else None
    return own == (other.custom_max if isinstance(other, TierLimit) else None)


def _words(limits: Sequence[Limit]) -> str:
    return listed(f"{_measure(one)} by {'+'.join(one.by)}" for one in limits)


def _measure(limit: Limit) -> str:
    measure = limit.limit or limit.quota or f"{limit.concurrency} at a time"
    return f"{measure} burst {limit.burst}" if limit.burst is not None else str(measure)
