"""A connection that is broken off tells its other side so."""

import asyncio
from typing import cast

import pytest

from sidecar.fronts.proxy.flow import Flow


async def what_comes(written: bytes, *, resets: bool) -> bytes:
    """Break a connection off behind bytes that were written; read what the other side gets."""
    over = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(written)
        # That of a connection, which reads too; uvloop's is of no class of asyncio's.
        Flow(cast("asyncio.Transport", writer.transport)).abort(resets=resets)
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, limit=1024)
        await over.wait()
        try:
            return await reader.read(-1)
        finally:
            writer.close()


MUCH = bytes(1 << 26)


async def test_an_end_that_loses_bytes_is_no_end_in_order() -> None:
    with pytest.raises(ConnectionResetError):
        await what_comes(MUCH, resets=False)


async def test_an_end_that_loses_none_is_in_order_unless_it_would_mean_something() -> None:
    assert await what_comes(b"all", resets=False) == b"all"
    with pytest.raises(ConnectionResetError):
        await what_comes(b"", resets=True)
