"""The way of a request, as lists; and the proof that the lists are in a possible order.

EDGE      the route is not known yet
ROUTE     what the route asks for; a step that it does not use is absent
RESPONSE  on the way back, also for what the sidecar itself answers
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from sidecar.decision.actions import actions_of
from sidecar.decision.charges import Networks
from sidecar.decision.crossing import Crossing
from sidecar.decision.limits import Limiting
from sidecar.decision.steps.addresses import Addresses
from sidecar.decision.steps.blocked_address import BlockedAddress
from sidecar.decision.steps.client_address import compile_client_address
from sidecar.decision.steps.cookies import Cookies
from sidecar.decision.steps.csp import REPORTS, ContentPolicy, CspNonce
from sidecar.decision.steps.csrf import Csrf
from sidecar.decision.steps.declared_body import DeclaredBody
from sidecar.decision.steps.forbidden import Forbidden
from sidecar.decision.steps.forward import Forward, host_for
from sidecar.decision.steps.path import EncodedSlash, Path
from sidecar.decision.steps.reports import Collect, ReportsPath, ReportsRoute
from sidecar.decision.steps.request_id import RequestId, ShowRequestId
from sidecar.decision.steps.route import PreflightRoute, Route
from sidecar.decision.steps.security_headers import SecurityHeaders
from sidecar.decision.steps.upstream import Upstream, target_of
from sidecar.decision.steps.well_known import WellKnown
from sidecar.decision.strangers import Once, Strangers, managed_names
from sidecar.model.exchange import GIVEN
from sidecar.model.ports import AtHand
from sidecar.model.problem import Faces
from sidecar.model.route import ResponseStep, RoutePlan, Step, Timeouts
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route as RouteSection
from sidecar.policy.schema.upstream import UpstreamTimeouts

Made = TypeVar("Made")
_ResponseSteps = tuple[ResponseStep, ...]

UNROUTED = "-"
"""Route label of requests that no route matched."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Generation:
    """A policy, compiled; replaced as a whole.

    Attributes:
        policy: the policy.
        edge: EDGE steps, in order.
        unrouted: plan for exchanges that end before a route is known.
        faces: bodies of all refusals.
        shadow: whether refusals of EDGE steps are only recorded.
        managed: fields beside the default ones that no client may send on (TN-1).
        credentials: fields that carry credentials.
        plans: plans of all routes.
    """

    policy: Policy
    edge: tuple[Step, ...]
    unrouted: RoutePlan
    faces: Faces
    shadow: bool
    managed: frozenset[bytes]
    credentials: frozenset[bytes]
    plans: tuple[RoutePlan, ...]


def build(policy: Policy, at_hand: AtHand | None = None) -> Generation:
    """Compile a policy into the steps of every route.

    Args:
        policy: the policy.
        at_hand: what steps may know without waiting; nothing for a policy that is not to serve.

    Raises:
        OrderError: a step reads a fact before it is written: a bug in the lists below.
    """
    at_hand = at_hand or AtHand()
    workshop = _Workshop(policy, at_hand)
    unrouted = workshop.unrouted()
    plans = tuple(workshop.plan(route) for route in policy.routes)
    well_known = WellKnown.compile(policy)
    routing = PreflightRoute if any(plan.answers_preflights for plan in plans) else Route
    entries = (
        (route.template, _methods(route), plan)
        for route, plan in zip(policy.routes, plans, strict=True)
    )
    routes = routing(entries, fallback=unrouted)
    edge: tuple[Step, ...] = (
        compile_client_address(policy),
        RequestId(),
        *workshop.trace(),
        Path() if policy.reports is None else ReportsPath(),
        *(() if policy.blocks is None else (BlockedAddress(at_hand.blocks),)),
        *workshop.limiting.edge(),
        *(() if well_known is None else (well_known,)),
        routes if policy.reports is None else ReportsRoute(routes, workshop.reports()),
    )
    for plan in (unrouted, *plans):
        prove_order((*edge, *plan.steps))
    return Generation(
        policy=policy,
        edge=edge,
        unrouted=unrouted,
        faces=_faces(policy),
        shadow=policy.mode == "shadow",
        managed=managed_names(policy) | workshop.callers.managed_names,
        credentials=workshop.callers.fields,
        plans=plans,
    )


class _Workshop:
    """Makes plans; routes with equal rules share a step, hence what it remembers.

    A memory of its own for each of 20,000 routes would grow to gigabytes.
    """

    __slots__ = ("_at_hand", "_crossing", "_policy", "_shared", "callers", "limiting")

    def __init__(self, policy: Policy, at_hand: AtHand) -> None:
        self._policy = policy
        self._at_hand = at_hand
        self._shared: dict[tuple[object, ...], object] = {}
        self.limiting = Limiting(policy, at_hand)
        self._crossing = Crossing(policy, at_hand.tenants, self._once)
        self.callers = _callers(policy, at_hand, self._once, self.limiting)

    def plan(self, route: RouteSection) -> RoutePlan:
        """Compile a route."""
        policy = self._policy
        steps = self._steps(route)
        return RoutePlan(
            name=str(route.template),
            steps=steps,
            response=self._response(route),
            timeouts=_timeouts(policy.timeouts_of(route)),
            shadow=policy.mode_of(route) == "shadow",
            identity=self.callers.identity(steps),
            answers_preflights=self._crossing.section(route) is not None,
            actions=actions_of(route) if route.action else (),
        )

    def unrouted(self) -> RoutePlan:
        """Compile what holds for exchanges that no route matched."""
        policy = self._policy
        return RoutePlan(
            name=UNROUTED,
            steps=self._steps(None),
            response=self._response(None),
            timeouts=_timeouts(policy.upstream.timeouts),
            shadow=policy.mode == "shadow",
        )

    def reports(self) -> RoutePlan:
        """Compile what holds for the reports of browsers."""
        collect = Collect(Networks(self._policy.limits))
        return replace(self.unrouted(), name=REPORTS, steps=(collect,), shadow=False)

    def _steps(self, route: RouteSection | None) -> tuple[Step, ...]:
        policy = self._policy
        body = policy.body if route is None else policy.body_of(route)
        upstream = policy.upstream if route is None else policy.upstream_of(route)
        addresses = None if route is None else route.addresses
        host = host_for(upstream)
        crossing = self._crossing
        steps: tuple[Step | None, ...] = (
            crossing.preflight(route),
            EncodedSlash.compile(route),
            None if route is None else Forbidden.compile(route),
            self._once((DeclaredBody, body), lambda: DeclaredBody(body)),
            None if addresses is None else self._once((addresses,), lambda: Addresses(addresses)),
            *self.callers.steps(route, crossing.enforcement(route)),
            # Before the limits: another site must not use up those of its visitor.
            None if route is None else self._csrf(route),
            None if route is None else self.limiting.route(route),
            *self._webhook(route),
            None if route is None else self._body_rules(route),
            None if route is None else self._mcp(route),
            self.callers.upstream(route, self._upstream(route)),
            *self.callers.statements(route),
            self._nonce(route),
            self._trace_fields(),
            self._forward(route, host),
        )
        return tuple(step for step in steps if step is not None)

    def _webhook(self, route: RouteSection | None) -> Sequence[Step | None]:
        if route is None or route.webhook is None:
            return ()
        # What checks signatures is memory for those alone who have some.
        from sidecar.decision.webhooks import blocked_tenant, webhook_signature

        policy, at_hand = self._policy, self._at_hand
        return (
            webhook_signature(policy, route, at_hand),
            blocked_tenant(policy, route, at_hand),
        )

    def _body_rules(self, route: RouteSection) -> Step | None:
        if not self._policy.reads_bodies(route):
            return None
        # What reads bodies is memory for those alone who have rules for them.
        from sidecar.decision.bodies import body_rules

        return body_rules(self._policy, route, self._once)

    def _csrf(self, route: RouteSection) -> Step | None:
        section = self._policy.csrf_of(route)
        if section is None:
            return None
        shared = self._once((Csrf, section), lambda: Csrf(section))
        return self.callers.csrf(route, section, shared)

    def _mcp(self, route: RouteSection) -> Step | None:
        section = route.mcp
        if section is None:
            return None
        from sidecar.decision.mcp import mcp_firewall

        return mcp_firewall(self._policy, route, section)

    def _forward(self, route: RouteSection | None, host: bytes | None) -> Forward:
        if route is None or route.mcp is None:
            return self._once((Forward, host), lambda: Forward(host))
        from sidecar.decision.steps.mcp_forward import McpForward

        return self._once((McpForward, host), lambda: McpForward(host))

    def _upstream(self, route: RouteSection | None) -> Upstream:
        """Make the step that says where requests go; the route's own upstream comes first."""
        policy = self._policy
        own = target_of(policy.upstream if route is None else policy.upstream_of(route))
        target = self._once((own.key, own.authority), lambda: own)
        prefix = None if route is None else route.strip_prefix
        withheld = self.callers.withheld
        return self._once((Upstream, target, prefix), lambda: Upstream(target, prefix, withheld))

    def _response(self, route: RouteSection | None) -> _ResponseSteps:
        policy = self._policy
        headers = policy.headers if route is None else policy.headers_of(route)
        csp = policy.csp if route is None else policy.csp_of(route)
        cookies = policy.cookies if route is None else policy.cookies_of(route)
        cors = self._crossing.response(route)
        sections = (headers, csp, cookies)
        key = (SecurityHeaders, *(one and repr(one.model_dump()) for one in sections), *cors)

        def made() -> _ResponseSteps:
            content = ContentPolicy(headers, csp, reports=policy.reports is not None)
            fields = SecurityHeaders(content.headers, content.ours)
            shown = self.limiting.response()
            return _used(Cookies.compile(cookies), fields, content.step, *cors, *shown)

        return self._once(key, made)

    def trace(self) -> Sequence[Step]:
        """Make the step that says which trace an exchange is part of."""
        section, new_id = self._policy.tracing, self._at_hand.span_ids
        if section is None or new_id is None:
            return ()
        # What reads traces is memory for those alone who want them.
        from sidecar.decision.steps.trace import Trace

        return (Trace(section.trust, section.sample, new_id),)

    def _trace_fields(self) -> Step | None:
        if self._policy.tracing is None or self._at_hand.span_ids is None:
            return None
        from sidecar.decision.steps.trace import TraceFields

        return self._once((TraceFields,), TraceFields)

    def _nonce(self, route: RouteSection | None) -> Step | None:
        section = None if route is None else self._policy.csp_of(route)
        nonces = self._at_hand.nonces
        if section is None or nonces is None or not section.has_nonce:
            return None
        header = section.nonce_header
        return self._once((CspNonce, header), lambda: CspNonce(header, nonces))

    def _once(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        made = self._shared.get(key)
        if made is None:
            made = self._shared[key] = make()
        # What stands under a key was made by the caller that uses keys of this kind.
        return cast("Made", made)


def _used(*steps: ResponseStep | None) -> _ResponseSteps:
    return (*(step for step in steps if step is not None), ShowRequestId())


def _callers(policy: Policy, at_hand: AtHand, once: Once, limiting: Limiting) -> Strangers:
    """Choose what makes the steps about callers; a policy that asks nobody imports none of it."""
    if not policy.authentication.has_methods:
        return Strangers()
    from sidecar.decision.callers import Callers

    return Callers(policy, at_hand, once, limiting)


def _methods(route: RouteSection) -> tuple[bytes, ...] | None:
    return None if route.methods is None else tuple(method.encode() for method in route.methods)


def _timeouts(section: UpstreamTimeouts) -> Timeouts:
    return Timeouts(section.connect, section.response, section.idle, section.event_stream)


def _faces(policy: Policy) -> Faces:
    documents = {c: t.json_bytes.decode() for c, t in policy.errors.items() if t.json_bytes}
    pages = {c: t.html_bytes.decode() for c, t in policy.errors.items() if t.html_bytes}
    return Faces(documents, pages)


class OrderError(Exception):
    """The lists of steps cannot work in this order."""


def prove_order(steps: Sequence[Step], given: Iterable[str] = GIVEN) -> None:
    """Prove that every fact is written once, and before it is read.

    Raises:
        OrderError: naming the step and the fact.
    """
    written = set(given)
    for step in steps:
        if missing := step.reads - written:
            raise OrderError(f"{step.name} reads {sorted(missing)} before they are written")
        if twice := step.writes & written:
            raise OrderError(f"{step.name} writes {sorted(twice)} a second time")
        written |= step.writes
