"""Which pages may read the answers of a route: the policy's origins, the route's, the tenants'."""

from collections.abc import Mapping
from typing import Final

from sidecar.knowledge.origins import Origins, is_plausible
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord
from sidecar.model.memo import Memo
from sidecar.policy.schema.cors import Cors
from sidecar.policy.schema.origins import EVERYONE

# Lists of tenants and what they say are remembered for so many; then it starts again.
_TENANTS: Final = 1024

_ALLOWED: Final = b"Access-Control-Allow-Origin: "
_CREDENTIALS: Final = b"\r\nAccess-Control-Allow-Credentials: true"


class Allowance:
    """The origins that a route allows, and the field lines that tell a browser so.

    Args:
        section: what holds on the route.
        locked: kinds of keys that are locked to the domains of their project (AN-8).

    Attributes:
        is_public: whether every page is allowed, and the answer the same for all.
        everybody: the field line for a public route.
    """

    __slots__ = (
        "_credentials", "_granted", "_is_only", "_listed", "_locked", "_origins", "_takes_tenants",
        "_tenants", "everybody", "is_public",
    )  # fmt: skip

    def __init__(self, section: Cors, locked: frozenset[str] = frozenset()) -> None:
        self.is_public = EVERYONE in section.origins
        self.everybody = _ALLOWED + b"*"
        self._origins = Origins(section.origins)
        self._credentials = _CREDENTIALS if section.credentials else b""
        self._is_only = section.tenant_origins == "only"
        self._takes_tenants = section.tenant_origins != "ignore"
        self._locked = locked
        self._listed: Memo[bytes, bytes] = Memo(self._judge)
        self._granted: Memo[bytes, bytes] = Memo(self._grant)
        self._tenants: Memo[TenantRecord, Origins] = Memo(_origins_of, _TENANTS)

    def listed(self, origin: bytes) -> bytes:
        """Return the lines for an origin of the policy's list or the route's; none for others."""
        return self._listed(origin)

    def of_tenant(self, origin: bytes, tenant: TenantRecord | None) -> bytes:
        """Return the lines for an origin of a tenant; none for others."""
        if tenant is None or not tenant.origins or not self._takes_tenants:
            return b""
        return self._granted(origin) if self._tenants(tenant).allow(origin) else b""

    def before(self, exchange: Exchange, origin: bytes) -> bytes:
        """Return the lines for an origin while the caller is not known: a preflight, a 401.

        Controls: AN-6, RS-4.
        """
        return self._listed(origin) or self.of_tenant(origin, exchange.named_tenant)

    def after(self, exchange: Exchange, origin: bytes) -> bytes:
        """Return the lines for an origin once caller and tenant are known.

        Controls: RS-4, AN-8.
        """
        tenant = exchange.tenant
        own = self.of_tenant(origin, tenant)
        if own or tenant is None:
            return own or self.before(exchange, origin)
        if not (self._is_only and tenant.origins) and (lines := self.before(exchange, origin)):
            return lines
        return self._of_project(exchange, origin, tenant)

    def _of_project(self, exchange: Exchange, origin: bytes, tenant: TenantRecord) -> bytes:
        """Allow the registered domains of a locked key's project, without cookies: it has none."""
        principal = exchange.principal
        if principal.kind not in self._locked or principal.project is None:
            return b""
        project = tenant.projects.get(principal.project)
        if project is None or not is_plausible(origin):
            return b""
        host = origin.partition(b"://")[2]
        domain = host if host.endswith(b"]") else host.partition(b":")[0]
        return _ALLOWED + origin if project.has_domain(domain.decode()) else b""

    def _judge(self, origin: bytes) -> bytes:
        return self._grant(origin) if self._origins.allow(origin) else b""

    def _grant(self, origin: bytes) -> bytes:
        return _ALLOWED + origin + self._credentials


class OwnTenants:
    """The tenants of the policy, for one that looks up no others since it knows no callers.

    Args:
        origins: origins by tenant.
    """

    __slots__ = ("_records",)

    def __init__(self, origins: Mapping[str, tuple[str, ...]]) -> None:
        self._records = {
            name: TenantRecord(TenantId(name), origins=own, version=0)
            for name, own in origins.items()
        }

    def at_hand(self, tenant: TenantId) -> TenantRecord | None:
        """Return the tenant; None when there is none such."""
        return self._records.get(tenant)


def _origins_of(tenant: TenantRecord) -> Origins:
    return Origins(tenant.origins)
