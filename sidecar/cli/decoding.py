"""A short-lived process that decodes a policy for a sidecar that serves (ADR 24).

It is started as `python -P -m sidecar.cli.decoding NAME OLD NEW`: it reads the policy file NAME as
`sidecar check` does, compares it with the policy in force, which it finds in the descriptor OLD,
writes it to the descriptor NEW, and says on standard output what it found, as JSON. So whoever
serves holds neither what decodes policies nor what compares them.
"""

import json
import os
import sys
from pathlib import Path

from sidecar.adapters.handover import Handover, put, written
from sidecar.cli.exit_codes import DONE
from sidecar.decision.pipeline import build
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import InstallationError, PolicyError
from sidecar.policy.load import load, noting
from sidecar.policy.loaded import Loaded
from sidecar.policy.restart import needing_restart


def main(arguments: list[str]) -> int:
    """Decode a policy.

    Args:
        arguments: name of its file, descriptor of the policy in force, descriptor for it.

    Returns:
        The exit code; a bad policy is an answer like any other.
    """
    name, old, new = arguments
    files: dict[str, str] = {}
    try:
        loaded = load(name, noting(_read, files), os.environ, RULES)
        # Patterns and expressions of a policy are compiled here; a bad one is its author's too.
        build(loaded.policy)
    except PolicyError as error:
        report: dict[str, object] = {"problems": [str(problem) for problem in error.problems]}
    except InstallationError as error:
        report = {"problems": [f"{name}: error: {error}"]}
    else:
        put(int(new), written(loaded, is_whole=bool(loaded.policy.admin.tokens)))
        report = _compared(Handover.of(int(old)).reopen(), loaded)
    sys.stdout.write(json.dumps({**report, "files": files}))
    return DONE


def _compared(old: Loaded, new: Loaded) -> dict[str, object]:
    return {
        "problems": [],
        "warnings": [str(problem) for problem in new.warnings],
        "sha256": new.sha256,
        "restart": needing_restart(old.policy, new.policy),
    }


def _read(name: str) -> bytes:
    return Path(name).read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
