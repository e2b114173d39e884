"""A short-lived process that decodes a policy for a sidecar that serves (ADR 24).

It is started as `python -P -m sidecar.cli.decoding NAME OLD NEW`: it reads the policy file NAME as
`sidecar check` does, compares it with the policy in force, which it finds in the descriptor OLD,
writes it to the descriptor NEW, and says on standard output what it found, as JSON. So whoever
serves holds neither what decodes policies nor what compares them.
"""

import json
import os
import sys
from typing import Final

from sidecar.adapters.handover import Handover, put, written
from sidecar.adapters.reading import read_file
from sidecar.cli.differences import line
from sidecar.cli.exit_codes import DONE
from sidecar.decision.diff.compare import compare
from sidecar.decision.pipeline import build
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import InstallationError, PolicyError
from sidecar.policy.load import load_text, noting
from sidecar.policy.loaded import Loaded
from sidecar.policy.restart import needing_restart
from sidecar.policy.text import Text

_LINES: Final = 50
"""Most changes that are told, what widens first."""


def main(arguments: list[str]) -> int:
    """Decode a policy.

    Args:
        arguments: name of its file, descriptor of the policy in force, descriptor for it.

    Returns:
        The exit code; a bad policy is an answer like any other.
    """
    name, old, new = arguments
    sys.stdout.write(json.dumps(decoded(name, int(old), int(new))))
    return DONE


def decoded(name: str, old: int, new: int) -> dict[str, object]:
    """Decode a policy, and say what was found.

    Args:
        name: name of its file.
        old: descriptor of the policy in force.
        new: descriptor for it; nothing is written there if it is bad.

    Returns:
        What `sidecar.adapters.decoding.Report` holds.
    """
    files: dict[str, str] = {}
    try:
        text = load_text(name, noting(read_file, files), os.environ, RULES)
        loaded = text.loaded
        # Patterns and expressions of a policy are compiled here; a bad one is its author's too.
        build(loaded.policy)
    except PolicyError as error:
        report: dict[str, object] = {"problems": [str(problem) for problem in error.problems]}
    except InstallationError as error:
        report = {"problems": [f"{name}: error: {error}"]}
    else:
        put(new, written(loaded, is_whole=bool(loaded.policy.admin.tokens)))
        report = _compared(Handover.of(old).reopen(), text)
    return {**report, "files": files}


def _compared(old: Loaded, text: Text) -> dict[str, object]:
    new = text.loaded
    diff = compare(old, new)
    lines = [line(change, text) for change in diff.changes[:_LINES]]
    return {
        "problems": [],
        "warnings": [str(problem) for problem in new.warnings],
        "sha256": new.sha256,
        "restart": needing_restart(old.policy, new.policy),
        "diff": {
            "digest": diff.digest,
            "widens": diff.widens,
            "counts": diff.counts(),
            "lines": lines,
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
