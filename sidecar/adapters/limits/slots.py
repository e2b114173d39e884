"""What this process holds of limits of concurrency on a Redis server, and says again in time.

The server adds what it grants; this process says how many units it holds of a counter when it gives
some back, and every few seconds of all that it holds. What it said holds for `LIFE`: whatever a
process held that died is free again then. A process that is cut off for longer may hold units that
others were given meanwhile; it says so when it is back, and until they are over nobody gets more.

What is asked for and not answered counts as held, so a word that overtakes an answer never says too
little: it would make the server forget a grant.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from sidecar.adapters.stores.redis.scripts import Script, read_scripts
from sidecar.adapters.stores.redis.wire import packed
from sidecar.model.limits import SECOND

LIFE: Final = 30 * SECOND
"""Microseconds for which a process's word holds."""
AGAIN_SECONDS: Final = 10.0
"""How often it is said again."""
RETRY_SECONDS: Final = 1.0
"""How soon after the server did not hear it."""
TOGETHER: Final = 256
"""Counters of one script: it must not keep the server from others."""
SCRIPT: Final = "hold_slots"
_RANDOM_BYTES: Final = 6


def new_holder(random_bytes: Callable[[int], bytes]) -> bytes:
    """Name a process: 8 printable bytes that no other process has.

    Args:
        random_bytes: gives so many random bytes.
    """
    return base64.b64encode(random_bytes(_RANDOM_BYTES))


class _Held:
    """What the process holds of one counter.

    Attributes:
        units: units that requests hold.
        asked: units that were asked for, and not answered yet.
        is_over: whether units that were only asked for were said to be held.
        at: when something was asked for or given back last, in seconds of the loop.
    """

    __slots__ = ("asked", "at", "is_over", "units")

    def __init__(self) -> None:
        self.at = 0.0
        self.units = 0
        self.asked = 0
        self.is_over = False


class Held:
    """A unit of one counter."""

    __slots__ = ("_key", "_slots")

    def __init__(self, slots: "Slots", key: bytes) -> None:
        self._slots = slots
        self._key = key

    def release(self) -> None:
        """Give it back; once."""
        self._slots.give_back(self._key)


class Line(Protocol):
    """Runs scripts in the order in which they are given."""

    def run(
        self,
        script: Script,
        arguments: Sequence[bytes],
        then: Callable[[object], None],
        *,
        is_known: bool = True,
    ) -> None:
        """Send a script, as `Wire` does."""


class Slots:
    """Units that this process holds.

    Args:
        line: the connection to the server.
        holder: name of the process (`new_holder`).
        failed: is told the operation of each call that failed.

    Attributes:
        holder: name of the process.
        units: units that requests hold.
    """

    __slots__ = (
        "_closed",
        "_due",
        "_failed",
        "_held",
        "_holder",
        "_line",
        "_script",
        "_timer",
        "_unheard",
        "_wrong",
        "holder",
        "units",
    )  # fmt: skip

    def __init__(self, line: Line, holder: bytes, failed: Callable[[str], None]) -> None:
        self._line = line
        self.holder = holder
        self._holder = packed(holder)
        self._failed = failed
        self._script = read_scripts()[SCRIPT]
        self._held: dict[bytes, _Held] = {}
        # Counters of which the server may think otherwise.
        self._wrong: set[bytes] = set()
        self._due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unheard = 0
        self._closed: asyncio.Future[None] | None = None
        self.units = 0

    def ask(self, key: bytes) -> None:
        """Take down that a unit is asked for: in the moment in which the question is sent."""
        own = self._held.get(key)
        if own is None:
            own = self._held[key] = _Held()
        loop = asyncio.get_running_loop()
        own.asked += 1
        own.at = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(AGAIN_SECONDS, self._again)

    def settle(self, key: bytes, *, is_taken: bool) -> Held | None:
        """Take down what the server answered.

        Returns:
            The unit, if there was one.
        """
        own = self._answered(key)
        if own is None:
            return None
        if is_taken:
            own.units += 1
            self.units += 1
            return Held(self, key)
        if own.is_over:
            own.is_over = own.asked > 0
            self._correct(key)
        elif not own.units and not own.asked and key not in self._wrong:
            del self._held[key]
        return None

    def doubt(self, key: bytes) -> None:
        """Take down that the server did not answer: it may have counted, or not."""
        if self._answered(key) is not None:
            self._wrong.add(key)
            self._retry()

    def give_back(self, key: bytes) -> None:
        """Take down that a unit is free."""
        self.units -= 1
        own = self._held.get(key)
        if own is not None and self._closed is None:
            own.units -= 1
            own.at = asyncio.get_running_loop().time()
            self._correct(key)

    async def close(self) -> None:
        """Say that nothing is held any more, and wait until the server heard it, or cannot."""
        self._closed = asyncio.get_running_loop().create_future()
        for handle in (self._timer, self._due):
            if handle is not None:
                handle.cancel()
        for own in self._held.values():
            own.units = own.asked = 0
        self._wrong.update(self._held)
        self.say()
        if self._unheard:
            await self._closed

    def _answered(self, key: bytes) -> _Held | None:
        own = self._held.get(key)
        if own is None or self._closed is not None:
            return None
        own.asked -= 1
        return own

    def _again(self) -> None:
        self._timer = None
        if self._held:
            self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._again)
            self._wrong.update(self._held)
            self.say()

    def _correct(self, key: bytes) -> None:
        self._wrong.add(key)
        if self._due is None:
            # Together with all that this round of the loop gives back.
            self._due = asyncio.get_running_loop().call_soon(self.say)

    def _retry(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(RETRY_SECONDS, self.say)

    def say(self) -> None:
        """Say what is held of each counter of which the server may think otherwise."""
        self._due = None
        wrong = list(self._wrong)
        self._wrong.clear()
        for start in range(0, len(wrong), TOGETHER):
            keys = wrong[start : start + TOGETHER]
            units = [self._said_to_be_held(key) for key in keys]
            words = (self._holder, packed(b"%d" % LIFE), packed(" ".join(units).encode()))
            arguments = [packed(b"%d" % len(keys)), *keys, *words]
            self._unheard += 1
            # The text itself: a script that has to be sent again would come out of its turn.
            self._line.run(self._script, arguments, partial(self._heard, keys), is_known=False)

    def _said_to_be_held(self, key: bytes) -> str:
        own = self._held[key]
        own.is_over = own.asked > 0
        return str(own.units + own.asked)

    def _keep(self, keys: Sequence[bytes]) -> None:
        """Say it again soon, but for what the server has forgotten by itself."""
        then = asyncio.get_running_loop().time() - LIFE / SECOND
        for key in keys:
            own = self._held.get(key)
            if own is None:
                continue
            if own.units or own.asked or own.at > then:
                self._wrong.add(key)
            else:
                del self._held[key]
        if self._wrong:
            self._retry()

    def _heard(self, keys: Sequence[bytes], answer: object) -> None:
        self._unheard -= 1
        if self._closed is not None:
            if not self._unheard and not self._closed.done():
                self._closed.set_result(None)
            return
        if answer != len(keys):
            self._failed(SCRIPT)
            self._keep(keys)
            return
        for key in keys:
            own = self._held.get(key)
            if own is not None and key not in self._wrong and not (own.units or own.asked):
                del self._held[key]
