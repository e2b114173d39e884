"""A policy together with its text: where its keys stand, and what it would be with other values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from sidecar.policy.decode import value_of
from sidecar.policy.lint import lint
from sidecar.policy.loaded import Loaded
from sidecar.policy.nodes import Mapping, Path, Place, as_written, entry_at, key_path
from sidecar.policy.schema.policy import Policy
from sidecar.policy.written import Sources


@dataclass(frozen=True, slots=True)
class Written:
    """A key, and where it stands.

    Attributes:
        key: path of the key, as in `routes[2].role`.
        place: its place; None for a key that the policy does not write.
    """

    key: str
    place: Place | None

    def __str__(self) -> str:
        """Read as in `policy.yaml:12 routes[2].role`."""
        return self.key if self.place is None else f"{self.place.file}:{self.place.line} {self.key}"


@dataclass(frozen=True, slots=True)
class Edit:
    """Another value for one key.

    Attributes:
        path: path of the key.
        change: gives the new value for the old one; None where there was none.
    """

    path: Path
    change: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Text:
    """A policy and its text.

    Attributes:
        loaded: the policy.
        root: its tree, with what it extends.
        sources: where the files that it names come from.
    """

    loaded: Loaded
    root: Mapping
    sources: Sources

    def written(self, path: Path) -> Written | None:
        """Find where a key stands, or the nearest one above it; None for an empty path."""
        if not path:
            return None
        for length in range(len(path), 0, -1):
            above = as_written(self.root, path[:length])
            if above and self._holds(above):
                return Written(key_path(path), entry_at(self.root, above).key)
        return Written(key_path(path), None)

    def _holds(self, path: Path) -> bool:
        return entry_at(self.root, path).node is not entry_at(self.root, path[:-1]).node

    def edited(self, edits: Iterable[Edit]) -> Policy | None:
        """Decode the policy with other values; None where that is no policy that could be run."""
        values: object = value_of(self.root)
        for edit in edits:
            values = _changed(values, edit.path, edit.change)
        try:
            policy = Policy.model_validate(values, context=self.sources)
        except ValidationError:
            return None
        # Places are those of the policy as it stands, and nobody is shown one.
        problems = lint(policy, self.root, frozenset())
        return policy if all(problem.warning for problem in problems) else None


def _changed(value: object, path: Path, change: Callable[[object], object]) -> object:
    if not path:
        return change(value)
    step, below = path[0], path[1:]
    if isinstance(step, int) and isinstance(value, list):
        return [_changed(one, below, change) if at == step else one for at, one in enumerate(value)]
    entries = dict(value) if isinstance(value, dict) else {}
    entries[str(step)] = _changed(entries.get(str(step)), below, change)
    return entries
