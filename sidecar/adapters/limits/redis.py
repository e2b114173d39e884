"""Counters of rate limits on Redis: one script for all requests of a moment.

The charges of all requests that the event loop reads in one round go into one script, and those
that come while it is under way go into the next, which follows its answer: the busier the process
is, the fewer scripts there are for a request. With leases most requests are decided without one.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

import msgspec

from sidecar.adapters.limits.leases import Leases, burst_of
from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.limits.slots import LIFE, Slots
from sidecar.adapters.stores.breaker import Breaker
from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.redis.names import Names
from sidecar.adapters.stores.redis.scripts import read_scripts
from sidecar.adapters.stores.redis.server import Call, run_once
from sidecar.adapters.stores.redis.store import SCHEMA_VERSION
from sidecar.adapters.stores.redis.wire import Wire, packed
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import SECOND, Charge, Count, Limit, OnStoreFailure, let_go
from sidecar.model.memo import Memo
from sidecar.model.ports import Unsure
from sidecar.model.questions import TakeLimits
from sidecar.policy.schema.state import State

WAITING: Final = 4096
"""Requests whose charges may wait; one more is told at once that the store does not answer."""
TOGETHER: Final = 128
"""Requests whose charges go into one script: it must not keep the server from others."""
SCRIPT: Final = "take_limits"
OPEN: Final = "open"
_SHADOW: Final = 1
_GREEDY: Final = 2
_NUMBERS: Final = 4
_LEASED: Final = 3
_IN_DOUBT: Final = 2
_REMEMBERED: Final = 20_000
_CLOSED: Final = "the store is not open"
_ENDS: Final = "the sidecar ends"
_FULL: Final = "too many charges wait for the store"

Then = Callable[[object], None]


class _Turn:
    """What one request wants, and who waits for it.

    Attributes:
        has_slots: whether something of it goes on, and was asked for.
    """

    __slots__ = ("charges", "has_slots", "then")

    def __init__(self, charges: tuple[Charge, ...], then: Then) -> None:
        self.charges = charges
        self.then = then
        self.has_slots = False


class RedisLimits:
    """Counts on a Redis server, for all replicas.

    Args:
        state: the section of the policy.
        local: counts in this process where a limit says so while the server is away.
        leases: what this process took in advance.
        breaker: says when to leave the server alone.
        failed: is told the operation of each call that failed.
        holder: name of this process, 8 printable bytes that no other process has.
        is_strict: whether a server that may have lost counts admits nothing for a while.

    Attributes:
        leases: what this process took in advance.
        slots: what goes on in this process.
        degraded: requests that were decided without the server, since it was away.
        decided_at: by what limits did then, when a request was last decided so; monotonic seconds.
    """

    def __init__(  # noqa: PLR0913 -- each is another part of the composition
        self,
        state: State,
        local: MemoryLimits,
        leases: Leases,
        breaker: Breaker,
        failed: Callable[[str], None],
        *,
        holder: bytes,
        is_strict: bool = False,
    ) -> None:
        names = Names(state.prefix)
        self._state = state
        self._wire = Wire(state)
        self._script = read_scripts()[SCRIPT]
        self._own = (names.own, names.log)
        self._start = names.limits
        self._epoch_name = names.limits_epoch
        self._epoch = packed(names.limits_epoch.encode()) if is_strict else b""
        self._local = local
        self.slots = Slots(self._wire, holder, failed)
        self.leases = leases
        self._breaker = breaker
        self._failed = failed
        self._mode = packed(b"strict" if is_strict else b"")
        self._words = Memo(self._worded, _REMEMBERED)
        self._waiting: list[_Turn] = []
        self._inside = 0
        self._under_way = 0
        self._is_open = False
        self.degraded = 0
        self.decided_at = dict.fromkeys(OnStoreFailure, float("-inf"))

    @property
    def waiting(self) -> int:
        """Requests whose charges wait for the server, or are under way to it."""
        return self._inside

    async def open(self) -> None:
        """Connect, and make sure of the server.

        Raises:
            StoreUnavailableError: it cannot be reached, or may evict counters.
        """
        calls: list[Call] = [(OPEN, self._own, (SCHEMA_VERSION, "", LOG_ENTRIES))]
        if self._epoch:
            # Whether the user may ask which server this is.
            calls.append((SCRIPT, [self._epoch_name], ("strict", "", "")))
        await run_once(self._state, calls)
        self._is_open = True

    async def close(self) -> None:
        """Give up what is under way, and close the connection."""
        self._is_open = False
        waiting, self._waiting = self._waiting, []
        self._fail(waiting, _ENDS)
        await self.slots.close()
        await self._wire.close()

    def adopt(self, lease_seconds: float, entries: int) -> None:
        """Go by another policy; what was taken in advance under the one before is given up."""
        self.leases.adopt(lease_seconds, entries)
        # What the script must know of a charge depends on how long leases last.
        self._words = Memo(self._worded, _REMEMBERED)

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        """Charge all from leases; UNKNOWN when the server must be asked."""
        return self.leases.at_hand(charges)

    async def find(self, question: TakeLimits) -> tuple[Count, ...]:
        """Charge all, or none if one limit that is enforced has no room.

        Raises:
            StoreUnavailableError: the server cannot be asked, and one of the limits refuses then.
        """
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def settle(answer: object) -> None:
            if not future.done():
                future.set_result(answer)
            else:
                let_go(answer)

        self.ask(question, settle)
        answer = await future
        if isinstance(answer, StoreUnavailableError):
            raise answer
        # What `ask` tells is the one or the other.
        return cast("tuple[Count, ...]", answer)

    def ask(self, question: TakeLimits, then: Then) -> None:
        """Do the same, and tell the answer or the error later."""
        turn = _Turn(question.charges, then)
        loop = asyncio.get_running_loop()
        if not self._is_open or self._inside >= WAITING:
            reason = _FULL if self._is_open else _CLOSED
            loop.call_soon(self._without, turn, reason)
            return
        self._inside += 1
        self._waiting.append(turn)
        if len(self._waiting) == 1 and not self._under_way:
            # Behind everything that this round of the loop still reads.
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._under_way:
            return
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), TOGETHER):
            turns = waiting[start : start + TOGETHER]
            if self._breaker.admits():
                sent = self.leases.now()
                then = partial(self._answered, turns, sent)
                self._under_way += 1
                self._wire.run(self._script, self._arguments(turns, sent), then)
            else:
                self._failed(SCRIPT)
                self._fail(turns, "the store did not answer lately and is not asked now")

    def _answered(self, turns: Sequence[_Turn], sent: int, answer: object) -> None:
        self._under_way -= 1
        self._judge(turns, sent, answer)
        if self._waiting and not self._under_way and self._is_open:
            asyncio.get_running_loop().call_soon(self._flush)

    def _judge(self, turns: Sequence[_Turn], sent: int, answer: object) -> None:
        count = _NUMBERS * sum([len(turn.charges) for turn in turns])
        if isinstance(answer, list) and len(answer) == count:
            self._breaker.succeed()
            self._settle(turns, answer, sent)
            return
        reason = "the server answered with an error"
        if isinstance(answer, StoreUnavailableError):
            reason = answer.reason
        self._breaker.fail()
        self._failed(SCRIPT)
        # Those that waited for it would have been sent with it, and would have failed as well.
        waiting, self._waiting = self._waiting, []
        self._fail([*turns, *waiting], reason)

    def _arguments(self, turns: Sequence[_Turn], now: int) -> list[bytes]:
        charges = [charge for turn in turns for charge in turn.charges]
        self._ask_for_slots(turns, charges)
        known = [self._words(charge) for charge in charges]
        keys = [key for key, _ in known]
        if self._epoch:
            keys.append(self._epoch)
        wanted = sizes = ""
        if self.leases.longest:
            wanted = " ".join([str(self.leases.want(charge, now)) for charge in charges])
        if any(len(turn.charges) != 1 for turn in turns):
            sizes = " ".join([str(len(turn.charges)) for turn in turns])
        words = [word for _, word in known]
        head = (self._mode, packed(sizes.encode()), packed(wanted.encode()))
        return [packed(b"%d" % len(keys)), *keys, *head, *words]

    def _ask_for_slots(self, turns: Sequence[_Turn], charges: Sequence[Charge]) -> None:
        if not any(charge.limit.is_concurrency for charge in charges):
            return
        for turn in turns:
            for key in self._slots_of(turn.charges):
                turn.has_slots = True
                self.slots.ask(key)

    def _slots_of(self, charges: tuple[Charge, ...]) -> list[bytes]:
        return [self._words(charge)[0] for charge in charges if charge.limit.is_concurrency]

    def _worded(self, charge: Charge) -> tuple[bytes, bytes]:
        """Write the name of a charge's counter, and what the script must know of the charge."""
        limit = charge.limit
        word = word_of(charge, self.leases, self.slots.holder)
        name = f"{self._start}{limit.id}:{charge.caller.hex()}"
        return packed(name.encode()), packed(word)

    def _fail(self, turns: Sequence[_Turn], reason: str) -> None:
        self._inside -= len(turns)
        for turn in turns:
            for key in self._slots_of(turn.charges) if turn.has_slots else ():
                self.slots.doubt(key)
            self._without(turn, reason)

    def _settle(self, turns: Sequence[_Turn], numbers: Sequence[int], sent: int) -> None:
        at = 0
        self._inside -= len(turns)
        for turn in turns:
            charges = turn.charges
            counts = tuple([self._count(numbers, at + _NUMBERS * i) for i in range(len(charges))])
            if self.leases.longest:
                self._grant(charges, counts, numbers[at + _LEASED :: _NUMBERS], sent)
            at += _NUMBERS * len(charges)
            if turn.has_slots:
                self._settle_slots(charges, counts)
            turn.then(counts)

    def _settle_slots(self, charges: tuple[Charge, ...], counts: tuple[Count, ...]) -> None:
        pairs = list(zip(charges, counts, strict=True))
        is_refused = any(not (c.is_admitted or charge.limit.is_shadow) for charge, c in pairs)
        for charge, count in pairs:
            if charge.limit.is_concurrency:
                is_taken = count.is_admitted and not is_refused
                count.slot = self.slots.settle(self._words(charge)[0], is_taken=is_taken)

    @staticmethod
    def _count(numbers: Sequence[int], at: int) -> Count:
        said = numbers[at]
        return Count(said == 1, numbers[at + 1], numbers[at + 2], None, said == _IN_DOUBT)

    def _grant(
        self,
        charges: tuple[Charge, ...],
        counts: tuple[Count, ...],
        leased: Sequence[int],
        sent: int,
    ) -> None:
        for charge, count, units in zip(charges, counts, leased, strict=False):
            self.leases.grant(charge, count, units, sent)

    def _without(self, turn: _Turn, reason: str) -> None:
        """Tell what holds while the server cannot be asked."""
        charges = turn.charges
        for charge in charges:
            self.leases.forget_asking(charge)
        choices = [_choice(charge.limit) for charge in charges]
        now = self.leases.now() / SECOND
        for choice in choices:
            self.decided_at[choice] = now
        if OnStoreFailure.REFUSE in choices:
            turn.then(StoreUnavailableError(reason))
            return
        self.degraded += 1
        local = OnStoreFailure.LOCAL
        pairs = list(zip(charges, choices, strict=True))
        counts = iter(self._local.at_hand(tuple(c for c, choice in pairs if choice is local)))
        turn.then(
            tuple(
                next(counts)
                if choice is local
                else Count(is_admitted=True, left=charge.limit.most, wait=0)
                for charge, choice in pairs
            )
        )


def word_of(charge: Charge, leases: Leases, holder: bytes) -> bytes:
    """Write what the script must know of a charge.

    Args:
        charge: the charge.
        leases: what the process takes in advance.
        holder: name of the process.
    """
    limit = charge.limit
    flags = limit.is_shadow * _SHADOW + limit.is_charged_refused * _GREEDY
    if limit.is_concurrency:
        slots = ("slots", limit.amount, LIFE, 0, charge.cost, flags, 0, holder.decode())
        return msgspec.msgpack.encode(slots)
    kind = limit.calendar or ("bucket" if limit.burst else "window")
    length = leases.length_of(limit)
    burst = burst_of(limit, length)
    word = (str(kind), limit.amount, limit.period, burst, charge.cost, flags, length)
    return msgspec.msgpack.encode(word)


def _choice(limit: Limit) -> OnStoreFailure:
    """Say what holds for a limit without the server; one in shadow mode never refuses."""
    own = limit.on_store_failure
    return OnStoreFailure.ALLOW if limit.is_shadow and own is OnStoreFailure.REFUSE else own
