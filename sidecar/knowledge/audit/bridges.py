"""What statements of removal stand for: the ways over lines that are gone (AU-4, AU-6)."""

from collections.abc import Iterable, Iterator

from sidecar.knowledge.audit.chain import Head
from sidecar.knowledge.audit.statements import Run


class Bridges:
    """The runs that statements name.

    The same lines may be stood for twice, in other pieces: a purge that was killed is begun again.
    """

    def __init__(self) -> None:
        self._after: dict[tuple[str, int, str], list[Run]] = {}
        self._cut_off: dict[str, list[Run]] = {}
        self._stated_at: dict[Run, str] = {}

    def add(self, run: Run, stated_at: str) -> None:
        """Take in a run.

        Args:
            run: lines that are gone, or will be.
            stated_at: timestamp of the statement.
        """
        if run in self._stated_at:
            return
        self._stated_at[run] = stated_at
        if run.is_cut_off:
            self._cut_off.setdefault(run.writer, []).append(run)
        else:
            self._after.setdefault((run.writer, run.first, run.before), []).append(run)

    def writers(self) -> Iterator[str]:
        """Name the chains of which lines are gone."""
        yield from {run.writer: None for run in self._stated_at}

    def over(self, head: Head, limit: int | None) -> tuple[Head, str]:
        """Follow statements from the end of a chain, as far as they lead.

        Args:
            head: the last line that is there.
            limit: seq of the next line that is there; None at the end.

        Returns:
            The last line that is stood for, or `head`; and the timestamp of its statement.
        """
        reached = {head: ""}
        begun = [head]
        while begun:
            fresh = {
                end: at for end, at in self._from(begun.pop(), limit).items() if end not in reached
            }
            reached |= fresh
            begun += fresh
        best = max(reached, key=lambda end: end.seq)
        return best, reached[best]

    def _from(self, head: Head, limit: int | None) -> dict[Head, str]:
        """List where the runs end that begin after a line, and when they were stated."""
        runs = self._after.get((head.writer.decode(), head.seq + 1, head.hash.decode()), ())
        return {
            Head(head.writer, run.last, run.after.encode()): self._stated_at[run]
            for run in runs
            if limit is None or run.last < limit
        }

    def cut_off(self, head: Head, limit: int | None) -> tuple[Run, str] | None:
        """Find the next run whose own beginning was not known when it was removed.

        Args:
            head: the last line that is there, or is stood for.
            limit: seq of the next line that is there; None at the end.

        Returns:
            The run and the timestamp of its statement; of several, the longest first one.
        """
        fit = [
            run
            for run in self._cut_off.get(head.writer.decode(), ())
            if run.first > head.seq and (limit is None or run.last < limit)
        ]
        if not fit:
            return None
        run = min(fit, key=lambda one: (one.first, -one.last))
        return run, self._stated_at[run]


def merged(runs: Iterable[Run]) -> list[Run]:
    """Say runs that meet or overlap as one, in the order of their chains.

    Args:
        runs: lines none of which is there any more.
    """
    joined: list[Run] = []
    for run in sorted(runs, key=lambda one: (one.writer, one.first, one.is_cut_off)):
        if joined and _meet(joined[-1], run):
            joined[-1] = _as_one(joined[-1], run)
        else:
            joined.append(run)
    return joined


def _as_one(run: Run, later: Run) -> Run:
    end = max(run, later, key=lambda one: one.last)
    return Run(run.writer, run.first, end.last, run.before, end.after)


def _meet(run: Run, later: Run) -> bool:
    if run.writer != later.writer or later.first > run.last + 1:
        return False
    return later.first <= run.last or later.before == run.after
