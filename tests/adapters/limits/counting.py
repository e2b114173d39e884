"""Counters on a real server, with all that belongs to them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.adapters.limits.leases import Leases
from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.limits.redis import RedisLimits
from sidecar.adapters.limits.slots import new_holder
from sidecar.adapters.stores.breaker import Breaker
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.limits import Charge, Count
from sidecar.model.questions import TakeLimits
from tests.conftest import ManualClock
from tests.stores.rows import a_state


class Counting:
    """A replica that takes no leases, and whose breaker is moved by hand.

    Args:
        url: the server, as `state` of a policy has it.
        is_strict: whether it admits nothing while counts may be lost.
        keys: other keys of `state`.

    Attributes:
        clock: the clock of the process; that of the server goes on its own.
        local: what counts while the server is away.
        breaker: the breaker, whose lot is always in the middle.
        failed: operations that failed.
        limits: the counters.
    """

    def __init__(self, url: str, *, is_strict: bool = False, **keys: object) -> None:
        self.clock = ManualClock()
        self.local = MemoryLimits(100, self.clock, self.clock)
        self.breaker = Breaker(self.clock, lambda: 0.5)
        self.failed: list[str] = []
        self.limits = RedisLimits(
            a_state(url, **keys),
            self.local,
            Leases(0, 100, self.clock),
            self.breaker,
            self.failed.append,
            holder=new_holder(os.urandom),
            is_strict=is_strict,
        )

    async def ask(self, *charges: Charge) -> tuple[Count, ...]:
        """Charge one request."""
        return await self.limits.find(TakeLimits(charges))

    async def admits(self, *charges: Charge) -> bool:
        """Charge one request, and tell whether all limits had room."""
        return all(one.is_admitted for one in await self.ask(*charges))

    async def reason(self, *charges: Charge) -> str:
        """Charge one request; tell why that cannot be done, or nothing."""
        try:
            await self.ask(*charges)
        except StoreUnavailableError as error:
            return error.reason
        return ""


@asynccontextmanager
async def counting(url: str, *, is_strict: bool = False, **keys: object) -> AsyncIterator[Counting]:
    """Connect a replica, and close it in the end."""
    made = Counting(url, is_strict=is_strict, **keys)
    await made.limits.open()
    try:
        yield made
    finally:
        await made.limits.close()
