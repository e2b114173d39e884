"""Refuse a request that names a tenant or a project that is not the caller's own (TN-2)."""

from typing import ClassVar, Final, Literal, Self

from sidecar.decision.bindings import PROJECT, TENANT, Bindings, bindings_of
from sidecar.knowledge.http1.query import UndecodableError
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

_CODES: Final = {403: RefusalCode.FORBIDDEN, 404: RefusalCode.NOT_FOUND}


class TenantBinding(Step):
    """Compare every tenant and project that the request names with the caller's."""

    name: ClassVar[str] = "tenant_binding"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments", "principal", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(
        self, tenants: Bindings, projects: Bindings, *, status: Literal[403, 404] = 403
    ) -> None:
        """Keep what is the same for every request.

        Args:
            tenants: where requests name a tenant.
            projects: where they name a project.
            status: 404 makes a refusal look like an unknown route.
        """
        self._tenants = tenants
        self._projects = projects
        self._code = _CODES[status]

    @classmethod
    def compile(cls, policy: Policy, route: Route) -> Self | None:
        """Be absent from routes whose requests name neither."""
        tenants, projects = bindings_of(route, TENANT), bindings_of(route, PROJECT)
        if not (tenants or projects):
            return None
        return cls(tenants, projects, status=policy.tenant_mismatch)

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse unless all values are the caller's own.

        Controls: TN-2, AN-9, AZ-5.
        """
        try:
            tenants = self._tenants.names(exchange)
            projects = self._projects.names(exchange)
        except UndecodableError as error:
            return self._refused(str(error))
        reason = mismatch(exchange, tenants, projects)
        return PASS if reason is None else self._refused(reason)

    def _refused(self, reason: str) -> Refuse:
        return Refuse(self._code, reason, hides_route=self._code is RefusalCode.NOT_FOUND)


def mismatch(exchange: Exchange, tenants: list[str], projects: list[str]) -> str | None:
    """Say what the request names that is not the caller's own; None for nothing."""
    tenant = exchange.tenant
    if tenant is None:
        return "the caller has no tenant, and the route is bound to one"
    if any(name != tenant.id for name in tenants):
        return "the request names a tenant that is not the caller's"
    own = exchange.principal.project
    if own is not None and any(name != own for name in projects):
        return "the request names a project other than the credential's"
    if any(name not in tenant.projects for name in projects):
        return "the request names a project that is not the tenant's"
    return None
