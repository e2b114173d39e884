"""Judge a coverage report room by room: `python -m ci.coverage_gate coverage.json`.

What only decides is covered to the last branch; of what touches the outside world, nine tenths.
"""

import sys
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

# Levels 0 to 2, the steps, the matcher and the lists: each file owes every line and every branch.
WHOLE: Final = (
    "sidecar/model",
    "sidecar/policy",
    "sidecar/knowledge",
    "sidecar/decision/matcher.py",
    "sidecar/decision/steps",
    "sidecar/decision/pipeline.py",
)
# All other files together owe this share of their lines and branches.
OUTSIDE_SHARE: Final = 0.9


class Summary(msgspec.Struct):
    """The counts of one file."""

    num_statements: int
    covered_lines: int
    num_branches: int
    covered_branches: int


class Coverage(msgspec.Struct):
    """What was run of one file, and what was not."""

    summary: Summary
    missing_lines: list[int]
    missing_branches: list[tuple[int, int]]

    @property
    def owed(self) -> int:
        """The lines and branches that there are."""
        return self.summary.num_statements + self.summary.num_branches

    @property
    def paid(self) -> int:
        """The lines and branches that were run."""
        return self.summary.covered_lines + self.summary.covered_branches


class Report(msgspec.Struct):
    """The JSON report of coverage.py, as far as it is read here."""

    files: dict[str, Coverage]


def gaps(report: Report) -> list[str]:
    """List what falls short, a line each.

    Raises:
        ValueError: when the report holds no file of a room that owes all: it measured nothing.
    """
    for room in WHOLE[:3]:
        if not any(_is_in(file, room) for file in report.files):
            raise ValueError(f"the report holds no file of {room}")
    found = [
        f"{file}: {one.paid} of {one.owed}; not run: {_places(one)}"
        for file, one in sorted(report.files.items())
        if _is_whole(file) and one.paid < one.owed
    ]
    outside = {file: one for file, one in report.files.items() if not _is_whole(file)}
    owed = sum(one.owed for one in outside.values())
    paid = sum(one.paid for one in outside.values())
    if paid < OUTSIDE_SHARE * owed:
        found.append(f"outside half: {paid / owed:.1%} of it run, {OUTSIDE_SHARE:.0%} are owed:")
        found += [f"  {file}: {one.paid} of {one.owed}" for file, one in _worst_first(outside)]
    return found


def _places(one: Coverage) -> str:
    """Name the runs of lines that were missed, then the ways out of lines that were not."""
    runs: list[list[int]] = []
    for line in one.missing_lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    missed = set(one.missing_lines)
    places = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    places += [f"{start}->{end}" for start, end in one.missing_branches if start not in missed]
    return ", ".join(places)


def _worst_first(files: dict[str, Coverage]) -> list[tuple[str, Coverage]]:
    lagging = [(file, one) for file, one in files.items() if one.paid < one.owed]
    return sorted(lagging, key=lambda pair: pair[1].paid - pair[1].owed)


def _is_whole(file: str) -> bool:
    return any(_is_in(file, room) for room in WHOLE)


def _is_in(file: str, room: str) -> bool:
    return PurePosixPath(file).is_relative_to(room)


def main() -> int:
    """Judge the report that the command line names; 0 when nothing falls short."""
    report = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Report)
    found = gaps(report)
    sys.stdout.write("".join(f"coverage: {line}\n" for line in found))
    sys.stdout.write("coverage: falls short\n" if found else "coverage: every room pays its due\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
