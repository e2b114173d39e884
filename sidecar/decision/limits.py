"""The limits of a policy, as steps: which requests are charged to which of them."""

from collections.abc import Mapping, Sequence
from typing import Final

from sidecar.decision.charges import Counted, Networks, compiled
from sidecar.decision.steps.failures import Failures
from sidecar.decision.steps.limits import (
    AddressLimit,
    CallerLimits,
    Charging,
    KeyLimit,
    PublicLimits,
    RateLimitFields,
)
from sidecar.model.exchange import Exchange
from sidecar.model.limits import Charge
from sidecar.model.memo import Memo
from sidecar.model.ports import AtHand
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.limits import ANONYMOUS, Limit, TierLimit
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import parse_count, parse_rate
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.words import PydanticCustomError

RATE: Final = "rate_limit"
BURST: Final = "rate_burst"
"""Attributes of a tenant that has a rate of its own."""


class Limiting:
    """Makes the steps of limits.

    Args:
        policy: the policy.
        at_hand: limits that can be charged without waiting, and who is locked out.
    """

    def __init__(self, policy: Policy, at_hand: AtHand) -> None:
        self._policy = policy
        self._known = at_hand.limits
        self._locked = at_hand.locked
        self._networks = Networks(policy.limits)
        shows = policy.has_limits and policy.limits.fields
        self._response: Sequence[ResponseStep] = (RateLimitFields(),) if shows else ()
        self._keys: dict[int, KeyLimit] = {}
        self._routes: dict[tuple[bool, int], Step | None] = {}

    def edge(self) -> tuple[Step, ...]:
        """Make the step for every request, whatever it is (RL-1)."""
        section = self._policy.limits.address
        if section is None:
            return ()
        return (AddressLimit(self._counted(section, "address", "address", 1), self._known),)

    def failures(self) -> Failures | None:
        """Make what counts failed authentications."""
        section = self._policy.limits.failed_authentication
        if section is None:
            return None
        counted = self._counted(section, "failed-authentication", "failed", 1)
        locked = self._locked.setdefault(counted.limit.id, {})
        return Failures(counted, self._known, locked)

    def key(self, cost: int) -> KeyLimit | None:
        """Make the step for API keys (RL-2).

        Args:
            cost: units that a request takes.
        """
        section = self._policy.limits.key
        if section is None:
            return None
        made = self._keys.get(cost)
        if made is None:
            counted = self._counted(section, "key", "key", cost)
            made = self._keys[cost] = KeyLimit(counted, self._known)
        return made

    def route(self, route: Route) -> Step | None:
        """Make the step for the tiers and the route's own limits (RL-3, RL-4, RL-6).

        Routes without limits of their own share it.
        """
        tiers = {} if route.replace_limits else self._policy.tiers
        if route.limits:
            return self._step(route, tiers)
        if not tiers:
            return None
        key = (route.public, route.cost)
        if key not in self._routes:
            self._routes[key] = self._step(route, tiers)
        return self._routes[key]

    def _step(self, route: Route, tiers: Mapping[str, Sequence[TierLimit]]) -> Step | None:
        methods = ",".join(route.methods or ())
        label = f"route/{methods}/{route.template}"
        own = [
            self._counted(one, _name("route", at), f"{label}/{at}", route.cost)
            for at, one in enumerate(route.limits)
        ]
        if route.public:
            anonymous = tiers.get(ANONYMOUS, ())
            counted = (*self._tier(ANONYMOUS, anonymous, route.cost), *own)
            return PublicLimits(counted, self._known) if counted else None
        charging = {
            name: self._charging(name, section, own, route.cost) for name, section in tiers.items()
        }
        default = self._policy.limits.default_tier or ANONYMOUS
        without = _all_of(tuple(own))
        return CallerLimits(charging, charging.get(default, without), self._known)

    def response(self) -> Sequence[ResponseStep]:
        """Make the step that tells clients what is left."""
        return self._response

    def _counted(self, section: Limit, name: str, label: str, cost: int) -> Counted:
        if section.concurrency is not None:
            # A request goes on once, whatever it costs.
            cost = 1
        return Counted(compiled(section, name, label), section.by, self._networks, cost)

    def _tier(self, tier: str, limits: Sequence[TierLimit], cost: int) -> list[Counted]:
        return [
            self._counted(one, _name(tier, at), f"tier/{tier}/{at}", cost)
            for at, one in enumerate(limits)
        ]

    def _charging(
        self, tier: str, limits: Sequence[TierLimit], own: Sequence[Counted], cost: int
    ) -> Charging:
        counted = (*self._tier(tier, limits, cost), *own)
        if not any(one.custom_max for one in limits):
            return _all_of(counted)
        made: Memo[tuple[str, str], list[Counted]] = Memo(
            lambda rate: self._tier(tier, [tailored(one, *rate) for one in limits], cost), 1024
        )

        def charge(exchange: Exchange) -> tuple[Charge, ...]:
            attributes = {} if exchange.tenant is None else exchange.tenant.attributes
            rates = (attributes.get(RATE, ""), attributes.get(BURST, ""))
            return tuple([one.of(exchange) for one in (*made(rates), *own)])

        return charge


def tailored(section: TierLimit, rate: str, burst: str) -> TierLimit:
    """Give a limit a tenant's own rate, within the bound of the policy.

    Args:
        section: the limit.
        rate: attribute `rate_limit`; empty for none.
        burst: attribute `rate_burst`; empty for the policy's.

    Returns:
        The limit as it is where it allows no own rate, and for one that cannot be read.
    """
    most = section.custom_max
    if most is None or not rate:
        return section
    try:
        own = parse_rate(rate)
        size = parse_count(burst) if burst else section.burst
    except PydanticCustomError:
        return section
    if own.exceeds(most):
        own = most
    size = None if section.burst is None or size is None else min(size, most.amount)
    return section.model_copy(update={"limit": own, "burst": size})


def _name(kind: str, at: int) -> str:
    """Name one of several limits, as clients and metrics see it."""
    return f"{kind}-{at + 1}" if at else kind


def _all_of(counted: tuple[Counted, ...]) -> Charging:
    if len(counted) == 1:
        [only] = counted
        return lambda exchange: (only.of(exchange),)
    return lambda exchange: tuple([one.of(exchange) for one in counted])
