"""Taking records out of the files of the audit trail: purge (AU-4) and erasure (AU-7).

Only commands do this, on the files themselves: no token of the admin API removes what the trail
says. A trail that is not whole is left alone, or the statement of the removal would vouch for what
somebody else did to it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from sidecar.adapters.audit.files import UnreadableFileError
from sidecar.adapters.audit.removal import (
    BusyTrailError,
    ChangedFileError,
    HeldFile,
    HeldTrail,
    has_record,
    held_trail,
    sync_newest,
)
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.knowledge.audit.certificate import tenant_digest
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.removal import (
    Cut,
    Expiry,
    OfTenant,
    Plan,
    Rule,
    Tally,
    said_again,
)
from sidecar.knowledge.audit.signing import SignatureChecker, StatementSigner
from sidecar.knowledge.audit.statements import MAX_RUNS, Run
from sidecar.knowledge.audit.trail import Trail
from sidecar.lifecycle.audit_expiry import judge_clock, purge_rule
from sidecar.lifecycle.audit_waiting import erase_spilled
from sidecar.lifecycle.errors import ConflictError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.events import AUDIT_ERASE, AUDIT_PURGE
from sidecar.model.ports import Event
from sidecar.policy.schema.audit import Audit, FileSink

PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01
_SHOWN: Final = 1
# What a removal leaves as it is: verify goes on saying it.
_BEARABLE: Final = frozenset({"beginning"})
_SAID_AGAIN: Final = "said again"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be removed, and how.

    Attributes:
        rule: which lines.
        actor: who wants it.
        why: `retention` or `erasure`.
        reason: in the operator's words.
        allows: kinds of problems that the trail may have: `missing`, `unsigned`; `clock`: the clock
            may be far ahead of the trail.
        is_dry: whether it is only to be told.
    """

    rule: Rule
    actor: str
    why: str
    reason: str
    allows: frozenset[str] = frozenset()
    is_dry: bool = False


@dataclass(slots=True)
class Removed:
    """What became of one trail.

    Attributes:
        file: the file that is written.
        files: files out of which lines were taken.
        removed: records, by class.
        kept: records that stay for their class alone.
        fragments: beginnings of lines that were cut off.
        left: by file, how many records were left in it and why.
        is_signed: whether the statement is signed.
    """

    file: str
    files: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    fragments: int = 0
    left: dict[str, tuple[int, str]] = field(default_factory=dict)
    is_signed: bool = False


@dataclass(slots=True)
class _Planned:
    """What is to be cut, and what is to be said of it."""

    runs: list[Run]
    again: list[Run]
    tallies: list[tuple[HeldFile, Tally]]
    rule: Rule


class TrailRemoval:
    """Takes records out of the files of a policy's trail.

    Args:
        section: the policy's sinks and its key.
        ledger: its audit, started; None where nothing is to be changed.
        patience: seconds for which a statement may wait to be written, and others be busy.
    """

    def __init__(
        self, section: Audit, ledger: AuditLedger | None, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._section = section
        self._ledger = ledger
        self._patience = patience
        key = section.signing_key
        pem = None if key is None else StatementSigner(key).public_pem
        self._checker = None if pem is None else SignatureChecker(pem)

    async def remove(self, wish: Wish) -> list[Removed]:
        """Remove from all trails of the policy.

        Raises:
            ConflictError: there is no file, or a trail is not whole.
            StoreUnavailableError: a file cannot be read or written.
        """
        with self._noting(wish):
            files = self._files()
            # What waits is no part of a trail yet, and would be by and by.
            found = [] if isinstance(wish.rule, Expiry) else await self._spilled(wish)
            trails = [await self._remove_from(sink, wish) for sink in files]
            return [*trails, *found]

    def expiry(self, wish: Wish, timestamp: Callable[[float], str], now: float) -> Wish:
        """Fill in what is past its retention.

        Args:
            wish: what is wanted.
            timestamp: writes Unix seconds as records have them.
            now: Unix seconds.

        Raises:
            ConflictError: the policy says nothing of retention.
        """
        with self._noting(wish):
            return replace(wish, rule=purge_rule(self._section, timestamp, now))

    @contextmanager
    def _noting(self, wish: Wish) -> Iterator[None]:
        """Have what could not be done in the trail as well."""
        try:
            yield
        except (ConflictError, StoreUnavailableError) as error:
            if isinstance(wish.rule, OfTenant) and self._ledger is not None:
                about = tenant_digest(wish.rule.tenant)
                details = {"reason": wish.reason}
                event = Event(AUDIT_ERASE, wish.actor, None, "tenant", about, str(error), details)
                self._ledger.note_event(event)
            else:
                self._note(wish, [], reason=str(error))
            raise

    async def _spilled(self, wish: Wish) -> list[Removed]:
        found = await asyncio.to_thread(
            erase_spilled, self._section, wish.rule, self._patience, is_dry=wish.is_dry
        )
        return [
            Removed(
                one.file,
                files=int(bool(one.tally.removed) and not (one.why_left or wish.is_dry)),
                removed=Counter() if one.why_left else one.tally.removed,
                kept=one.tally.spared,
                left={one.file: (one.tally.removed.total(), one.why_left)} if one.why_left else {},
            )
            for one in found
        ]

    def _files(self) -> list[FileSink]:
        sinks = [sink for sink in self._section.sinks if isinstance(sink, FileSink)]
        if not sinks:
            raise ConflictError(
                "the policy writes its audit trail to no file",
                "audit: {sinks: [{file: audit.jsonl}]}",
            )
        return sinks

    async def _remove_from(self, sink: FileSink, wish: Wish) -> Removed:
        told = Removed(sink.file, is_signed=self._checker is not None)
        rotates = sink.rotate is not None
        with _translated(sink.file), held_trail(sink.file, rotates=rotates) as trail:
            planned = await asyncio.to_thread(self._plan, trail, wish)
            _count(told, planned, trail)
            if wish.is_dry:
                return told
            await self._state(sink.file, planned, wish)
            await asyncio.to_thread(_cut, trail, planned, told)
        return told

    # --- what is there

    def _plan(self, trail: HeldTrail, wish: Wish) -> _Planned:
        read = self._read(trail)
        report = read.report(trail.written)
        _judge(report, wish)
        spent: list[Run] = []
        gone: frozenset[tuple[str, int]] = frozenset()
        if isinstance(wish.rule, Expiry):
            over = [
                one
                for one in report.statements
                if one.timestamp < wish.rule.oldest and all(map(read.is_gone, one.runs))
            ]
            gone = frozenset((one.writer, one.seq) for one in over)
            spent = [run for one in over for run in one.runs]
        stated = [run for one in report.statements for run in one.runs]
        again = said_again(spent, [run for run in stated if read.is_gone(run)])
        plan = Plan(wish.rule, gone)
        tallies: list[tuple[HeldFile, Tally]] = []
        for held in trail.files:
            is_beyond = held.is_written and isinstance(wish.rule, Expiry)
            tally = plan.next_file(is_fixed=is_beyond or trail.forbids(held) is not None)
            for line in held.lines():
                plan.take(line.rstrip(b"\n"))
            if not is_beyond:
                tallies.append((held, tally))
        runs = plan.runs(stated)
        if runs and isinstance(wish.rule, Expiry) and "clock" not in wish.allows:
            judge_clock(wish.rule, plan.newest, sum(run.last - run.first + 1 for run in runs))
        return _Planned(runs, again, tallies, wish.rule)

    def _read(self, held: HeldTrail) -> Trail:
        trail = Trail(self._checker, is_partial=True)
        for file in held.files:
            trail.next_file()
            for number, line in enumerate(file.lines(), 1):
                place = Place(str(file.path), number)
                trail.take(line.removesuffix(b"\n"), place, is_ended=line.endswith(b"\n"))
        return trail

    # --- what is said of it

    async def _state(self, file: str, planned: _Planned, wish: Wish) -> None:
        """Say what is about to go, and wait until that is on the disk."""
        runs, again = planned.runs, planned.again
        if not runs and not again:
            await self._written(file, self._note(wish, []))
        for at in range(0, len(runs), MAX_RUNS):
            await self._written(file, self._note(wish, runs[at : at + MAX_RUNS]))
        for at in range(0, len(again), MAX_RUNS):
            stated = self._note(wish, again[at : at + MAX_RUNS], why=_SAID_AGAIN)
            await self._written(file, stated)
        await asyncio.to_thread(sync_newest, file)

    def _note(
        self, wish: Wish, runs: list[Run], *, why: str = "", reason: str | None = None
    ) -> str:
        if self._ledger is None:
            return ""
        details = {
            "why": why or wish.why,
            "reason": wish.reason,
            "records": sum(run.last - run.first + 1 for run in runs),
        }
        event = Event(AUDIT_PURGE, wish.actor, None, "audit", "*", reason, details)
        return self._ledger.note_removal(event, runs)

    async def _written(self, file: str, record_id: str) -> None:
        """Wait until a record stands in a file, and look there for it.

        What its writer says of it is not enough: it may have put it into a file to spill to, behind
        others that wait.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        if self._ledger is None:
            return
        self._ledger.flush()
        (sink,) = (one for one in self._ledger.sinks if one.name == file)
        deadline = time.monotonic() + self._patience
        while not await asyncio.to_thread(has_record, file, record_id):
            if sink.dropped or time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"the statement of the removal cannot be written to {file}, so nothing was"
                    " removed"
                )
            await asyncio.sleep(_LOOK_SECONDS)


def _judge(report: Report, wish: Wish) -> None:
    """Refuse a trail that is not whole, but for what is bearable.

    Raises:
        ConflictError: it is not.
    """
    kinds = _BEARABLE | wish.allows
    if "missing" in kinds:
        kinds |= {"truncated"}
    found = [one for one in report.problems if one.kind not in kinds]
    if not found:
        return
    first = found[0]
    place = "" if first.place is None else f"{first.place.file}:{first.place.line}: "
    which = "" if first.writer is None else f"record {first.seq} of {first.writer} "
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ConflictError(
        f"the trail is not whole, and nothing was removed: {place}{which}{first.text}{more}",
        _MENDS.get(first.kind, "sidecar audit verify says what it is; keep it as evidence"),
    )


_MENDS: Final = {
    "missing": "--allow missing, if you know why; verify goes on saying so",
    "truncated": "--allow missing, if you know why; verify goes on saying so",
    "unsigned": "--allow unsigned, for chains from before there was a key: this vouches for them",
}


def _count(told: Removed, planned: _Planned, trail: HeldTrail) -> None:
    for held, tally in planned.tallies:
        told.kept += tally.spared
        why_not = trail.forbids(held)
        if why_not is None:
            told.removed += tally.removed
            told.fragments += tally.fragments
        elif tally:
            told.left[str(held.path)] = (tally.removed.total() + tally.fragments, why_not)


def _cut(trail: HeldTrail, planned: _Planned, told: Removed) -> None:
    """Take out of the files what was stated."""
    cut = Cut(planned.runs, planned.rule)
    for held, tally in planned.tallies:
        if not tally or trail.forbids(held) is not None:
            continue
        why_not = trail.cut(held, cut)
        if why_not is None:
            told.files += 1
            continue
        told.left[str(held.path)] = (tally.removed.total() + tally.fragments, why_not)
        told.removed -= tally.removed
        told.fragments -= tally.fragments


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except BusyTrailError:
        raise ConflictError(
            f"another command is removing records of {name}", "wait until it has ended"
        ) from None
    except ChangedFileError as error:
        raise ConflictError(
            f"{error} was changed while it was read", "sidecar audit verify; keep it as evidence"
        ) from error
    except UnreadableFileError as error:
        raise StoreUnavailableError(str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreUnavailableError(f"{error.filename or name}: {reason}") from error
