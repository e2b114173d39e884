"""Say which upstream gets a tenant's request: its own if it has one, else the policy's (TN-6)."""

import re
from typing import ClassVar, Final

from sidecar.decision.steps.upstream import Upstream, target_of
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId
from sidecar.model.memo import Memo
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.ports import UNKNOWN, KnownSecrets
from sidecar.model.questions import FindCredential, Question
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep, UpstreamTarget
from sidecar.model.secret import Secret
from sidecar.policy.schema.addresses import parse_url
from sidecar.policy.schema.upstream import Upstream as Section
from sidecar.policy.schema.words import PydanticCustomError

TENANTS: Final = 10_000
"""Tenants whose targets are remembered; then it starts again."""
# RFC 9110 §5.5: field-value, without the blanks around it.
_VALUE: Final = re.compile(
    rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?\Z"
)


class TenantUpstream(AskingStep):
    """Write target and path as `upstream` does, and the credential of the tenant's own upstream.

    It stands in the place of `upstream` on routes whose caller is known and that name no upstream
    of their own. Targets of tenants are told apart by the tenant and not by the address alone: two
    tenants that name the same host share no connection.
    """

    name: ClassVar[str] = "tenant_upstream"
    reads: ClassVar[frozenset[str]] = Upstream.reads | {"tenant"}
    writes: ClassVar[frozenset[str]] = Upstream.writes
    can_shadow: ClassVar[bool] = False

    def __init__(self, shared: Upstream, section: Section, secrets: KnownSecrets) -> None:
        """Keep what is the same for every request.

        Args:
            shared: the step for tenants without an upstream of their own.
            section: the policy's upstream, whose settings hold for those of the tenants.
            secrets: credentials that are at hand.
        """
        self._shared = shared
        self._section = section
        self._secrets = secrets
        self._targets: Memo[tuple[TenantId, str], UpstreamTarget | None] = Memo(
            self._target, TENANTS
        )

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Write target, path and credential; refuse where the tenant's own cannot be used.

        Controls: TN-6.
        """
        self._shared.decide(exchange)
        tenant = exchange.tenant
        if tenant is None or tenant.upstream is None:
            return PASS
        target = self._targets((tenant.id, tenant.upstream))
        if target is None:
            return Refuse(RefusalCode.UPSTREAM_UNAVAILABLE, "the tenant's upstream is no URL")
        exchange.target = target
        name = tenant.upstream_credential
        if name is None:
            return PASS
        secret = self._secrets.at_hand(tenant.id, name)
        if secret is UNKNOWN:
            return Ask(FindCredential(tenant.id, name))
        return _authorized(exchange, secret)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Go on with the credential."""
        if not isinstance(question, FindCredential):
            raise TypeError(f"the step `tenant_upstream` never asked {type(question).__name__}")
        return _authorized(exchange, answer if isinstance(answer, Secret) else None)

    def _target(self, own: tuple[TenantId, str]) -> UpstreamTarget | None:
        tenant, url = own
        try:
            return target_of_tenant(self._section, tenant, url)
        except PydanticCustomError:
            return None


def target_of_tenant(section: Section, tenant: TenantId, url: str) -> UpstreamTarget:
    """Compile where a tenant's upstream is.

    Args:
        section: the policy's upstream, whose time-outs, TLS and keep-alive hold for it too; but the
            name in its certificate must be its own.
        tenant: the tenant.
        url: the tenant's upstream.

    Raises:
        PydanticCustomError: this is no URL of an upstream.
    """
    tls = None if section.tls is None else section.tls.model_copy(update={"server_name": None})
    own = section.model_copy(update={"url": parse_url(url), "tls": tls})
    return target_of(own, owner=tenant)


def _authorized(exchange: Exchange, secret: Secret | None) -> Outcome:
    """Write the credential; without one the upstream would take the request for somebody else's."""
    if secret is None:
        return Refuse(RefusalCode.STORE_UNAVAILABLE, "the tenant's upstream credential is missing")
    value = secret.reveal()
    if not _VALUE.match(value):
        return Refuse(
            RefusalCode.STORE_UNAVAILABLE,
            "the tenant's upstream credential cannot stand in a header field",
        )
    exchange.upstream_authorization = value
    return PASS
