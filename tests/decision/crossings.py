"""Policies with `cors`, and requests of pages, for tests of the steps about other origins."""

from collections.abc import Sequence

from sidecar.decision.crossing import Crossing
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantRecord
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.policy import Policy
from tests.builders import a_head, a_policy, an_exchange
from tests.decision.steps.known import KnownTenants

APP = b"https://app.example"
EVIL = b"https://evil.example"
ACME = b"https://app.acme.example"
_SECTIONS = frozenset({"authentication", "tenants", "headers", "mode"})


def a_crossed_policy(
    path: str = "/**", cors: object = None, *, keys: bool = False, **more: object
) -> Policy:
    """Make a policy with one route; its list has https://app.example.

    Args:
        path: template of the route.
        cors: the section, in the place of that list.
        keys: whether the route asks who calls.
        more: sections of the policy and keys of the route.
    """
    sections = {name: more.pop(name) for name in _SECTIONS & set(more)}
    rules: dict[str, object] = {"path": path, "public": not keys, **more}
    if keys:
        rules["role"] = "viewer"
        sections.setdefault("authentication", {"api_keys": {}})
    sections["cors"] = {"origins": ["https://app.example"]} if cors is None else cors
    return a_policy(rules, **sections)


def preflight_step(policy: Policy, *tenants: TenantRecord) -> Step:
    """Make the step that answers preflights for the policy's route."""
    step = crossing(policy, *tenants).preflight(policy.routes[0])
    assert step is not None
    return step


def response_step(policy: Policy, *, routed: bool = True) -> ResponseStep:
    """Make the step that tells browsers who may read the route's answers."""
    [step] = crossing(policy).response(policy.routes[0] if routed else None)
    return step


def enforcement(policy: Policy) -> Step:
    """Make the step that refuses other origins."""
    step = crossing(policy).enforcement(policy.routes[0])
    assert step is not None
    return step


def crossing(policy: Policy, *tenants: TenantRecord) -> Crossing:
    """Make what makes the steps; nothing is shared."""
    return Crossing(policy, KnownTenants(*tenants), lambda _, make: make())


def a_page(
    origin: bytes | None,
    method: bytes = b"GET",
    target: bytes = b"/orders/7",
    lines: Sequence[bytes] = (),
) -> Exchange:
    """Make the request of a page, its path read, as it is before anybody judged it."""
    own = [] if origin is None else [b"Origin: " + origin]
    exchange = an_exchange(a_head(method, target, *own, *lines))
    exchange.segments = tuple(target.decode().split("/")[1:])
    return exchange


def a_preflight(
    origin: bytes | None = APP,
    method: bytes = b"PUT",
    target: bytes = b"/orders/7",
    lines: Sequence[bytes] = (),
) -> Exchange:
    """Make a preflight."""
    asks = b"Access-Control-Request-Method: " + method
    return a_page(origin, b"OPTIONS", target, [asks, *lines])
