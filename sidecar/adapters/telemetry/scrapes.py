"""Metrics are written once for all who ask meanwhile, and for a part of the time at most.

A text of thousands of series takes a core for tenths of a second, in a thread that requests of
clients compete with, and whoever reaches the listener may ask for it. Written for each of twenty
who asked without pause, it held the proxy's answers up by two seconds; so, by no more than one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

REST: Final = 3.0
"""How much longer than it was written nothing is written: a quarter of the time goes into it."""
LONGEST_REST_SECONDS: Final = 2.0

_OPENMETRICS: Final = "application/openmetrics-text"

Text = tuple[str, bytes]


def asks_openmetrics(accept: str) -> bool:
    """Tell whether a reader understands OpenMetrics.

    Args:
        accept: its Accept, empty for none.
    """
    kinds = (one.partition(";")[0].strip().lower() for one in accept.split(","))
    return _OPENMETRICS in kinds


class Scrapes:
    """Gives each who asks what was counted when they asked, or later.

    Args:
        write: writes the numbers of all processes down, in OpenMetrics or not.
        clock: monotonic seconds.
    """

    def __init__(
        self, write: Callable[[bool], Awaitable[Text]], clock: Callable[[], float]
    ) -> None:
        self._write = write
        self._clock = clock
        self._turn = asyncio.Lock()
        self._rests_until = 0.0
        # By format: what is to be written next, and has not begun.
        self._next: dict[bool, asyncio.Task[Text]] = {}

    async def read(self, *, is_openmetrics: bool) -> Text:
        """Return the content type and the text."""
        task = self._next.get(is_openmetrics)
        if task is None:
            task = asyncio.create_task(self._written(is_openmetrics))
            task.add_done_callback(_looked_at)
            self._next[is_openmetrics] = task
        # Who gives up leaves it to the others.
        return await asyncio.shield(task)

    async def _written(self, is_openmetrics: bool) -> Text:  # noqa: FBT001 -- the key of a table
        async with self._turn:
            await asyncio.sleep(max(0.0, self._rests_until - self._clock()))
            # Who asks from here on is told what is counted from here on.
            del self._next[is_openmetrics]
            began = self._clock()
            text = await self._write(is_openmetrics)
            ended = self._clock()
            self._rests_until = ended + min((ended - began) * REST, LONGEST_REST_SECONDS)
            return text


def _looked_at(task: asyncio.Task[Text]) -> None:
    """Keep an error from being logged a second time where nobody waits any more."""
    if not task.cancelled():
        task.exception()
