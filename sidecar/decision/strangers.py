"""What is decided about callers where nobody is asked who they are; `callers` has the rest.

Apart from it, so that a policy without authentication need not import what proves callers: 2 MB.
"""

from collections.abc import Callable, Iterable

from sidecar.decision.steps.upstream import Upstream
from sidecar.model.fields import IDENTITY as IDENTITY_FIELDS
from sidecar.model.headers import canonical
from sidecar.model.route import Step
from sidecar.policy.schema.csrf import Csrf as Section
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

Once = Callable[[tuple[object, ...], Callable[[], Step]], Step]
"""Makes what stands under a key once, so that routes with equal rules share it."""


class Strangers:
    """Makes no step: every caller is a stranger.

    Attributes:
        fields: fields that carry credentials, in lower case.
        managed_names: those of them that do not go on, as `canonical` spells them.
        withheld: query parameter that carries keys; empty for none.
    """

    fields: frozenset[bytes] = frozenset()
    managed_names: frozenset[bytes] = frozenset()
    withheld: bytes = b""

    def steps(self, route: Route | None, origin: Step | None) -> Iterable[Step | None]:
        """Make the steps that find out who calls, and judge what they may do.

        Args:
            route: the route; None for what no route matches.
            origin: judges where the request comes from, once it is known who calls.
        """
        del route
        return (origin,)

    def identity(self, steps: Iterable[Step]) -> tuple[Step, ...]:
        """Choose the steps by which the caller of an exchange under way is judged again."""
        del steps
        return ()

    def csrf(self, route: Route, section: Section, shared: Step) -> Step:
        """Make the step that judges which site caused a request.

        Args:
            route: the route.
            section: its rules.
            shared: the step for callers of whom nothing is known.
        """
        del route, section
        return shared

    def upstream(self, route: Route | None, shared: Upstream) -> Step:
        """Make the step that says where requests go.

        Args:
            route: the route; None for what no route matches.
            shared: the step for callers without an upstream of their own.
        """
        del route
        return shared

    def statements(self, route: Route | None) -> Iterable[Step]:
        """Make the steps that tell the upstream who calls, once it is known what it is asked."""
        del route
        return ()


def managed_names(policy: Policy) -> frozenset[bytes]:
    """Name the fields that the sidecar alone writes: those of identity, and what is configured.

    As `canonical` spells them. They are taken out of what clients send, on every route.

    Controls: TN-1.
    """
    own = [str(name) for name in policy.identity_headers.model_dump().values() if name]
    if policy.assertion is not None:
        own.append(policy.assertion.header)
    sections = (policy.csp, *map(policy.csp_of, policy.routes))
    if policy.tracing is not None:
        # The step `trace` reads them, and ours go on in their place.
        own += ["traceparent", "tracestate"]
    own += [one.nonce_header for one in sections if one is not None and one.has_nonce]
    return IDENTITY_FIELDS | {canonical(name.encode()) for name in own}
