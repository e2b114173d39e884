"""Rules about routes: what admits, what overlaps, what is never reached."""

from typing import Final

from sidecar.model.template import Kind, parse_path
from sidecar.policy.rules.findings import Findings, Judged, Shape
from sidecar.policy.schema.well_known import SECURITY_TXT

_RESERVED: Final = (Kind.LITERAL, ".sidecar")
_ANY_METHOD: Final = ""


def nothing_admits(judged: Judged) -> Findings:
    """A route that neither is public nor says who may use it (AZ-4)."""
    for index, route in enumerate(judged.policy.routes):
        if not (route.public or route.is_guarded):
            yield judged.error(
                ("routes", index),
                "nothing says who may use this route",
                "role, permission, scopes or condition; or public: true for everybody",
            )


def methods_ruled_twice(judged: Judged) -> Findings:
    """Routes of the same host and template merge by method; no method may have two rules."""
    ruled: dict[Shape, dict[str, int]] = {}
    for index, (route, shape) in enumerate(zip(judged.policy.routes, judged.shapes, strict=True)):
        methods = route.admitted_methods or {_ANY_METHOD}
        earlier = ruled.setdefault(shape, {})
        clash = _clash(methods, earlier)
        if clash is not None:
            method, other = clash
            yield judged.error(
                ("routes", index, "methods" if route.methods else "path"),
                f"{method} this host and path is ruled by routes[{other}] already",
                "give each its own methods (GET includes HEAD), or take one out",
            )
        earlier.update({method: index for method in methods if method not in earlier})


def prefix_not_of_the_path(judged: Judged) -> Findings:
    """A prefix to strip that the path does not begin with."""
    for index, route in enumerate(judged.policy.routes):
        prefix = () if route.strip_prefix is None else parse_path(route.strip_prefix)
        if route.template.segments[: len(prefix)] != prefix:
            yield judged.error(
                ("routes", index, "strip_prefix"),
                "is not a literal prefix of path",
                "the first segments of path, such as /api for /api/**",
            )


def unreachable(judged: Judged) -> Findings:
    """Routes that no request can reach: reserved paths, and `**` with nothing left to match."""
    shapes = set(judged.shapes)
    for index, (host, path) in enumerate(judged.shapes):
        if path[:1] == (_RESERVED,):
            yield judged.error(
                ("routes", index, "path"),
                "/.sidecar/ is the sidecar's own and never reaches a route",
                "another path",
            )
        elif path[-1:] == ((Kind.REST, ""),) and _is_covered(host, path[:-1], shapes):
            yield judged.warning(
                ("routes", index, "path"),
                "never reached: more specific routes match all that it matches",
                "take it out, or take one of the others out",
            )


def answered_before(judged: Judged) -> Findings:
    """Routes whose whole path is one that the sidecar answers itself."""
    policy = judged.policy
    answered = {} if policy.absent is None else dict.fromkeys(policy.absent.paths, "absent")
    if policy.security_txt is not None:
        answered[SECURITY_TXT] = "security_txt"
    for index, route in enumerate(policy.routes):
        if section := answered.get(route.path):
            yield judged.warning(
                ("routes", index, "path"),
                f"GET is answered by {section} and never reaches the route",
                f"take the route out, or the path from {section}",
            )


def spellings_differ_by_case(judged: Judged) -> Findings:
    """Sibling templates such as `/API` and `/api`: a service may take one for the other."""
    seen: dict[Shape, tuple[Shape, int]] = {}
    if not any(text != text.lower() for _, path in judged.shapes for _, text in path):
        return
    for index, shape in enumerate(judged.shapes):
        other = _other_spelling(shape, index, seen)
        if other is not None:
            yield judged.warning(
                ("routes", index, "path"),
                f"differs from routes[{other}] by case alone; other spellings are answered 404",
                "one spelling, the one that the service has",
            )


def _clash(methods: frozenset[str] | set[str], earlier: dict[str, int]) -> tuple[str, int] | None:
    if _ANY_METHOD in earlier:
        return "every method of", earlier[_ANY_METHOD]
    if _ANY_METHOD in methods:
        return next(((method, index) for method, index in earlier.items()), None)
    return next(((m, earlier[m]) for m in sorted(methods) if m in earlier), None)


def _is_covered(host: str | None, prefix: tuple[tuple[Kind, str], ...], shapes: set[Shape]) -> bool:
    longer = (*prefix, (Kind.ONE, ""))
    if (host, prefix) not in shapes:
        return False
    return (host, (*longer, (Kind.REST, ""))) in shapes or _is_covered(host, longer, shapes)


def _other_spelling(shape: Shape, index: int, seen: dict[Shape, tuple[Shape, int]]) -> int | None:
    host, path = shape
    other = None
    for length in range(1, len(path) + 1):
        exact: Shape = (host, path[:length])
        folded: Shape = (host, tuple((kind, text.lower()) for kind, text in path[:length]))
        first, owner = seen.setdefault(folded, (exact, index))
        if first != exact and other is None:
            other = owner
    return other
