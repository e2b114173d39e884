"""Rules about bodies that rules read: what they can read, whom they let past, and their room."""

from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.routes import Route

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def no_room_for_a_body(judged: Judged) -> Findings:
    """Bodies that rules read and that are larger than the room for all of them (RQ-3)."""
    bodies = judged.policy.bodies
    if bodies.memory > bodies.total:
        yield judged.error(
            ("bodies", "memory"), "is more for each than bodies.total is for all", "a smaller size"
        )
    for index, route in enumerate(judged.policy.routes):
        is_read = judged.policy.reads_bodies(route)
        if is_read and judged.policy.body_of(route).max > bodies.total:
            yield judged.error(
                _max_of(judged, index),
                "is more than bodies.total, and the rules of the route need the whole body",
                "a smaller max, or a larger bodies.total",
            )


def forms_past_the_rules(judged: Judged) -> Findings:
    """Rules about members of JSON where a form would not be asked, or the reverse (TN-2, TN-7)."""
    for index, route in enumerate(judged.policy.routes):
        takes_both = judged.policy.reads_json(route) and judged.policy.reads_forms(route)
        pairs = _pairs(route) if takes_both else ()
        for key, json, _ in [pair for pair in pairs if bool(pair[1]) != bool(pair[2])]:
            lacking, other = ("form", "JSON") if json else ("json", "forms")
            yield judged.error(
                ("routes", index, key),
                f"is about {other} alone, and the route takes both",
                f"{lacking}: under it too, or a route for each",
            )


def types_that_rules_cannot_read(judged: Judged) -> Findings:
    """Content types that are accepted first and refused then, or none that can be read (RQ-3)."""
    for index, route in enumerate(judged.policy.routes):
        policy = judged.policy
        types = policy.body_of(route).content_types
        if types is None or not policy.reads_bodies(route):
            continue
        path = _types_of(judged, index)
        unread = [kind for kind in types if not _is_readable(judged, route, kind)]
        if len(unread) == len(types):
            yield judged.error(
                path, "has no type that the rules of the route read", "application/json, or a form"
            )
        for kind in unread if len(unread) < len(types) else ():
            yield judged.warning(
                path,
                f"{kind} gets 415: the rules of the route cannot read it",
                "a route of its own",
            )


def rules_without_bodies(judged: Judged) -> Findings:
    """Rules about bodies on a route whose methods have none."""
    for index, route in enumerate(judged.policy.routes):
        own = route.body is not None and bool(_reading_keys(route))
        if own and route.methods is not None and set(route.methods) <= _BODILESS:
            yield judged.warning(
                ("routes", index, "body"),
                "has rules about bodies, and the methods of the route have none",
                "POST, PUT or PATCH among the methods",
            )


def optional_of_nothing(judged: Judged) -> Findings:
    """Fields that may be left out, and that nothing binds."""
    for index, route in enumerate(judged.policy.routes):
        bound = {*route.bind.json_members, *route.bind.form}
        optional = enumerate(route.bind.optional)
        for number in [number for number, name in optional if name not in bound]:
            yield judged.error(
                ("routes", index, "bind", "optional", number),
                "is neither in bind.json nor in bind.form",
                "one of them, spelt the same",
            )


def _pairs(route: Route) -> tuple[tuple[str, object, object], ...]:
    bind, forbid, storage = route.bind, route.forbid, route.storage_keys
    pairs: tuple[tuple[str, object, object], ...] = (
        ("bind", bind.json_members, bind.form),
        ("forbid", forbid.json_members, forbid.form),
    )
    if storage is None:
        return pairs
    return (*pairs, ("storage_keys", storage.json_members, storage.form))


def _reading_keys(route: Route) -> set[str]:
    written = set() if route.body is None else set(route.body.model_fields_set)
    return written & {"json_body", "items", "json_schema", "form"}


def _is_readable(judged: Judged, route: Route, kind: str) -> bool:
    if kind in _FORMS or kind == "multipart/*":
        return judged.policy.reads_forms(route)
    is_json = kind in {"application/json", "application/*"} or kind.endswith("+json")
    return is_json and judged.policy.reads_json(route)


def _max_of(judged: Judged, index: int) -> Path:
    own: Path = ("routes", index, "body", "max")
    if judged.is_written(own):
        return own
    return ("body", "max") if judged.is_written(("body", "max")) else ("routes", index)


def _types_of(judged: Judged, index: int) -> Path:
    own: Path = ("routes", index, "body", "content_types")
    return own if judged.is_written(own) else ("body", "content_types")
