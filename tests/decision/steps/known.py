"""Callers, tenants that are at hand, and routes that are not public, for tests of steps."""

from collections.abc import Mapping

from sidecar.model.exchange import Exchange
from sidecar.model.identity import Principal, TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route
from tests.builders import a_head, a_policy, a_principal, a_tenant, an_exchange


class KnownTenants:
    """Tenants in memory: some known, some known not to be, and of the rest nothing is known."""

    def __init__(self, *records: TenantRecord, absent: tuple[str, ...] = ()) -> None:
        self._records = {record.id: record for record in records}
        self._absent = absent

    def at_hand(self, tenant: TenantId) -> TenantRecord | Unsure | None:
        return None if tenant in self._absent else self._records.get(tenant, UNKNOWN)


def a_guarded_policy(
    path: str = "/**", sections: Mapping[str, object] | None = None, **keys: object
) -> Policy:
    """Make a policy with one route, which asks for a role unless it asks for something else."""
    asked = {"role", "permission", "scopes", "condition"} & set(keys)
    route = {"path": path, "public": False, **({} if asked else {"role": "viewer"}), **keys}
    return a_policy(route, **(sections or {}))


def a_guarded_route(path: str = "/**", **keys: object) -> Route:
    """Make the one route of such a policy."""
    return a_guarded_policy(path, {}, **keys).routes[0]


def a_request_of(
    principal: Principal | None = None,
    target: str | bytes = "/orders/7",
    *lines: bytes,
    method: bytes = b"GET",
    host: bytes | None = b"shop.example",
) -> Exchange:
    """Make an exchange whose caller is known and whose path has been read."""
    raw = target.encode() if isinstance(target, str) else target
    exchange = an_exchange(a_head(method, raw, *lines, host=host))
    path = raw.partition(b"?")[0].decode()
    exchange.segments = tuple(path.removesuffix("/").split("/")[1:])
    exchange.principal = a_principal() if principal is None else principal
    return exchange


def a_member(*roles: str, **facts: object) -> Exchange:
    """Make an exchange whose caller has roles in acme, which has been found."""
    principal = a_principal("acme", *roles)
    for name, value in facts.items():
        setattr(principal, name, value)
    exchange = a_request_of(principal)
    exchange.tenant = a_tenant()
    exchange.roles = roles
    return exchange
