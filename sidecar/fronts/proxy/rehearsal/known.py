"""What is known where nothing may be changed: no count is charged and no domain is noted for good.

Counts are those of a fresh process, in this process's memory alone.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.decision.steps.tenant import record_of
from sidecar.fronts.proxy.rehearsal.play import NotKnownError
from sidecar.model.blocks import Block
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeySet, TenantId, TenantRecord
from sidecar.model.ports import UNKNOWN, Answers, AtHand, KnownTenants, Store, Unsure
from sidecar.model.questions import (
    AdmitDomain,
    FindCredential,
    FindKey,
    FindKeySet,
    FindTenant,
    Introspect,
    JudgeBody,
    Question,
    ReadBody,
    TakeLimits,
)
from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy

NONCE: Final = b"bm9uY2Ugb2YgYSByZWhlYXJzYWw="
_PLACEHOLDER: Final = b"redacted"


class Tenants:
    """The tenants of a policy; of others nothing is known.

    Args:
        policy: the policy.
        further: tenants beside those.
        is_all: whether there are no others.
    """

    def __init__(
        self, policy: Policy, further: Mapping[str, TenantRecord], *, is_all: bool
    ) -> None:
        own = {name: record_of(name, tenant) for name, tenant in policy.tenants.items()}
        self._records = {**further, **own}
        self._is_all = is_all

    def at_hand(self, tenant: TenantId) -> TenantRecord | Unsure | None:
        """Return a tenant."""
        record = self._records.get(tenant)
        return UNKNOWN if record is None and not self._is_all else record


class TenantsOfStore:
    """The tenants of a policy, and those that a store holds beside.

    Args:
        policy: the policy, which may be another one than the store was opened for.
        stored: tenants of the store.
    """

    def __init__(self, policy: Policy, stored: KnownTenants) -> None:
        self._own = Tenants(policy, {}, is_all=False)
        self._stored = stored

    def at_hand(self, tenant: TenantId) -> TenantRecord | Unsure | None:
        """Return a tenant; what the policy says of one always counts."""
        own = self._own.at_hand(tenant)
        return self._stored.at_hand(tenant) if own is UNKNOWN else own


class NothingRevoked:
    """Assumes that no token is revoked."""

    def is_current(self) -> bool:
        """Say that it may be believed."""
        return True

    def is_revoked(self, *_: object) -> bool:
        """Say that none is."""
        return False


class NothingBlocked:
    """Assumes that nobody is blocked."""

    def is_current(self) -> bool:
        """Say that it may be believed."""
        return True

    def address(self, *_: object) -> Block | None:
        """Know of no address."""
        return None

    def key(self, *_: object) -> Block | None:
        """Know of no key."""
        return None

    def tenant(self, *_: object) -> Block | None:
        """Know of no tenant."""
        return None


def fresh_limits(policy: Policy, clock: Callable[[], float]) -> MemoryLimits:
    """Make counters that have counted nothing.

    Args:
        policy: the policy.
        clock: Unix seconds, and the seconds that windows go by.
    """
    return MemoryLimits(policy.limits.entries, clock, clock)


def assumed(
    policy: Policy,
    clock: Callable[[], float],
    tenants: Mapping[str, TenantRecord] | None = None,
    *,
    knows_all_tenants: bool = False,
) -> AtHand:
    """Make what steps know where no store is asked: nobody is blocked, and nothing revoked.

    Args:
        policy: the policy.
        clock: the time, for counters.
        tenants: tenants beside those of the policy.
        knows_all_tenants: whether there are no others.
    """
    return AtHand(
        tenants=Tenants(policy, tenants or {}, is_all=knows_all_tenants),
        revocations=NothingRevoked(),
        limits=fresh_limits(policy, clock),
        blocks=NothingBlocked(),
        nonces=lambda: NONCE,
    )


class Careful:
    """Answers questions without changing anything; what it cannot know it says.

    Args:
        inner: answers from a store and from issuers; None where none may be asked.
        store: the store; None likewise.
        key_sets: key sets of issuers that were given by hand.
        where: why nothing may be asked, in words.

    Attributes:
        notes: what was assumed in the place of an answer.
    """

    def __init__(
        self,
        inner: Answers | None = None,
        store: Store | None = None,
        key_sets: Mapping[str, KeySet] | None = None,
        where: str = "no store is asked",
    ) -> None:
        self._inner = inner
        self._store = store
        self._key_sets = key_sets or {}
        self._where = where
        self.notes: list[str] = []

    async def find(self, question: Question) -> object:
        """Answer a question.

        Raises:
            NotKnownError: it cannot be answered here.
            StoreUnavailableError: a store or an issuer does not answer.
        """
        match question:
            case AdmitDomain():
                self.notes.append(
                    f"the domain {question.domain} would be counted towards domain_cap"
                    f" ({question.cap}); whether there is room is not known"
                )
                return True
            case FindCredential():
                return await self._credential(question)
            case FindKeySet() if question.issuer in self._key_sets:
                return self._key_sets[question.issuer]
            case FindKey() | FindTenant() | FindKeySet() | Introspect():
                if self._inner is None:
                    raise NotKnownError(f"{_what(question)}: {self._where}")
                return await self._inner.find(question)
            case TakeLimits() | ReadBody() | JudgeBody():
                raise StoreUnavailableError(f"nobody answers {type(question).__name__}")
            case _:
                assert_never(question)

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Say that whoever asks has to wait."""
        del question, then
        return False

    async def _credential(self, question: FindCredential) -> object:
        """Say whether a secret is there; it is not unsealed, since that is a deed of its own."""
        if question.because is not None:
            raise NotKnownError(
                f"whether the secret {question.name} of {question.tenant} signed the request:"
                " secrets of tenants are not unsealed here"
            )
        if self._store is None:
            raise NotKnownError(f"the secret {question.name} of {question.tenant}: {self._where}")
        names = await self._store.secret_names(question.tenant)
        return Secret(_PLACEHOLDER) if question.name in names else None


def _what(question: FindKey | FindTenant | FindKeySet | Introspect) -> str:
    match question:
        case FindKey():
            return "whose the API key is"
        case FindTenant():
            return f"the tenant {question.tenant}"
        case FindKeySet():
            return f"the key set of {question.issuer} (--jwks FILE gives it)"
        case Introspect():
            return "what the provider says of the token"
