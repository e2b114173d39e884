"""Whether a trail is whole: reads lines of any number of files and says what is wrong (AU-6).

Files may be given in any order: within a file each chain is followed line by line, and what a file
has of a chain is joined to what the others have by its numbers. Where lines are missing, a
statement of their removal (`statements.Run`) may stand for them.

What this cannot know, whoever holds the files must be told: without signatures, anyone who can
write the files can also write a whole new chain; and what was cut off after the last checkpoint
that is left leaves no trace in the files themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import msgspec

from sidecar.knowledge.audit.chain import NO_HASH, Head, Link, is_fragment, link_of
from sidecar.knowledge.audit.statements import (
    CHECKPOINT,
    PURGE,
    TORN,
    Run,
    checkpoint_text,
    details_of,
    purge_text,
    run_of,
)

IsSigned = Callable[[str, bytes, str], bool]
"""Whether a key of that id signed that text with that signature."""

_read_object: Final = msgspec.json.Decoder(dict[str, object]).decode
_STATEMENT: Final = b'"action":"audit.'
_CHANGED: Final = "does not follow the record before it: one of the two was changed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands.

    Attributes:
        file: name of the file.
        line: number of the line, from 1.
    """

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or worth a note.

    Attributes:
        kind: `changed`, `missing`, `order`, `repeated`, `foreign`, `torn`, `signature`, `unsigned`,
            `truncated`, `statement`, `beginning`.
        text: what, in words.
        place: where; None for what stands nowhere.
        writer: the chain; None for what belongs to none.
        seq: number of the line in it.
    """

    kind: str
    text: str
    place: Place | None = None
    writer: str | None = None
    seq: int | None = None


@dataclass(slots=True)
class Chain:
    """What was found of one chain.

    Attributes:
        records: lines.
        first: lowest seq.
        last: highest seq.
        hash: hash of that line, as text.
        signed: highest seq that a good checkpoint covers; 0 for none.
        signed_at: timestamp of that checkpoint; empty for none.
    """

    records: int = 0
    first: int = 0
    last: int = 0
    hash: str = NO_HASH.decode()
    signed: int = 0
    signed_at: str = ""


@dataclass(slots=True)
class Report:
    """What is to be said of a trail.

    Attributes:
        problems: what is wrong, in the order in which it was found.
        notes: what is no proof of anything wrong.
        chains: what there is of each chain, by writer.
        records: lines that stand in a chain.
        removed: lines that a statement stands for.
    """

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    records: int = 0
    removed: int = 0


@dataclass(slots=True)
class _Stretch:
    """Lines of a chain that follow each other in one file.

    Attributes:
        start: the first line; its hash is checked once the line before is known.
        place: where it stands.
        end: the last line.
        is_out_of_place: whether it stands after a line of a higher number in its file.
    """

    start: Link
    place: Place
    end: Head
    is_out_of_place: bool = False


@dataclass(frozen=True, slots=True)
class _Fragment:
    place: Place
    digest: str
    is_at_end: bool


class Trail:
    """Reads a trail, line by line; `report` says what it is worth.

    Args:
        is_signed: checks signatures; None where no public key is at hand.
        allows_repeats: whether the same line may come twice, as from a sink that delivers at least
            once.
        is_partial: whether the beginnings of chains may be elsewhere.
    """

    def __init__(
        self,
        is_signed: IsSigned | None = None,
        *,
        allows_repeats: bool = False,
        is_partial: bool = False,
    ) -> None:
        self._is_signed = is_signed
        self._is_partial = is_partial
        self._allows_repeats = allows_repeats
        self._report = Report()
        self._stretches: dict[bytes, list[_Stretch]] = {}
        self._current: dict[bytes, _Stretch] = {}
        self._fragments: list[_Fragment] = []
        self._vouched: set[str] = set()
        self._runs: dict[tuple[str, int, str], Run] = {}

    def next_file(self) -> None:
        """Begin another file."""
        self._current = {}

    def take(self, line: bytes, place: Place, *, is_ended: bool = True) -> None:
        """Read a line.

        Args:
            line: the line without its line feed.
            place: where it stands.
            is_ended: whether a line feed ended it.
        """
        found = link_of(line)
        if found is None:
            self._take_unchained(line, place, is_ended=is_ended)
            return
        self._report.records += 1
        if _STATEMENT in found.body:
            self._take_statement(line, found, place)
        current = self._current.get(found.writer)
        if current is None or found.seq > current.end.seq + 1:
            self._begin(found, place)
        elif found.seq == current.end.seq + 1:
            if not found.follows(current.end.hash):
                self._complain_of("changed", found, place, _CHANGED)
            current.end = found.head
        else:
            self._take_late(found, place, current)

    def _begin(self, found: Link, place: Place) -> None:
        stretch = self._current[found.writer] = _Stretch(found, place, found.head)
        self._stretches.setdefault(found.writer, []).append(stretch)

    def _take_late(self, found: Link, place: Place, current: _Stretch) -> None:
        """Take a line whose number is not above the one before it in the file."""
        is_repeated = found.head == current.end
        if not (is_repeated and self._allows_repeats):
            text = f"stands after record {current.end.seq}: it was moved, repeated or inserted"
            self._complain_of("repeated" if is_repeated else "order", found, place, text)
        late = _Stretch(found, place, found.head, is_out_of_place=True)
        self._stretches[found.writer].append(late)

    def _take_unchained(self, line: bytes, place: Place, *, is_ended: bool) -> None:
        if is_fragment(line):
            digest = sha256(line).hexdigest()
            self._fragments.append(_Fragment(place, digest, not is_ended))
            return
        text = "is no line of a chain: it was changed, or two lines were joined"
        self._report.problems.append(Finding("foreign", text, place))

    # --- statements

    def _take_statement(self, line: bytes, found: Link, place: Place) -> None:
        try:
            record = _read_object(line)
        except msgspec.DecodeError:
            return  # whatever was done to it, its hash tells
        details = details_of(record)
        timestamp = str(record.get("timestamp"))
        action = record.get("action")
        if action == CHECKPOINT:
            self._take_checkpoint(details, timestamp, found, place)
        elif action == PURGE:
            self._take_purge(details, timestamp, found, place)
        elif action == TORN:
            self._vouched.add(str(details.get("sha256")))

    def _take_checkpoint(
        self, details: Mapping[str, object], timestamp: str, found: Link, place: Place
    ) -> None:
        seq, before = details.get("seq"), str(details.get("hash"))
        if seq != found.seq - 1 or not found.follows(before.encode()):
            text = "is a checkpoint of something else than the record before it"
            self._complain_of("signature", found, place, text)
            return
        if self._is_signed is None:
            return
        signed = checkpoint_text(found.writer.decode(), found.seq - 1, before, timestamp)
        if not self._has_signed(details, signed):
            self._complain_of("signature", found, place, "is not signed by the key")
            return
        chain = self._chain(found.writer)
        chain.signed, chain.signed_at = max(
            (chain.signed, chain.signed_at), (found.seq - 1, timestamp)
        )

    def _take_purge(
        self, details: Mapping[str, object], timestamp: str, found: Link, place: Place
    ) -> None:
        said = details.get("runs")
        runs = [run_of(text) for text in said] if isinstance(said, list) else [None]
        if None in runs:
            self._complain_of("statement", found, place, "names a run that cannot be read")
        readable = [run for run in runs if run is not None]
        text = purge_text([run.text for run in readable], timestamp)
        if self._is_signed is not None and not self._has_signed(details, text):
            self._complain_of("signature", found, place, "is not signed by the key")
            return
        for run in readable:
            self._runs[run.writer, run.first, run.before] = run

    def _has_signed(self, details: Mapping[str, object], text: bytes) -> bool:
        key_id, signature = details.get("key_id"), details.get("signature")
        return self._is_signed is not None and self._is_signed(str(key_id), text, str(signature))

    # --- at the end

    def report(self, expected: Mapping[str, int] | None = None) -> Report:
        """Join the chains, and say what is wrong.

        Args:
            expected: by writer, up to which seq it is known to have written into these files.
        """
        for writer in sorted(self._stretches):
            self._join(writer)
        for name, seq in (expected or {}).items():
            self._compare(name, seq)
        for fragment in self._fragments:
            self._judge(fragment)
        if self._is_signed is not None:
            self._judge_signatures()
        return self._report

    def _join(self, writer: bytes) -> None:
        head = Head(writer)
        for stretch in sorted(self._stretches[writer], key=lambda one: one.start.seq):
            start = stretch.start
            if start.seq <= head.seq:
                self._repeat(stretch, head)
                head = max(head, stretch.end, key=lambda end: end.seq)
                continue
            before = self._bridged(head, start)
            if before is None:
                self._miss(head, stretch)
            elif not start.follows(before):
                self._complain_of("changed", start, stretch.place, _CHANGED)
            self._count(stretch)
            head = stretch.end
        chain = self._chain(writer)
        chain.last, chain.hash = head.seq, head.hash.decode()

    def _bridged(self, head: Head, start: Link) -> bytes | None:
        """Return the hash before a line, over what statements stand for; None if it is unknown."""
        writer = head.writer.decode()
        while head.seq + 1 < start.seq:
            run = self._runs.get((writer, head.seq + 1, head.hash.decode()))
            if run is None or run.last >= start.seq:
                return None
            self._report.removed += run.last - head.seq
            head = Head(head.writer, run.last, run.after.encode())
        return head.hash

    def _miss(self, head: Head, stretch: _Stretch) -> None:
        start = stretch.start
        if not head.seq:
            text = f"begins with record {start.seq}: what came before is not in these files"
            told = self._report.notes if self._is_partial else self._report.problems
            told.append(Finding("beginning", text, stretch.place, start.writer.decode(), start.seq))
            return
        missing = f"{head.seq + 1} to {start.seq - 1}"
        text = f"follows record {head.seq}: records {missing} are missing"
        self._complain_of("missing", start, stretch.place, text)

    def _repeat(self, stretch: _Stretch, head: Head) -> None:
        if stretch.is_out_of_place or self._allows_repeats:
            return
        text = f"was there before, as was all up to record {head.seq}: it was repeated or inserted"
        self._complain_of("repeated", stretch.start, stretch.place, text)

    def _count(self, stretch: _Stretch) -> None:
        chain = self._chain(stretch.start.writer)
        chain.records += stretch.end.seq - stretch.start.seq + 1
        chain.first = chain.first or stretch.start.seq

    def _compare(self, writer: str, seq: int) -> None:
        chain = self._report.chains.get(writer)
        last = 0 if chain is None else chain.last
        if last < seq:
            text = f"ends with record {last}, but its writer wrote up to record {seq}"
            self._report.problems.append(Finding("truncated", text, None, writer, last))

    def _judge(self, fragment: _Fragment) -> None:
        if fragment.digest in self._vouched:
            text = "is the beginning of a record whose writer was stopped"
            self._report.notes.append(Finding("torn", text, fragment.place))
        elif fragment.is_at_end:
            text = "is cut off: what was being written when the writer was stopped"
            self._report.notes.append(Finding("torn", text, fragment.place))
        else:
            text = "stands in no chain: it was inserted, or torn off and never vouched for"
            self._report.problems.append(Finding("foreign", text, fragment.place))

    def _judge_signatures(self) -> None:
        for writer, chain in sorted(self._report.chains.items()):
            if not chain.signed:
                text = "has no checkpoint that the key signed"
                self._report.problems.append(Finding("unsigned", text, None, writer, chain.last))
            elif chain.last > chain.signed + 1:
                since = chain.last - chain.signed - 1
                text = f"has {since} records after its last checkpoint, of {chain.signed_at}"
                self._report.notes.append(Finding("unsigned", text, None, writer, chain.last))

    def _chain(self, writer: bytes) -> Chain:
        return self._report.chains.setdefault(writer.decode(), Chain())

    def _complain_of(self, kind: str, found: Link, place: Place, text: str) -> None:
        self._report.problems.append(Finding(kind, text, place, found.writer.decode(), found.seq))
