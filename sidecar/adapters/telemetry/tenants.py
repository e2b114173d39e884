"""Metrics by tenant, for policies that want them: a ledger of its own, so others pay nothing."""

from collections.abc import Iterator
from typing import Final

from sidecar.adapters.telemetry.metrics import NamedRow, outcome_of
from sidecar.model.exchange import Exchange
from sidecar.model.limits import Outcome
from sidecar.model.ports import Ledger
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict

OTHERS: Final = "(other)"
"""The label of all tenants beyond the bound; no tenant can have parentheses in its name."""


class TenantLedger(Ledger):
    """Counts exchanges by tenant: by the first that come, and the others together.

    Args:
        limit: tenants with numbers of their own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._endings: dict[tuple[str, Ending], int] = {}
        self._taken: dict[tuple[str, Outcome], int] = {}

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Count an exchange that is for a tenant."""
        try:
            record = exchange.tenant
        except AttributeError:
            # It ended before it was known for whom it is.
            return
        if record is None:
            return
        tenant = self._label_of(record.id)
        ended = (tenant, verdict.ending)
        self._endings[ended] = self._endings.get(ended, 0) + 1
        is_limited = verdict.code is RefusalCode.RATE_LIMITED
        for taken in exchange.taken:
            charge = (tenant, outcome_of(taken, is_limited=is_limited))
            self._taken[charge] = self._taken.get(charge, 0) + 1

    def _label_of(self, tenant: str) -> str:
        if tenant not in self._known:
            if len(self._known) >= self._limit:
                return OTHERS
            self._known.add(tenant)
        return tenant

    def rows(self) -> Iterator[NamedRow]:
        """Give the rows of the metrics."""
        for ended, count in self._endings.items():
            yield "sidecar_tenant_requests_total", ended, (count,)
        for charge, count in self._taken.items():
            yield "sidecar_tenant_rate_limit_decisions_total", charge, (count,)
