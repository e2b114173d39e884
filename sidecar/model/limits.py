"""Rate limits: what is counted for whom, and what counting said.

Times are whole microseconds, so that counting is exact and the same in every store.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

SECOND: Final = 1_000_000
"""Microseconds."""

RATE_PART: Final = 8
"""Leases keep back this part of a bucket at most."""


class Calendar(StrEnum):
    """A period of the calendar, in UTC."""

    DAY = "day"
    MONTH = "month"


class OnStoreFailure(StrEnum):
    """What a limit does while its counters cannot be reached."""

    REFUSE = "refuse"
    LOCAL = "local"
    ALLOW = "allow"


class Outcome(StrEnum):
    """What became of a charge, as metrics name it."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    SHADOWED = "shadowed"


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A limit of the policy; compared by identity, since hashing nine fields is slow.

    Without `burst` and `calendar`: at most `amount` in any window of `period`. With `burst`: at
    most `burst + amount * T / period` in any window of length T. With `calendar`: at most `amount`
    in each period of the calendar. With `is_concurrency`: at most `amount` at the same time.

    Attributes:
        id: what tells its counters from those of other limits, on every replica.
        name: as clients and metrics see it: `address`, `key`, the tier, `route`.
        amount: units that are admitted.
        period: microseconds; 0 for a calendar's, and for one of concurrency.
        burst: size of the bucket in units; 0 for none.
        calendar: period of the calendar; None for none.
        is_charged_refused: whether requests that it refuses count too.
        is_shadow: whether what it would refuse is only recorded.
        on_store_failure: what holds while the counters cannot be reached.
        is_concurrency: whether it bounds what goes on at the same time; a charge is given back.
    """

    id: str
    name: str
    amount: int
    period: int
    burst: int = 0
    calendar: Calendar | None = None
    is_charged_refused: bool = False
    is_shadow: bool = False
    on_store_failure: OnStoreFailure = OnStoreFailure.REFUSE
    is_concurrency: bool = False

    @property
    def most(self) -> int:
        """Units that can be had at once."""
        return self.burst or self.amount


@dataclass(frozen=True, slots=True, eq=False)
class Charge:
    """What one request takes from one limit.

    Compared by identity, since whoever makes them keeps one for each caller.

    Attributes:
        limit: the limit.
        caller: for whom it is counted.
        cost: units, 1 at least.
        place: network that the caller belongs to, for a store that has no room for one more.
    """

    limit: Limit
    caller: bytes
    cost: int
    place: bytes


class Slot(Protocol):
    """What an exchange holds of a limit of concurrency, until it is over."""

    def release(self) -> None:
        """Give it back; once."""


# The constructors are written out: those that `dataclass` makes stay interpreted.
@dataclass(init=False, slots=True)
class Count:
    """What one limit says of a request.

    Attributes:
        is_admitted: whether there was room for it.
        left: units that are left after it.
        wait: microseconds until a unit more than now is there; for a refused request until there is
            room for it.
        slot: what was taken and has to be given back; None for nothing.
        is_doubted: whether it was refused since counts may be lost, or are those of several.
    """

    is_admitted: bool
    left: int
    wait: int
    slot: Slot | None
    is_doubted: bool

    def __init__(
        self,
        is_admitted: bool,  # noqa: FBT001 -- as stores give them
        left: int,
        wait: int,
        slot: Slot | None = None,
        is_doubted: bool = False,  # noqa: FBT001, FBT002 -- likewise
    ) -> None:
        self.is_admitted = is_admitted
        self.left = left
        self.wait = wait
        self.slot = slot
        self.is_doubted = is_doubted


def let_go(answer: object) -> None:
    """Give back what an answer holds that nobody waits for any more."""
    counts = answer if isinstance(answer, tuple) else ()
    for count in counts:
        if isinstance(count, Count) and count.slot is not None:
            count.slot.release()


@dataclass(init=False, slots=True)
class Taken:
    """What became of one charge of an exchange."""

    limit: Limit
    count: Count
    outcome: Outcome

    def __init__(self, limit: Limit, count: Count, outcome: Outcome) -> None:
        self.limit = limit
        self.count = count
        self.outcome = outcome
