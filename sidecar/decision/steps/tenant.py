"""Find the tenant that a request is for: one of the caller's own, and only while it is served."""

from typing import ClassVar

from sidecar.decision.bindings import Bindings
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.knowledge.http1.query import UndecodableError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import (
    NO_ROLES,
    Principal,
    ProjectRecord,
    TenantId,
    TenantRecord,
    TenantStatus,
    is_tenant_id,
)
from sidecar.model.memo import Memo
from sidecar.model.outcome import PASS, Ask, Outcome
from sidecar.model.ports import UNKNOWN, KnownTenants
from sidecar.model.questions import FindTenant, Question
from sidecar.model.route import AskingStep
from sidecar.policy.schema.tenants import Tenant as Section


class Tenant(AskingStep):
    """Choose the tenant among the caller's memberships and judge its record.

    What the request names picks one of several memberships; it never adds one. A request that names
    a tenant of others keeps the caller's sole one, and `tenant_binding` refuses it.
    """

    name: ClassVar[str] = "tenant"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments", "principal"})
    writes: ClassVar[frozenset[str]] = frozenset({"tenant", "roles"})
    can_shadow: ClassVar[bool] = True

    def __init__(self, bindings: Bindings, known: KnownTenants) -> None:
        """Keep what is the same for every request.

        Args:
            bindings: where requests name a tenant.
            known: tenants that are at hand.
        """
        self._bindings = bindings
        self._known = known
        # One object for a tenant, so that what is derived from it can be remembered.
        self._accepted: Memo[str, TenantRecord] = Memo(_without_record)

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Write the tenant and the caller's roles in it; neither when it is not served.

        Controls: TN-1, AN-16.
        """
        exchange.tenant = None
        exchange.roles = NO_ROLES
        chosen = self._chosen(exchange)
        if chosen is None:
            return PASS
        record = self._known.at_hand(TenantId(chosen))
        if record is UNKNOWN:
            if not is_tenant_id(chosen):
                return unauthorized("the tenant's id is malformed")
            return Ask(FindTenant(TenantId(chosen)))
        return self._judge(exchange, chosen, record)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Go on with the tenant's record."""
        if not isinstance(question, FindTenant):
            raise TypeError(f"the step `tenant` never asked {type(question).__name__}")
        record = answer if isinstance(answer, TenantRecord) else None
        return self._judge(exchange, question.tenant, record)

    def _chosen(self, exchange: Exchange) -> str | None:
        memberships = exchange.principal.memberships
        if self._bindings and len(memberships) > 1:
            named = self._named(exchange)
            return named if named in memberships else None
        return next(iter(memberships)) if len(memberships) == 1 else None

    def _named(self, exchange: Exchange) -> str | None:
        try:
            return next(iter(self._bindings.names(exchange)), None)
        except UndecodableError:
            # Nobody's; `tenant_binding` says what is wrong with it.
            return None

    def _judge(self, exchange: Exchange, chosen: str, record: TenantRecord | None) -> Outcome:
        principal = exchange.principal
        if record is None:
            if not principal.accepts_unknown_tenant:
                return unauthorized("unknown tenant")
            if not is_tenant_id(chosen):
                return unauthorized("the tenant's id is malformed")
            record = self._accepted(chosen)
        if record.status is not TenantStatus.ACTIVE:
            return unauthorized(f"{record.status} tenant")
        if not _may_log_in(principal, record):
            return unauthorized("the tenant does not accept the login method")
        exchange.tenant = record
        exchange.roles = principal.memberships[chosen]
        return PASS


def record_of(tenant: str, section: Section) -> TenantRecord:
    """Make the record of a tenant of the policy; its version 0 tells it from those of a store.

    Args:
        tenant: its id.
        section: what the policy says of it.
    """
    return TenantRecord(
        TenantId(tenant),
        status=TenantStatus(section.status),
        tier=section.tier,
        origins=section.origins,
        domains=section.domains,
        projects={
            name: ProjectRecord(project.domains, is_system=project.system)
            for name, project in section.projects.items()
        },
        logins=section.logins,
        upstream=None if section.upstream is None else str(section.upstream),
        upstream_credential=section.upstream_credential,
        attributes=section.attributes,
        version=0,
    )


def _may_log_in(principal: Principal, record: TenantRecord) -> bool:
    return not record.logins or principal.login in record.logins


def _without_record(tenant: str) -> TenantRecord:
    return TenantRecord(TenantId(tenant), version=0)
