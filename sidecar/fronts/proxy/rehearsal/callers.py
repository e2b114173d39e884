"""Callers that a route would admit, for those who ask what is missing."""

from dataclasses import replace
from typing import Final

from sidecar.decision.bindings import PROJECT, TENANT, bindings_of
from sidecar.decision.steps.authorize import at_least, holders_of
from sidecar.knowledge.http1.query import UndecodableError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal, is_tenant_id
from sidecar.policy.schema.permissions import Grant
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

_ANY_TENANT: Final = "any"


def grant_of(policy: Policy, route: Route) -> Grant | None:
    """Return what the permission of a route says; None for a route that names none."""
    if route.permission is None:
        return None
    resource, _, action = route.permission.partition(".")
    return policy.permissions.get(resource, {}).get(action)


def roles_for(policy: Policy, route: Route) -> tuple[str, ...]:
    """List the roles that are sufficient for a route, the highest first."""
    roles = policy.roles
    if route.role is not None:
        roles = at_least(policy.roles, route.role)
    grant = grant_of(policy, route)
    if grant is not None:
        holders = holders_of(policy, grant)
        roles = tuple(role for role in roles if role in holders)
    return roles


def bound(route: Route, exchange: Exchange, what: str) -> str | None:
    """Return the tenant or the project that a request names; None for none or several."""
    try:
        names = set(bindings_of(route, what).names(exchange))
    except (UndecodableError, AttributeError):
        return None
    name = names.pop() if len(names) == 1 else ""
    return name if is_tenant_id(name) else None


def sufficient(policy: Policy, route: Route, exchange: Exchange) -> Principal:
    """Make the least caller whom a route should admit."""
    tenant = bound(route, exchange, TENANT) or next(iter(policy.tenants), _ANY_TENANT)
    needed = roles_for(policy, route)[-1:] if route.role or route.permission else ()
    method, kind = _method(policy, route)
    grant = grant_of(policy, route)
    logins = route.logins or (grant.logins if grant is not None else ())
    return Principal(
        method,
        "somebody",
        "rehearsed",
        memberships={tenant: needed},
        scopes=frozenset(route.scopes),
        login=logins[0] if logins else method.value,
        kind=kind,
        project=bound(route, exchange, PROJECT),
        accepts_unknown_tenant=tenant == _ANY_TENANT or _accepts_unknown(policy, method),
    )


def _method(policy: Policy, route: Route) -> tuple[Method, str | None]:
    section = policy.authentication
    accepted = route.authenticate or ("api_key", "jwt", "introspection")
    keys = section.api_keys
    if keys is not None and "api_key" in accepted:
        locked = set(keys.domain_lock.kinds)
        kinds = route.key_kinds or tuple(one.kind for one in keys.formats)
        free = [kind for kind in kinds if kind not in locked]
        return Method.API_KEY, (free or list(kinds))[0]
    return (Method.JWT if section.jwt and "jwt" in accepted else Method.INTROSPECTION), None


def _accepts_unknown(policy: Policy, method: Method) -> bool:
    """Tell whether tenants need no record for callers of a method."""
    section = policy.authentication
    asked = () if section.introspection is None else (section.introspection,)
    sources = {Method.JWT: section.jwt, Method.INTROSPECTION: asked}.get(method, ())
    return any(source.unknown_tenants == "accept" for source in sources)


def with_role(policy: Policy, route: Route, exchange: Exchange) -> Principal:
    """Give the caller the least role that is sufficient, in the tenant that the request is for."""
    principal = exchange.principal
    tenant = exchange.tenant.id if exchange.tenant is not None else _ANY_TENANT
    needed = roles_for(policy, route)[-1:]
    return replace(principal, memberships={tenant: needed}, identity=None)


def named(exchange: Exchange, what: str, name: str) -> str:
    """Write a tenant or a project that a request names; what stands in no path is not shown."""
    shown = name in exchange.segments
    return f"{what} {name}" if shown else f"the {what} that the request names"


def described(policy: Policy, route: Route, exchange: Exchange, principal: Principal) -> str:
    """Say which credential would do."""
    keys = policy.authentication.api_keys
    if principal.method is Method.API_KEY and keys is not None:
        field = keys.header or "Authorization: Bearer"
        words = f"send {field} with a key of kind {principal.kind}"
    else:
        words = "send Authorization: Bearer with a token"
    [(tenant, roles)] = principal.memberships.items()
    if tenant != _ANY_TENANT:
        is_ours = bound(route, exchange, TENANT) is None
        words += f" of {f'tenant {tenant}' if is_ours else named(exchange, TENANT, tenant)}"
    if roles:
        words += f", role {roles[0]}{higher(policy, route)}"
    if route.scopes:
        words += f", scopes {' '.join(route.scopes)}"
    return words


def higher(policy: Policy, route: Route) -> str:
    """Say that higher roles do as well, where they do."""
    roles = roles_for(policy, route)
    if not roles:
        return ""
    return " or higher" if roles == at_least(policy.roles, roles[-1]) and len(roles) > 1 else ""
