"""What a rule sees, and how it says what it found."""

from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.model.errors import Problem
from sidecar.policy.nodes import Mapping, Path, Scalar, entry_at, key_path
from sidecar.policy.schema.policy import Policy


@dataclass(frozen=True, slots=True)
class Judged:
    """A policy under judgement, with the tree that it was decoded from."""

    policy: Policy
    root: Mapping

    def error(self, path: Path, message: str, hint: str) -> Problem:
        """Say that the policy cannot be meant."""
        return self._problem(path, message, hint, is_warning=False)

    def warning(self, path: Path, message: str, hint: str) -> Problem:
        """Say that the policy may not be meant."""
        return self._problem(path, message, hint, is_warning=True)

    def is_written(self, path: Path) -> bool:
        """Whether the policy itself says something at a path."""
        return entry_at(self.root, path).node is not entry_at(self.root, path[:-1]).node

    def source_of(self, path: Path) -> str:
        """The text of a single value as the policy has it, its variables not filled in."""
        node = entry_at(self.root, path).node
        return node.source if isinstance(node, Scalar) else ""

    def _problem(self, path: Path, message: str, hint: str, *, is_warning: bool) -> Problem:
        place = entry_at(self.root, path).node.place
        return Problem(
            place.file, place.line, place.column, key_path(path), message, hint, is_warning
        )


Findings = Iterator[Problem]
