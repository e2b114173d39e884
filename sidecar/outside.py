"""What a sidecar asks outside of itself: its store, the keys of issuers, the word of issuers.

Part of the composition (`app`). A policy that asks nobody has none of it, and pays for none of it.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.adapters.stores.answers import NothingToAsk, StoreAnswers
from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.breaker import Breaker
from sidecar.adapters.stores.feed import Feed, Memories, Rhythm
from sidecar.adapters.stores.guarded import Guarded
from sidecar.adapters.stores.memories import Freshness, RememberedTenants
from sidecar.adapters.stores.opening import open_store
from sidecar.adapters.stores.uses import KeyUses
from sidecar.decision.steps.tenant import record_of
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import OnStoreFailure
from sidecar.model.ports import Answers, AtHand, Events, KnownLimits, NothingAtHand, Store
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.bodies.judges import Judges
    from sidecar.adapters.clients.guarded_session import GuardedSession
    from sidecar.adapters.clients.introspections import Introspections
    from sidecar.adapters.clients.key_sets import KeySets
    from sidecar.adapters.limits.memory import MemoryLimits
    from sidecar.adapters.limits.redis import RedisLimits

_LOG: Final = logging.getLogger("sidecar.outside")
_CLOSE_SECONDS: Final = 2.0
_FORGOTTEN: Final = 500
"""Counts that are looked at each second: a tenth of a millisecond, and all in two minutes."""
_DEGRADED_SECONDS: Final = 60.0
"""How long limits count as degraded after a request that they judged without the store: they learn
that it is back by the next request alone, which may be long in coming."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the process gives.

    Attributes:
        environ: environment variables.
        clock: Unix seconds.
        monotonic: monotonic seconds.
        events: takes note of what the sidecar itself does.
        took: is told how long each change of the store took to get here, in seconds.
        failed: is told which operation of the store failed.
    """

    environ: Mapping[str, str]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    events: Events
    took: Callable[[float], None]
    failed: Callable[[str], None]


class Outside:
    """The outside of one process.

    Attributes:
        at_hand: what steps may know without waiting.
        answers: what answers their questions.
        store: the state store; None for a policy that has no use for one.
        feed: its change feed; None likewise.
        memories: what was looked up; None likewise.
        uses: notes which keys were used; None where there are no keys.
        key_sets: keys of issuers of tokens; None where there are none.
        counts: counts of rate limits in this process; None where there are none.
    """

    def __init__(self, policy: Policy, around: Around) -> None:
        self.at_hand = AtHand()
        self.answers: Answers = NothingToAsk()
        self.store: Store | None = None
        self.feed: Feed | None = None
        self.memories: Memories | None = None
        self.uses: KeyUses | None = None
        self.key_sets: KeySets | None = None
        self._session: GuardedSession | None = None
        self._introspections: Introspections | None = None
        self._asking: StoreAnswers | None = None
        self._limits: RedisLimits | None = None
        self._judges: Judges | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self.counts: MemoryLimits | None = None
        self._clock = around.clock
        self._monotonic = around.monotonic
        self._guarded: Guarded | None = None
        # Whoever said that blocks hold on without the store wants to be served without it.
        goes_on = policy.blocks is not None and policy.blocks.on_store_failure == "last_known"
        self._needs_word = policy.authentication.has_methods or not goes_on
        if policy.has_store:
            self._build(policy, around)
        if policy.has_limits:
            self._build_limits(policy, around)
        if any(policy.reads_bodies(route) for route in policy.routes):
            self._build_judges()

    def _build(self, policy: Policy, around: Around) -> None:
        store = self.store = self._guarded = open_store(
            policy.state,
            around.environ,
            clock=around.clock,
            monotonic=around.monotonic,
            failed=around.failed,
        )
        memories = self.memories = _memories(policy, store, around)
        self._build_clients(policy, around)
        asking = self._asking = StoreAnswers(store, memories, self.key_sets, self._introspections)
        self.answers = asking
        uses = KeyUses()
        if policy.authentication.api_keys is not None:
            self.uses = uses
        rhythm = Rhythm(policy.state.poll, around.clock, around.took)
        self.feed = Feed(store, memories, uses, rhythm)
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

    def _build_judges(self) -> None:
        # Memory for those alone who have rules for bodies.
        from sidecar.adapters.bodies.judges import Judges

        self.answers = self._judges = Judges(self.answers)

    def _build_limits(self, policy: Policy, around: Around) -> None:
        # What counts is memory for those alone who have something to count.
        from sidecar.adapters.limits.memory import MemoryLimits

        section = policy.limits
        memory = self.counts = MemoryLimits(section.entries, around.clock, around.monotonic)
        known: KnownLimits = memory
        if policy.state.is_redis:
            from sidecar.adapters.limits.answers import LimitAnswers
            from sidecar.adapters.limits.leases import Leases
            from sidecar.adapters.limits.redis import RedisLimits
            from sidecar.adapters.limits.slots import new_holder

            leases = Leases(section.lease, section.entries, around.monotonic)
            breaker = Breaker(around.monotonic, random.random)
            known = self._limits = RedisLimits(
                policy.state,
                memory,
                leases,
                breaker,
                around.failed,
                holder=new_holder(os.urandom),
                is_strict=section.strict,
            )
            self.answers = LimitAnswers(self._limits, self.answers)
        self.at_hand = replace(self.at_hand, limits=known)

    def _build_clients(self, policy: Policy, around: Around) -> None:
        section = policy.authentication
        if not section.jwt and section.introspection is None:
            return
        # They bring cryptography and a client along: memory for policies that have tokens.
        from sidecar.adapters.clients.guarded_session import GuardedSession

        session = self._session = GuardedSession()
        if section.jwt:
            from sidecar.adapters.clients.key_sets import KeySets, Pace

            self.key_sets = KeySets(section.jwt, session, Pace(around.clock, random.random), _read)
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
        if self.store is not None:
            await self.store.open()

    async def start(self) -> None:
        """Open the store and read what it has changed; begin to fetch keys of issuers.

        Raises:
            StoreUnavailableError: the store cannot be used. An issuer that cannot be reached is no
                reason not to start: its tokens get 503 until it answers, and `missing` says so.
        """
        if self._limits is not None:
            await self._limits.open()
        self._forget()
        if self.store is None or self.feed is None:
            return
        await self.open_store()
        try:
            await self.feed.start()
        except StoreUnavailableError:
            await self.store.close()
            raise
        if self.key_sets is not None:
            try:
                await self.key_sets.load()
            except StoreUnavailableError as error:
                _LOG.error("%s", error.reason)
            self.key_sets.start()

    def _forget(self) -> None:
        """Let go of counts whose time is over, a few every second."""
        if self.counts is not None:
            self.counts.forget(_FORGOTTEN)
            self._forgetting = asyncio.get_running_loop().call_later(1.0, self._forget)

    def watch(self, watch: Callable[..., None]) -> None:
        """Have the metrics read what is known here.

        Args:
            watch: `MetricsLedger.watch`.
        """
        self._watch_store(watch)
        if (judges := self._judges) is not None:
            watch("sidecar_body_judgements_waiting", lambda: judges.waiting)
        if (sets := self.key_sets) is not None:
            self._watch_key_sets(sets, watch)
        if self._introspections is not None:
            watch("sidecar_introspection_errors_total", self._introspections.errors)
        if (counts := self.counts) is not None:
            watch("sidecar_rate_limit_callers", lambda: counts.size)
            watch("sidecar_rate_limit_shared_total", lambda: counts.sharing)
            watch("sidecar_rate_limit_held", self._held)
        if (limits := self._limits) is not None:
            self._watch_limits(limits, watch)

    def _watch_store(self, watch: Callable[..., None]) -> None:
        if self.memories is not None:
            watch("sidecar_state_staleness_seconds", self.memories.freshness.age)
            if (blocks := self.memories.blocks) is not None:
                watch("sidecar_blocks", lambda: blocks.count(self._clock()))
                watch("sidecar_degraded", blocks.is_last_known, "blocks")
        if (guarded := self._guarded) is not None:
            watch("sidecar_degraded", lambda: guarded.is_left_alone, "store")
        if (uses := self.uses) is not None:
            watch("sidecar_key_uses_waiting", lambda: len(uses))

    def _watch_limits(self, limits: "RedisLimits", watch: Callable[..., None]) -> None:
        watch("sidecar_rate_limit_degraded_total", lambda: limits.degraded)
        watch("sidecar_rate_limit_waiting", lambda: limits.waiting)
        watch("sidecar_rate_limit_leased_total", lambda: limits.leases.used)
        watch("sidecar_rate_limit_leased_units_total", lambda: limits.leases.granted)
        watch("sidecar_rate_limit_leased_units_used_total", lambda: limits.leases.spent)
        for choice in OnStoreFailure:
            watch("sidecar_degraded", partial(self._is_degraded, choice), f"limits_{choice}")

    def _is_degraded(self, choice: OnStoreFailure) -> bool:
        """Tell whether limits were judged without the store lately."""
        if self._limits is None:
            return False
        return self._monotonic() - self._limits.decided_at[choice] <= _DEGRADED_SECONDS

    def _held(self) -> int:
        here = 0 if self.counts is None else self.counts.held()
        return here + (0 if self._limits is None else self._limits.slots.units)

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
            elif blocks is not None and not blocks.is_current():
                missing.append("the list of blocks cannot be read")
        if self.key_sets is not None:
            sets = self.key_sets
            missing += [f"no key set of {i}" for i in sets.issuers() if not sets.is_loaded(i)]
        return missing

    async def close(self) -> None:
        """Let go of everything."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self.feed is not None:
            await self.feed.close()
        if self._asking is not None:
            await self._asking.close()
        clients = (
            self._judges, self.key_sets, self._introspections, self._session, self.store,
            self._limits,
        )  # fmt: skip
        for client in clients:
            if client is not None:
                # Nobody may hold up the end of the process, least of all a server that is gone.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await client.close()


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


def _read(name: str) -> bytes:
    return Path(name).read_bytes()
