"""The outside world as small protocols; adapters implement them, steps and fronts use them.

What is `async` may leave the process: it keeps its own deadline and raises StoreUnavailableError
when the answer does not come in time. What is not `async` answers from memory, at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal, Protocol

from sidecar.model.blocks import Block, BlockKind, KnownBlocks, NoBlocksKnown
from sidecar.model.exchange import Exchange
from sidecar.model.identity import (
    Introspection,
    KeyDigest,
    KeyId,
    KeyRecord,
    KeySet,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.limits import Charge, Count
from sidecar.model.questions import Question
from sidecar.model.secret import Secret
from sidecar.model.verdict import Verdict


class Ledger(Protocol):
    """Takes note of how each exchange ended; called on the hot path, so it must not wait."""

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take note of one exchange."""


class RequestIds(Protocol):
    """Makes request ids."""

    def __call__(self) -> bytes:
        """Return a fresh id: a UUIDv7 as text (RFC 9562 §5.7)."""


# --- stores


class ChangeKind(StrEnum):
    """What a change was about."""

    KEY = "key"
    TENANT = "tenant"
    REVOCATION = "revocation"
    SECRET = "secret"  # noqa: S105 -- a kind, no secret
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a store, as its log has it.

    Attributes:
        revision: its number; numbers grow by one.
        kind: what was changed.
        id: of a key, tenant or block; number of a revocation; `tenant/name` of a secret.
        at: Unix seconds by the store's own clock.
    """

    revision: int
    kind: ChangeKind
    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes after a revision.

    Attributes:
        revision: the newest revision.
        items: the changes that are known, oldest first.
        is_complete: false when changes may have been lost: all that is remembered must go.
        now: Unix seconds when it answered, by the clock that `Change.at` is of.
        mark: what the store was then; by it a reader who hands it back learns of lost changes.
    """

    revision: int
    items: tuple[Change, ...]
    is_complete: bool
    now: float = 0.0
    mark: bytes = b""


class KeyStore(Protocol):
    """Holds API keys; it never sees one, only digests."""

    async def add_key(self, record: KeyRecord) -> bool:
        """Add a key; False when its id or digest is there already."""

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find the key that has one of these digests, in one round trip."""

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id.

        Args:
            tenant: of this tenant alone; None for all.
            after: id after which the page begins; empty for the first page.
            limit: most records of a page.
        """

    async def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed record in the place of the version before it.

        Returns:
            False when the store has not version `record.version - 1` of it: somebody else changed
            it, or it is not there.
        """

    async def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last; no change that anybody is told of."""


class TenantStore(Protocol):
    """Holds tenants."""

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""

    async def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id, as `KeyStore.keys` does."""

    async def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant of version 1, or put a changed record in the place of the version before."""

    async def admit_domain(
        self, tenant: TenantId, project: str, domain: str, *, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it (AN-8).

        Returns:
            True when the domain was noted within the window already, or is one of at most `cap`.
        """


class RevocationStore(Protocol):
    """Holds revocations of tokens until no such token can be valid any more."""

    async def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the revocations in force with a number above `after`, and the newest number."""


class BlockStore(Protocol):
    """Holds blocks until they are lifted or over."""

    async def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value.

        Args:
            block: the block.
            most: blocks in force that the store may hold.

        Returns:
            False when it holds as many others; nothing is changed.
        """

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id, as `KeyStore.keys` does."""

    async def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block; False when there was none in force."""


class SecretStore(Protocol):
    """Holds sealed secrets; it never sees one in the clear (SE-1)."""

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret of a tenant, or of the installation when `tenant` is empty."""

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""

    async def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""

    async def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""


class ChangeLog(Protocol):
    """Tells what changed, so that whoever remembers something can forget it."""

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision and its mark; with None only the newest revision."""

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a change may have happened, until the task is cancelled.

        It ends with StoreUnavailableError when the subscription breaks; whoever watches polls on.
        """


class Store(
    KeyStore, TenantStore, RevocationStore, BlockStore, SecretStore, ChangeLog, Protocol
):  # one behaviour, whatever is behind it
    """A state store: memory, SQLite or Redis."""

    async def open(self) -> None:
        """Connect, and bring the schema to this version.

        Raises:
            StoreUnavailableError: it cannot be reached, or is of a version that is not ours.
        """

    async def close(self) -> None:
        """Release what it holds."""


class Unknown(Enum):
    """The answer of a memory that does not know; one object, compared with `is`."""

    UNKNOWN = 0


UNKNOWN: Final = Unknown.UNKNOWN
Unsure = Literal[Unknown.UNKNOWN]


class KnownKeys(Protocol):
    """Keys that were looked up lately (AN-16: a memory is no boundary).

    It forgets what the change log names, and knows nothing once it heard of none for too long.
    """

    def at_hand(self, digest: KeyDigest) -> KeyRecord | Unsure | None:
        """Return the key, None when there is none such, UNKNOWN when a store must be asked."""


class KnownTenants(Protocol):
    """Tenants of the policy, and those of the store that were looked up lately."""

    def at_hand(self, tenant: TenantId) -> TenantRecord | Unsure | None:
        """Return the tenant, None when there is none such, UNKNOWN when a store must be asked."""


class KnownRevocations(Protocol):
    """All revocations of tokens that are in force."""

    def is_current(self) -> bool:
        """Whether the set is fresh enough to admit anybody on its word."""

    def is_revoked(
        self, issuer: str, identities: Mapping[str, str], issued_at: float | None
    ) -> bool:
        """Whether a token is revoked.

        Args:
            issuer: its issuer.
            identities: by kind of revocation (`token`, `session`, `subject`, `tenant`), its claims.
            issued_at: Unix seconds of its `iat`; None when it has none.
        """


class KnownSecrets(Protocol):
    """Secrets of tenants' upstreams that were unsealed lately."""

    def at_hand(self, tenant: TenantId, name: str) -> Secret | Unsure | None:
        """Return the secret, None when there is none such, UNKNOWN when a store must be asked."""


class KnownKeySets(Protocol):
    """Public keys of issuers, as they were fetched last."""

    def at_hand(self, issuer: str) -> KeySet | Unsure:
        """Return an issuer's keys; UNKNOWN when none were ever loaded, or they are too old."""


class KnownIntrospections(Protocol):
    """What issuers said of opaque tokens lately."""

    def at_hand(self, token: bytes, now: float) -> Introspection | Unsure:
        """Return what was said of a token, UNKNOWN when its issuer must be asked."""


class KnownLimits(Protocol):
    """Rate limits that can be charged without waiting."""

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        """Charge all, or none if one limit that is enforced has no room.

        Returns:
            What each limit says; UNKNOWN when a store must be asked, and nothing is charged.
        """


class NothingAtHand:
    """Knows nothing: for compiling a policy that is not going to serve."""

    def at_hand(self, *_: object) -> Unsure:
        """Say that a store must be asked."""
        return UNKNOWN

    def is_current(self) -> bool:
        """Say that nothing is known of revocations."""
        return False

    def is_revoked(self, *_: object) -> bool:
        """Say that everything may be revoked."""
        return True


@dataclass(frozen=True, slots=True)
class AtHand:
    """All that steps may know without waiting.

    Attributes:
        keys: API keys.
        tenants: tenants.
        revocations: revocations of tokens.
        secrets: secrets of tenants' upstreams.
        key_sets: public keys of issuers.
        introspections: what issuers said of opaque tokens.
        limits: rate limits.
        locked: by limit, callers that failed too often and until when, as who counts them says.
        blocks: who is blocked.
        nonces: gives 128 random bits in base64; None where no answer will have them.
        span_ids: gives 16 random hexadecimal digits; None where no request will have them.
    """

    keys: KnownKeys = field(default_factory=NothingAtHand)
    tenants: KnownTenants = field(default_factory=NothingAtHand)
    revocations: KnownRevocations = field(default_factory=NothingAtHand)
    secrets: KnownSecrets = field(default_factory=NothingAtHand)
    key_sets: KnownKeySets = field(default_factory=NothingAtHand)
    introspections: KnownIntrospections = field(default_factory=NothingAtHand)
    limits: KnownLimits = field(default_factory=NothingAtHand)
    locked: dict[str, dict[bytes, float]] = field(default_factory=dict)
    blocks: KnownBlocks = field(default_factory=NoBlocksKnown)
    nonces: Callable[[], bytes] | None = None
    span_ids: Callable[[], bytes] | None = None


class Answers(Protocol):
    """Answers questions of steps by asking the outside world."""

    async def find(self, question: Question) -> object:
        """Answer a question, of the type that its class names.

        Raises:
            StoreUnavailableError: it cannot be answered now.
        """

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Answer a question without a task, which costs 10 µs.

        Args:
            question: the question.
            then: called later, never at once, with the answer, or with a StoreUnavailableError.

        Returns:
            False when only `find` can answer it; `then` is not called.
        """


@dataclass(frozen=True, slots=True)
class Event:
    """What an operator, or the sidecar itself, did (AU-2).

    Attributes:
        action: `key.create`, `key.rotate`, `key.revoke`, `tenant.update`, `secret.access`, …
        actor: who did it: a token's name, or `cli:` and the user's name.
        tenant: tenant that it was about.
        resource_type, resource_id: what was acted on: `key`, `tenant`, `secret`, … and its id.
        reason: why it was not done, in words; None when it was done.
        details: further facts; never a secret.
        subject, address, request_id: of the request with which a caller did it.
    """

    action: str
    actor: str
    tenant: str | None
    resource_type: str
    resource_id: str
    reason: str | None = None
    details: Mapping[str, object] | None = None
    subject: str | None = None
    address: str | None = None
    request_id: str | None = None


class Events(Protocol):
    """Takes note of what was done, for the audit."""

    def note_event(self, event: Event) -> None:
        """Take note of one event."""
