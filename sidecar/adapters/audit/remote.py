"""Sinks on other machines: lines go over a carrier, the same ones until they are taken (AU-1).

Whether a line arrived cannot always be told when a connection breaks. It is then sent again as it
was, byte for byte: whoever receives knows it by its id.
"""

from collections.abc import Sequence
from typing import Protocol

from sidecar.adapters.audit.lines import Batch, Lines
from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import unusable


class Carrier(Protocol):
    """A way to another machine; every wait has a deadline of seconds.

    Attributes:
        name: what metrics and logs call the sink.
        most: lines that may be sent at once.
    """

    name: str
    most: int

    def connect(self) -> None:
        """Connect, or connect anew; if that fails, what was connected stays so.

        Raises:
            OSError: nobody can be reached there; `strerror` says why.
        """

    def send(self, lines: Sequence[bytes]) -> None:
        """Send lines, and wait until they are taken; called again with what it raised for.

        Raises:
            OSError: they were not all taken; `strerror` says why.
        """

    def close(self) -> None:
        """Let go of the connection; one that is not connected stays so."""


class RemoteSink:
    """A sink over a carrier; its chain begins with each start.

    Args:
        carrier: the way to the other machine.
        scribe: writes the records about its chain.
    """

    def __init__(self, carrier: Carrier, scribe: Scribe) -> None:
        self.name = carrier.name
        self._carrier = carrier
        self._lines = Lines(scribe, has_start=not scribe.is_passing)
        self._pending: tuple[list[bytes], Batch, list[bytes]] | None = None

    def open(self) -> None:
        """Connect, or connect anew.

        Raises:
            OSError: nobody can be reached there; `filename` names the sink, `strerror` says why.
        """
        try:
            self._carrier.connect()
        except OSError as error:
            raise unusable(error, self.name) from error

    def write(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Send records, and wait until they are taken."""
        taken = 0
        try:
            # Without records there may still be something that the chain has to say.
            taken = self._send(records)
            while taken < len(records):
                taken += self._send(records[taken:])
        except OSError as error:
            return taken, error
        return taken, None

    def _send(self, records: Sequence[bytes]) -> int:
        _, batch, lines = self._next(records)
        if lines:
            self._carrier.send(lines)
        self._pending = None
        return self._lines.keep(batch, len(batch.payload))

    def _next(self, records: Sequence[bytes]) -> tuple[list[bytes], Batch, list[bytes]]:
        """Chain the next records, or find the lines that they had when they were not taken."""
        pending = self._pending
        most = self._carrier.most
        if pending is not None and len(pending[0]) <= most:
            was = pending[0]
            if list(records[: len(was)]) == was:
                return pending
        part = list(records[:most])
        batch = self._lines.next(part)
        self._pending = (part, batch, batch.lines())
        return self._pending

    def close(self) -> None:
        """Let go of the connection."""
        self._carrier.close()
