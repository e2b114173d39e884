"""Two routes that the same request has: who may use them, and what holds for the request."""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from sidecar.decision.bindings import PROJECT, TENANT, Bindings, bindings_of
from sidecar.decision.diff import tables
from sidecar.decision.diff.changes import Judging, Side, Spot, Verdict, verdict_of
from sidecar.decision.diff.limits import judge_limits
from sidecar.decision.diff.rules import (
    CHANGES,
    NARROWS,
    WIDENS,
    Rule,
    among,
    less,
    more,
    neutral,
    opaque,
    place,
    switch,
)
from sidecar.decision.diff.values import listed
from sidecar.decision.steps.authorize import at_least, holders_of
from sidecar.policy.schema.limits import ANONYMOUS
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Addresses, Route

_METHODS: Final = ("api_key", "jwt", "introspection")
_Network = IPv4Network | IPv6Network
_Clauses = tuple[frozenset[str], ...]


def judge_routes(judging: Judging, name: str, old: int, new: int) -> None:
    """Judge what becomes of requests of one route by the rules of another.

    Args:
        judging: the policies.
        name: what the requests are called.
        old: index of the route that they have in the old policy.
        new: the one that they have in the new policy.
    """
    before, after = judging.old.policy.routes[old], judging.new.policy.routes[new]
    spot = Spot(("routes", old), ("routes", new), name)
    _judge_callers(judging, spot, before, after)
    for key, rule in _OWN.items():
        one, other = getattr(before, key), getattr(after, key)
        rule(judging, spot.below(key), one, other)
    _judge_names(judging, spot.below("path"), before, after)
    _judge_picks(judging, spot, before, after)
    _judge_readable(judging, spot.below("body"), before, after)
    for key, (effective, rule) in _INHERITED.items():
        own = tuple(key in route.model_fields_set for route in (before, after))
        if any(own):
            # What both inherit is judged where it stands.
            where = Spot(
                ("routes", old, key) if own[0] else (key,),
                ("routes", new, key) if own[1] else (key,),
                name,
            )
            one = effective(judging.old.policy, before)
            rule(judging, where, one, effective(judging.new.policy, after))


def admitted(policy: Policy, route: Route) -> str:
    """Say in words whom a route admits."""
    if policy.mode_of(route) == "shadow":
        return "everybody: it is in shadow mode"
    if route.public:
        return "whoever signs" if route.webhook is not None else "everybody"
    demands = {
        "role": route.role,
        "permission": route.permission,
        "scopes": " ".join(route.scopes),
        "condition": route.condition and "true",
        "method": " or ".join(route.authenticate or ()),
        "key kind": " or ".join(route.key_kinds or ()),
        "login": " or ".join(route.logins or ()),
    }
    return "callers with " + ", ".join(f"{name} {word}" for name, word in demands.items() if word)


# --- who


def _judge_callers(judging: Judging, spot: Spot, old: Route, new: Route) -> None:
    if old.public != new.public:
        _judge_public(judging, spot.below("public"), old, new)
        return
    if old.public:
        _WEBHOOK(judging, spot.below("webhook"), old.webhook, new.webhook)
        return
    methods = _methods(judging, old), _methods(judging, new)
    _AMONG(judging, spot.below("authenticate"), *methods)
    _SOME_OR_ALL(judging, spot.below("key_kinds"), old.key_kinds, new.key_kinds)
    _DEMANDED(judging, spot.below("scopes"), old.scopes, new.scopes)
    _CONDITION(judging, spot.below("condition"), old.condition, new.condition)
    for key, clauses in (("role", _roles), ("logins", _logins)):
        before, after = clauses(judging.old, old), clauses(judging.new, new)
        verdict = _implied(before, after)
        if verdict is not Verdict.NEUTRAL:
            judging.note(verdict, spot.below(key), f"{_words(before)} → {_words(after)}")


def _judge_public(judging: Judging, spot: Spot, old: Route, new: Route) -> None:
    public = new if new.public else old
    verdict = WIDENS if public is new else NARROWS
    if public.webhook is not None:
        # Whoever signs is somebody else than whoever has a credential.
        verdict = CHANGES
    admits = admitted(judging.old.policy, old), admitted(judging.new.policy, new)
    judging.note(verdict, spot, " → ".join(admits))
    if verdict is NARROWS and (other := _judged_otherwise(judging, old, new)):
        judging.note(CHANGES, spot, f"whose callers are known: {other}")


def _judged_otherwise(judging: Judging, old: Route, new: Route) -> str:
    """Say what of a public route is another's, or weaker, once it is known who calls."""
    before, after = judging.old.policy, judging.new.policy
    cors = after.cors_of(new)
    is_counted = ANONYMOUS in before.tiers and not old.replace_limits
    found = {
        "other limits count": is_counted,
        "a key or token in a header field passes csrf": after.csrf_of(new) is not None,
        "origins of tenants count": cors is not None and cors.enforce,
    }
    return ", ".join(word for word, is_so in found.items() if is_so)


def _methods(judging: Judging, route: Route) -> frozenset[str]:
    """List the methods of authentication: those of either policy, for none left out is all."""
    sections = [side.policy.authentication for side in (judging.old, judging.new)]
    known = {
        "api_key": any(one.api_keys is not None for one in sections),
        "jwt": any(one.jwt for one in sections),
        "introspection": any(one.introspection is not None for one in sections),
    }
    return frozenset(name for name in route.authenticate or _METHODS if known[name])


def _roles(side: Side, route: Route) -> _Clauses:
    """List the demands for roles: of each, one role must be the caller's."""
    clauses: _Clauses = ()
    if route.role is not None:
        clauses = (frozenset(at_least(side.policy.roles, route.role)),)
    resource, _, action = (route.permission or "").partition(".")
    grant = side.policy.permissions.get(resource, {}).get(action)
    if route.permission is None:
        return clauses
    holders = () if grant is None else holders_of(side.policy, grant)
    return (*clauses, frozenset(holders))


def _logins(side: Side, route: Route) -> _Clauses:
    resource, _, action = (route.permission or "").partition(".")
    grant = side.policy.permissions.get(resource, {}).get(action)
    demands = (route.logins, None if grant is None else grant.logins)
    return tuple(frozenset(some) for some in demands if some)


def _implied(old: _Clauses, new: _Clauses) -> Verdict:
    return verdict_of(
        is_no_wider=all(any(n <= o for n in new) for o in old),
        is_no_narrower=all(any(o <= n for o in old) for n in new),
    )


def _words(clauses: _Clauses) -> str:
    return " and ".join(f"[{listed(sorted(some))}]" for some in clauses) or "any"


# --- what else holds


def _judge_addresses(judging: Judging, spot: Spot, old: object, new: object) -> None:
    before = old if isinstance(old, Addresses) else Addresses()
    after = new if isinstance(new, Addresses) else Addresses()
    verdict = verdict_of(
        is_no_wider=_is_within(after, before), is_no_narrower=_is_within(before, after)
    )
    if verdict is not Verdict.NEUTRAL:
        words = [
            f"from {listed(one.allow) if one.allow else 'all'} but {listed(one.deny)}"
            for one in (before, after)
        ]
        judging.note(verdict, spot, " → ".join(words))


def _is_within(one: Addresses, other: Addresses) -> bool:
    """Whether whoever one admits is certainly admitted by the other."""
    allows = not other.allow or (
        bool(one.allow) and all(_is_covered(network, other.allow) for network in one.allow)
    )
    return allows and all(_is_covered(network, one.deny) for network in other.deny)


def _is_covered(network: _Network, others: tuple[_Network, ...]) -> bool:
    return any(_is_part(network, other) for other in others)


def _is_part(network: _Network, other: _Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return network.subnet_of(other)
    if isinstance(network, IPv6Network) and isinstance(other, IPv6Network):
        return network.subnet_of(other)
    return False


def _judge_names(judging: Judging, spot: Spot, old: Route, new: Route) -> None:
    """Judge where the path names a tenant or a project that must be the caller's own."""
    if any(route.webhook is not None and route.webhook.tenant_secret for route in (old, new)):
        if _named(old) != _named(new):
            judging.note(CHANGES, spot, "the path names the tenant whose secret signs elsewhere")
        return
    _BOUND(judging, spot, _named(old), _named(new))


def _judge_picks(judging: Judging, spot: Spot, old: Route, new: Route) -> None:
    """See requests that begin to name a tenant.

    That picks one of several tenants of a caller, who had none before, and its origins count.
    """
    before, after = bindings_of(old, TENANT), bindings_of(new, TENANT)
    if not _places(after) - _places(before):
        return
    policy = judging.new.policy
    cors = policy.cors_of(new)
    spot = spot.below("path" if _named(new) != _named(old) else "bind")
    is_always = bool(before.segments or before.host)
    if cors is not None and cors.tenant_origins != "ignore":
        judging.note(CHANGES, spot, "the origins of the tenant that it names count")
    if not (new.public or is_always) and policy.authentication.has_tokens:
        judging.note(CHANGES, spot, "picks one of several tenants of a caller")


def _places(bindings: Bindings) -> set[object]:
    return {*bindings.segments, *bindings.query, *(("host",) if bindings.host else ())}


def _judge_readable(judging: Judging, spot: Spot, old: Route, new: Route) -> None:
    """See forms of bodies that were refused since no rule could read them."""
    before, after = _readable(judging.old.policy, old), _readable(judging.new.policy, new)
    if before and after - before:
        judging.note(WIDENS, spot, f"bodies are also read as {listed(sorted(after - before))}")


def _readable(policy: Policy, route: Route) -> set[str]:
    """List how rules read bodies; not at all: all pass."""
    found = {"JSON": policy.reads_json(route), "forms": policy.reads_forms(route)}
    return {name for name, is_read in found.items() if is_read}


def _named(route: Route) -> frozenset[str]:
    return frozenset(
        f"{of} in segment {at + 1}"
        for of in (TENANT, PROJECT)
        for at in bindings_of(route, of).segments
    )


_AMONG: Final = among()
_SOME_OR_ALL: Final = among(none_is_all=True)
_DEMANDED: Final = among(is_demand=True)
_BOUND: Final = among(is_demand=True)
_CONDITION: Final = switch(
    opaque("another expression"), gained=NARROWS, lost=WIDENS, name="the condition"
)
_WEBHOOK: Final = switch(tables.PART, gained=NARROWS, lost=WIDENS, name="the signature")
_PROTECTS: Final = switch(tables.PART, gained=NARROWS, lost=WIDENS)

_OWN: Final[dict[str, Rule]] = {
    "limits": judge_limits,
    "replace_limits": more,
    "cost": less,
    "bind": tables.PART,
    "forbid": tables.PART,
    "storage_keys": _PROTECTS,
    "mcp": _PROTECTS,
    "addresses": _judge_addresses,
    "strip_prefix": place(gained=CHANGES, lost=CHANGES),
    "timeouts": neutral,
    "allow_encoded_slash": more,
    "action": neutral,
}
"""Keys that a route alone has."""

_INHERITED: Final[dict[str, tuple[Callable[[Policy, Route], object], Rule]]] = {
    "body": (Policy.body_of, tables.PART),
    "headers": (Policy.headers_of, tables.PART),
    "cors": (Policy.cors_of, tables.TABLES[Policy]["cors"]),
    "csp": (Policy.csp_of, tables.TABLES[Policy]["csp"]),
    "cookies": (Policy.cookies_of, tables.TABLES[Policy]["cookies"]),
    "csrf": (Policy.csrf_of, tables.TABLES[Policy]["csrf"]),
    "upstream": (Policy.upstream_of, tables.PART),
    "mode": (Policy.mode_of, tables.TABLES[Policy]["mode"]),
}
"""Keys that a route lays over those of the policy, and what then holds."""

JUDGED_APART: Final = frozenset(
    {
        "host", "path", "methods", "public", "webhook", "authenticate", "key_kinds", "logins",
        "role", "permission", "scopes", "condition",
    }
)  # fmt: skip
"""Keys that say which requests a route has, and who may use it."""
JUDGED: Final = JUDGED_APART | _OWN.keys() | _INHERITED.keys()
"""All keys of a route that are judged; a test holds that none is missing."""
