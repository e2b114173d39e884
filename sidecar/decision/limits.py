"""The limits of a policy, as steps: which requests are charged to which of them."""

from collections.abc import Mapping, Sequence

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
from sidecar.model.ports import KnownLimits
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.limits import TierLimit
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import Rate, parse_count, parse_rate
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.words import PydanticCustomError

ANONYMOUS = "anonymous"
"""Tier of everybody on public routes."""
RATE = "rate_limit"
BURST = "rate_burst"
"""Attributes of a tenant that has a rate of its own."""


class Limiting:
    """Makes the steps of limits.

    Args:
        policy: the policy.
        known: limits that can be charged without waiting.
    """

    def __init__(self, policy: Policy, known: KnownLimits) -> None:
        self._policy = policy
        self._known = known
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
        limit = compiled(section, "address", "address")
        return (AddressLimit(Counted(limit, section.by, self._networks, 1), self._known),)

    def failures(self) -> Failures | None:
        """Make what counts failed authentications."""
        section = self._policy.limits.failed_authentication
        if section is None:
            return None
        limit = compiled(section, "failed-authentication", "failed")
        return Failures(Counted(limit, section.by, self._networks, 1), self._known)

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
            limit = compiled(section, "key", "key")
            counted = Counted(limit, section.by, self._networks, cost)
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
            Counted(
                compiled(one, _name("route", at), f"{label}/{at}"),
                one.by,
                self._networks,
                route.cost,
            )
            for at, one in enumerate(route.limits)
        ]
        if route.public:
            anonymous = tiers.get(ANONYMOUS, ())
            counted = (*self._counted(ANONYMOUS, anonymous, route.cost), *own)
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

    def _counted(self, tier: str, limits: Sequence[TierLimit], cost: int) -> list[Counted]:
        return [
            Counted(compiled(one, _name(tier, at), _label(tier, at)), one.by, self._networks, cost)
            for at, one in enumerate(limits)
        ]

    def _charging(
        self, tier: str, limits: Sequence[TierLimit], own: Sequence[Counted], cost: int
    ) -> Charging:
        counted = (*self._counted(tier, limits, cost), *own)
        if not any(one.custom_max for one in limits):
            return _all_of(counted)
        tailored: Memo[tuple[str, str], list[Counted]] = Memo(
            lambda attributes: self._tailored(tier, limits, cost, attributes), 1024
        )

        def charge(exchange: Exchange) -> tuple[Charge, ...]:
            attributes = {} if exchange.tenant is None else exchange.tenant.attributes
            rates = (attributes.get(RATE, ""), attributes.get(BURST, ""))
            return tuple([one.of(exchange) for one in (*tailored(rates), *own)])

        return charge

    def _tailored(
        self, tier: str, limits: Sequence[TierLimit], cost: int, attributes: tuple[str, str]
    ) -> list[Counted]:
        """Make the limits of tenants who have a rate of their own."""
        made = self._counted(tier, limits, cost)
        for at, section in enumerate(limits):
            own = tailored_rate(section, *attributes)
            if own is not None:
                rate, burst = own
                tailored = section.model_copy(update={"burst": burst})
                limit = compiled(tailored, _name(tier, at), _label(tier, at), rate)
                made[at] = Counted(limit, section.by, self._networks, cost)
        return made


def tailored_rate(section: TierLimit, rate: str, burst: str) -> tuple[Rate, int | None] | None:
    """Read a tenant's own rate, within the bound of the policy.

    Args:
        section: the limit.
        rate: attribute `rate_limit`; empty for none.
        burst: attribute `rate_burst`; empty for the policy's.

    Returns:
        Rate and burst; None where the policy's hold: for a limit that allows no own one, and for
        one that cannot be read.
    """
    most = section.custom_max
    if most is None or not rate:
        return None
    try:
        own = parse_rate(rate)
        size = parse_count(burst) if burst else section.burst
    except PydanticCustomError:
        return None
    # Neither faster nor, over a longer time, more at once.
    if own.amount > most.amount or own.amount * most.seconds > most.amount * own.seconds:
        own = most
    return own, None if section.burst is None or size is None else min(size, most.amount)


def _name(kind: str, at: int) -> str:
    """Name one of several limits, as clients and metrics see it."""
    return f"{kind}-{at + 1}" if at else kind


def _label(tier: str, at: int) -> str:
    return f"tier/{tier}/{at}"


def _all_of(counted: tuple[Counted, ...]) -> Charging:
    if len(counted) == 1:
        [only] = counted
        return lambda exchange: (only.of(exchange),)
    return lambda exchange: tuple([one.of(exchange) for one in counted])
