"""Whether a trail is whole: reads lines of any number of files and says what is wrong (AU-6).

Files may be given in any order: within a file each chain is followed line by line, and what a file
has of a chain is joined to what the others have by its numbers. Where lines are missing, a
statement of their removal (`statements.Run`) may stand for them.

What this cannot know, whoever holds the files must be told: without signatures, anyone who can
write the files can also write a whole new chain; and what was cut off after the last checkpoint
that is left leaves no trace in the files themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from sidecar.knowledge.audit.bridges import Bridges
from sidecar.knowledge.audit.chain import Head, Link, is_fragment, link_of
from sidecar.knowledge.audit.findings import Chain, Finding, Place, Report, Statement
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
        self._bridges = Bridges()

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
            self._take_purge(record, details, found, place)
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
        self, record: Mapping[str, object], details: Mapping[str, object], found: Link, place: Place
    ) -> None:
        said, timestamp = details.get("runs"), str(record.get("timestamp"))
        runs = [run_of(text) for text in said] if isinstance(said, list) else [None]
        if None in runs:
            self._complain_of("statement", found, place, "names a run that cannot be read")
        readable = tuple(run for run in runs if run is not None)
        text = purge_text([run.text for run in readable], timestamp)
        if self._is_signed is not None and not self._has_signed(details, text):
            self._complain_of("signature", found, place, "is not signed by the key")
            return
        for run in readable:
            self._bridges.add(run, timestamp)
        writer = found.writer.decode()
        self._report.statements.append(Statement(writer, found.seq, timestamp, readable))
        if readable:
            counted = sum(run.last - run.first + 1 for run in readable)
            said_by = f"by {record.get('actor')}, {details.get('why')}: {details.get('reason')}"
            text_of_note = f"says that {counted} records were removed at {timestamp} {said_by}"
            self._report.notes.append(Finding("removed", text_of_note, place, writer, found.seq))

    def _has_signed(self, details: Mapping[str, object], text: bytes) -> bool:
        key_id, signature = details.get("key_id"), details.get("signature")
        return self._is_signed is not None and self._is_signed(str(key_id), text, str(signature))

    # --- at the end

    def report(self, expected: Mapping[str, int] | None = None) -> Report:
        """Join the chains, and say what is wrong.

        Args:
            expected: by writer, up to which seq it is known to have written into these files.
        """
        gone = {writer.encode() for writer in self._bridges.writers()}
        for writer in sorted(gone | self._stretches.keys()):
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
        for stretch in sorted(self._stretches.get(writer, ()), key=lambda one: one.start.seq):
            start = stretch.start
            if start.seq <= head.seq:
                self._repeat(stretch, head)
                head = max(head, stretch.end, key=lambda end: end.seq)
                continue
            head = self._bridge(head, start.seq)
            if head.seq + 1 < start.seq:
                self._miss(head, start.seq, stretch.place)
            elif not start.follows(head.hash):
                self._complain_of("changed", start, stretch.place, _CHANGED)
            self._count(stretch)
            head = stretch.end
        head = self._bridge(head, None)
        chain = self._chain(writer)
        chain.last, chain.hash = head.seq, head.hash.decode()

    def _bridge(self, head: Head, limit: int | None) -> Head:
        """Go over what statements stand for, up to the next line that is there."""
        while True:
            end, stated_at = self._bridges.over(head, limit)
            self._cross(head.seq, end, stated_at)
            cut_off = self._bridges.cut_off(end, limit)
            if cut_off is None:
                return end
            run, stated_at = cut_off
            self._miss(end, run.first, None)
            head = Head(head.writer, run.last, run.after.encode())
            self._cross(run.first - 1, head, stated_at)

    def _cross(self, before: int, end: Head, stated_at: str) -> None:
        """Count what a statement stands for; with a key at hand it was signed up to its end."""
        if end.seq == before:
            return
        self._report.removed += end.seq - before
        chain = self._chain(end.writer)
        if self._is_signed is not None:
            chain.signed, chain.signed_at = max(
                (chain.signed, chain.signed_at), (end.seq, stated_at)
            )

    def _miss(self, head: Head, seq: int, place: Place | None) -> None:
        """Say that lines before a number are not there."""
        writer = head.writer.decode()
        if not head.seq:
            text = f"begins with record {seq}: what came before is not in these files"
            told = self._report.notes if self._is_partial else self._report.problems
            told.append(Finding("beginning", text, place, writer, seq))
            return
        text = f"follows record {head.seq}: records {head.seq + 1} to {seq - 1} are missing"
        if seq == head.seq + 1:
            text = f"follows record {head.seq}, which was not there when it was removed"
        self._report.problems.append(Finding("missing", text, place, writer, seq))

    def _repeat(self, stretch: _Stretch, head: Head) -> None:
        if stretch.is_out_of_place or self._allows_repeats:
            return
        text = f"was there before, as was all up to record {head.seq}: it was repeated or inserted"
        self._complain_of("repeated", stretch.start, stretch.place, text)

    def _count(self, stretch: _Stretch) -> None:
        chain = self._chain(stretch.start.writer)
        chain.records += stretch.end.seq - stretch.start.seq + 1
        chain.first = chain.first or stretch.start.seq

    def is_gone(self, run: Run) -> bool:
        """Whether no line of a run is there any more; only after `report`."""
        return all(
            one.end.seq < run.first or one.start.seq > run.last
            for one in self._stretches.get(run.writer.encode(), ())
        )

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
