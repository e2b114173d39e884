"""The lines of one chain: what is to be written next, and what of it was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from sidecar.adapters.audit.scribe import Scribe
from sidecar.knowledge.audit.chain import LAST_SEQ, Head, Link, head_after, link_of
from sidecar.knowledge.audit.linking import link

STATEMENT_BYTES: Final = 1024
"""More than the longest line has that a trail says about itself."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that are to be written.

    Attributes:
        head: what they follow.
        payload: the lines, each with its line feed.
        end: the end of the chain behind them.
    """

    head: Head
    payload: bytes
    end: Head

    def lines(self) -> list[bytes]:
        """Return them one by one."""
        return [line + b"\n" for line in self.payload.split(b"\n")[:-1]]

    def end_after(self, size: int) -> Head:
        """Return the end of the chain where so many bytes of the payload were written."""
        if size == len(self.payload):
            return self.end
        # A line that lacks its line feed alone stands: whoever writes next begins with one.
        size += self.payload.startswith(b"\n", size)
        return head_after(self.payload[: self.payload.rfind(b"\n", 0, size) + 1], self.head)


class Lines:
    """The chain of one sink, kept up with what the sink took.

    Args:
        scribe: writes the records about the chain.
        has_start: whether a chain that begins says so.

    Attributes:
        head: its end; None where it is not known, so that a new chain begins.
    """

    def __init__(self, scribe: Scribe, *, has_start: bool) -> None:
        self._scribe = scribe
        # What the chain adds to a record, with the largest number that there can be.
        self._added = len(link([b""], Head(scribe.new_head().writer, LAST_SEQ - 1))[0])
        self._has_start = has_start
        self._owed: list[bytes] = []
        self._starts = self._vouchers = 0
        self._records = 0
        self.head: Head | None = None

    def owe(self, fragment: bytes) -> None:
        """Remember that a fragment stands in the trail, until a record vouches for it."""
        if fragment and link_of(fragment) is None and fragment not in self._owed:
            self._owed.append(fragment)

    def forget(self) -> None:
        """Forget fragments: they stand in a place that nothing is written to any more."""
        self._owed = []

    def sizes(self, records: Sequence[bytes]) -> list[int]:
        """Say how many bytes none, one, two, … of the first records take at most.

        What the trail says about itself is among them, a signature behind the last line too.
        """
        starts = self._has_start and (self.head is None or not self.head.seq)
        statements = starts + len(self._owed) + 2 * self._scribe.signs
        lengths = (len(record) + self._added for record in records)
        return list(accumulate(lengths, initial=statements * STATEMENT_BYTES))

    def next(self, records: Sequence[bytes], previous: Link | None = None) -> Batch:
        """Chain records, after what the trail has to say about itself.

        Args:
            records: open records.
            previous: where a chain begins, the last line before it, if one is known.
        """
        head = self.head or self._scribe.new_head()
        starts = []
        # With nothing to say no chain begins.
        if self._has_start and not head.seq and (records or self._owed):
            starts.append(self._scribe.start(head, previous))
        vouchers = [self._scribe.torn(head, fragment) for fragment in self._owed]
        self._starts, self._vouchers, self._records = len(starts), len(vouchers), len(records)
        payload, end = link([*starts, *vouchers, *records], head)
        if self._scribe.is_due() and (payload or self._scribe.has_unsigned):
            signed, end = link([self._scribe.checkpoint(end)], end)
            payload += signed
        return Batch(head, payload, end)

    def keep(self, batch: Batch, size: int) -> int:
        """Take note of what was written.

        Args:
            batch: what was to be written.
            size: how many bytes of it were.

        Returns:
            How many records were written whole.
        """
        self.head = batch.end_after(size)
        whole = self.head.seq - batch.head.seq
        vouched = min(max(whole - self._starts, 0), self._vouchers)
        self._owed = self._owed[vouched:]
        ahead = self._starts + self._vouchers
        if whole > ahead + self._records:
            self._scribe.has_signed()
        elif whole:
            self._scribe.has_unsigned = True
        return min(max(whole - ahead, 0), self._records)
