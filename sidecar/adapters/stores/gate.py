"""The one way to a store: so many calls at once, so many that wait, and an end to each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from sidecar.model.errors import StoreUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


class Gate:
    """Bounds calls in number and in time; waiting for one's turn counts as time.

    Args:
        width: calls that run at once.
        queue: calls that run or wait; one more is turned away, since it could not be answered in
            time anyway.
        seconds: how long a call may take, its turn included.
    """

    def __init__(self, width: int, queue: int, seconds: float) -> None:
        self._turn = asyncio.Semaphore(width)
        self._queue = queue
        self._seconds = seconds
        self._inside = 0

    async def run(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call.

        Raises:
            StoreUnavailableError: it took too long, or too many wait.
        """
        if self._inside >= self._queue:
            raise StoreUnavailableError("too many calls wait for the store")
        self._inside += 1
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                return await call(*args, **kwargs)
        except TimeoutError as error:
            raise StoreUnavailableError("the store did not answer in time") from error
        finally:
            self._inside -= 1
