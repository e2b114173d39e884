"""Lock keys for browsers to their project's domains, and find the caller's tier (AN-8)."""

import re
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.identity import ProjectRecord
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import AdmitDomain, Question
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep, Step
from sidecar.policy.schema.api_keys import DomainLock as Section
from sidecar.policy.schema.policy import Policy

# RFC 6454 §7.1 and RFC 9110 §10.1.3; no user before the host, no byte that browsers read otherwise.
_URL: Final = re.compile(
    rb"https?://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?(?:[/?#].*)?\Z"
)
_UNSENT: Final = "(none)"
"""What requests without a domain are counted as: one more domain."""

_NO_PROJECT: Final = ProjectRecord()


class Tier(Step):
    """Write the caller's tier: the credential's own, else the tenant's."""

    name: ClassVar[str] = "tier"
    reads: ClassVar[frozenset[str]] = frozenset({"principal", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset({"tier"})
    can_shadow: ClassVar[bool] = False

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the tier."""
        exchange.tier = _tier_of(exchange)
        return PASS


class DomainLock(AskingStep):
    """Write the tier; refuse or downgrade a locked key that is used from an unregistered domain."""

    name: ClassVar[str] = "domain_lock"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "principal", "tenant"})
    writes: ClassVar[frozenset[str]] = frozenset({"tier"})
    can_shadow: ClassVar[bool] = True

    def __init__(self, section: Section) -> None:
        self._kinds = frozenset(section.kinds)
        self._tier = section.tier if section.unregistered == "downgrade" else None
        self._cap = section.domain_cap

    @classmethod
    def compile(cls, policy: Policy) -> "DomainLock | Tier":
        """Make the step that all routes with authentication share.

        Where no key can be locked, it is the one that finds the tier and nothing else.
        """
        keys = policy.authentication.api_keys
        if keys is None or not {one.kind for one in keys.formats} & set(keys.domain_lock.kinds):
            return Tier()
        return cls(keys.domain_lock)

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Write the tier, the lower one for an unregistered domain.

        Controls: AN-8.
        """
        exchange.tier = _tier_of(exchange)
        if exchange.principal.kind not in self._kinds:
            return PASS
        domain = _domain_of(exchange.head)
        project = _project_of(exchange)
        if domain is not None and project.has_domain(domain):
            return PASS
        return self._judge_unregistered(exchange, domain or _UNSENT, project)

    def resume(
        self,
        exchange: Exchange,  # noqa: ARG002 -- all that asking steps are handed
        question: Question,  # noqa: ARG002 -- likewise
        answer: object,
    ) -> Outcome | Ask:
        """Go on with whether the cap has room for the domain."""
        if answer is True:
            return PASS
        return Refuse(RefusalCode.FORBIDDEN, "too many unregistered domains of the project")

    def _judge_unregistered(
        self, exchange: Exchange, domain: str, project: ProjectRecord
    ) -> Outcome | Ask:
        if self._tier is None:
            return Refuse(RefusalCode.FORBIDDEN, "domain not registered for the project")
        if exchange.tenant is None:
            return Refuse(RefusalCode.FORBIDDEN, "a key locked to domains belongs to no tenant")
        exchange.tier = self._tier
        if self._cap is None or project.is_system:
            return PASS
        named = exchange.principal.project or ""
        return Ask(AdmitDomain(exchange.tenant.id, named, domain, self._cap))


def _tier_of(exchange: Exchange) -> str | None:
    own = exchange.principal.tier
    if own is not None or exchange.tenant is None:
        return own
    return exchange.tenant.tier


def _project_of(exchange: Exchange) -> ProjectRecord:
    """Find the project of the key; a stand-in without domains where there is none."""
    own = exchange.principal.project
    if exchange.tenant is None or own is None:
        return _NO_PROJECT
    return exchange.tenant.projects.get(own, _NO_PROJECT)


def _domain_of(head: RequestHead | None) -> str | None:
    """Read the domain that a browser says it is on; None when it says none, or two."""
    if head is None:
        return None
    sent = head.values(b"origin") or head.values(b"referer")
    if len(sent) != 1:
        return None
    found = _URL.match(sent[0].lower())
    return None if found is None else found[1].decode()
