"""Runs scripts on a Redis server, each call within its deadline, and listens to its channel."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 -- the library's own name
    NoScriptError,
    ResponseError,
)

from sidecar.adapters.stores.gate import Gate
from sidecar.adapters.stores.redis.connect import CONNECTIONS, connect, disconnect
from sidecar.adapters.stores.redis.errors import FOREIGN, is_deposed, unavailable
from sidecar.adapters.stores.redis.scripts import READS, Script, read_scripts
from sidecar.model.errors import StoreUnavailableError
from sidecar.policy.schema.state import State

Word = str | bytes | int | float
Call = tuple[str, Sequence[str], Sequence[Word]]

QUEUE: Final = 1024
PING_SECONDS: Final = 1.0
"""Silence after which a subscription is asked whether it is still there."""


class Server:
    """A Redis server, or several that act as one.

    Args:
        state: the section of the policy.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._gate = Gate(CONNECTIONS, QUEUE, state.timeout)
        self._scripts = read_scripts()
        self._client: Redis | None = None

    def connect(self) -> None:
        """Make the client; it connects when a script runs."""
        self._client = connect(self._state)

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await disconnect(client)

    async def run(self, name: str, keys: Sequence[str], words: Sequence[Word]) -> object:
        """Run a script.

        Args:
            name: its name.
            keys: all keys that it touches.
            words: its other arguments.

        Raises:
            StoreUnavailableError: it could not be run in time.
        """
        client = self._client
        if client is None:
            raise StoreUnavailableError("the store is not open")
        arguments = (len(keys), *keys, *words)
        try:
            if name in READS:
                return await self._gate.run(_read, client, self._scripts[name], arguments)
            return await self._gate.run(_evaluate, client, self._scripts[name], arguments)
        except FOREIGN as error:
            raise unavailable(error) from error

    async def listen(self, channel: str, wake: Callable[[], None]) -> None:
        """Call `wake` at each message of a channel, and once when the subscription stands.

        Raises:
            StoreUnavailableError: the subscription broke.
        """
        try:
            async with self._subscription(channel) as subscription:
                await self._hear(subscription, wake)
        except (*FOREIGN, TimeoutError) as error:
            raise unavailable(error) from error

    @asynccontextmanager
    async def _subscription(self, channel: str) -> AsyncIterator[PubSub]:
        client = self._client
        if client is None:
            raise StoreUnavailableError("the store is not open")
        subscription = client.pubsub()
        try:
            async with asyncio.timeout(self._state.timeout):
                await subscription.subscribe(channel)
            yield subscription
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]  # the library's

    async def _hear(self, subscription: PubSub, wake: Callable[[], None]) -> None:
        while True:
            message = await subscription.get_message(timeout=PING_SECONDS)
            if message is None:
                # A server that is gone without a word looks like one that has nothing to say.
                await subscription.ping()
                message = await subscription.get_message(timeout=self._state.timeout)
            if message is None:
                raise StoreUnavailableError("the subscription fell silent")
            if message["type"] != "pong":
                wake()


async def run_once(state: State, calls: Sequence[Call]) -> None:
    """Run scripts on connections that are closed behind them.

    Args:
        state: the section of the policy.
        calls: names of the scripts, each with its keys and words.

    Raises:
        StoreUnavailableError: one could not be run in time.
    """
    server = Server(state)
    server.connect()
    try:
        for name, keys, words in calls:
            await server.run(name, keys, words)
    finally:
        await server.close()


async def _read(client: Redis, script: Script, arguments: Sequence[Word]) -> object:
    try:
        return await _evaluate(client, script, arguments)
    except AuthenticationError:
        raise
    except ConnectionError:
        # The pool may have held connections to a server that was restarted or demoted. To read
        # twice does no harm, and the deadline stands.
        return await _evaluate(client, script, arguments)


async def _evaluate(client: Redis, script: Script, arguments: Sequence[Word]) -> object:
    try:
        return await _sent(client, script, arguments)
    except ResponseError as error:
        # Another node of the Cluster has the slot now, or another server is the master, which the
        # same name may lead to: this one did nothing, and its connections would stay.
        if not is_deposed(error):
            raise
        await client.connection_pool.disconnect(inuse_connections=False)
    return await _sent(client, script, arguments)


async def _sent(client: Redis, script: Script, arguments: Sequence[Word]) -> object:
    try:
        return await client.execute_command("EVALSHA", script.sha1, *arguments)  # type: ignore[no-untyped-call]  # the library's
    except NoScriptError:
        return await client.execute_command("EVAL", script.text, *arguments)  # type: ignore[no-untyped-call]  # the library's
