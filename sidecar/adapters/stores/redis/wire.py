"""One connection to Redis on which scripts follow each other without waiting, for callbacks.

The client library takes half a millisecond of a core for a command, most of it for tasks, timers
and locks of its own; on the way of every request that halves the throughput. It still opens the
connection here (names, TLS, user, Sentinels, the Cluster's node); then its socket is taken over,
and a command costs what writing and reading it costs.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import ResponseError

from sidecar.adapters.stores.redis.connect import connect, disconnect
from sidecar.adapters.stores.redis.errors import FOREIGN, unavailable
from sidecar.adapters.stores.redis.scripts import Script
from sidecar.model.errors import StoreUnavailableError
from sidecar.policy.schema.state import State

Then = Callable[[object], None]

_LOG: Final = logging.getLogger("sidecar.state")

_UNKNOWN_SCRIPT: Final = "NOSCRIPT"
# Wherever they stand: older servers wrap what a script met in words of their own.
_ELSEWHERE: Final = re.compile(r"\b(?:MOVED|READONLY|MASTERDOWN)\b")


class _Opened(Protocol):
    """What is used of the library's connection, which does not offer its socket."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None

    async def connect(self) -> None:
        """Open it, and introduce ourselves."""


class _Call:
    """A script that was sent."""

    __slots__ = ("arguments", "is_again", "script", "then", "until")

    def __init__(
        self, script: Script, arguments: Sequence[bytes], then: Then, until: float
    ) -> None:
        self.script = script
        self.arguments = arguments
        self.then = then
        self.until = until
        self.is_again = False


class _Conversation(asyncio.Protocol):
    """Reads the answers of one connection.

    Attributes:
        is_over: whether the connection was given up; what still happens to it is nobody's concern.
    """

    def __init__(self, answered: Callable[[object], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._reader = hiredis.Reader()
        self.is_over = False

    def data_received(self, data: bytes) -> None:
        """Take answers down."""
        self._reader.feed(data)
        try:
            while not self.is_over and (answer := self._reader.gets()) is not False:
                self._answered(answer)
        except hiredis.ProtocolError:
            self._lost()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that no answer comes any more."""
        del error
        if not self.is_over:
            self._lost()


class Wire:
    """Runs scripts one behind the other, each within its deadline.

    Args:
        state: the section of the policy.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._client: Redis | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._conversation: _Conversation | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._calls: deque[_Call] = deque()
        self._unsent: deque[_Call] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def run(
        self, script: Script, arguments: Sequence[bytes], then: Then, *, is_known: bool = True
    ) -> None:
        """Send a script.

        Args:
            script: the script.
            arguments: number of keys, keys and words, each by `packed`.
            then: is called, perhaps at once, with the answer or a StoreUnavailableError.
            is_known: whether the server may know the script; if it does not, what is sent
                meanwhile overtakes it.
        """
        loop = asyncio.get_running_loop()
        call = _Call(script, arguments, then, loop.time() + self._state.timeout)
        call.is_again = not is_known
        if self._timer is None:
            self._timer = loop.call_at(call.until, self._expire)
        self._send(call)
        if self._writer is None and self._connecting is None:
            self._connecting = loop.create_task(self._connect())

    async def close(self) -> None:
        """Close the connection; who waits for an answer is told so."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        self._drop("the sidecar ends")
        if self._timer is not None:
            self._timer.cancel()
        client, self._client = self._client, None
        if client is not None:
            await disconnect(client)

    async def _connect(self) -> None:
        reason = ""
        try:
            async with asyncio.timeout(self._state.timeout):
                await self._open()
        except (*FOREIGN, TimeoutError) as error:
            reason = unavailable(error).reason
        except Exception:  # noqa: BLE001 -- whatever it was, the next call tries again
            _LOG.exception("no connection to the server of the counts")
            reason = "the server cannot be reached"
        self._connecting = None
        if reason:
            self._drop(reason)
            return
        unsent, self._unsent = self._unsent, deque()
        for call in unsent:
            self._send(call)

    async def _open(self) -> None:
        if self._client is None:
            self._client = connect(self._state)
        made = self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # the library's
        connection = cast("_Opened", made)
        await connection.connect()
        writer, connection._writer = connection._writer, None  # noqa: SLF001 -- not offered
        connection._reader = None  # noqa: SLF001 -- the library is to take it for closed
        if writer is None or writer.transport.is_closing():
            raise NoConnectionError("closed")
        self._conversation = _Conversation(self._answered, self._lost)
        writer.transport.set_protocol(self._conversation)
        self._writer = writer

    def _send(self, call: _Call) -> None:
        if self._writer is None:
            self._unsent.append(call)
            return
        name = call.script.text if call.is_again else call.script.sha1.encode()
        verb = b"EVAL" if call.is_again else b"EVALSHA"
        head = b"*%d\r\n" % (len(call.arguments) + 2)
        self._calls.append(call)
        self._writer.transport.write(b"".join((head, packed(verb), packed(name), *call.arguments)))

    def _answered(self, answer: object) -> None:
        if not self._calls:
            self._lost()
            return
        call = self._calls.popleft()
        if not isinstance(answer, hiredis.ReplyError):
            call.then(answer)
            return
        text = str(answer)
        if text.startswith(_UNKNOWN_SCRIPT) and not call.is_again:
            call.is_again = True
            self._send(call)
            return
        call.then(unavailable(ResponseError(text)))
        if _ELSEWHERE.search(text):
            # Another server has the keys now: the next call looks for it.
            self._lost()

    def _lost(self) -> None:
        self._drop("the server cannot be reached")

    def _drop(self, reason: str) -> None:
        """Give the connection up, and whatever waits for an answer."""
        writer, self._writer = self._writer, None
        if self._conversation is not None:
            self._conversation.is_over = True
        if writer is not None:
            writer.transport.abort()
            writer.close()
        calls = [*self._calls, *self._unsent]
        self._calls.clear()
        self._unsent.clear()
        for call in calls:
            call.then(StoreUnavailableError(reason))

    def _expire(self) -> None:
        """Give up when the oldest call has had its time: the others would come after it."""
        loop = asyncio.get_running_loop()
        self._timer = None
        oldest = self._calls or self._unsent
        if not oldest:
            return
        if loop.time() >= oldest[0].until:
            self._drop("the store did not answer in time")
        else:
            self._timer = loop.call_at(oldest[0].until, self._expire)


def packed(word: bytes) -> bytes:
    """Write a word as Redis reads it (RESP)."""
    return b"$%d\r\n%b\r\n" % (len(word), word)
