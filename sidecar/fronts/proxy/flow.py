"""A transport: who is at its other end, and back-pressure, a pause while anybody asks for it."""

import asyncio
import socket
import struct
from typing import Final

from sidecar.model.exchange import Connection

HIGH_WATER: Final = 65_536
"""Bytes that one side may have waiting before the other side is no longer read."""
_RESET: Final = struct.pack("ii", 1, 0)

PEER_FULL: Final = 1
"""Holder: the other side does not take what is read."""
NOT_CONNECTED: Final = 2
"""Holder: there is no other side yet."""
BUFFER_FULL: Final = 4
"""Holder: what was read ahead waits for its turn."""


class Flow:
    """Keeps every pause balanced by one resume.

    Holders are bits of an integer: an operation on an `IntFlag` costs 1.3 µs.
    """

    __slots__ = ("_holders", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holders = 0

    def connection(self, port: int) -> Connection:
        """Write down what the transport says of a client's connection.

        Args:
            port: our own port.
        """
        transport = self._transport
        peer = transport.get_extra_info("peername")
        address = str(peer[0]).removeprefix("::ffff:").partition("%")[0] if peer else ""
        return Connection(address, transport.get_extra_info("sslcontext") is not None, port)

    @property
    def is_held(self) -> bool:
        """Whether reading is paused."""
        return bool(self._holders)

    def hold(self, holder: int) -> None:
        """Pause reading until this holder and all others release it."""
        if not self._holders and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holders |= holder

    def abort(self, *, resets: bool) -> None:
        """Break the connection, by a reset where its end in order would mean something.

        It would where bytes are left: who takes the end for that of an answer has less than all.
        """
        if resets or self._transport.get_write_buffer_size():
            reset(self._transport)
        else:
            self._transport.abort()

    def release(self, holder: int) -> None:
        """Resume reading if nobody else holds it."""
        if not self._holders & holder:
            return
        self._holders &= ~holder
        if not self._holders and not self._transport.is_closing():
            self._transport.resume_reading()


def reset(transport: asyncio.Transport) -> None:
    """Break a connection so that the other side cannot take its end for one in order (RST)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
