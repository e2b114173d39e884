"""Back-pressure: the reading side of a transport is paused while anybody asks for it."""

import asyncio
from enum import IntFlag
from typing import Final

HIGH_WATER: Final = 65_536
"""Bytes that one side may have waiting before the other side is no longer read."""


class Holder(IntFlag):
    """Who may ask for a pause."""

    PEER_FULL = 1
    NOT_CONNECTED = 2
    BUFFER_FULL = 4


class Flow:
    """Keeps every pause balanced by one resume."""

    __slots__ = ("_holders", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holders = Holder(0)

    @property
    def is_held(self) -> bool:
        """Whether reading is paused."""
        return bool(self._holders)

    def hold(self, holder: Holder) -> None:
        """Pause reading until this holder and all others release it."""
        if not self._holders and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holders |= holder

    def release(self, holder: Holder) -> None:
        """Resume reading if nobody else holds it."""
        if not self._holders & holder:
            return
        self._holders &= ~holder
        if not self._holders and not self._transport.is_closing():
            self._transport.resume_reading()
