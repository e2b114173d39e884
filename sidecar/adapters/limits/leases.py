"""Shares of limits that a process took in advance, and uses without asking anybody.

A lease is units that the server has charged already, to be used until a moment of the process's own
clock, counted from when the request was sent: the server's clock stands no earlier. What is not
used by then is lost, so a process that dies, stalls or is cut off leads to fewer admissions, never
to more. Why all replicas together never admit more than the limit: docs/adr/0014-limits.md.

Who asks rarely gets no lease; who uses one up gets twice as much the next time.
"""

from collections.abc import Callable
from typing import Final

from sidecar.model.limits import RATE_PART, SECOND, Charge, Count, Limit
from sidecar.model.ports import UNKNOWN, Unsure

PART: Final = 32
"""A lease lasts no longer than this part of the limit's period: so much longer its units count."""
SHARE: Final = 16
"""No lease is larger than this part of the limit."""
# Clocks of two machines never differ in their rate by so much.
_DRIFT: Final = 100


class Lease:
    """What a caller has of one limit in this process."""

    __slots__ = ("began", "ends", "is_asking", "left", "next_at", "units", "used")

    def __init__(self) -> None:
        self.units = 0
        self.began = 0
        self.ends = 0
        self.used = 0
        self.left = 0
        self.next_at = 0
        self.is_asking = False


class Leases:
    """The leases of one process.

    Args:
        seconds: how long a lease lasts at most; 0 for none.
        entries: callers that may have leases.
        monotonic: monotonic seconds.

    Attributes:
        longest: microseconds that a lease lasts at most; 0 for none.
        used: requests that leases admitted.
        granted: units that were taken in advance.
        spent: those of them that were used.
    """

    __slots__ = (
        "_entries", "_monotonic", "_size", "_swept", "_tables", "granted", "longest", "spent",
        "used",
    )  # fmt: skip

    def __init__(self, seconds: float, entries: int, monotonic: Callable[[], float]) -> None:
        self.longest = int(seconds * SECOND)
        self._entries = entries
        self._monotonic = monotonic
        self._tables: dict[str, dict[bytes, Lease]] = {}
        self._size = 0
        self._swept = 0
        self.used = 0
        self.granted = 0
        self.spent = 0

    def adopt(self, seconds: float, entries: int) -> None:
        """Go by another policy; what was taken in advance is given up if it says otherwise."""
        if (self.longest, self._entries) == (int(seconds * SECOND), entries):
            return
        self.longest = int(seconds * SECOND)
        self._entries = entries
        self._tables = {}
        self._size = 0

    def now(self) -> int:
        """Return the process's own time, in microseconds."""
        return int(self._monotonic() * SECOND)

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        """Charge all from leases, or nothing if one of them has too little."""
        if not self.longest:
            return UNKNOWN
        now = self.now()
        found = []
        for charge in charges:
            lease = self._held(charge)
            if lease is None or lease.units < charge.cost or now >= lease.ends:
                return UNKNOWN
            found.append(lease)
        self.used += 1
        counts = []
        for charge, lease in zip(charges, found, strict=True):
            lease.units -= charge.cost
            lease.used += charge.cost
            self.spent += charge.cost
            left = lease.left + lease.units
            counts.append(Count(is_admitted=True, left=left, wait=max(lease.next_at - now, 1)))
        return tuple(counts)

    def want(self, charge: Charge, now: int) -> int:
        """Say how many units to ask for beyond the cost.

        Args:
            charge: the charge that is asked for.
            now: microseconds.
        """
        if not self.longest or charge.limit.is_concurrency:
            return 0
        length = self.length_of(charge.limit)
        lease = self._lease_of(charge, now)
        if lease is None or lease.is_asking:
            return 0
        lease.is_asking = True
        used = lease.used
        if now < lease.ends:
            # As many as it would have used by its end, but no more than twice what it did.
            elapsed = max(now - lease.began, 1)
            used = min(2 * used, used * length // elapsed)
        elif used <= charge.cost:
            used = 0
        return min(used, charge.limit.most // SHARE)

    def grant(self, charge: Charge, count: Count, leased: int, sent: int) -> None:
        """Take down what the server said.

        Args:
            charge: the charge that was asked for.
            count: what the limit says of it.
            leased: units beyond its cost.
            sent: microseconds when the question was sent.
        """
        lease = self._held(charge)
        if lease is None:
            return
        length = self.length_of(charge.limit)
        if charge.limit.calendar is not None:
            # Units belong to the period that they were taken in.
            length = min(length, count.wait)
        lease.is_asking = False
        lease.left = count.left
        lease.next_at = sent + count.wait
        if leased or self.now() >= lease.ends:
            # Older units would live as long as the new ones: they are given up.
            lease.units = leased
            self.granted += leased
            lease.used = 0
            lease.began = sent
            lease.ends = sent + length - length // _DRIFT
        if count.is_admitted:
            lease.used += charge.cost

    def forget_asking(self, charge: Charge) -> None:
        """Take down that the server did not answer."""
        lease = self._held(charge)
        if lease is not None:
            lease.is_asking = False

    def length_of(self, limit: Limit) -> int:
        """Return how long leases of a limit last, in microseconds."""
        if limit.calendar is not None:
            return self.longest
        length = min(self.longest, limit.period // PART)
        if 0 < limit.burst < RATE_PART:
            # What leases keep back would be too much of so small a bucket.
            return 0
        if limit.burst:
            length = min(length, limit.burst * limit.period // (RATE_PART * limit.amount))
        return length

    def _held(self, charge: Charge) -> Lease | None:
        table = self._tables.get(charge.limit.id)
        return None if table is None else table.get(charge.caller)

    def _lease_of(self, charge: Charge, now: int) -> Lease | None:
        """Find the lease of a caller, or begin one; None when there is no room."""
        lease = self._held(charge)
        if lease is None and self._has_room(now):
            table = self._tables.setdefault(charge.limit.id, {})
            lease = table[charge.caller] = Lease()
            self._size += 1
        return lease

    def _has_room(self, now: int) -> bool:
        if self._size < self._entries:
            return True
        if now < self._swept + self.longest:
            return False
        self._swept = now
        for table in self._tables.values():
            for caller in [caller for caller, lease in table.items() if now >= lease.ends]:
                del table[caller]
        self._size = sum(map(len, self._tables.values()))
        return self._size < self._entries


def burst_of(limit: Limit, length: int) -> int:
    """Return the burst that the server may give, so that leases used later stay within the limit.

    Args:
        limit: the limit.
        length: microseconds that its leases last.
    """
    if not limit.burst:
        return 0
    return limit.burst - -(-limit.amount * length // limit.period)
