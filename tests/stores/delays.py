"""A relay before a server that holds its answers back, or lets none pass, as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress


class Delays:
    """What a relay does with the answers of its server.

    Attributes:
        port: where the relay listens.
        server: port of 127.0.0.1 that new connections are led to.
        flows: cleared, answers wait until it is set again.
        seconds_of: says for a request how long its answer is held back.
    """

    def __init__(self, server: int) -> None:
        self.port = 0
        self.server = server
        self.flows = asyncio.Event()
        self.flows.set()
        self.seconds_of: Callable[[bytes], float] = _at_once
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        inward, outward = await asyncio.open_connection("127.0.0.1", self.server)
        asked: asyncio.Queue[float] = asyncio.Queue()
        for relays in (
            self._requests(reader, outward, asked),
            self._answers(inward, writer, asked),
        ):
            task = asyncio.create_task(relays)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut every connection."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        outward: asyncio.StreamWriter,
        asked: asyncio.Queue[float],
    ) -> None:
        with closing(outward), suppress(OSError):
            while chunk := await reader.read(65536):
                asked.put_nowait(self.seconds_of(chunk))
                outward.write(chunk)
                await outward.drain()

    async def _answers(
        self,
        inward: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: asyncio.Queue[float],
    ) -> None:
        with closing(writer), suppress(OSError):
            while chunk := await inward.read(65536):
                seconds = 0.0
                while not asked.empty():
                    seconds = max(seconds, asked.get_nowait())
                await asyncio.sleep(seconds)
                await self.flows.wait()
                writer.write(chunk)
                await writer.drain()


def _at_once(request: bytes) -> float:
    del request
    return 0.0


@asynccontextmanager
async def delaying(server: int) -> AsyncIterator[Delays]:
    """Relay to a server on 127.0.0.1 until the block ends."""
    delays = Delays(server)
    listener = await asyncio.start_server(delays.accept, "127.0.0.1", 0)
    delays.port = listener.sockets[0].getsockname()[1]
    try:
        yield delays
    finally:
        listener.close()
        await delays.close()
