"""Counters of rate limits in the memory of one process, for a bounded number of callers.

When there is no room for one more caller, the entries of those whose time is over go first. When
all are live, new callers share counters by the network that they belong to: nothing live is
forgotten, so nobody gets more than the limit, and who has an entry is not touched. Once there is
room again, who shared begins with what all sharers had used, which is no less than the own use.
What goes on at the same time is counted apart from all this: there is no more of it than requests.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.knowledge.limits.counter import Counter
from sidecar.knowledge.limits.counters import new_counter
from sidecar.knowledge.limits.occupancy import Occupancy
from sidecar.model.limits import SECOND, Charge, Count, Limit

SHARED: Final = 1024
"""Counters of each limit that callers share when there is no room."""
SWEEP: Final = 16
"""Entries that are looked at, for one whose time is over, before a caller has to share."""


class _Table:
    """The counters of one limit."""

    __slots__ = ("entries", "is_calendar", "shared")

    def __init__(self, limit: Limit) -> None:
        self.is_calendar = limit.calendar is not None
        self.entries: dict[bytes, Counter] = {}
        self.shared: dict[int, Counter] = {}


_Occupied = dict[tuple[str, bytes], Occupancy]


class _Place:
    """What an exchange holds, until it is over."""

    __slots__ = ("_key", "_occupied")

    def __init__(self, occupied: _Occupied, key: tuple[str, bytes]) -> None:
        self._occupied = occupied
        self._key = key

    def release(self) -> None:
        """Give it back; once."""
        occupancy = self._occupied[self._key]
        occupancy.held -= 1
        if not occupancy.held:
            del self._occupied[self._key]


class MemoryLimits:
    """Decides at once.

    Args:
        entries: callers that have counters of their own.
        clock: Unix seconds.
        monotonic: monotonic seconds.

    Attributes:
        entries: callers that have counters of their own.
        clock: Unix seconds, for quotas of the calendar.
        monotonic: monotonic seconds, for all else.
        size: callers that have counters now.
        sharing: charges that went to a shared counter so far.
    """

    __slots__ = (
        "_occupied", "_ring", "_tables", "clock", "entries", "monotonic", "sharing", "size",
    )  # fmt: skip

    def __init__(
        self, entries: int, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.entries = entries
        self.clock = clock
        self.monotonic = monotonic
        self._tables: dict[str, _Table] = {}
        self._occupied: _Occupied = {}
        # All entries, in the order in which they are looked at when room is needed.
        self._ring: deque[tuple[_Table, bytes]] = deque()
        self.size = 0
        self.sharing = 0

    def at_hand(self, charges: Sequence[Charge]) -> tuple[Count, ...]:
        """Charge all, or none if one limit that is enforced has no room."""
        if len(charges) == 1:
            return (self._taken_alone(charges[0]),)
        found = [self._found(charge) for charge in charges]
        waits = [
            counter.wait(now, charge.cost)
            for charge, (_, counter, now) in zip(charges, found, strict=True)
        ]
        is_refused = any(
            wait and not charge.limit.is_shadow for charge, wait in zip(charges, waits, strict=True)
        )
        return tuple(
            self._settled(charge, place, wait, is_refused=is_refused)
            for charge, place, wait in zip(charges, found, waits, strict=True)
        )

    def _taken_alone(self, charge: Charge) -> Count:
        place = self._found(charge)
        wait = place[1].wait(place[2], charge.cost)
        return self._settled(charge, place, wait, is_refused=wait > 0)

    def _settled(
        self,
        charge: Charge,
        place: tuple[_Table | None, Counter, int],
        wait: int,
        *,
        is_refused: bool,
    ) -> Count:
        table, counter, now = place
        slot = None
        if charge.limit.is_charged_refused if wait else not is_refused:
            if table is None:
                slot = self._occupy(charge)
                counter = self._occupied[charge.limit.id, charge.caller]
            else:
                counter = self._kept(table, charge, counter)
                counter.charge(now, charge.cost)
        if wait:
            is_doubted = table is not None and counter is table.shared.get(_slot_of(charge))
            return Count(False, counter.left(now), wait, slot, is_doubted)  # noqa: FBT003 -- not admitted
        return Count(True, counter.left(now), counter.next(now), slot)  # noqa: FBT003 -- admitted

    def _occupy(self, charge: Charge) -> _Place:
        key = (charge.limit.id, charge.caller)
        occupancy = self._occupied.get(key)
        if occupancy is None:
            occupancy = self._occupied[key] = Occupancy(charge.limit)
        occupancy.held += 1
        return _Place(self._occupied, key)

    def _found(self, charge: Charge) -> tuple[_Table | None, Counter, int]:
        """Find the counter of a caller, or make one that is not kept yet."""
        limit = charge.limit
        if limit.is_concurrency:
            held = self._occupied.get((limit.id, charge.caller))
            return None, held or Occupancy(limit), 0
        table = self._tables.get(limit.id)
        if table is None:
            table = self._tables[limit.id] = _Table(limit)
        now = self._now(table)
        counter = table.entries.get(charge.caller)
        if counter is None:
            counter = self._shared(table, charge, now) or new_counter(limit)
        return table, counter, now

    def _shared(self, table: _Table, charge: Charge, now: int) -> Counter | None:
        """Return the counter that a caller without an entry may have used."""
        if not table.shared:
            return None
        slot = _slot_of(charge)
        shared = table.shared.get(slot)
        if shared is None:
            return None
        if shared.ends() <= now:
            del table.shared[slot]
            return None
        return shared

    def _kept(self, table: _Table, charge: Charge, counter: Counter) -> Counter:
        """Return the counter to charge: the caller's own, which is kept now, or a shared one."""
        caller = charge.caller
        own = table.entries.get(caller)
        if own is not None:
            return own
        slot = _slot_of(charge)
        shared = table.shared.get(slot)
        if self._has_room():
            # From here on who shared is charged alone, and for nobody else.
            own = counter.copy() if counter is shared else counter
            table.entries[caller] = own
            self._ring.append((table, caller))
            self.size += 1
            return own
        self.sharing += 1
        if shared is None:
            shared = table.shared[slot] = counter
        return shared

    def _has_room(self) -> bool:
        """Make room if there is none, by forgetting one whose time is over."""
        if self.size < self.entries:
            return True
        return any(self._forget_next() for _ in range(min(SWEEP, self.size)))

    def held(self) -> int:
        """Return the requests that go on now, once for each limit of concurrency."""
        return sum([occupancy.held for occupancy in self._occupied.values()])

    def forget(self, most: int) -> None:
        """Let go of counts whose time is over, also while nobody asks (RL-7).

        Args:
            most: entries that are looked at; the next call goes on behind them.
        """
        for _ in range(min(most, self.size)):
            self._forget_next()
        for table in self._tables.values():
            now = self._now(table)
            over = [slot for slot, counter in table.shared.items() if counter.ends() <= now]
            for slot in over:
                del table.shared[slot]
        # Limits that no policy has any more, once nothing of them is counted.
        empty = [name for name, one in self._tables.items() if not (one.entries or one.shared)]
        for limit_id in empty:
            del self._tables[limit_id]

    def _forget_next(self) -> bool:
        table, caller = self._ring.popleft()
        if table.entries[caller].ends() <= self._now(table):
            del table.entries[caller]
            self.size -= 1
            return True
        self._ring.append((table, caller))
        return False

    def _now(self, table: _Table) -> int:
        seconds = self.clock() if table.is_calendar else self.monotonic()
        return int(seconds * SECOND)


def _slot_of(charge: Charge) -> int:
    return hash(charge.place) % SHARED
