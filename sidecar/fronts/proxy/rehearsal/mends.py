"""What could be changed so that a refused request is admitted: the table by step.

These are candidates. Whether one is enough is found out by playing the request again with it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sidecar.fronts.proxy.rehearsal.case import Case, Mend, Mends
from sidecar.fronts.proxy.rehearsal.mends_of_callers import (
    of_authenticate,
    of_authorize,
    of_blocked,
    of_domain_lock,
    of_tenant,
    of_tenant_binding,
)
from sidecar.fronts.proxy.rehearsal.mends_of_requests import (
    of_addresses,
    of_body_rules,
    of_condition,
    of_csrf,
    of_declared_body,
    of_forbidden,
    of_framing,
    of_limits,
    of_mcp,
    of_origins,
    of_path,
    of_route,
    of_webhook,
)


def mends(case: Case) -> list[Mend]:
    """List what could be changed, the nearest first."""
    find = _MENDS.get(case.played.step)
    return [] if find is None else [*find(case)]


_Finding = Callable[[Case], Mends]

_MENDS: Final[Mapping[str, _Finding]] = {
    "addresses": of_addresses,
    "address_limit": of_limits,
    "authenticate": of_authenticate,
    "authorize": of_authorize,
    "blocked_address": of_blocked,
    "blocked_caller": of_blocked,
    "blocked_tenant": of_blocked,
    "body_rules": of_body_rules,
    "condition": of_condition,
    "csrf": of_csrf,
    "declared_body": of_declared_body,
    "domain_lock": of_domain_lock,
    "forbidden": of_forbidden,
    "framing": of_framing,
    "key_limit": of_limits,
    "limits": of_limits,
    "mcp": of_mcp,
    "origin": of_origins,
    "path": of_path,
    "preflight": of_origins,
    "route": of_route,
    "tenant": of_tenant,
    "tenant_binding": of_tenant_binding,
    "webhook_signature": of_webhook,
}
