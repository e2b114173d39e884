"""The lines of one chain: what is to be written next, and what of it was written."""

from collections.abc import Sequence

from sidecar.adapters.audit.scribe import Scribe
from sidecar.knowledge.audit.chain import Head, Link, head_after
from sidecar.knowledge.audit.linking import link


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
        self._has_start = has_start
        self._owed: list[bytes] = []
        self._starts = self._vouchers = 0
        self._records = 0
        self.head: Head | None = None

    def owe(self, fragment: bytes) -> None:
        """Remember that a fragment stands in the trail, until a record vouches for it."""
        if fragment and fragment not in self._owed:
            self._owed.append(fragment)

    def forget(self) -> None:
        """Forget fragments: they stand in a place that nothing is written to any more."""
        self._owed = []

    def next(
        self, records: Sequence[bytes], previous: Link | None = None
    ) -> tuple[Head, list[bytes]]:
        """Chain records, after what the trail has to say about itself.

        Args:
            records: JSON objects.
            previous: where a chain begins, the last line before it, if one is known.

        Returns:
            What they follow, and their lines.
        """
        head = self.head or self._scribe.new_head()
        starts = []
        # With nothing to say no chain begins.
        if self._has_start and not head.seq and (records or self._owed):
            starts.append(self._scribe.start(head, previous))
        vouchers = [self._scribe.torn(head, fragment) for fragment in self._owed]
        self._starts, self._vouchers, self._records = len(starts), len(vouchers), len(records)
        lines = link([*starts, *vouchers, *records], head)
        if self._scribe.is_due() and (lines or self._scribe.has_unsigned):
            end = head_after(lines, head)
            lines += link([self._scribe.checkpoint(end)], end)
        return head, lines

    def keep(self, head: Head, lines: list[bytes], whole: int) -> int:
        """Take note of what was written.

        Args:
            head: what the lines follow.
            lines: all that were to be written.
            whole: how many of the first ones were, whole.

        Returns:
            How many records these are.
        """
        self.head = head_after(lines[:whole], head)
        vouched = min(max(whole - self._starts, 0), self._vouchers)
        self._owed = self._owed[vouched:]
        ahead = self._starts + self._vouchers
        if whole > ahead + self._records:
            self._scribe.has_signed()
        elif whole:
            self._scribe.has_unsigned = True
        return min(max(whole - ahead, 0), self._records)
