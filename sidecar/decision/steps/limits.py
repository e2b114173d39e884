"""How much: refuse what a rate limit has no room for (RL-1 to RL-6).

All limits of a step are decided together: if one of them refuses, none is charged.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from sidecar.decision.charges import Counted
from sidecar.model.exchange import Exchange
from sidecar.model.limits import SECOND, Charge, Count, Limit, Outcome, Slot, Taken
from sidecar.model.memo import Memo
from sidecar.model.outcome import PASS, Ask, Refuse
from sidecar.model.outcome import Outcome as Decision
from sidecar.model.ports import UNKNOWN, KnownLimits
from sidecar.model.questions import Question, TakeLimits
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep, ResponseStep

Charging = Callable[[Exchange], tuple[Charge, ...]]


class _Limits(AskingStep):
    """Charges a request to some limits."""

    can_shadow: ClassVar[bool] = True
    has_floor: ClassVar[bool] = False

    def __init__(self, known: KnownLimits) -> None:
        self._known = known

    @abstractmethod
    def charges(self, exchange: Exchange) -> tuple[Charge, ...]:
        """Say what the request takes from which counters."""

    def decide(self, exchange: Exchange) -> Decision | Ask:
        """Charge at once if that can be done.

        Controls: RL-1 to RL-6.
        """
        charges = self.charges(exchange)
        if not charges:
            return PASS
        counts = self._known.at_hand(charges)
        if counts is UNKNOWN:
            return Ask(TakeLimits(charges))
        return settled(exchange, charges, counts, has_floor=self.has_floor)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Decision | Ask:
        """Go on with what the store says."""
        return resumed(exchange, question, answer, has_floor=self.has_floor)


def resumed(exchange: Exchange, question: Question, answer: object, *, has_floor: bool) -> Decision:
    """Take down what a store said of charges."""
    if not isinstance(question, TakeLimits) or not isinstance(answer, tuple):
        raise TypeError("limits ask for counts alone")
    return settled(exchange, question.charges, answer, has_floor=has_floor)


def settled(
    exchange: Exchange,
    charges: tuple[Charge, ...],
    counts: tuple[Count, ...],
    *,
    has_floor: bool,
) -> Decision:
    """Write down what became of charges, and refuse if there was no room."""
    refusing: Limit | None = None
    wait = 0
    taken = []
    slots: list[Slot] = []
    for charge, count in zip(charges, counts, strict=True):
        limit = charge.limit
        outcome = Outcome.ADMITTED
        if not count.is_admitted:
            outcome = Outcome.SHADOWED if limit.is_shadow else Outcome.REFUSED
        if outcome is Outcome.REFUSED and count.wait >= wait:
            refusing, wait = limit, count.wait
        elif outcome is Outcome.SHADOWED:
            exchange.shadow.append(refused(limit, count.wait, has_floor=has_floor))
        if count.slot is not None:
            slots.append(count.slot)
        taken.append(Taken(limit, count, outcome))
    if refusing is not None:
        taken = [one for one in taken if one.outcome is not Outcome.ADMITTED]
    exchange.taken = (*exchange.taken, *taken)
    if slots:
        exchange.slots = (*exchange.slots, *slots)
    return PASS if refusing is None else refused(refusing, wait, has_floor=has_floor)


def refused(limit: Limit, wait: int, *, has_floor: bool) -> Refuse:
    """Refuse for want of room.

    Args:
        limit: the limit that has none.
        wait: microseconds until it has.
        has_floor: whether the answer waits for the time floor of authentication.
    """
    return Refuse(
        RefusalCode.RATE_LIMITED,
        f"limit {limit.name}: {_measure(limit)} are used up",
        (b"Retry-After: %d" % seconds_of(wait),),
        has_floor=has_floor,
    )


def _measure(limit: Limit) -> str:
    if limit.is_concurrency:
        return f"{limit.amount} at the same time"
    period = limit.calendar or f"{limit.period / SECOND:g}s"
    burst = f" with a burst of {limit.burst}" if limit.burst else ""
    return f"{limit.amount} in {period}{burst}"


def seconds_of(wait: int) -> int:
    """Round microseconds up to whole seconds."""
    return -(-wait // SECOND)


class AddressLimit(_Limits):
    """Refuse addresses that ask too often, before anything is looked at (RL-1)."""

    name: ClassVar[str] = "address_limit"
    reads: ClassVar[frozenset[str]] = frozenset({"client", "head"})
    writes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, counted: Counted, known: KnownLimits) -> None:
        super().__init__(known)
        self._counted = counted

    def charges(self, exchange: Exchange) -> tuple[Charge, ...]:
        """Charge the address."""
        return (self._counted.of(exchange),)


class KeyLimit(_Limits):
    """Refuse API keys that are used too often (RL-2), once it is sure whose they are."""

    name: ClassVar[str] = "key_limit"
    reads: ClassVar[frozenset[str]] = frozenset({"client", "head", "principal", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset()
    has_floor: ClassVar[bool] = True

    def __init__(self, counted: Counted, known: KnownLimits) -> None:
        super().__init__(known)
        self._counted = counted

    def charges(self, exchange: Exchange) -> tuple[Charge, ...]:
        """Charge the key; tokens have none."""
        return (self._counted.of(exchange),) if exchange.principal.key_prefix else ()


class PublicLimits(_Limits):
    """Refuse strangers who ask too often: the tier `anonymous`, and limits of the route."""

    name: ClassVar[str] = "limits"
    reads: ClassVar[frozenset[str]] = frozenset({"client", "head", "route"})
    writes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, counted: tuple[Counted, ...], known: KnownLimits) -> None:
        super().__init__(known)
        self._counted = counted

    def charges(self, exchange: Exchange) -> tuple[Charge, ...]:
        """Charge all of them."""
        return tuple([one.of(exchange) for one in self._counted])


class CallerLimits(_Limits):
    """Refuse callers who ask too often for their tier, or for the route (RL-3, RL-4, RL-6)."""

    name: ClassVar[str] = "limits"
    reads: ClassVar[frozenset[str]] = frozenset(
        {"client", "head", "principal", "route", "tenant", "tier"}
    )
    writes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        tiers: Mapping[str, Charging],
        default: Charging,
        known: KnownLimits,
    ) -> None:
        """Keep what is charged.

        Args:
            tiers: by tier, what its callers are charged, the route's limits included.
            default: the same for callers of no such tier.
            known: limits that can be charged without waiting.
        """
        super().__init__(known)
        self._tiers = tiers
        self._default = default

    def charges(self, exchange: Exchange) -> tuple[Charge, ...]:
        """Charge the limits of the caller's tier and of the route."""
        return self._tiers.get(exchange.tier or "", self._default)(exchange)


_PERIODS: Final = {"day": b";w=86400"}


class RateLimitFields(ResponseStep):
    """Say what is left (draft-ietf-httpapi-ratelimit-headers-10), on refusals and successes."""

    name: ClassVar[str] = "rate_limit_fields"
    may_read: ClassVar[frozenset[str]] = frozenset({"taken"})

    def __init__(self) -> None:
        self._policies = Memo(_policy_item)

    def apply(self, exchange: Exchange) -> None:
        """Add the two fields, but to an answer that must not differ from others (AN-6)."""
        shown = [one for one in exchange.taken if not one.limit.is_shadow]
        if not shown or exchange.status == UNAUTHORIZED_STATUS:
            return
        policies = b", ".join([self._policies(one.limit) for one in shown])
        items = b", ".join([_left_item(one) for one in shown])
        exchange.response_lines.append(b"RateLimit-Policy: " + policies)
        exchange.response_lines.append(b"RateLimit: " + items)


UNAUTHORIZED_STATUS: Final = 401


def _policy_item(limit: Limit) -> bytes:
    if limit.is_concurrency:
        window = b';qu="concurrent-requests"'
    elif limit.calendar is not None:
        window = _PERIODS.get(limit.calendar, b"")
    else:
        window = b";w=%d" % seconds_of(limit.period)
    return b'"%b";q=%d%b' % (limit.name.encode(), limit.amount, window)


def _left_item(taken: Taken) -> bytes:
    count = taken.count
    wait = b";t=%d" % seconds_of(count.wait) if count.wait else b""
    return b'"%b";r=%d%b' % (taken.limit.name.encode(), count.left, wait)
