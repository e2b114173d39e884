"""Another policy for a sidecar that serves: noticed, decoded, built, put in force (ADR 24).

A policy that cannot be used leaves the one before in force, and is said to be wrong in the words of
`sidecar check`: in the log, in the audit record, and to whoever asked.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from sidecar.adapters.decoding import Decoded, DecodingError, Report, decode
from sidecar.adapters.handover import Handover
from sidecar.adapters.telemetry.metrics import Snapshot
from sidecar.adapters.watched import Files, Watched
from sidecar.model.errors import (
    InstallationError,
    KeySetMissingError,
    StoreUnavailableError,
)
from sidecar.model.ports import Event, Events
from sidecar.policy.loaded import Loaded

_LOG: Final = logging.getLogger("sidecar.reload")

FILES: Final = "files"
"""Who reloads when a file has changed, in the audit."""
SIGNAL: Final = "signal"
_STEADY_SECONDS: Final = 0.25
"""Two looks so long after each other must find the same: a file may be half written."""
_AGAIN_SECONDS: Final = 10.0
"""When a policy is tried again that something else than itself kept from coming into force."""
_LINES: Final = 50
"""Most problems of an audit record."""
_CHANGES: Final = 20
"""Most changes of an audit record."""


T = TypeVar("T")
Decoding = Callable[[str, int], Awaitable[Decoded]]
"""Has the policy of a file decoded, and compared with that in a descriptor."""


class Result(StrEnum):
    """What became of an attempt, as metrics name it."""

    ADMITTED = "admitted"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    """It was only asked what would change."""
    INVALID = "invalid"
    RESTART = "restart"
    """It changes what takes a restart."""
    UNACKNOWLEDGED = "unacknowledged"
    """It widens access, or was acknowledged as something else than it is."""
    FAILED = "failed"
    """Something outside of it failed: a store, a sink, a file of TLS, a worker."""


_CURRENT: Final = frozenset((Result.ADMITTED, Result.UNCHANGED))
"""After these the policy in force is what the files say."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A policy that is built, and serves nobody yet.

    Attributes:
        commit: puts it in force; gets the descriptor where it is.
        discard: lets go of it.
    """

    commit: Callable[[int], Awaitable[None]]
    discard: Callable[[], Awaitable[None]]


class Target(Protocol):
    """What gets another policy: one process, or a supervisor and its workers."""

    @property
    def loaded(self) -> Loaded:
        """The policy in force."""

    async def stage(self, handover: Handover) -> Ready:
        """Build everything for another policy.

        Raises:
            OSError: a file or sink that it names cannot be used.
            StoreUnavailableError: the state store cannot be used.
            StagingError: a worker could not build it.
        """


class StagingError(Exception):
    """A policy could not be built in every process."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What whoever reloads wants.

    Attributes:
        actor: who it is, for the audit.
        is_dry: whether only the differences are asked for.
        acknowledged: digest of the changes that are acknowledged; empty for none.
    """

    actor: str
    is_dry: bool = False
    acknowledged: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        result: in a word.
        before: digest of the policy that was in force.
        after: digest of the other one; empty for one that could not be read.
        reason: why it is not in force; empty for one that is.
        problems: what is wrong with it, each a line.
        report: what was found; None when it was not decoded.
    """

    result: Result
    before: str
    after: str = ""
    reason: str = ""
    problems: tuple[str, ...] = ()
    report: Report | None = None


class Reloader:
    """Brings policies into force, one after the other.

    Args:
        target: what gets them.
        descriptor: where the policy in force is; the reloader's from now on.
        events: the audit.
        decoding: has a policy decoded.
    """

    def __init__(
        self, target: Target, descriptor: int, events: Events, decoding: Decoding = decode
    ) -> None:
        self._target = target
        self._descriptor = descriptor
        self._events = events
        self._decoding = decoding
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._judged: Files = dict(target.loaded.files)
        self._watched = Watched(self._judged)
        self._results: dict[Result, int] = {}
        self._since = time.time()
        self._is_to_be_tried = False
        self._is_behind = False
        self._is_started = False
        self.last: Outcome | None = None

    def start(self) -> None:
        """Watch the files from now on, and obey."""
        self._is_started = True
        if self._target.loaded.name:
            _ = self._spawn(self._watch())

    def order(self) -> None:
        """Reload because of a signal."""
        if self._is_started and self._target.loaded.name:
            _ = self._spawn(self.reload(Wish(SIGNAL)))

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        os.close(self._descriptor)

    @property
    def told(self) -> Mapping[str, object] | None:
        """What became of the last attempt, in short; None before the first one."""
        last = self.last
        if last is None:
            return None
        return {"result": last.result.value, "after": last.after, "reason": last.reason or None}

    def snapshot(self) -> Snapshot:
        """Write the numbers down, as `MetricsLedger.snapshot` does."""
        rows = [([result.value], [count]) for result, count in self._results.items()]
        taken: Snapshot = {
            "sidecar_policy_reload_timestamp_seconds": [([], [self._since])],
            "sidecar_degraded": [(["policy"], [float(self._is_behind)])],
        }
        if rows:
            taken["sidecar_policy_reload_total"] = [(labels, number) for labels, number in rows]
        return taken

    async def reload(self, wish: Wish) -> Outcome:
        """Read the policy file anew, and put it in force if it may be.

        Whoever asked may leave meanwhile: what has begun is brought to its end.
        """
        return await asyncio.shield(self._spawn(self._reload(wish)))

    def _spawn(self, coroutine: Coroutine[object, None, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- files

    async def _watch(self) -> None:
        tried_at = time.monotonic()
        while True:
            every = self._target.loaded.policy.reload.every
            await asyncio.sleep(every or _AGAIN_SECONDS)
            if not every:
                continue
            is_late = self._is_to_be_tried and time.monotonic() - tried_at > _AGAIN_SECONDS
            if is_late or await self._has_changed():
                tried_at = time.monotonic()
                await self.reload(Wish(FILES))

    async def _has_changed(self) -> bool:
        """Tell whether files hold something else than what was judged last, and have settled."""
        seen = await asyncio.to_thread(self._watched.look)
        while seen != self._judged:
            await asyncio.sleep(_STEADY_SECONDS)
            former, seen = seen, await asyncio.to_thread(self._watched.look)
            if seen == former:
                return seen != self._judged
        return False

    # --- one attempt

    async def _reload(self, wish: Wish) -> Outcome:
        async with self._turn:
            before = self._target.loaded
            try:
                outcome = await self._attempt(wish, before)
            except (DecodingError, StagingError, InstallationError) as error:
                outcome = Outcome(Result.FAILED, before.sha256, reason=str(error))
            except Exception as error:  # noqa: BLE001 -- the top of a task: log, and go on as before
                _LOG.exception("a reload failed")
                reason = f"it broke: {type(error).__name__}"
                outcome = Outcome(Result.FAILED, before.sha256, reason=reason)
            self._note(wish, outcome)
            return outcome

    async def _attempt(self, wish: Wish, before: Loaded) -> Outcome:
        decoded = await self._decoding(before.name, self._descriptor)
        is_kept = False
        try:
            report = decoded.report
            self._judged, self._watched = report.files, Watched(report.files)
            outcome = _judged(wish, before, report)
            if outcome.result is Result.ADMITTED:
                outcome = await self._bring(decoded, outcome)
                is_kept = outcome.result is Result.ADMITTED
            return outcome
        finally:
            if not is_kept:
                os.close(decoded.descriptor)

    async def _bring(self, decoded: Decoded, outcome: Outcome) -> Outcome:
        """Build a policy, then put it in force."""
        try:
            ready = await self._target.stage(Handover.of(decoded.descriptor))
        except KeySetMissingError as error:
            return _failed(outcome, error.reason)
        except StoreUnavailableError as error:
            return _failed(outcome, f"the state store cannot be used: {error.reason}")
        except OSError as error:
            reason = error.strerror or str(error)
            return _failed(outcome, f"{error.filename}: {reason}" if error.filename else reason)
        try:
            await ready.commit(decoded.descriptor)
        except StagingError as error:
            await ready.discard()
            return _failed(outcome, str(error))
        former, self._descriptor = self._descriptor, decoded.descriptor
        os.close(former)
        self._since = time.time()
        return outcome

    def _note(self, wish: Wish, outcome: Outcome) -> None:
        self.last = outcome
        self._is_to_be_tried = outcome.result is Result.FAILED
        if outcome.result is not Result.PLANNED:
            self._is_behind = outcome.result not in _CURRENT
        self._results[outcome.result] = self._results.get(outcome.result, 0) + 1
        for line in outcome.problems:
            _LOG.error("%s", line)
        for line in outcome.report.warnings if outcome.report is not None else ():
            _LOG.warning("%s", line)
        if outcome.result in {Result.UNCHANGED, Result.PLANNED}:
            return
        if outcome.reason:
            _LOG.error("the policy in force stays: %s", outcome.reason)
        else:
            _LOG.info("another policy is in force: sha256 %s", outcome.after)
        self._events.note_event(
            Event(
                "config.reload",
                wish.actor,
                None,
                "policy",
                outcome.after or "-",
                outcome.reason or None,
                _details(outcome),
            )
        )


def _judged(wish: Wish, before: Loaded, report: Report) -> Outcome:
    """Say whether a policy that was decoded may come into force."""
    told = Outcome(Result.ADMITTED, before.sha256, report.sha256, report=report)
    if report.problems:
        count = len(report.problems)
        reason = f"{before.name} has {count} problem{'' if count == 1 else 's'}"
        return _with(told, Result.INVALID, reason, tuple(report.problems))
    if (report.sha256, report.files) == (before.sha256, dict(before.files)):
        return _with(told, Result.UNCHANGED, "nothing has changed")
    if report.restart:
        keys = ", ".join(report.restart)
        return _with(told, Result.RESTART, f"another value takes a restart: {keys}")
    if wish.is_dry:
        return _with(told, Result.PLANNED, "")
    if reason := _unacknowledged(wish, before, report):
        return _with(told, Result.UNACKNOWLEDGED, reason)
    return told


def _unacknowledged(wish: Wish, before: Loaded, report: Report) -> str:
    """Say what keeps a change from being acknowledged; nothing where it needs no more.

    The policy in force decides: another one cannot take its own guard away.
    """
    diff = report.diff
    if wish.acknowledged:
        is_meant = wish.acknowledged == diff.digest
        return "" if is_meant else f"what was acknowledged is another change than {diff.digest}"
    if before.policy.reload.widening != "acknowledge" or not diff.widens:
        return ""
    return f"it widens access: sidecar reload --acknowledge {diff.digest}"


def _with(told: Outcome, result: Result, reason: str, problems: tuple[str, ...] = ()) -> Outcome:
    return Outcome(result, told.before, told.after, reason, problems, told.report)


def _failed(told: Outcome, reason: str) -> Outcome:
    return _with(told, Result.FAILED, reason)


def _details(outcome: Outcome) -> Mapping[str, object]:
    details: dict[str, object] = {"result": outcome.result.value, "before": outcome.before}
    if outcome.problems:
        details["problems"] = list(outcome.problems[:_LINES])
    report = outcome.report
    if report is not None and not outcome.problems:
        details["after"] = outcome.after
        diff = report.diff
        details |= {"digest": diff.digest, **diff.counts, "diff": diff.lines[:_CHANGES]}
    return details


def _changes(report: Report) -> dict[str, object]:
    diff = report.diff
    if not diff.digest:
        return {}
    return {
        "digest": diff.digest,
        "widens": diff.widens,
        "counts": diff.counts,
        "changes": diff.lines,
    }


def shown(outcome: Outcome) -> dict[str, object]:
    """Write an outcome as a document for operators."""
    document: dict[str, object] = {
        "result": outcome.result.value,
        "before": outcome.before,
        "after": outcome.after or None,
        "reason": outcome.reason or None,
        "problems": list(outcome.problems),
    }
    if (report := outcome.report) is not None:
        document["warnings"] = report.warnings
        document |= _changes(report)
    return document
