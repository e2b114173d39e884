"""What a sidecar asks outside of itself: its store, the keys of issuers, the word of issuers.

Part of the composition (`app`). A policy that asks nobody has none of it, and pays for none of it.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sidecar.adapters.reading import read_file
from sidecar.adapters.stores.answers import NothingToAsk, StoreAnswers
from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.uses import KeyUses
from sidecar.decision.steps.tenant import record_of
from sidecar.lasting import CLOSE_SECONDS, Around, Lasting
from sidecar.model.errors import KeySetMissingError, StoreUnavailableError
from sidecar.model.ports import Answers, AtHand, NothingAtHand, Store
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.clients.guarded_session import GuardedSession
    from sidecar.adapters.clients.introspections import Introspections
    from sidecar.adapters.clients.key_sets import KeySets
    from sidecar.adapters.limits.memory import MemoryLimits

_LOG: Final = logging.getLogger("sidecar.outside")


class Outside:
    """The outside of one process, as one policy sees it.

    Attributes:
        at_hand: what steps may know without waiting.
        answers: what answers their questions.
        lasting: what outlives the policy.
        feed: the change feed of the store; None where nothing of it is remembered.
        memories: what was looked up; None likewise.
        key_sets: keys of issuers of tokens; None where there are none.
    """

    def __init__(self, policy: Policy, around: Around, lasting: Lasting | None = None) -> None:
        """Make what the policy needs, which remembers nothing yet.

        Args:
            policy: the policy.
            around: what the process gives.
            lasting: what the policies before it left; None for the first one.
        """
        self.at_hand = AtHand()
        self.answers: Answers = NothingToAsk()
        self.feed: Feed | None = None
        self.memories: Memories | None = None
        self.key_sets: KeySets | None = None
        self._session: GuardedSession | None = None
        self._introspections: Introspections | None = None
        self._asking: StoreAnswers | None = None
        self._clock = around.clock
        self._has_store = policy.has_store
        # Whoever said that blocks hold on without the store wants to be served without it.
        goes_on = policy.blocks is not None and policy.blocks.on_store_failure == "last_known"
        methods = policy.authentication
        self._needs_word = methods.has_methods or not goes_on
        self._has_tokens = bool(methods.jwt) or methods.introspection is not None
        self.lasting = lasting = lasting or Lasting(around)
        lasting.provide(policy)
        if policy.has_store and lasting.store is not None:
            self._build(policy, around, lasting.store)
        self._build_answers(policy)

    @property
    def store(self) -> Store | None:
        """The state store; None for a policy that has no use for one."""
        return self.lasting.store if self._has_store else None

    @property
    def uses(self) -> KeyUses | None:
        """Notes which keys were used; None where there were never keys."""
        return self.lasting.uses

    @property
    def counts(self) -> "MemoryLimits | None":
        """Counts of rate limits in this process; None where nothing was ever counted."""
        return self.lasting.counts

    def _build(self, policy: Policy, around: Around, store: Store) -> None:
        memories = self.memories = _memories(policy, store, around)
        self._build_clients(policy, around)
        asking = self._asking = StoreAnswers(store, memories, self.key_sets, self._introspections)
        self.answers = asking
        rhythm = Rhythm(policy.state.poll, around.clock, around.took)
        self.feed = Feed(store, memories, self.uses or KeyUses(), rhythm)
        nothing = NothingAtHand()
        self.at_hand = AtHand(
            keys=memories.keys,
            tenants=memories.tenants,
            revocations=memories.revocations,
            secrets=memories.secrets or nothing,
            key_sets=self.key_sets or nothing,
            introspections=self._introspections or nothing,
        )
        if memories.blocks is not None:
            self.at_hand = replace(self.at_hand, blocks=memories.blocks)

    def _build_answers(self, policy: Policy) -> None:
        lasting = self.lasting
        if policy.has_limits and (known := lasting.known_limits) is not None:
            self.at_hand = replace(self.at_hand, limits=known, locked=lasting.locked)
        if policy.has_limits and lasting.limits is not None:
            from sidecar.adapters.limits.answers import LimitAnswers

            self.answers = LimitAnswers(lasting.limits, self.answers)
        if lasting.judges is not None:
            from sidecar.adapters.bodies.answers import BodyAnswers

            self.answers = BodyAnswers(lasting.judges, self.answers)

    def _build_clients(self, policy: Policy, around: Around) -> None:
        section = policy.authentication
        if not section.jwt and section.introspection is None:
            return
        # They bring cryptography and a client along: memory for policies that have tokens.
        from sidecar.adapters.clients.guarded_session import GuardedSession

        session = self._session = GuardedSession()
        if section.jwt:
            from sidecar.adapters.clients.key_sets import KeySets, Pace

            self.key_sets = KeySets(
                section.jwt, session, Pace(around.clock, random.random), read_file
            )
        if section.introspection is not None:
            from sidecar.adapters.clients.introspections import Introspections

            entries = section.token_cache.entries
            self._introspections = Introspections(
                section.introspection, session, around.clock, entries
            )

    async def open_store(self) -> None:
        """Open the store alone, for whoever acts on it and admits nobody.

        Raises:
            StoreUnavailableError: the store cannot be used.
        """
        await self.lasting.open_store()

    async def start(self, former: "Outside | None" = None) -> None:
        """Open the store and read what it has changed; begin to fetch keys of issuers.

        Args:
            former: that of the policy before; keys of issuers that stayed the same are its, and
                so are revocations, which a store that lost them must not withdraw.

        Raises:
            KeySetMissingError: an issuer whose keys the policy before did not fetch from there
                gives none: its tokens may be good under that policy, and would get 503.
            StoreUnavailableError: the store cannot be used. An issuer that cannot be reached is no
                reason not to start: its tokens get 503 until it answers, and `missing` says so.
        """
        await self.lasting.open()
        if self.feed is None:
            return
        known = None if former is None else former.memories
        if known is not None and self.memories is not None:
            self.memories.revocations.keep(known.revocations.known())
        await self.feed.start()
        if self.key_sets is None:
            return
        same: frozenset[str] = frozenset()
        if former is not None and former.key_sets is not None:
            same = self.key_sets.take_over(former.key_sets)
        try:
            await self.key_sets.load()
        except StoreUnavailableError as error:
            if former is not None and not same.issuperset(self._without_keys()):
                raise KeySetMissingError(
                    f"{error.reason}: none came from where it is to be"
                ) from error
            _LOG.error("%s", error.reason)
        self.key_sets.start()

    def _without_keys(self) -> list[str]:
        """List the issuers whose tokens cannot be verified."""
        sets = self.key_sets
        return [] if sets is None else [one for one in sets.issuers() if not sets.is_loaded(one)]

    def watch(self, watch: Callable[..., None]) -> None:
        """Have the metrics read what is known here.

        Args:
            watch: `MetricsLedger.watch`.
        """
        if self.memories is not None:
            revocations = self.memories.revocations
            watch("sidecar_state_staleness_seconds", self.memories.freshness.age)
            watch("sidecar_degraded", lambda: not revocations.is_current(), "revocations")
            if (blocks := self.memories.blocks) is not None:
                watch("sidecar_blocks", lambda: blocks.count(self._clock()))
                watch("sidecar_degraded", blocks.is_last_known, "blocks")
        if (sets := self.key_sets) is not None:
            self._watch_key_sets(sets, watch)
        if self._introspections is not None:
            watch("sidecar_introspection_errors_total", self._introspections.errors)
        self.lasting.watch(watch)

    @staticmethod
    def _watch_key_sets(sets: "KeySets", watch: Callable[..., None]) -> None:
        for issuer in sets.issuers():
            watch("sidecar_jwks_age_seconds", partial(sets.age_seconds, issuer), issuer)
            watch("sidecar_jwks_errors_total", partial(sets.errors, issuer), issuer)
        watch("sidecar_degraded", lambda: any(map(sets.is_stale, sets.issuers())), "jwks")

    def missing(self) -> list[str]:
        """Say what is not there that requests may need."""
        missing = []
        if self.memories is not None:
            blocks = self.memories.blocks
            if self._needs_word and not self.memories.freshness.is_current():
                missing.append("the state store does not answer")
            elif self._has_tokens and not self.memories.revocations.is_current():
                missing.append("revocations cannot be read")
            elif blocks is not None and not blocks.is_current():
                missing.append("the list of blocks cannot be read")
        return [*missing, *(f"no key set of {issuer}" for issuer in self._without_keys())]

    def silence(self) -> None:
        """Tell nobody of changes any more: the feed of another policy does."""
        if self.feed is not None:
            self.feed.silence()

    async def retire(self) -> None:
        """Let go of what is this policy's alone."""
        if self.feed is not None:
            await self.feed.close()
        if self.memories is not None:
            # Steps of this policy may still be asked; what changes from here on they cannot know.
            self.memories.end()
        if self._asking is not None:
            await self._asking.close()
        for client in (self.key_sets, self._introspections, self._session):
            if client is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await client.close()

    async def close(self) -> None:
        """Let go of everything."""
        await self.retire()
        await self.lasting.close()


def _memories(policy: Policy, store: Store, around: Around) -> Memories:
    freshness = Freshness(around.monotonic, policy.authentication.max_staleness)
    own = {name: record_of(name, tenant) for name, tenant in policy.tenants.items()}
    memories = Memories(freshness, RememberedTenants(own, freshness))
    if policy.blocks is not None:
        heard = Freshness(around.monotonic, policy.authentication.max_staleness)
        keeps_last = policy.blocks.on_store_failure == "last_known"
        memories.blocks = RememberedBlocks(heard, keeps_last=keeps_last)
    if policy.secrets.master_key is not None:
        from sidecar.adapters.vault.box import Box
        from sidecar.adapters.vault.secrets import UnsealedSecrets, Vault

        vault = Vault(store, Box(policy.secrets.master_key, os.urandom))
        memories.secrets = UnsealedSecrets(vault, freshness.is_current, around.events)
    return memories
