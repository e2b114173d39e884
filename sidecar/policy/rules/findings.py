"""What a rule sees, and how it says what it found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from sidecar.model.errors import Problem
from sidecar.model.template import Kind
from sidecar.policy.nodes import Mapping, Path, Scalar, as_written, entry_at, key_path
from sidecar.policy.schema.policy import Policy

Shape = tuple[str | None, tuple[tuple[Kind, str], ...]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A policy under judgement, with the tree that it was decoded from.

    Attributes:
        policy: the policy.
        root: the tree.
        shapes: the shape of each route's template.
    """

    policy: Policy
    root: Mapping
    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, policy: Policy, root: Mapping) -> Self:
        """Prepare a policy for judgement."""
        return cls(policy, root, tuple(route.template.shape for route in policy.routes))

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
        path = as_written(self.root, path)
        place = entry_at(self.root, path).node.place
        return Problem(
            place.file, place.line, place.column, key_path(path), message, hint, is_warning
        )


Findings = Iterator[Problem]
