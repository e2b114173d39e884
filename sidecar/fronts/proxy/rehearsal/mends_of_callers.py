"""What callers could do so that a refused request is admitted: candidates by step."""

from dataclasses import replace

from sidecar.decision.bindings import PROJECT, TENANT
from sidecar.fronts.proxy.rehearsal.callers import (
    bound,
    described,
    higher,
    named,
    roles_for,
    sufficient,
    with_role,
)
from sidecar.fronts.proxy.rehearsal.case import Case, Mend, Mends, appended, dotted
from sidecar.model.refusals import RefusalCode
from sidecar.policy.nodes import Path
from sidecar.policy.schema.routes import Route
from sidecar.policy.text import Edit


def of_authenticate(case: Case) -> Mends:
    """List what mends a refusal of `authenticate`."""
    if case.route is None:
        return
    caller = sufficient(case.policy, case.route, case.played.exchange)
    words = described(case.policy, case.route, case.played.exchange, caller)
    reason = case.refusal.reason
    if reason.endswith("is not accepted here"):
        method = reason.partition(" ")[0]
        yield Mend(
            f"add {method} to authenticate of the route",
            edit=Edit(("routes", case.index, "authenticate"), appended(method)),
        )
    elif "two different" in reason:
        words = f"send one credential, not two: {words}"
    elif reason != "no credential":
        words = f"the credential is not good ({reason}): {words}"
    yield Mend(words, asked=replace(case.asked, principal=caller))


def of_tenant(case: Case) -> Mends:
    """List what mends a refusal of `tenant`."""
    named = next(iter(case.played.exchange.principal.memberships), "")
    path: Path = ("tenants", named)
    login = case.played.exchange.principal.login
    if case.refusal.reason == "unknown tenant":
        yield Mend(
            f"create the tenant: sidecar tenants create {named}, or tenants.{named}",
            edit=Edit(path, lambda old: old if isinstance(old, dict) else {}),
        )
    elif "login" in case.refusal.reason:
        yield Mend(f"add {login} to its logins", edit=Edit((*path, "logins"), appended(login)))
    elif named in case.policy.tenants:
        yield Mend(
            f"tenants.{named}.status: active", edit=Edit((*path, "status"), lambda _: "active")
        )
    else:
        yield Mend(f"sidecar tenants activate {named}")


def of_blocked(case: Case) -> Mends:
    """List what mends a refusal of a block."""
    yield Mend(f"{case.refusal.reason}; sidecar block list, sidecar block remove")


def of_authorize(case: Case) -> Mends:
    """List what mends a refusal of `authorize`."""
    route, exchange = case.route, case.played.exchange
    if route is None:
        return
    caller, reason = exchange.principal, case.refusal.reason
    if case.refusal.code is RefusalCode.INSUFFICIENT_SCOPE:
        lacks = [scope for scope in route.scopes if scope not in caller.scopes]
        better = replace(caller, scopes=caller.scopes | frozenset(lacks), identity=None)
        yield Mend(
            f"send a credential with the scopes {' '.join(lacks)} as well",
            asked=replace(case.asked, principal=better),
        )
    elif "read-only" in reason:
        better = replace(caller, is_read_only=False, identity=None)
        yield Mend("send a key that is not read-only", replace(case.asked, principal=better))
    elif "login" in reason:
        login = sufficient(case.policy, route, exchange).login
        better = replace(caller, login=login, identity=None)
        yield Mend(f"log in by {login}", replace(case.asked, principal=better))
    elif "kind" in reason:
        better = sufficient(case.policy, route, exchange)
        better = replace(caller, kind=better.kind, method=better.method, identity=None)
        yield Mend(f"send a key of kind {better.kind}", replace(case.asked, principal=better))
    elif roles_for(case.policy, route):
        yield _better_role(case, route)


def _better_role(case: Case, route: Route) -> Mend:
    policy, exchange = case.policy, case.played.exchange
    better = with_role(policy, route, exchange)
    credential = "a key" if better.kind is not None else "a credential"
    roles = roles_for(policy, route)
    needed = (
        f"role {roles[-1]} or higher" if higher(policy, route) else f"role {' or '.join(roles)}"
    )
    has = ", ".join(exchange.roles) or "no role"
    return Mend(
        f"send {credential} with {needed} (has {has})", replace(case.asked, principal=better)
    )


def of_tenant_binding(case: Case) -> Mends:
    """List what mends a refusal of `tenant_binding`."""
    route, exchange = case.route, case.played.exchange
    if route is None:
        return
    tenant, project = bound(route, exchange, TENANT), bound(route, exchange, PROJECT)
    caller, own = exchange.principal, exchange.tenant
    if project is not None and "project" in case.refusal.reason:
        better = replace(caller, project=project, identity=None)
        yield Mend(
            f"send a credential of {named(exchange, PROJECT, project)}",
            replace(case.asked, principal=better),
        )
        if own is not None and own.id in case.policy.tenants and project in exchange.segments:
            path: Path = ("tenants", own.id, "projects", project)
            yield Mend(f"add the project: {dotted(path)}", edit=Edit(path, lambda _: {}))
        return
    if tenant is not None:
        member = replace(caller, memberships={tenant: exchange.roles}, identity=None)
        yield Mend(
            f"send a credential of {named(exchange, TENANT, tenant)}"
            + ("" if own is None else f", or name {own.id} in the request"),
            replace(case.asked, principal=member),
        )


def of_domain_lock(case: Case) -> Mends:
    """List what mends a refusal of `domain_lock`."""
    exchange = case.played.exchange
    tenant, project = exchange.tenant, exchange.principal.project
    if tenant is None or project is None:
        yield Mend("send a key of a project, or one that is not locked to domains")
        return
    record = tenant.projects.get(project)
    for domain in record.domains if record is not None else ():
        if not domain.startswith("*"):
            yield Mend(
                f"send it from a registered domain: Origin: https://{domain}",
                case.asked.with_field("Origin", f"https://{domain}"),
            )
            break
    for origin in (case.values("origin") or case.values("referer"))[:1]:
        domain = origin.partition("://")[2].partition("/")[0].partition(":")[0]
        if not domain or "*" in domain:
            continue
        path: Path = ("tenants", tenant.id, "projects", project, "domains")
        yield Mend(f"add {domain} to {dotted(path)}", edit=Edit(path, appended(domain)))
