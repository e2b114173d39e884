"""Run pytest, and the few tests that failed once more by themselves: `python -m ci.twice COMMAND…`.

Thirteen thousand tests with real sockets, processes and clocks share two cores in CI. One of them
may fail there for want of a core and for no other reason. Run alone it then passes, and is named: a
test to be mended. What is broken fails alone as well (docs/adr/0031).
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

MOST_AGAIN: Final = 3
"""Tests that may be run again; with more of them something is wrong."""
_TESTS_FAILED: Final = 1  # what pytest ends with then; of all else a second run says nothing new
_REMEMBERED: Final = Path(".pytest_cache/v/cache/lastfailed")
_ALONE: Final = ("-n", "0", "--last-failed", "--last-failed-no-failures=none")


def main(command: Sequence[str], remembered: Path = _REMEMBERED) -> int:
    """Run a command that ends as pytest does, and what failed again.

    Args:
        command: pytest and its arguments.
        remembered: where pytest's cache keeps what failed.

    Returns:
        The exit status of what was decisive.
    """
    remembered.unlink(missing_ok=True)
    status = _run(command)
    if status != _TESTS_FAILED or not remembered.exists():
        return status
    failed = list(msgspec.json.decode(remembered.read_bytes(), type=dict[str, bool]))
    if len(failed) > MOST_AGAIN:
        _say(f"{len(failed)} tests failed: too many to blame the machine")
        return status
    _say("failed, and run again alone:", *failed)
    status = _run([*command, *_ALONE])
    if not status:
        _say("UNSTEADY: passed alone, and have to be mended:", *failed)
    return status


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, check=False).returncode  # noqa: S603  what the Makefile says


def _say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
