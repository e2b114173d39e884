"""A client that writes what no client should, and reads the answers strictly."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.corpora.reader import Message, read_response
from tests.corpora.rows import Then

PATIENCE_SECONDS: Final = 15.0
"""Longest wait for an answer or the end: the longest time-out of the tests' policy, and more."""


@dataclass(slots=True)
class Conversation:
    """What came back on one connection.

    Attributes:
        responses: final responses in order, the last perhaps incomplete.
        interim: responses of 1xx.
        received: every byte.
        rest: bytes behind the last complete response that are no response yet.
        has_ended: whether the other side closed the connection.
    """

    responses: list[Message] = field(default_factory=list)
    interim: list[Message] = field(default_factory=list)
    received: bytes = b""
    rest: bytes = b""
    has_ended: bool = False

    def complete(self) -> list[Message]:
        """Collect the final responses that came whole."""
        return [response for response in self.responses if response.is_complete]


class Client:
    """One connection to the sidecar.

    Attributes:
        heard: what came back so far.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._methods: list[bytes] = []
        self.heard = Conversation()

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Open a connection on which every write is a segment of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer)

    async def send(self, *writes: bytes, methods: Sequence[bytes], then: Then = Then.WAIT) -> None:
        """Write bytes that hold requests of the given methods, a moment between two writes."""
        self._methods += methods
        for number, piece in enumerate(writes):
            if number:
                await asyncio.sleep(0.02)
            self._writer.write(piece)
        if then is Then.EOF:
            self._writer.write_eof()

    async def listen(self, responses: int) -> Conversation:
        """Read until so many final responses are complete, or the connection ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.heard.has_ended and len(self.heard.complete()) < responses:
                await self._read()
        return self.heard

    async def listen_to_the_end(self) -> Conversation:
        """Read until the sidecar closes the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.heard.has_ended:
                await self._read()
        return self.heard

    async def _read(self) -> None:
        try:
            data = await self._reader.read(65_536)
        except ConnectionError:
            data = b""
        self.heard.has_ended = not data
        self.heard.received += data
        self._parse()

    def _parse(self) -> None:
        heard = self.heard
        heard.responses, heard.interim, heard.rest = [], [], heard.received
        while heard.rest:
            number = min(len(heard.responses), len(self._methods) - 1)
            response, rest = read_response(
                heard.rest, self._methods[number], has_ended=heard.has_ended
            )
            if response is None:
                return
            is_interim = response.status // 100 == 1
            (heard.interim if is_interim else heard.responses).append(response)
            heard.rest = rest
            if not response.is_complete:
                return

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
