"""A policy that may be run, as the loader hands it out."""

from dataclasses import dataclass

from sidecar.model.errors import Problem
from sidecar.policy.schema.policy import Policy


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that may be run.

    Attributes:
        policy: the policy.
        warnings: what its author may not have meant.
        sha256: hex digest of the file, followed by the file that it extends.
        name: name of the policy file; empty for a policy that nobody wrote.
        files: every file that was read for it, and the hex digest (SHA-256) of its content; those
            of secrets are among them, so it is for comparing in memory alone.
    """

    policy: Policy
    warnings: tuple[Problem, ...]
    sha256: str
    name: str = ""
    files: tuple[tuple[str, str], ...] = ()
