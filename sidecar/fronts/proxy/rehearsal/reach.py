"""What tests of a policy reached: which routes they entered, which rules they saw refuse."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sidecar.decision.bindings import PROJECT, TENANT, Bindings, bindings_of
from sidecar.decision.ruling import ruling
from sidecar.decision.steps.tenant_binding import mismatch
from sidecar.fronts.proxy.rehearsal.play import Played
from sidecar.fronts.proxy.rehearsal.trials import Result
from sidecar.knowledge.http1.query import UndecodableError
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse
from sidecar.model.template import Kind
from sidecar.policy.nodes import Path, key_path
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

# Keys of a route that refuse; each must have been seen to.
_REFUSING: Final = (
    "methods", "role", "permission", "scopes", "condition", "key_kinds", "logins", "addresses",
    "forbid", "bind", "storage_keys", "webhook", "mcp", "body", "csrf", "limits",
)  # fmt: skip
_BOUND: Final = frozenset(("tenant", "org", "project"))


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that tests can reach.

    Attributes:
        words: what it is.
        path: the key of the policy that it is about.
    """

    words: str
    path: Path


@dataclass(frozen=True, slots=True)
class Reach:
    """What was reached of all.

    Attributes:
        reached: points that some test reached.
        missed: points that none did.
    """

    reached: tuple[Point, ...]
    missed: tuple[Point, ...]

    @property
    def percent(self) -> float:
        """Share of points that were reached; a policy without any has no gap."""
        points = len(self.reached) + len(self.missed)
        return 100.0 if not points else 100.0 * len(self.reached) / points


def reach_of(policy: Policy, results: Iterable[Result]) -> Reach:
    """Say what tests reached.

    Args:
        policy: the policy.
        results: what became of the tests; whether they passed does not matter here.
    """
    found: set[Point] = set()
    for result in results:
        found.update(_roles(result))
        for played in result.played:
            found.update(_of(policy, played))
    points = list(points_of(policy))
    return Reach(
        tuple(point for point in points if point in found),
        tuple(point for point in points if point not in found),
    )


def points_of(policy: Policy) -> Iterator[Point]:
    """List what there is to reach."""
    for index, route in enumerate(policy.routes):
        yield from _of_route(policy, index, route)
    for name in dict.fromkeys(route.permission for route in policy.routes if route.permission):
        yield from (_permission(name, word) for word in ("admits", "refuses"))
    if any(route.role or route.permission for route in policy.routes):
        yield from (_role(role) for role in policy.roles)


def _of_route(policy: Policy, index: int, route: Route) -> Iterator[Point]:
    yield _admitted(index, route)
    if not route.public:
        yield _stranger(index, route)
        if route.authenticate and set(policy.authentication.methods) - set(route.authenticate):
            yield _refused(index, route, "authenticate")
    yield from (_refused(index, route, key) for key in _REFUSING if key in route.model_fields_set)
    if any(one.kind is Kind.ONE and one.text in _BOUND for one in route.template.segments):
        yield _refused(index, route, "path")


def _label(route: Route) -> str:
    methods = f"{','.join(route.methods)} " if route.methods else ""
    return f"{methods}{route.template}"


def _admitted(index: int, route: Route) -> Point:
    return Point(f"{_label(route)} admits", ("routes", index, "path"))


def _stranger(index: int, route: Route) -> Point:
    return Point(f"{_label(route)} refuses strangers", ("routes", index))


def _refused(index: int, route: Route, key: str) -> Point:
    return Point(f"{_label(route)} refuses by {key}", ("routes", index, key))


def _permission(name: str, word: str) -> Point:
    return Point(f"permission {name} {word}", ("permissions", *name.split(".")))


def _role(role: str) -> Point:
    return Point(f"role {role} calls", ("roles",))


def _roles(result: Result) -> Iterator[Point]:
    principal = result.trial.asked.principal
    if principal is not None:
        yield from (_role(role) for roles in principal.memberships.values() for role in roles)


def _of(policy: Policy, played: Played) -> Iterator[Point]:
    index = played.index
    if index is None:
        return
    route = policy.routes[index]
    refusals = [(seen.step.name, one) for seen in played.seen for one in seen.shadowed]
    if isinstance(played.outcome, Refuse):
        refusals.append((played.step, played.outcome))
    for step, refusal in refusals:
        path = ruling(policy, index, step, refusal, played.exchange)
        yield from _refusing(policy, index, step, path, played.exchange)
    if played.word == "admit" and not refusals:
        # What mode shadow let pass was not admitted by the policy.
        yield _admitted(index, route)
        if route.permission is not None:
            yield _permission(route.permission, "admits")


def _refusing(
    policy: Policy, index: int, step: str, path: Path, exchange: Exchange
) -> Iterator[Point]:
    route = policy.routes[index]
    own_key = str(path[2]) if path[:2] == ("routes", index) and len(path) > 2 else ""  # noqa: PLR2004 -- routes, index, key
    if step == "authenticate":
        if own_key != "authenticate":
            yield _stranger(index, route)
    elif step == "route":
        # One answer for all routes of a template: none of them lists the method.
        shape, others = route.template.shape, enumerate(policy.routes)
        alike = [(at, one) for at, one in others if one.template.shape == shape]
        yield from (_refused(at, one, "methods") for at, one in alike)
        return
    elif step == "tenant_binding":
        yield from (_refused(index, route, key) for key in _places(route, exchange))
        return
    if own_key:
        yield _refused(index, route, own_key)
    if route.permission is not None and own_key == "permission":
        yield _permission(route.permission, "refuses")


def _places(route: Route, exchange: Exchange) -> Iterator[str]:
    """Say where a request named what is not the caller's: in its path, or where `bind` looks."""
    tenants, projects = bindings_of(route, TENANT), bindings_of(route, PROJECT)
    both = tenants, projects
    if _is_foreign(exchange, *(Bindings(segments=one.segments) for one in both)):
        yield "path"
    if _is_foreign(exchange, *(Bindings(query=one.query, host=one.host) for one in both)):
        yield "bind"


def _is_foreign(exchange: Exchange, tenants: Bindings, projects: Bindings) -> bool:
    try:
        names = tenants.names(exchange), projects.names(exchange)
    except UndecodableError:
        return True
    return any(names) and mismatch(exchange, *names) is not None


def told(point: Point) -> str:
    """Write the key that a point is about."""
    return key_path(point.path)
