"""What is decided about pages of other origins, as steps; a route without `cors` has none."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from sidecar.decision.allowance import Allowance, OwnTenants
from sidecar.decision.bindings import NOWHERE, TENANT, Bindings, bindings_of
from sidecar.decision.steps.cors import Cors, EnforceCallersOrigin, EnforceOrigin
from sidecar.decision.steps.preflight import Preflight, TenantPreflight, Terms
from sidecar.model.ports import KnownTenants
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.cors import Cors as Section
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

Made = TypeVar("Made")

_IGNORE: Final = "ignore"


class Once(Protocol):
    """Makes what stands under a key once, so that routes with equal rules share it."""

    def __call__(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """Return what stands under the key; made now if nothing does."""


class Crossing:
    """Makes the steps about pages of other origins.

    Args:
        policy: the policy.
        known: tenants that are at hand, where the policy has callers.
        once: makes what routes share.
    """

    __slots__ = ("_key_field", "_known", "_locked", "_once", "_policy")

    def __init__(self, policy: Policy, known: KnownTenants, once: Once) -> None:
        self._policy = policy
        self._once = once
        own = {name: tenant.origins for name, tenant in policy.tenants.items()}
        self._known = known if policy.authentication.has_methods else OwnTenants(own)
        keys = policy.authentication.api_keys
        self._locked = frozenset(() if keys is None else keys.domain_lock.kinds)
        self._key_field = "" if keys is None or keys.header is None else keys.header

    def section(self, route: Route | None) -> Section | None:
        """Say what holds on a route, or where none matches; None for nothing."""
        return self._policy.cors if route is None else self._policy.cors_of(route)

    def preflight(self, route: Route | None) -> Step | None:
        """Make the step that answers preflights for a route."""
        section = self.section(route)
        if route is None or section is None:
            return None
        methods = tuple(sorted(route.admitted_methods or ()))
        places = NOWHERE if section.tenant_origins == _IGNORE else _places(route)
        key = (Preflight, repr(section.model_dump()), methods, places)
        return self._once(key, lambda: self._preflight(section, methods, places))

    def enforcement(self, route: Route | None) -> Step | None:
        """Make the step that refuses other origins, where the policy says so."""
        section = self.section(route)
        if route is None or section is None or not section.enforce:
            return None
        make = EnforceCallersOrigin if self._knows_callers(route) else EnforceOrigin
        allowance = self._allowance(section)
        return self._once((make, allowance), lambda: make(allowance))

    def response(self, route: Route | None) -> tuple[ResponseStep, ...]:
        """Make the step that tells browsers who may read an answer."""
        section = self.section(route)
        if section is None:
            return ()
        if route is None:
            # A path that is hidden since it is another tenant's must look like any other (TN-2).
            section = section.model_copy(update={"tenant_origins": _IGNORE})
        knows_callers = route is not None and self._knows_callers(route)
        mode = self._policy.mode if route is None else self._policy.mode_of(route)
        is_shadow = mode == "shadow"
        allowance = self._allowance(section)
        key = (Cors, repr(section.model_dump()), knows_callers, is_shadow)
        return self._once(
            key,
            lambda: (Cors(section, allowance, knows_callers=knows_callers, is_shadow=is_shadow),),
        )

    def _preflight(self, section: Section, methods: tuple[str, ...], places: Bindings) -> Preflight:
        terms = Terms(section, methods, self._key_field)
        allowance = self._allowance(section)
        if places:
            return TenantPreflight(allowance, terms, places, self._known)
        return Preflight(allowance, terms)

    def _allowance(self, section: Section) -> Allowance:
        key = (Allowance, repr(section.model_dump()))
        return self._once(key, lambda: Allowance(section, self._locked))

    def _knows_callers(self, route: Route) -> bool:
        return self._policy.authentication.has_methods and not route.public


def _places(route: Route) -> Bindings:
    """Find where host and path name a tenant; a query is nobody's to vouch for."""
    bindings = bindings_of(route, TENANT)
    return Bindings(bindings.segments, (), bindings.host)
