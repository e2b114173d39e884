"""What a trail says about itself: checkpoints, torn lines, runs that were removed (AU-6).

Such a statement is a record like any other, chained like any other; its facts stand in
`metadata.details`. What is signed is text of lines, so that nobody has to agree on a form of JSON.

`audit.checkpoint`, from a writer that has a signing key:

    seq, hash    the line before this one: the end of what is signed
    key_id       thumbprint of the public key (RFC 7638)
    signature    Ed25519 in base64url of `checkpoint_text`, which also covers the timestamp

`audit.torn`, from whoever ends a line that was cut off (a kill in the middle of a write):

    bytes        length of the fragment, without its line feed
    sha256       of the fragment

`audit.start`, the first record of a chain in a file:

    previous_writer, previous_seq, previous_hash
                 the last line that stood in the file before; absent where there was none

`audit.purge`, from a command that removes records. It stands for runs of consecutive lines of one
chain each; a reader that finds a run gone takes the statement in its place:

    runs         list of text, each `WRITER FROM TO BEFORE AFTER` (`Run.text`): FROM and TO are
                 the first and last seq removed, BEFORE the hash of line FROM - 1 (64 zeros where
                 FROM is 1, or where line FROM - 1 was not there), AFTER the hash of line TO
    key_id, signature
                 of `purge_text`; absent without a signing key
    and whatever else the command has to say, such as the reason: text and numbers

Rules for who writes one: the runs of a statement do not overlap. A statement is appended, chained
by the command's own writer, before the lines are removed. One that stands itself among the lines
to be removed is either left where it is, or its runs are said again in the new statement; runs
that meet (1 to 500, 501 to 900) may be said as they were or as one. A record says at most
`MAX_RUNS` runs; say the rest in another. With a public key, `verify` takes no unsigned statement.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.audit.chain import NO_HASH

CHECKPOINT: Final = "audit.checkpoint"
PURGE: Final = "audit.purge"
START: Final = "audit.start"
TORN: Final = "audit.torn"
MAX_RUNS: Final = 100

_NO_HASH: Final = NO_HASH.decode()
_RUN: Final = re.compile(
    r"(\S{3,80}) ([1-9][0-9]{0,17}) ([1-9][0-9]{0,17}) ([0-9a-f]{64}) ([0-9a-f]{64})\Z"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive lines of a chain that were removed.

    Attributes:
        writer: the chain.
        first: seq of the first.
        last: seq of the last.
        before: hash of the line before the first; 64 zeros if the first is the chain's first, or
            the line before it was not there any more.
        after: hash of the last.
    """

    writer: str
    first: int
    last: int
    before: str
    after: str

    @property
    def is_cut_off(self) -> bool:
        """Whether it is not known what came before it."""
        return self.first > 1 and self.before == _NO_HASH

    @property
    def text(self) -> str:
        """The run as a statement says it."""
        return f"{self.writer} {self.first} {self.last} {self.before} {self.after}"


def run_of(text: object) -> Run | None:
    """Read a run; None for what is none."""
    found = _RUN.match(text) if isinstance(text, str) else None
    if found is None or int(found[2]) > int(found[3]):
        return None
    return Run(found[1], int(found[2]), int(found[3]), found[4], found[5])


def checkpoint_text(writer: str, seq: int, line_hash: str, timestamp: str) -> bytes:
    """Write what a checkpoint's signature covers.

    Args:
        writer: the chain.
        seq: number of the line before the checkpoint.
        line_hash: its hash.
        timestamp: of the checkpoint's record.
    """
    return f"sidecar audit checkpoint 1\n{writer}\n{seq}\n{line_hash}\n{timestamp}\n".encode()


def purge_text(runs: Sequence[str], timestamp: str) -> bytes:
    """Write what the signature of a purge covers.

    Args:
        runs: the runs, as text, in their order.
        timestamp: of the statement's record.
    """
    return "\n".join(["sidecar audit purge 1", timestamp, *runs, ""]).encode()


def details_of(record: Mapping[str, object]) -> Mapping[str, object]:
    """Return the facts of a statement; none where it has not their form."""
    metadata = record.get("metadata")
    details = metadata.get("details") if isinstance(metadata, dict) else None
    return details if isinstance(details, dict) else {}
