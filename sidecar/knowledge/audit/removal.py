"""Which lines of a trail are to go, and what a statement says of them (AU-4, AU-7).

A plan reads a trail that was found whole, file by file. What it removes are runs of lines of one
chain in one file, since a file is put in the place of another at once: whoever is killed between
two files leaves runs that are gone and runs that are there, and none that is half gone.
"""

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from sidecar.knowledge.audit.bridges import merged
from sidecar.knowledge.audit.chain import NO_HASH, Head, Link, link_of
from sidecar.knowledge.audit.statements import CHECKPOINT, PURGE, Run
from sidecar.model.events import RecordClass, class_of

_COMMANDS: Final = b"/command/"
"""In the names of chains of commands (`chain_name`): a host has no such part."""
_TIMESTAMP: Final = re.compile(rb'"timestamp":"([0-9TZ:.-]{24})"')


class Facts(msgspec.Struct, gc=False):
    """What of a record decides whether it goes.

    Attributes:
        timestamp: when it was written.
        action: its action.
        resource_type: kind of what it is about.
        resource_id: id of what it is about.
        tenant_id: its tenant.
    """

    timestamp: str
    action: str
    resource_type: str = ""
    resource_id: str = ""
    tenant_id: str | None = None


_read_facts: Final = msgspec.json.Decoder(Facts).decode


class Rule(Protocol):
    """Says which lines are to go."""

    def takes(self, facts: Facts) -> bool:
        """Whether a record goes."""

    def spares(self, facts: Facts) -> bool:
        """Whether a record would go, but for its class."""

    def takes_fragment(self, fragment: bytes, at: str) -> bool:
        """Whether the beginning of a line that was cut off goes.

        Args:
            fragment: what there is of it.
            at: its timestamp, or that of the line before it; empty if neither is known.
        """


@dataclass(frozen=True, slots=True)
class Expiry:
    """Takes what is past the retention of its class.

    Attributes:
        cutoffs: by class, the timestamp before which records go.
        now: timestamp of the moment, by the clock that said the cutoffs.
        witness: timestamp since which somebody else than a command must have written, or the clock
            may be ahead; empty where nobody has to.
    """

    cutoffs: Mapping[RecordClass, str]
    now: str = ""
    witness: str = ""

    def takes(self, facts: Facts) -> bool:
        """Whether a record goes.

        A statement of removal stays as long as anything is kept, and then goes only when it is said
        again. What a checkpoint signed is vouched for by the statement that says it is gone.
        """
        if facts.action == PURGE:
            return False
        if facts.action == CHECKPOINT:
            return facts.timestamp < max(self.cutoffs.values())
        return facts.timestamp < self.cutoffs[class_of(facts.action)]

    def spares(self, facts: Facts) -> bool:
        """Spare nothing."""
        del facts
        return False

    def takes_fragment(self, fragment: bytes, at: str) -> bool:
        """Whether a fragment goes: when nothing of its time is kept any more."""
        del fragment
        return at < self.oldest

    @property
    def oldest(self) -> str:
        """Timestamp before which nothing is kept."""
        return min(self.cutoffs.values())


@dataclass(frozen=True, slots=True)
class OfTenant:
    """Takes what belongs to a tenant, or is about it.

    Attributes:
        tenant: its id.
        spared: classes whose records stay for their legal window.
    """

    tenant: str
    spared: frozenset[RecordClass] = frozenset()

    def takes(self, facts: Facts) -> bool:
        """Whether a record goes."""
        return self._is_meant(facts) and class_of(facts.action) not in self.spared

    def spares(self, facts: Facts) -> bool:
        """Whether a record would go, but for its class."""
        return self._is_meant(facts) and class_of(facts.action) in self.spared

    def takes_fragment(self, fragment: bytes, at: str) -> bool:
        """Whether a fragment goes; one that is cut off before its tenant names nobody."""
        del at
        return b'"tenant_id":' + json.dumps(self.tenant).encode() in fragment

    def _is_meant(self, facts: Facts) -> bool:
        is_about = facts.resource_type == "tenant" and facts.resource_id == self.tenant
        return facts.tenant_id == self.tenant or is_about


@dataclass(slots=True)
class Tally:
    """What is to go from one file.

    Attributes:
        removed: records, by class.
        spared: records that stay for their class alone.
        fragments: beginnings of lines that were cut off.
    """

    removed: Counter[str] = field(default_factory=Counter)
    spared: Counter[str] = field(default_factory=Counter)
    fragments: int = 0

    def __bool__(self) -> bool:
        """Whether anything goes."""
        return bool(self.fragments or self.removed)


@dataclass(slots=True)
class _Open:
    """A run that may go on; `before` is None where its file has not the line before it."""

    first: int
    before: bytes | None
    end: Head


class Plan:
    """Reads a trail that is whole, and says what is to go from it.

    Args:
        rule: which lines.
        spent: statements that go since they are said again, by chain and number.

    Attributes:
        newest: when the newest record was written that is not after the moment of an expiry; those
            of commands do not count, since their clock is asked about. Empty for none.
    """

    def __init__(self, rule: Rule, spent: frozenset[tuple[str, int]] = frozenset()) -> None:
        self._rule = rule
        self._spent = spent
        self._open: dict[bytes, _Open] = {}
        self._ends: dict[bytes, Head] = {}
        self._known: dict[tuple[bytes, int], bytes] = {}
        self._closed: list[tuple[bytes, _Open]] = []
        self._at = ""
        self._is_fixed = False
        self._until = rule.now if isinstance(rule, Expiry) else ""
        self.newest = ""
        self.tally = Tally()

    def next_file(self, *, is_fixed: bool = False) -> Tally:
        """Begin another file, and return its tally.

        Args:
            is_fixed: whether nothing can be taken out of it; what would go is counted.
        """
        self._close_all()
        self._is_fixed = is_fixed
        self.tally = Tally()
        return self.tally

    def take(self, line: bytes) -> None:
        """Read a line.

        Args:
            line: the line without its line feed.
        """
        found = link_of(line)
        if found is None:
            self._take_fragment(line)
            return
        before = self._ends.get(found.writer)
        if before is not None and before.seq + 1 != found.seq:
            self._known[found.writer, before.seq] = before.hash
            before = None
        if self._goes(line, found) and not self._is_fixed:
            self._extend(found, before)
        else:
            self._close(found.writer)
        self._ends[found.writer] = found.head

    def _goes(self, line: bytes, found: Link) -> bool:
        try:
            facts = _read_facts(line)
        except msgspec.MsgspecError:
            return False  # what says not when it was written, or for whom, is left alone
        self._at = facts.timestamp
        if self.newest < facts.timestamp <= self._until and _COMMANDS not in found.writer:
            self.newest = facts.timestamp
        if (found.writer.decode(), found.seq) in self._spent or self._rule.takes(facts):
            self.tally.removed[class_of(facts.action)] += 1
            return True
        if self._rule.spares(facts):
            self.tally.spared[class_of(facts.action)] += 1
        return False

    def _take_fragment(self, line: bytes) -> None:
        at = _TIMESTAMP.search(line)
        if self._rule.takes_fragment(line, at[1].decode() if at else self._at):
            self.tally.fragments += 1

    def _extend(self, found: Link, before: Head | None) -> None:
        run = self._open.get(found.writer)
        if run is not None and before is not None:
            run.end = found.head
            return
        self._close(found.writer)
        stands_on = None if before is None else before.hash
        self._open[found.writer] = _Open(found.seq, stands_on, found.head)

    def _close(self, writer: bytes) -> None:
        run = self._open.pop(writer, None)
        if run is not None:
            self._closed.append((writer, run))

    def _close_all(self) -> None:
        for writer in list(self._open):
            self._close(writer)
        for writer, end in self._ends.items():
            self._known[writer, end.seq] = end.hash
        self._ends.clear()

    def runs(self, stated: Iterable[Run]) -> list[Run]:
        """Name what is to go, each run within one file.

        Args:
            stated: what went before, by statements.
        """
        self._close_all()
        for run in stated:
            self._known.setdefault((run.writer.encode(), run.last), run.after.encode())
        return [self._named(writer, run) for writer, run in self._closed]

    def _named(self, writer: bytes, run: _Open) -> Run:
        before = run.before or self._known.get((writer, run.first - 1), NO_HASH)
        last = run.end
        return Run(writer.decode(), run.first, last.seq, before.decode(), last.hash.decode())


class Cut:
    """Knows lines that go, by the runs that a statement named.

    Args:
        runs: what was stated.
        rule: which fragments go.
    """

    def __init__(self, runs: Iterable[Run], rule: Rule) -> None:
        self._rule = rule
        self._at = ""
        self._spans: dict[bytes, tuple[list[int], list[int]]] = {}
        for run in sorted(runs, key=lambda one: one.first):
            firsts, lasts = self._spans.setdefault(run.writer.encode(), ([], []))
            firsts.append(run.first)
            lasts.append(run.last)

    def takes(self, line: bytes) -> bool:
        """Whether a line goes.

        Args:
            line: the line without its line feed.
        """
        found = link_of(line)
        at = _TIMESTAMP.search(line)
        if found is None:
            return self._rule.takes_fragment(line, at[1].decode() if at else self._at)
        self._at = at[1].decode() if at else self._at
        firsts, lasts = self._spans.get(found.writer, ([], []))
        index = bisect_right(firsts, found.seq) - 1
        return index >= 0 and found.seq <= lasts[index]


def said_again(spent: Iterable[Run], gone: Iterable[Run]) -> list[Run]:
    """Say the runs of statements that go again, in as few as possible.

    Args:
        spent: runs of statements that go.
        gone: all runs of which no line is there any more, these included.
    """
    wanted = {(run.writer, run.first, run.last) for run in spent}
    pieces = {(run.writer, run.first, run.last, run.before, run.after): run for run in gone}
    return [
        whole
        for whole in merged(pieces.values())
        if any(w == whole.writer and whole.first <= f and t <= whole.last for w, f, t in wanted)
    ]


def take_waiting(rule: Rule, line: bytes, tally: Tally) -> bool:
    """Judge a record that waits to be written, and stands in no chain yet.

    Args:
        rule: which lines go.
        line: the record.
        tally: gets the count of what goes, and of what stays for its class alone.

    Returns:
        Whether it goes.
    """
    try:
        facts = _read_facts(line)
    except msgspec.MsgspecError:
        return False
    if rule.takes(facts):
        tally.removed[class_of(facts.action)] += 1
        return True
    if rule.spares(facts):
        tally.spared[class_of(facts.action)] += 1
    return False
