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
    """

    policy: Policy
    warnings: tuple[Problem, ...]
    sha256: str
