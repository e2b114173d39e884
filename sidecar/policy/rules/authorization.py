"""Rules about who may use a route: names that must be known, and demands that contradict."""

from collections.abc import Iterator
from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.permissions import Grant
from sidecar.policy.schema.routes import Route

_TENANT_NAMES: Final = frozenset({"tenant", "org"})
_BOUND_NAMES: Final = _TENANT_NAMES | {"project"}
# What asks who the caller is; `public` says that nobody is asked.
_DEMANDS: Final = (
    "role", "permission", "scopes", "condition", "authenticate", "key_kinds", "logins",
)  # fmt: skip


def roles_listed_twice(judged: Judged) -> Findings:
    """A role with two places in the hierarchy (AZ-1)."""
    seen: dict[str, int] = {}
    for index, role in enumerate(judged.policy.roles):
        if seen.setdefault(role, index) != index:
            yield judged.error(
                ("roles", index), f"is roles[{seen[role]}] too", "each role once, the highest first"
            )


def roles_unknown(judged: Judged) -> Findings:
    """A route for a role that the policy does not have: nobody could pass (AZ-1)."""
    for index, route in enumerate(judged.policy.routes):
        if route.role is not None and route.role not in judged.policy.roles:
            yield judged.error(("routes", index, "role"), "is no role", _roles_hint(judged))


def grants_to_unknown_roles(judged: Judged) -> Findings:
    """A permission for a role that the policy does not have (AZ-2)."""
    for resource, actions in judged.policy.permissions.items():
        for action, grant in actions.items():
            yield from _unknown_grantees(judged, ("permissions", resource, action), grant)


def permissions_unknown(judged: Judged) -> Findings:
    """A route for a permission that the matrix does not have: nobody could pass (AZ-2)."""
    for index, route in enumerate(judged.policy.routes):
        resource, _, action = (route.permission or "").partition(".")
        if route.permission and action not in judged.policy.permissions.get(resource, {}):
            yield judged.error(
                ("routes", index, "permission"),
                "is not in permissions",
                f"permissions: {{{resource}: {{{action}: a role}}}}, or a permission that is there",
            )


def public_contradicted(judged: Judged) -> Findings:
    """A public route that asks who the caller is."""
    for index, route in enumerate(judged.policy.routes):
        demands = [demand for demand in _DEMANDS if route.public and getattr(route, demand)]
        for demand in demands:
            yield judged.error(
                ("routes", index, demand),
                "asks who the caller is, and public asks nobody",
                "one of the two",
            )
        if route.public and (bound := _bound_by(route)) and not is_of_a_tenant(route):
            yield judged.error(
                ("routes", index, bound),
                "names whose request it is, and public asks nobody",
                "another name than tenant, org and project, no bind, or no public",
            )


def nobody_can_pass(judged: Judged) -> Findings:
    """Routes that ask who the caller is, and the policy has no method that could tell."""
    if _methods(judged):
        return
    for index, route in enumerate(judged.policy.routes):
        if route.is_guarded and not route.public:
            yield judged.error(
                ("routes", index),
                "asks who the caller is, and the policy has no authentication",
                "authentication: {api_keys: {}}, or public: true for everybody",
            )


def methods_unknown(judged: Judged) -> Findings:
    """Routes that name a method of authentication that the policy does not have."""
    methods = _methods(judged)
    for index, route in enumerate(judged.policy.routes):
        named = () if route.public else enumerate(route.authenticate or ())
        absent = [number for number, method in named if methods and method not in methods]
        for number in absent:
            yield judged.error(
                ("routes", index, "authenticate", number),
                "is a method that the policy does not have",
                f"one of {', '.join(sorted(methods))}, or a section for it in authentication",
            )


def kinds_of_tokens(judged: Judged) -> Findings:
    """Kinds of keys on a route that no key opens (AZ-3)."""
    for index, route in enumerate(judged.policy.routes):
        if route.key_kinds and "api_key" not in (route.authenticate or ("api_key",)):
            yield judged.error(
                ("routes", index, "key_kinds"),
                "is about API keys, which authenticate leaves out",
                "authenticate with api_key in it, or no key_kinds",
            )


def kinds_of_no_key(judged: Judged) -> Findings:
    """Kinds of keys that no format makes (AZ-3)."""
    keys = judged.policy.authentication.api_keys
    if keys is None:
        return
    kinds = {one.kind for one in keys.formats}
    for index, route in enumerate(judged.policy.routes):
        named = () if route.public else enumerate(route.key_kinds or ())
        for number in [number for number, kind in named if kind not in kinds]:
            yield judged.error(
                ("routes", index, "key_kinds", number),
                "is a kind that no format makes",
                f"one of {', '.join(sorted(kinds))}",
            )


def kinds_without_keys(judged: Judged) -> Findings:
    """Kinds of keys in a policy without API keys (AZ-3)."""
    has_keys = judged.policy.authentication.api_keys is not None
    for index, route in enumerate(judged.policy.routes):
        if route.key_kinds and not (has_keys or route.public or route.authenticate):
            yield judged.error(
                ("routes", index, "key_kinds"),
                "is about API keys, which the policy does not have",
                "authentication: {api_keys: {}}, or no key_kinds",
            )


def tenant_named_twice(judged: Judged) -> Findings:
    """A path that binds the tenant under two names (TN-2)."""
    for index, route in enumerate(judged.policy.routes):
        if set(route.template.names) >= _TENANT_NAMES:
            yield judged.error(
                ("routes", index, "path"),
                "names the tenant twice: {org} is another name for {tenant}",
                "one of the two, or another name in braces",
            )


def bound_and_forbidden(judged: Judged) -> Findings:
    """A parameter that must be the caller's own, and must not be there (TN-2, TN-7)."""
    for index, route in enumerate(judged.policy.routes):
        for key, number in _bound_and_forbidden(route):
            yield judged.error(
                ("routes", index, "forbid", key, number),
                f"is bound by bind.{key}",
                "bind or forbid a parameter, not both",
            )


def _bound_and_forbidden(route: Route) -> Iterator[tuple[str, int]]:
    bind, forbid = route.bind, route.forbid
    # The last name of a pointer is one that may stand nowhere, where it is forbidden by name.
    members = {part for at in bind.json_members for part in (at, at.rpartition("/")[2])}
    for key, bound, forbidden in (
        ("query", set(bind.query), forbid.query),
        ("json", members, forbid.json_members),
        ("form", set(bind.form), forbid.form),
    ):
        both = {name.lower() for name in bound}
        yield from ((key, at) for at, name in enumerate(forbidden) if name.lower() in both)


def _roles_hint(judged: Judged) -> str:
    return f"one of roles: {', '.join(judged.policy.roles)}"


def _unknown_grantees(judged: Judged, path: Path, grant: Grant) -> Findings:
    known = judged.policy.roles
    if grant.minimum is not None and grant.minimum not in known:
        own = (*path, "minimum")
        place = own if judged.is_written(own) else path
        yield judged.error(place, f"{grant.minimum} is no role", _roles_hint(judged))
    listed = (*path, "roles") if judged.is_written((*path, "roles")) else path
    for index, role in enumerate(grant.roles):
        if role not in known:
            yield judged.error((*listed, index), f"{role} is no role", _roles_hint(judged))


def is_of_a_tenant(route: Route) -> bool:
    """Tell whether the path of a webhook names the tenant whose secret signs, and nothing else."""
    names = _BOUND_NAMES & set(route.template.names)
    is_signed = route.webhook is not None and route.webhook.tenant_secret is not None
    return is_signed and len(names) == 1 and names <= _TENANT_NAMES and _bound_by(route) == "path"


def _bound_by(route: Route) -> str:
    """Name the key by which a route's requests name a tenant or a project; empty for none."""
    if _BOUND_NAMES & set(route.template.names):
        return "path"
    bind = route.bind
    if bind.query or bind.json_members or bind.form or bind.host is not None:
        return "bind"
    return "" if route.storage_keys is None else "storage_keys"


def _methods(judged: Judged) -> frozenset[str]:
    return frozenset(judged.policy.authentication.methods)
