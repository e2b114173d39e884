"""The way of a request, as lists; and the proof that the lists are in a possible order.

EDGE      the route is not known yet
ROUTE     what the route asks for; a step that it does not use is absent
RESPONSE  on the way back, also for what the sidecar itself answers
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidecar.decision.steps.addresses import Addresses
from sidecar.decision.steps.client_address import compile_client_address
from sidecar.decision.steps.declared_body import DeclaredBody
from sidecar.decision.steps.forward import Forward, Treatments, new_treatments
from sidecar.decision.steps.path import EncodedSlash, Path
from sidecar.decision.steps.request_id import RequestId, ShowRequestId
from sidecar.decision.steps.route import Route
from sidecar.decision.steps.security_headers import SecurityHeaders
from sidecar.decision.steps.upstream import Upstream
from sidecar.model.exchange import GIVEN
from sidecar.model.problem import Faces
from sidecar.model.route import ResponseStep, RoutePlan, Step, Timeouts
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route as RouteSection
from sidecar.policy.schema.upstream import UpstreamTimeouts

UNROUTED = "-"
"""Route label of requests that no route matched."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A policy, compiled; replaced as a whole.

    Attributes:
        policy: the policy.
        edge: EDGE steps, in order.
        unrouted: plan for exchanges that end before a route is known.
        faces: bodies of all refusals.
        shadow: whether refusals of EDGE steps are only recorded.
        plans: plans of all routes.
    """

    policy: Policy
    edge: tuple[Step, ...]
    unrouted: RoutePlan
    faces: Faces
    shadow: bool
    plans: tuple[RoutePlan, ...]


def build(policy: Policy) -> Generation:
    """Compile a policy into the steps of every route.

    Raises:
        OrderError: a step reads a fact before it is written: a bug in the lists below.
    """
    treatments = new_treatments()
    plans = {id(route): _plan(policy, route, treatments) for route in policy.routes}
    unrouted = _unrouted(policy, treatments)
    edge: tuple[Step, ...] = (
        compile_client_address(policy),
        RequestId(),
        Path(),
        Route(
            (
                (
                    route.template,
                    None if route.methods is None else tuple(m.encode() for m in route.methods),
                    plans[id(route)],
                )
                for route in policy.routes
            ),
            fallback=unrouted,
        ),
    )
    for plan in (unrouted, *plans.values()):
        prove_order((*edge, *plan.steps))
    return Generation(
        policy=policy,
        edge=edge,
        unrouted=unrouted,
        faces=_faces(policy),
        shadow=policy.mode == "shadow",
        plans=tuple(plans.values()),
    )


def _route_steps(
    policy: Policy, route: RouteSection | None, treatments: Treatments
) -> tuple[Step, ...]:
    upstream = policy.upstream if route is None else policy.upstream_of(route)
    body = policy.body if route is None else policy.body_of(route)
    steps: tuple[Step | None, ...] = (
        EncodedSlash() if route is None else EncodedSlash.compile(route),
        DeclaredBody(body),
        None if route is None else Addresses.compile(route),
        Upstream.compile(upstream, route),
        Forward.compile(upstream, treatments),
    )
    return tuple(step for step in steps if step is not None)


def _plan(policy: Policy, route: RouteSection, treatments: Treatments) -> RoutePlan:
    response: tuple[ResponseStep, ...] = (
        SecurityHeaders(policy.headers_of(route)),
        ShowRequestId(),
    )
    return RoutePlan(
        name=str(route.template),
        steps=_route_steps(policy, route, treatments),
        response=response,
        timeouts=_timeouts(policy.timeouts_of(route)),
        shadow=policy.mode_of(route) == "shadow",
    )


def _unrouted(policy: Policy, treatments: Treatments) -> RoutePlan:
    return RoutePlan(
        name=UNROUTED,
        steps=_route_steps(policy, None, treatments),
        response=(SecurityHeaders(policy.headers), ShowRequestId()),
        timeouts=_timeouts(policy.upstream.timeouts),
        shadow=policy.mode == "shadow",
    )


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
