"""Answers to what steps ask: one look-up for all who ask the same, and none without bound."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.adapters.stores.feed import Memories
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Store
from sidecar.model.questions import (
    AdmitDomain,
    FindCredential,
    FindKey,
    FindKeySet,
    FindTenant,
    Introspect,
    Question,
)

if TYPE_CHECKING:
    from sidecar.adapters.clients.introspections import Introspections
    from sidecar.adapters.clients.key_sets import KeySets

LOOKUPS: Final = 1024
"""Different look-ups that may be under way at once; further ones are told so at once."""

ATTEMPTS: Final = 5
"""Look-ups for one question while what it is about changes under each of them."""

DOMAIN_SECONDS: Final = 30 * 86400.0
"""How long an unregistered domain counts towards the cap of its project (AN-8)."""


class NothingToAsk:
    """Answers where the policy has nothing to ask about."""

    async def find(self, question: Question) -> object:
        """Say that there is nobody to ask."""
        raise StoreUnavailableError(f"nobody answers {type(question).__name__}")

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Say that there is nobody who could."""
        del question, then
        return False


class StoreAnswers:
    """Answers from the store, and by the clients of issuers."""

    def __init__(
        self,
        store: Store,
        memories: Memories,
        key_sets: "KeySets | None" = None,
        introspections: "Introspections | None" = None,
    ) -> None:
        self._store = store
        self._memories = memories
        self._key_sets = key_sets
        self._introspections = introspections
        self._flights: dict[tuple[Question, int], asyncio.Task[object]] = {}

    async def find(self, question: Question) -> object:
        """Answer a question.

        Raises:
            StoreUnavailableError: it cannot be answered now.
        """
        # These two share look-ups by rules of their own.
        if isinstance(question, FindKeySet) and self._key_sets is not None:
            return await self._key_sets.find(question)
        if isinstance(question, Introspect) and self._introspections is not None:
            return await self._introspections.find(question)
        for _ in range(ATTEMPTS):
            forgotten = self._forgotten(question)
            answer = await self._shared(question, forgotten)
            # What changed meanwhile may be what was asked about, and whoever is told of changes
            # (`live`) could not know yet whom this answer lets in (AN-10).
            if forgotten == self._forgotten(question):
                return answer
        raise StoreUnavailableError("what was asked about changes again and again")

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Say that whoever asks the store has to wait."""
        del question, then
        return False

    def _forgotten(self, question: Question) -> int:
        if isinstance(question, FindKey):
            return self._memories.keys.forgotten
        if isinstance(question, FindTenant):
            return self._memories.tenants.forgotten
        return 0

    async def _shared(self, question: Question, forgotten: int) -> object:
        """Look up, together with all who ask the same since the last change."""
        name = (question, forgotten)
        flight = self._flights.get(name)
        if flight is None:
            if len(self._flights) >= LOOKUPS:
                raise StoreUnavailableError("too many look-ups at once")
            flight = self._flights[name] = asyncio.create_task(self._looked_up(question))
            flight.add_done_callback(lambda ended: self._land(name, ended))
        # Whoever asked first may leave; the others still wait.
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Give up what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, name: tuple[Question, int], ended: asyncio.Task[object]) -> None:
        self._flights.pop(name, None)
        # Those who waited may all have left; what went wrong then concerns nobody.
        if not ended.cancelled():
            ended.exception()

    async def _looked_up(self, question: Question) -> object:
        if isinstance(question, FindKey):
            return await self._key(question)
        if isinstance(question, FindTenant):
            return await self._tenant(question)
        if isinstance(question, AdmitDomain):
            return await self._store.admit_domain(
                question.tenant, question.project, question.domain,
                cap=question.cap, window_seconds=DOMAIN_SECONDS,
            )  # fmt: skip
        if isinstance(question, FindCredential):
            return await self._credential(question)
        raise StoreUnavailableError(f"nobody answers {type(question).__name__}")

    async def _credential(self, question: FindCredential) -> object:
        if self._memories.secrets is None:
            raise StoreUnavailableError(
                "a secret of the tenant is needed, and there is no secrets.master_key"
            )
        return await self._memories.secrets.find(question)

    async def _key(self, question: FindKey) -> object:
        keys = self._memories.keys
        forgotten = keys.forgotten
        record = await self._store.find_key(question.digests)
        keys.put(question.digests[0], record, forgotten)
        return record

    async def _tenant(self, question: FindTenant) -> object:
        tenants = self._memories.tenants
        forgotten = tenants.forgotten
        record = await self._store.tenant(question.tenant)
        tenants.put(question.tenant, record, forgotten)
        return record
