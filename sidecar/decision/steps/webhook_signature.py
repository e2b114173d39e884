"""Refuse deliveries that their sender has not signed, or that came before (RQ-8)."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from sidecar.knowledge.auth.prover import unauthorized, unavailable
from sidecar.knowledge.auth.webhook import Claim, Scheme
from sidecar.knowledge.auth.webhook_scheme import keys_of
from sidecar.model.body import Collected, Watch
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord, TenantStatus
from sidecar.model.limits import Charge, Count, Limit
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.ports import UNKNOWN, KnownLimits, KnownSecrets, KnownTenants
from sidecar.model.questions import FindCredential, FindTenant, Question, ReadBody, TakeLimits
from sidecar.model.route import AskingStep
from sidecar.model.secret import Secret

# The grammar of ids in the policy: what breaks it is in no store.
_TOO_FAR: Final = "webhook whose time is too far from ours"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose secret it is that signs.

    Attributes:
        secret: name of the secret in the tenant's part of the vault.
        segment: index of the path segment that names the tenant.
        field: field that tells the upstream the tenant; None for none.
        tenants: tenants that are at hand.
        secrets: secrets that are at hand.
    """

    secret: str
    segment: int
    field: str | None
    tenants: KnownTenants
    secrets: KnownSecrets


@dataclass(frozen=True, slots=True)
class _Asking:
    """For which delivery of whom a secret is asked."""

    claim: Claim
    record: TenantRecord


@dataclass(frozen=True, slots=True)
class Once:
    """How a delivery is admitted once.

    Attributes:
        limit: one in the time for which deliveries are remembered.
        known: limits that can be charged without waiting.
    """

    limit: Limit
    known: KnownLimits


class Signature(Watch):
    """Takes the digest of a body while it comes, under each key.

    Attributes:
        claim: what the delivery says of itself.
        tenant: the tenant whose keys they are; None for keys of the policy.
        reason: why no key could have signed it; empty where one could.
    """

    def __init__(
        self,
        claim: Claim,
        keys: Sequence[bytes],
        algorithm: str,
        tenant: TenantRecord | None = None,
        reason: str = "",
    ) -> None:
        """Begin.

        Args:
            claim: what the delivery says of itself.
            keys: keys of which one must have signed it.
            algorithm: name of the hash function.
            tenant: whose keys they are.
            reason: why there is none.
        """
        self.claim = claim
        self.tenant = tenant
        self.reason = reason
        self._digests = [hmac.new(key, claim.signed, algorithm) for key in keys]

    def objection(self, received: bytes) -> Refuse | None:
        """Take the next bytes; what they are worth is known at the end."""
        for digest in self._digests:
            digest.update(received)
        return None

    def proven(self) -> bytes | None:
        """Return the digest that is signed; None if none is.

        Every pair is compared, each in constant time.
        """
        made = [digest.digest() for digest in self._digests]
        found = [digest for digest in made if self.claim.offers(digest)]
        return found[0] if found else None


class WebhookSignature(AskingStep):
    """Judge the signature of a delivery, and the tenant whose secret signed it."""

    name: ClassVar[str] = "webhook_signature"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "now", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset({"tenant"})
    can_shadow: ClassVar[bool] = True

    def __init__(
        self,
        scheme: Scheme,
        tolerance: float,
        *,
        keys: Sequence[bytes] = (),
        owner: Owner | None = None,
        once: Once | None = None,
    ) -> None:
        """Keep what is the same for every delivery.

        Args:
            scheme: how deliveries are signed.
            tolerance: seconds that the delivery's own time may be from ours.
            keys: keys of the policy.
            owner: whose secret signs, where it is a tenant's.
            once: how a delivery is admitted once; None admits it as often as it comes.
        """
        self._scheme = scheme
        self._tolerance = tolerance
        self._keys = keys
        self._owner = owner
        self._once = once

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Judge what the head says; then ask for the secret and the body.

        Controls: RQ-8.
        """
        exchange.tenant = None
        head = exchange.head
        claim = "no request" if head is None else self._scheme.claim(head.values)
        if isinstance(claim, str):
            return unauthorized(claim)
        if not self._is_in_time(claim, exchange.now):
            return unauthorized(_TOO_FAR)
        owner = self._owner
        if owner is None:
            return self._read(claim, self._keys)
        tenant = exchange.segments[owner.segment]
        if not _ID.match(tenant):
            return unauthorized("the tenant's id is malformed")
        record = owner.tenants.at_hand(TenantId(tenant))
        if record is UNKNOWN:
            return Ask(FindTenant(TenantId(tenant), claim))
        return self._of_tenant(claim, owner, record)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Go on with the tenant, its secret, the body, or the memory of deliveries."""
        if isinstance(question, ReadBody):
            return self._judged(exchange, question, answer)
        if isinstance(question, TakeLimits) and isinstance(answer, tuple):
            return self._settled(exchange, answer)
        because, owner = getattr(question, "because", None), self._owner
        if isinstance(because, Claim) and owner is not None:
            record = answer if isinstance(answer, TenantRecord) else None
            return self._of_tenant(because, owner, record)
        if isinstance(because, _Asking):
            secret = answer if isinstance(answer, Secret) else None
            return self._with(because.claim, because.record, secret)
        raise TypeError("a webhook asks for its owner, its body and its limit alone")

    def _is_in_time(self, claim: Claim, now: float) -> bool:
        return claim.sent_at is None or abs(now - claim.sent_at) <= self._tolerance

    def _of_tenant(self, claim: Claim, owner: Owner, record: TenantRecord | None) -> Outcome | Ask:
        # The body is read all the same: whether there is such a tenant must not show by when the
        # answer comes, or by a 100 that does not.
        if record is None:
            return self._read(claim, (), reason="webhook for an unknown tenant")
        if record.status is not TenantStatus.ACTIVE:
            return self._read(claim, (), reason=f"webhook for a {record.status} tenant")
        secret = owner.secrets.at_hand(record.id, owner.secret)
        if secret is UNKNOWN:
            return Ask(FindCredential(record.id, owner.secret, _Asking(claim, record)))
        return self._with(claim, record, secret)

    def _with(self, claim: Claim, record: TenantRecord, secret: Secret | None) -> Outcome | Ask:
        if secret is None:
            return self._read(claim, (), reason="webhook for a tenant without a secret")
        keys = keys_of(self._scheme, secret)
        if not keys:
            return unavailable("the tenant's webhook secret is none of its scheme")
        return self._read(claim, keys, record)

    def _read(
        self,
        claim: Claim,
        keys: Sequence[bytes],
        record: TenantRecord | None = None,
        reason: str = "",
    ) -> Ask:
        signature = Signature(claim, keys, self._scheme.algorithm, record, reason)
        return Ask(ReadBody(None, signature))

    def _judged(self, exchange: Exchange, question: ReadBody, answer: object) -> Outcome | Ask:
        if isinstance(answer, Refuse):
            return answer
        signature = question.watch
        if not isinstance(answer, Collected) or not isinstance(signature, Signature):
            raise TypeError("a signature is judged with the body")
        proven = signature.proven()
        if proven is None:
            return unauthorized(signature.reason or "webhook with a wrong signature")
        exchange.tenant = signature.tenant
        # Once more: whoever sends slowly could outlast the memory of deliveries.
        if not self._is_in_time(signature.claim, answer.at):
            return unauthorized(_TOO_FAR)
        if self._once is None:
            return self._vouched(exchange)
        charge = Charge(self._once.limit, proven, 1, proven)
        counts = self._once.known.at_hand((charge,))
        if counts is UNKNOWN:
            return Ask(TakeLimits((charge,)))
        return self._settled(exchange, counts)

    def _settled(self, exchange: Exchange, counts: tuple[Count, ...]) -> Outcome:
        [count] = counts
        if count.is_doubted:
            return unavailable("whether the webhook came before is not known")
        if not count.is_admitted:
            return unauthorized("webhook that came before")
        return self._vouched(exchange)

    def _vouched(self, exchange: Exchange) -> Outcome:
        """Tell the upstream whose delivery it is: the secret of the tenant has signed it (TN-1)."""
        owner = self._owner
        if owner is not None and owner.field and exchange.tenant is not None:
            exchange.identity_lines = [f"{owner.field}: {exchange.tenant.id}".encode()]
        return PASS
