"""The public keys of issuers: fetched ahead of need, so that no request waits for them.

Keys are renewed in the background; when that fails the known ones go on for `stale_if_error`.
A token with an unknown `kid` has them fetched at once, one fetch for all who wait and none within
the cool-down. An issuer whose keys were never loaded makes its tokens unanswerable, not wrong.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sidecar.adapters.clients.guarded_session import Call, GuardedSession
from sidecar.knowledge.auth.key_set import LIMIT_BYTES, read_key_set, secret_key_set
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeySet
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import FindKeySet
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.jwt import Issuer

_LOG: Final = logging.getLogger("sidecar.key_sets")
_TIMEOUT_SECONDS: Final = 5.0
_FILE_SECONDS: Final = 5.0
"""A file costs nothing to read, so a change of it is seen soon, whatever `refresh` says."""

_BRIEF_SECONDS: Final = 1.0
"""Cool-down of files, and while no keys are known at all: every token waits for them."""

_SLACK_SECONDS: Final = 1.0
"""Step back of the clock that is no reason to fetch keys anew."""

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.IGNORECASE)
_SHORTEST_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 3600.0
_JITTER: Final = 0.1
"""Part of a delay by which it is shortened at most, so that replicas do not ask in step."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Time and chance, as the key sets see them.

    Attributes:
        clock: Unix seconds.
        jitter: a number from 0 to 1, another each time.
        pause: waits for seconds.
    """

    clock: Callable[[], float]
    jitter: Callable[[], float]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Source:
    """Where the keys of one issuer come from, and what is known of them."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.document = b""
        self.key_set: KeySet | None = None
        self.loaded_at = 0.0
        self.tried_at = float("-inf")
        self.asked_at = float("-inf")
        self.has_failed = False
        self.errors = 0
        self.max_age: float | None = None
        self.flight: asyncio.Task[None] | None = None


class KeySets:
    """Knows the key sets of all issuers, and fetches them.

    Args:
        issuers: the issuers of the policy.
        session: makes the calls; the caller closes it.
        pace: time and chance.
        read: reads a file by name; raises OSError.

    Controls: AN-13.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        session: GuardedSession,
        pace: Pace,
        read: Callable[[str], bytes],
    ) -> None:
        self._session = session
        self._pace = pace
        self._read = read
        self._sources = {issuer.issuer: _Source(issuer) for issuer in issuers}
        self._tasks: list[asyncio.Task[None]] = []
        for source in self._sources.values():
            self._begin(source)

    def at_hand(self, issuer: str) -> KeySet | Unsure:
        """Return an issuer's keys; UNKNOWN when none were ever loaded, or they are too old."""
        source = self._sources.get(issuer)
        if source is None or source.key_set is None:
            return UNKNOWN
        if source.issuer.secret is not None:
            return source.key_set
        age = self._pace.clock() - source.loaded_at
        # Nobody knows how old keys from the future are: the clock was set back.
        oldest = source.issuer.refresh + source.issuer.stale_if_error
        is_usable = -_SLACK_SECONDS <= age <= oldest
        return source.key_set if is_usable else UNKNOWN

    async def find(self, question: FindKeySet) -> KeySet:
        """Answer a question about an issuer's keys, after a fetch where that may help.

        Raises:
            StoreUnavailableError: no keys are known, or it cannot be told whether a key is theirs.
        """
        source = self._sources.get(question.issuer)
        if source is None:
            raise StoreUnavailableError("the issuer is not of this policy")
        known = self.at_hand(question.issuer)
        if known is not UNKNOWN and _answers(known, question.key_id):
            return known
        if self._may_ask(source, is_needed=known is UNKNOWN):
            source.asked_at = self._pace.clock()
            await self._refreshed(source)
        found = self.at_hand(question.issuer)
        if found is UNKNOWN or source.has_failed:
            # An unknown key is refused on the issuer's word alone, never on its silence.
            raise StoreUnavailableError(f"no key set of {question.issuer}")
        return found

    async def load(self) -> None:
        """Load all key sets that are not there yet, together.

        Raises:
            StoreUnavailableError: one could not be loaded; the others were.
        """
        missing = [one for one in self._sources.values() if one.key_set is None]
        await asyncio.gather(*(self._refreshed(source) for source in missing))
        failed = [one.issuer.issuer for one in missing if one.key_set is None]
        if failed:
            raise StoreUnavailableError(f"no key set of {', '.join(failed)}")

    def start(self) -> None:
        """Renew the key sets from now on."""
        self._tasks = [
            asyncio.create_task(self._keep(source), name=f"key set of {issuer}")
            for issuer, source in self._sources.items()
            if source.issuer.secret is None
        ]

    async def close(self) -> None:
        """Stop renewing; what is in flight is given up."""
        flights = [one.flight for one in self._sources.values() if one.flight is not None]
        tasks = [*self._tasks, *flights]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks = []

    def take_over(self, former: "KeySets") -> frozenset[str]:
        """Go on with what the sources of a former policy know, where they are the same ones.

        Returns:
            The issuers whose source is the same.
        """
        same = set()
        for issuer, source in self._sources.items():
            other = former._sources.get(issuer)  # noqa: SLF001 -- another of this class
            if other is None or not _is_same(source, other):
                continue
            same.add(issuer)
            if source.key_set is None:
                source.document, source.key_set = other.document, other.key_set
                source.loaded_at, source.max_age = other.loaded_at, other.max_age
        return frozenset(same)

    def issuers(self) -> list[str]:
        """List the issuers whose keys are renewed, for gauges and readiness."""
        return [name for name, one in self._sources.items() if one.issuer.secret is None]

    def is_loaded(self, issuer: str) -> bool:
        """Whether an issuer's tokens can be verified now."""
        return self.at_hand(issuer) is not UNKNOWN

    def is_stale(self, issuer: str) -> bool:
        """Whether an issuer's keys are used though the last attempt to renew them failed."""
        source = self._sources[issuer]
        return source.has_failed and self.at_hand(issuer) is not UNKNOWN

    def age_seconds(self, issuer: str) -> float:
        """Tell how long ago an issuer's keys were loaded; infinite when they never were."""
        source = self._sources[issuer]
        if source.key_set is None:
            return float("inf")
        return max(0.0, self._pace.clock() - source.loaded_at)

    def errors(self, issuer: str) -> int:
        """Count the fetches of an issuer's keys that failed."""
        return self._sources[issuer].errors

    def _begin(self, source: _Source) -> None:
        """Take what the policy itself holds: secrets, and files as they were read with it."""
        issuer, now = source.issuer, self._pace.clock()
        if issuer.secret is not None:
            source.key_set = secret_key_set(issuer.issuer, issuer.secret, now)
            source.loaded_at = now
        elif isinstance(issuer.jwks, NamedFile):
            with suppress(StoreUnavailableError):
                self._accept(source, issuer.jwks.content)

    def _may_ask(self, source: _Source, *, is_needed: bool) -> bool:
        """Whether the issuer may be asked again because of a token.

        A renewal in the background is no reason to wait: the key may have come right after it.
        """
        if source.flight is not None:
            return True
        wait, since = source.issuer.cooldown, source.asked_at
        if is_needed:
            since = source.tried_at
        if is_needed or isinstance(source.issuer.jwks, NamedFile):
            wait = min(wait, _BRIEF_SECONDS)
        return not 0.0 <= self._pace.clock() - since < wait

    async def _keep(self, source: _Source) -> None:
        while True:
            if source.key_set is not None or source.has_failed:
                await self._pace.pause(self._delay(source))
            try:
                await self._refreshed(source)
            except Exception:  # noqa: BLE001 -- the top of a task: renewal must go on
                source.has_failed = True
                _LOG.exception("the keys of %s cannot be renewed", source.issuer.issuer)

    def _delay(self, source: _Source) -> float:
        issuer = source.issuer
        delay = issuer.refresh
        if isinstance(issuer.jwks, NamedFile):
            delay = min(delay, _FILE_SECONDS)
        elif source.has_failed:
            delay = min(delay, issuer.cooldown)
        elif source.max_age is not None:
            delay = min(delay, max(_SHORTEST_SECONDS, min(source.max_age, _LONGEST_SECONDS)))
        return delay * (1.0 - _JITTER * self._pace.jitter())

    async def _refreshed(self, source: _Source) -> None:
        """Join the fetch that is under way, or begin one; a waiter that leaves does not end it."""
        if source.flight is None:
            source.flight = asyncio.create_task(self._refresh(source))
        flight = source.flight
        try:
            await asyncio.shield(flight)
        except asyncio.CancelledError:
            if not flight.cancelled() or _is_leaving():
                raise
            raise StoreUnavailableError("the key sets are being closed") from None

    async def _refresh(self, source: _Source) -> None:
        try:
            self._accept(source, await self._fetch(source))
        except StoreUnavailableError as error:
            source.has_failed = True
            source.errors += 1
            _LOG.warning("the keys of %s: %s", source.issuer.issuer, error.reason)
        finally:
            source.tried_at = self._pace.clock()
            source.flight = None

    async def _fetch(self, source: _Source) -> bytes:
        issuer = source.issuer
        if isinstance(issuer.jwks, NamedFile):
            try:
                return await asyncio.to_thread(self._read, issuer.jwks.name)
            except OSError as error:
                raise StoreUnavailableError(
                    f"the file cannot be read ({error.strerror})"
                ) from error
        if issuer.jwks is None:
            raise StoreUnavailableError("the policy says no place for them")
        answer = await self._session.call(
            Call(issuer.jwks, issuer.ca, _TIMEOUT_SECONDS, LIMIT_BYTES)
        )
        found = _MAX_AGE.search(answer.cache_control)
        source.max_age = float(found[1]) if found else None
        return answer.body

    def _accept(self, source: _Source, document: bytes) -> None:
        now = self._pace.clock()
        # The same keys stay the same object: what is remembered of tokens stays good with it.
        if source.key_set is None or document != source.document:
            published = read_key_set(source.issuer.issuer, document, now)
            if isinstance(published, str):
                raise StoreUnavailableError(published)
            for note in published.notes:
                _LOG.warning("the keys of %s: %s", source.issuer.issuer, note)
            source.key_set, source.document = published.key_set, document
        source.loaded_at = now
        source.has_failed = False


def _is_leaving() -> bool:
    """Whether the task that runs is itself being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _answers(key_set: KeySet, key_id: str) -> bool:
    return not key_id or any(key.key_id == key_id for key in key_set.keys)


def _is_same(one: _Source, other: _Source) -> bool:
    return one.issuer.jwks == other.issuer.jwks and one.issuer.ca == other.issuer.ca
