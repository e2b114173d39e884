"""An answer that is cut off does not end as if it were whole.

Of HTTP/1.0 the end of the connection is the end of the answer: only a reset says that it is not.
"""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import running
from tests.e2e.launch import serving
from tests.e2e.test_client_faults import quick
from tests.e2e.wire import Peer, a_client, a_policy, a_service

ASKED: Final = b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n"


async def to_the_end(peer: Peer) -> None:
    while await peer.more():
        pass


async def test_a_client_that_did_not_read_sees_that_its_answer_was_cut_off() -> None:
    async def pours(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(bytes(1 << 16))

    async with (
        a_service(pours) as service,
        running(quick(service)) as proxy,
        a_client(proxy.port) as client,
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport
        await client.send(ASKED)
        await service.lost(1)
        await proxy.rests()
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        with pytest.raises(ConnectionResetError):
            await to_the_end(client)


async def test_an_answer_that_outlasts_the_drain_does_not_end_as_if_it_were_whole(
    tmp_path: Path,
) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbegun")
        await peer.ended()

    async with (
        a_service(endless) as service,
        serving(a_policy(service.url, listen={"drain": "200ms"}), tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(ASKED)
        await client.until(b"begun")
        sidecar.order(signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            await client.more()
        assert await sidecar.ended() == 0
