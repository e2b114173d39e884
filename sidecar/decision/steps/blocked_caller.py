"""Refuse callers whose API key or tenant an operator shut out."""

from collections.abc import Iterable
from typing import ClassVar

from sidecar.decision.steps.authenticate import is_unproved
from sidecar.decision.steps.blocked_address import UNKNOWN_BLOCKS, reason_of
from sidecar.knowledge.auth.prover import unauthorized, unavailable
from sidecar.model.blocks import KnownBlocks
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step


class BlockedCaller(Step):
    """Refuse a blocked key or tenant with the face of every failed authentication (AN-6).

    It stands behind `tenant`: who is blocked is told from the others by nothing, the time floor
    included. Shadow mode does not switch it off.
    """

    name: ClassVar[str] = "blocked_caller"
    reads: ClassVar[frozenset[str]] = frozenset({"now", "principal", "shadow", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, known: KnownBlocks) -> None:
        self._known = known

    def decide(self, exchange: Exchange) -> Outcome:
        """Look up the key, and the tenant that the request is for."""
        known, now = self._known, exchange.now
        principal = exchange.principal
        if principal.method is Method.API_KEY:
            block = known.key(principal.credential_id, now)
            if block is not None:
                return unauthorized(reason_of(block))
        for tenant in _tenants(exchange):
            block = known.tenant(tenant, now)
            if block is not None:
                return unauthorized(reason_of(block))
        # The store may have gone while the exchange waited for it.
        return PASS if known.is_current() else unavailable(UNKNOWN_BLOCKS)


class BlockedTenant(Step):
    """Refuse webhooks of a blocked tenant, once its secret has signed them."""

    name: ClassVar[str] = "blocked_tenant"
    reads: ClassVar[frozenset[str]] = frozenset({"now", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, known: KnownBlocks) -> None:
        self._known = known

    def decide(self, exchange: Exchange) -> Outcome:
        """Look the tenant up."""
        known, tenant = self._known, exchange.tenant
        block = None if tenant is None else known.tenant(tenant.id, exchange.now)
        if block is not None:
            return unauthorized(reason_of(block))
        return PASS if known.is_current() else unavailable(UNKNOWN_BLOCKS)


def _tenants(exchange: Exchange) -> Iterable[str]:
    """Name the tenants that the request may be for.

    Where shadow mode let a refused tenant pass none was written, and the caller's own stand for it.
    """
    if exchange.tenant is not None:
        return (exchange.tenant.id,)
    memberships = exchange.principal.memberships
    return memberships if len(memberships) == 1 or is_unproved(exchange) else ()
