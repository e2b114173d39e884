"""A service with the sidecar before it, and the two ways to it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.soak.programs import Program, sidecar, try_policy
from tests.soak.transcript import Pair, Side

NOTHING = re.compile(rb"(?!)")


@contextmanager
def both_sides(
    program: Program,
    folder: Path,
    *,
    differs: frozenset[str] = frozenset(),
    moments: re.Pattern[bytes] = NOTHING,
) -> Iterator[Pair]:
    """Put the sidecar before a program, and fail at the end if a walk found a difference.

    Args:
        program: the service.
        folder: for the policy, the audit records and the log of the sidecar.
        differs: response fields that differ between any two answers of the service.
        moments: what differs in bodies and fields between any two answers: ids, times.
    """
    with sidecar(try_policy(program.port, folder / "audit.jsonl"), folder) as guard:
        host = f"localhost:{program.port}"
        pair = Pair(
            Side(program.origin, {"SIDE": "north"}, host),
            Side(guard.origin, {"SIDE": "south"}, host),
            differs,
            moments,
        )
        try:
            yield pair
        finally:
            pair.close()
    assert pair.count >= 20, f"only {pair.count} requests were compared"
    assert not pair.faults, "\n".join(pair.faults)
