"""What a process has for as long as it lives, whatever its policy becomes (ADR 24).

The state store, counts of rate limits, who is locked out after failures, processes that judge
bodies, and which keys were used. Each is made by the first policy that needs it, and kept.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sidecar.adapters.stores.breaker import Breaker
from sidecar.adapters.stores.guarded import Guarded
from sidecar.adapters.stores.opening import open_store
from sidecar.adapters.stores.uses import KeyUses
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import OnStoreFailure
from sidecar.model.ports import Events, KnownLimits
from sidecar.policy.schema.policy import Policy

if TYPE_CHECKING:
    from sidecar.adapters.bodies.judges import Judges
    from sidecar.adapters.limits.memory import MemoryLimits
    from sidecar.adapters.limits.redis import RedisLimits

CLOSE_SECONDS: Final = 2.0
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


class Lasting:
    """What outlives a policy.

    Attributes:
        store: the state store; None as long as no policy had a use for one.
        uses: which keys were used; None as long as there were no keys.
        counts: counts of rate limits in this process; None as long as there was nothing to count.
        limits: counts on a server; None likewise.
        judges: processes that judge bodies; None as long as none were read.
        locked: by limit, callers that failed too often and until when.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self.store: Guarded | None = None
        self.uses: KeyUses | None = None
        self.counts: MemoryLimits | None = None
        self.limits: RedisLimits | None = None
        self.judges: Judges | None = None
        self.locked: dict[str, dict[bytes, float]] = {}
        self._opened: set[str] = set()
        self._forgetting: asyncio.TimerHandle | None = None

    def provide(self, policy: Policy) -> None:
        """Make what a policy needs and is not there yet."""
        if policy.has_store and self.store is None:
            self.store = self._new_store(policy)
        if policy.has_store and policy.authentication.api_keys is not None and self.uses is None:
            self.uses = KeyUses()
        if policy.has_limits and self.counts is None:
            self._count(policy)
        if self.judges is None and any(policy.reads_bodies(route) for route in policy.routes):
            # Memory for those alone who have rules for bodies.
            from sidecar.adapters.bodies.judges import Judges

            self.judges = Judges()

    @property
    def known_limits(self) -> KnownLimits | None:
        """What is charged without waiting; None where nothing is."""
        return self.limits or self.counts

    def adopt(self, policy: Policy) -> None:
        """Take over what a policy says of what was made for another one."""
        section = policy.limits
        if self.counts is not None:
            self.counts.entries = section.entries
        if self.limits is not None:
            self.limits.adopt(section.lease, section.entries)

    def _new_store(self, policy: Policy) -> Guarded:
        around = self._around
        return open_store(
            policy.state,
            around.environ,
            clock=around.clock,
            monotonic=around.monotonic,
            failed=around.failed,
        )

    def _count(self, policy: Policy) -> None:
        # What counts is memory for those alone who have something to count.
        from sidecar.adapters.limits.memory import MemoryLimits

        section, around = policy.limits, self._around
        self.counts = MemoryLimits(section.entries, around.clock, around.monotonic)
        if policy.state.is_redis:
            from sidecar.adapters.limits.leases import Leases
            from sidecar.adapters.limits.redis import RedisLimits
            from sidecar.adapters.limits.slots import new_holder

            self.limits = RedisLimits(
                policy.state,
                self.counts,
                Leases(section.lease, section.entries, around.monotonic),
                Breaker(around.monotonic, random.random),
                around.failed,
                holder=new_holder(os.urandom),
                is_strict=section.strict,
            )

    async def open_store(self) -> None:
        """Open the store, unless it is open.

        Raises:
            StoreUnavailableError: the store cannot be used.
        """
        if self.store is None or "store" in self._opened:
            return
        try:
            await self.store.open()
        except StoreUnavailableError:
            await self._close(self.store)
            raise
        self._opened.add("store")

    async def open(self) -> None:
        """Open what is not open yet.

        Raises:
            StoreUnavailableError: the store, or the server of the counts, cannot be used.
        """
        if self.limits is not None and "limits" not in self._opened:
            await self.limits.open()
            self._opened.add("limits")
        if self._forgetting is None:
            self._forget()
        await self.open_store()

    def _forget(self) -> None:
        """Let go of counts whose time is over, a few every second."""
        if self.counts is not None:
            self.counts.forget(_FORGOTTEN)
            self._forgetting = asyncio.get_running_loop().call_later(1.0, self._forget)

    def held(self) -> int:
        """Count the requests that limits of concurrency hold."""
        here = 0 if self.counts is None else self.counts.held()
        return here + (0 if self.limits is None else self.limits.slots.units)

    def watch(self, watch: Callable[..., None]) -> None:
        """Have the metrics read what is known here.

        Args:
            watch: `MetricsLedger.watch`.
        """
        if (store := self.store) is not None:
            watch("sidecar_degraded", lambda: store.is_left_alone, "store")
        if (uses := self.uses) is not None:
            watch("sidecar_key_uses_waiting", lambda: len(uses))
        if (judges := self.judges) is not None:
            watch("sidecar_body_judgements_waiting", lambda: judges.waiting)
        if (counts := self.counts) is not None:
            watch("sidecar_rate_limit_callers", lambda: counts.size)
            watch("sidecar_rate_limit_shared_total", lambda: counts.sharing)
            watch("sidecar_rate_limit_held", self.held)
        if (limits := self.limits) is not None:
            self._watch_limits(limits, watch)

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
        if self.limits is None:
            return False
        return self._around.monotonic() - self.limits.decided_at[choice] <= _DEGRADED_SECONDS

    async def close(self) -> None:
        """Let go of everything."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        for part in (self.judges, self.store, self.limits):
            if part is not None:
                await self._close(part)

    @staticmethod
    async def _close(part: "Judges | Guarded | RedisLimits") -> None:
        # Nobody may hold up the end of the process, least of all a server that is gone.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await part.close()
