"""The reviews that are being read: how large one may be, and how much room all of them have."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from sidecar.knowledge.kube.review import Decision, Result

BODY_BYTES: Final = 8 << 20
"""An object has 1.5 MB at most (etcd), and a review the old one beside the new one, as JSON."""
SMALL_BYTES: Final = 64 << 10
"""Of each review; most are smaller. What is above that is taken from the room."""


class UnreadError(Exception):
    """A review that is answered without having been read.

    Attributes:
        status: HTTP status code.
        decision: what is said.
    """

    def __init__(self, status: int, result: Result, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.decision = Decision(result, reason=said)


class Share:
    """What one review holds of the room."""

    def __init__(self, room: "Room") -> None:
        self._room = room
        self._held = 0

    def grow(self, size: int) -> None:
        """Hold as much as a review needs that has `size` bytes by now.

        Raises:
            UnreadError: there is no room for it.
        """
        more = max(0, size - SMALL_BYTES) - self._held
        if self._room.held + more > self._room.limit:
            said = "there is no room for so many large reviews at once"
            raise UnreadError(503, Result.OVERLOADED, said)
        self._held += more
        self._room.held += more

    def free(self) -> None:
        """Give it back."""
        self._room.held -= self._held


class Room:
    """Room for what large reviews have above `SMALL_BYTES`.

    Args:
        limit: of it, in bytes.

    Attributes:
        held: how much of it is taken.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Have a share in it until the block ends."""
        share = Share(self)
        try:
            yield share
        finally:
            share.free()


async def read(request: web.Request, share: Share, seconds: float) -> bytes:
    """Read a review.

    Args:
        request: whose body it is.
        share: of the room, for it.
        seconds: from now to its end.

    Raises:
        UnreadError: it is too large, too slow, or there is no room.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _whole(request, share)
    except TimeoutError as error:
        said = f"the review did not come within {seconds:g} seconds"
        raise UnreadError(408, Result.MALFORMED, said) from error


async def _whole(request: web.Request, share: Share) -> bytes:
    _judge(request.content_length or 0)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        _judge(len(body))
        share.grow(len(body))
    return bytes(body)


def _judge(size: int) -> None:
    if size > BODY_BYTES:
        said = f"the review has more than {BODY_BYTES >> 20} MiB"
        raise UnreadError(413, Result.MALFORMED, said)
