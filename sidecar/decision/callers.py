"""What is decided about callers, as lists of steps: who they are, what they may do, who is told."""

from collections.abc import Iterable
from typing import Final

from sidecar.decision.authentication import Authentication
from sidecar.decision.bindings import TENANT, bindings_of
from sidecar.decision.limits import Limiting
from sidecar.decision.steps.assertion import Assertion
from sidecar.decision.steps.authenticate import Authenticate
from sidecar.decision.steps.authorize import Authorize
from sidecar.decision.steps.blocked_caller import BlockedCaller
from sidecar.decision.steps.caller_csrf import CallerCsrf
from sidecar.decision.steps.condition import Condition
from sidecar.decision.steps.domain_lock import DomainLock
from sidecar.decision.steps.identity_headers import IdentityHeaders
from sidecar.decision.steps.tenant import Tenant
from sidecar.decision.steps.tenant_binding import TenantBinding
from sidecar.decision.steps.tenant_upstream import TenantUpstream
from sidecar.decision.steps.upstream import Upstream
from sidecar.decision.strangers import Once, Strangers
from sidecar.knowledge.auth.assertion import Signer
from sidecar.model.ports import AtHand
from sidecar.model.route import Step
from sidecar.policy.schema.csrf import Csrf as CsrfSection
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

_IDENTITY: Final = frozenset({"authenticate", "tenant", "blocked_caller"})


class Callers(Strangers):
    """Makes the steps about callers for the routes of a policy with authentication."""

    def __init__(self, policy: Policy, at_hand: AtHand, once: Once, limiting: Limiting) -> None:
        """Keep what all routes share.

        Args:
            policy: the policy.
            at_hand: what steps may know without waiting.
            once: makes what routes share.
            limiting: makes the steps of limits.
        """
        self._policy = policy
        self._at_hand = at_hand
        self._once = once
        self._limiting = limiting
        self._failures = limiting.failures()
        self._authentication = Authentication(policy, at_hand)
        self._signer = None if policy.assertion is None else Signer(policy.assertion)
        self.fields = self._authentication.fields
        self.managed_names = self._authentication.managed_names
        self.withheld = self._authentication.withheld

    def steps(self, route: Route | None, origin: Step | None) -> Iterable[Step | None]:
        """Make the steps that find out who calls, and judge what they may do."""
        policy, once = self._policy, self._once
        authenticate = self._authentication.step_for(route, self._failures)
        if route is None or type(authenticate) is not Authenticate:
            return (authenticate, origin)
        tenants = bindings_of(route, TENANT)
        known = self._at_hand.tenants
        return (
            authenticate,
            once((Tenant, tenants), lambda: Tenant(tenants, known)),
            self._blocked(),
            origin,
            self._limiting.key(route.cost),
            Authorize.compile(policy, route),
            TenantBinding.compile(policy, route),
            once((DomainLock,), lambda: DomainLock.compile(policy)),
            Condition.compile(route),
            once((IdentityHeaders,), lambda: IdentityHeaders.compile(policy)),
        )

    def _blocked(self) -> Step | None:
        if self._policy.blocks is None:
            return None
        blocks = self._at_hand.blocks
        return self._once((BlockedCaller,), lambda: BlockedCaller(blocks))

    def identity(self, steps: Iterable[Step]) -> tuple[Step, ...]:
        """Choose the steps by which the caller of an exchange under way is judged again."""
        return tuple(
            step.again if type(step) is Authenticate else step
            for step in steps
            if step.name in _IDENTITY
        )

    def csrf(self, route: Route, section: CsrfSection, shared: Step) -> Step:
        """Let callers pass whose credential no browser adds of itself."""
        if route.public:
            return shared
        credentials = self._authentication.credentials
        return self._once((CallerCsrf, section), lambda: CallerCsrf(section, credentials))

    def upstream(self, route: Route | None, shared: Upstream) -> Step:
        """Let tenants with an upstream of their own have it, unless the route has one (TN-6)."""
        if route is None or route.public or route.upstream is not None:
            return shared
        policy, secrets = self._policy, self._at_hand.secrets
        key = (TenantUpstream, route.strip_prefix)
        return self._once(key, lambda: TenantUpstream(shared, policy.upstream, secrets))

    def statements(self, route: Route | None) -> Iterable[Step]:
        """Sign who is calling, where the policy says so (TN-3)."""
        section, signer = self._policy.assertion, self._signer
        if section is None or signer is None or route is None or route.public:
            return ()
        return (self._once((Assertion,), lambda: Assertion(signer, section.header)),)
