"""The records that a trail has about itself: beginnings, checkpoints, what was torn or missed."""

import os
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from socket import gethostname
from typing import Final

from sidecar.adapters.audit.exchanges import Timestamps
from sidecar.adapters.audit.record import of_event, of_gap, open_record
from sidecar.adapters.ids import UuidV7
from sidecar.knowledge.audit.chain import Head, Link, chain_name, role_name
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.knowledge.audit.statements import CHECKPOINT, START, TORN, checkpoint_text
from sidecar.model.ports import Event

COMMAND: Final = "command"
SUPERVISOR: Final = "supervisor"
_RANDOM_BYTES: Final = 6


class Scribe:
    """Writes the records of one sink about its own chain; each sink has one, in its thread.

    Args:
        role: what the process is: the number of a worker, `supervisor`, `command`.
        clock: gives Unix seconds.
        signer: signs checkpoints; None for a trail that is chained only.
        every: seconds between two checkpoints.

    Attributes:
        role: name of the process, which it has again after a restart.
        signs: whether it has a key to sign with.
        is_passing: whether the process is a command, which ends at once.
        has_unsigned: whether it wrote something since the last checkpoint.
    """

    def __init__(
        self,
        role: str,
        clock: Callable[[], float] = time.time,
        *,
        signer: StatementSigner | None = None,
        every: float = 60.0,
    ) -> None:
        self._signer = signer
        self.signs: Final = signer is not None
        self._every = every
        self._due = 0.0
        self.has_unsigned = False
        self._short_role = role
        self._host = gethostname()
        self._clock = clock
        self._ids = UuidV7(clock, os.urandom)
        self._timestamps = Timestamps()
        self.role: Final = role_name(self._host, role)
        self.is_passing: Final = role == COMMAND

    def new_head(self) -> Head:
        """Begin a chain."""
        return Head(chain_name(self._host, self._short_role, os.urandom(_RANDOM_BYTES)))

    def start(self, head: Head, previous: Link | None) -> bytes:
        """Write the first record of a chain.

        Args:
            head: the chain.
            previous: the last line that stands before it, if one is known.
        """
        details: dict[str, object] = {}
        if previous is not None:
            details = {
                "previous_writer": previous.writer.decode(),
                "previous_seq": previous.seq,
                "previous_hash": previous.hash.decode(),
            }
        return self._statement(START, head, details)

    def torn(self, head: Head, fragment: bytes) -> bytes:
        """Vouch for the beginning of a line whose writer was stopped.

        Args:
            head: the chain that this record stands in.
            fragment: what there is of the line.
        """
        digest = sha256(fragment).hexdigest()
        return self._statement(TORN, head, {"bytes": len(fragment), "sha256": digest})

    def is_due(self) -> bool:
        """Whether what is written next is to be signed."""
        return self._signer is not None and self._clock() >= self._due

    def until_due(self) -> float | None:
        """Say in how many seconds it is; None where there is nothing to sign."""
        if self._signer is None or not self.has_unsigned:
            return None
        return max(self._due - self._clock(), 0.0)

    def sign_now(self) -> None:
        """Have what is written next signed: it may be the last for long."""
        self._due = 0.0

    def has_signed(self) -> None:
        """Take note that a checkpoint was written."""
        self._due = self._clock() + self._every
        self.has_unsigned = False

    def checkpoint(self, head: Head) -> bytes:
        """Sign a chain up to its end.

        Args:
            head: the end, which the checkpoint follows.
        """
        if self._signer is None:
            raise RuntimeError("a trail without a signing key has no checkpoints")
        timestamp = self._timestamps.text(self._clock())
        line_hash = head.hash.decode()
        text = checkpoint_text(head.writer.decode(), head.seq, line_hash, timestamp)
        details = {
            "seq": head.seq,
            "hash": line_hash,
            "key_id": self._signer.key_id,
            "signature": self._signer.sign(text),
        }
        return self._statement(CHECKPOINT, head, details, timestamp)

    def gap(self, dropped: int) -> bytes:
        """Write the record that stands in for records which a full queue could not take."""
        timestamp = self._timestamps.text(self._clock())
        record = of_gap(dropped, record_id=self._ids().decode(), timestamp=timestamp)
        return open_record(record)

    def _statement(
        self, action: str, head: Head, details: Mapping[str, object], timestamp: str = ""
    ) -> bytes:
        writer = head.writer.decode()
        event = Event(action, f"sidecar:{self.role}", None, "audit", writer, None, details)
        timestamp = timestamp or self._timestamps.text(self._clock())
        record = of_event(event, record_id=self._ids().decode(), timestamp=timestamp)
        return open_record(record)
