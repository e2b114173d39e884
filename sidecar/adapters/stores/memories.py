"""What was looked up lately; compiled with the hot path, since every request passes here.

A memory is no boundary (AN-16): a record is judged again on each use, the change feed takes out
what was changed, and while the feed has had no word from the store for longer than the policy's
bound a memory knows nothing and the store is asked. So a change is in force everywhere within that
bound, whatever happens to pushes and polls.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.ports import UNKNOWN, Unsure

RECORDS: Final = 10_000
"""Most records of a kind that are remembered: about 10 MB of keys."""

_MISSING_SECONDS: Final = 2.0


class Freshness:
    """How long ago the store said what had changed.

    Args:
        monotonic: monotonic seconds.
        limit_seconds: longest time without word from the store.
    """

    __slots__ = ("_heard_at", "_limit_seconds", "_monotonic")

    def __init__(self, monotonic: Callable[[], float], limit_seconds: float) -> None:
        self._monotonic = monotonic
        self._limit_seconds = limit_seconds
        self._heard_at = float("-inf")

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._monotonic()

    def another(self) -> "Freshness":
        """Return one with the same bound, for what may be silent while all else is heard."""
        return Freshness(self._monotonic, self._limit_seconds)

    def note(self, asked_at: float) -> None:
        """Note an answer of the store.

        Args:
            asked_at: when it was asked, not when it answered: later changes may be missing in it.
        """
        self._heard_at = max(self._heard_at, asked_at)

    def age(self) -> float:
        """Return seconds since the last question that was answered."""
        return self._monotonic() - self._heard_at

    def end(self) -> None:
        """Be out of date from now on: nobody notes what the store says any more."""
        self._limit_seconds = float("-inf")

    def is_current(self) -> bool:
        """Tell whether what is remembered may be used."""
        return self._monotonic() - self._heard_at <= self._limit_seconds


class RememberedKeys:
    """Keys by their digest under the newest pepper, and digests that are nobody's.

    Digests that are nobody's have a room of their own: whoever guesses keys cannot drive out those
    of good callers.

    Attributes:
        forgotten: counts what was forgotten; a look-up that began earlier must not be remembered.
    """

    __slots__ = ("_digests", "_found", "_freshness", "_limit", "_missing", "forgotten")

    def __init__(self, freshness: Freshness, limit: int = RECORDS) -> None:
        self._freshness = freshness
        self._limit = limit
        self._found: dict[KeyDigest, KeyRecord] = {}
        self._digests: dict[KeyId, KeyDigest] = {}
        self._missing: dict[KeyDigest, float] = {}
        self.forgotten = 0

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._found)

    def at_hand(self, digest: KeyDigest) -> KeyRecord | Unsure | None:
        """Return the key, None when there is none such, UNKNOWN when the store must be asked."""
        if not self._freshness.is_current():
            return UNKNOWN
        record = self._found.get(digest)
        if record is not None:
            return record
        until = self._missing.get(digest)
        return None if until is not None and self._freshness.now() < until else UNKNOWN

    def put(self, digest: KeyDigest, record: KeyRecord | None, forgotten: int) -> None:
        """Remember the answer to a look-up.

        Args:
            digest: digest of the key under the newest pepper.
            record: its record; None when it is nobody's.
            forgotten: `forgotten` when the look-up began.
        """
        if forgotten != self.forgotten:
            return
        if record is None:
            if len(self._missing) >= self._limit:
                self._missing.clear()
            self._missing[digest] = self._freshness.now() + _MISSING_SECONDS
            return
        if len(self._found) >= self._limit:
            # The one that was looked up first: its next use costs a look-up, nothing else.
            oldest = next(iter(self._found))
            self._digests.pop(self._found.pop(oldest).id, None)
        # A key has one digest here, or forgetting it would leave another one behind.
        former = self._digests.get(record.id)
        if former is not None and former != digest:
            self._found.pop(former, None)
        self._found[digest] = record
        self._digests[record.id] = digest

    def forget(self, key_id: str) -> None:
        """Forget a key that was changed, and every digest that was nobody's: it may be its own."""
        self.forgotten += 1
        self._missing.clear()
        digest = self._digests.pop(KeyId(key_id), None)
        if digest is not None:
            self._found.pop(digest, None)

    def forget_all(self) -> None:
        """Forget everything: nobody knows what was changed."""
        self.forgotten += 1
        self._found.clear()
        self._digests.clear()
        self._missing.clear()


class RememberedTenants:
    """Tenants of the policy, which always answer, and those of the store that were looked up.

    Names that are nobody's have a room of their own, as with keys: pages may make a path name a
    tenant before anybody is known.

    Attributes:
        forgotten: as for keys.
    """

    __slots__ = ("_found", "_freshness", "_limit", "_missing", "_own", "forgotten")

    def __init__(
        self,
        own: Mapping[str, TenantRecord],
        freshness: Freshness,
        limit: int = RECORDS,
    ) -> None:
        self._own = dict(own)
        self._freshness = freshness
        self._limit = limit
        self._found: dict[TenantId, TenantRecord] = {}
        self._missing: set[TenantId] = set()
        self.forgotten = 0

    def at_hand(self, tenant: TenantId) -> TenantRecord | Unsure | None:
        """Return the tenant, None when there is none such, UNKNOWN when the store must be asked."""
        own = self._own.get(tenant)
        if own is not None:
            return own
        if not self._freshness.is_current():
            return UNKNOWN
        return None if tenant in self._missing else self._found.get(tenant, UNKNOWN)

    def put(self, tenant: TenantId, record: TenantRecord | None, forgotten: int) -> None:
        """Remember the answer to a look-up."""
        if forgotten != self.forgotten:
            return
        if record is None:
            if len(self._missing) >= self._limit:
                self._missing.clear()
            self._missing.add(tenant)
            return
        if len(self._found) >= self._limit:
            self._found.pop(next(iter(self._found)))
        self._found[tenant] = record

    def forget(self, tenant: str) -> None:
        """Forget a tenant that was changed."""
        self.forgotten += 1
        self._found.pop(TenantId(tenant), None)
        self._missing.discard(TenantId(tenant))

    def forget_all(self) -> None:
        """Forget everything: nobody knows what was changed."""
        self.forgotten += 1
        self._found.clear()
        self._missing.clear()


class RememberedRevocations:
    """All revocations of tokens that are in force.

    Args:
        freshness: how long ago the set was known to be whole; its own, since it may be unreadable
            while everything else can be read.

    Attributes:
        number: number of the newest one.
    """

    __slots__ = ("_by_value", "_freshness", "_is_loaded", "number")

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._by_value: dict[tuple[str, str], list[Revocation]] = {}
        self._is_loaded = False
        self.number = 0

    def is_current(self) -> bool:
        """Tell whether the set is fresh enough to admit anybody on its word."""
        return self._is_loaded and self._freshness.is_current()

    def note(self, asked_at: float) -> None:
        """Note that the store knows of no other revocation.

        Args:
            asked_at: when it was asked, monotonic seconds.
        """
        self._freshness.note(asked_at)

    def end(self) -> None:
        """Be out of date from now on."""
        self._freshness.end()

    def is_revoked(
        self, issuer: str, identities: Mapping[str, str], issued_at: float | None
    ) -> bool:
        """Tell whether a token is revoked."""
        if not self._by_value:
            return False
        for named in identities.items():
            found = self._by_value.get(named)
            if found is not None and any(_is_about(one, issuer, issued_at) for one in found):
                return True
        return False

    def load(self, number: int, revocations: Iterable[Revocation], now: float) -> None:
        """Take the store's news, and let go of what has expired.

        Args:
            number: number of the newest revocation.
            revocations: those that were added.
            now: Unix seconds.
        """
        known = dict.fromkeys((*self.known(), *revocations))
        self.keep([one for one in known if one.kept_until > now])
        self.number = number
        self._is_loaded = True

    def known(self) -> list[Revocation]:
        """List what the set holds."""
        return [one for values in self._by_value.values() for one in values]

    def keep(self, revocations: Iterable[Revocation]) -> None:
        """Hold these and no others; what the store has is added when it is read."""
        kept: dict[tuple[str, str], list[Revocation]] = {}
        for one in revocations:
            kept.setdefault((one.kind.value, one.value), []).append(one)
        self._by_value = kept

    def begin_anew(self) -> None:
        """Read all revocations again, and keep those that are known.

        A revocation is never withdrawn: a store that lost its own must not admit its tokens again.
        """
        self._is_loaded = False
        self.number = 0


def _is_about(revocation: Revocation, issuer: str, issued_at: float | None) -> bool:
    if revocation.issuer and revocation.issuer != issuer:
        return False
    return issued_at is None or issued_at <= revocation.before
