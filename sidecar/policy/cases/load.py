"""A file of tests as values, with every mistake at once, as policies are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from pydantic import ValidationError

from sidecar.model.errors import PolicyError, Problem
from sidecar.policy.cases.callers import Caller
from sidecar.policy.cases.schema import Cases
from sidecar.policy.decode import mistakes_of, problems_of, value_of
from sidecar.policy.document import Genre, parse
from sidecar.policy.load import unread
from sidecar.policy.nodes import Mapping, Path, Place, as_written, entry_at
from sidecar.policy.schema.section import Section
from sidecar.policy.written import Sources

_NO_FILES: Final[dict[str, bytes]] = {}
TESTS: Final = Genre("test file", "policy: ./policy.yaml", 4 * 2**20, 32, is_filled=False)


@dataclass(frozen=True, slots=True)
class Read:
    """A file of tests.

    Attributes:
        name: its name.
        cases: what it says.
        root: its tree.
    """

    name: str
    cases: Cases
    root: Mapping

    @property
    def policy(self) -> str:
        """Name of the file of the policy."""
        return str(PurePath(self.name).parent / self.cases.policy)

    def place(self, path: Path) -> Place:
        """Say where a part of it stands."""
        return entry_at(self.root, as_written(self.root, path)).node.place


def load_cases(name: str, read: Callable[[str], bytes]) -> Read:
    """Read a file of tests.

    Args:
        name: its name.
        read: reads a file by name; raises OSError.

    Raises:
        PolicyError: with every mistake, in the order of the text.
    """
    try:
        content = read(name)
    except OSError as error:
        hint = "name a test file that exists and may be read"
        raise PolicyError([Problem(name, 0, 0, "", unread(error), hint)]) from error
    document = parse(name, content, {}, TESTS)
    if document.root is None or document.problems:
        raise PolicyError(document.problems)
    values = {key: value_of(entry.node) for key, entry in document.root.entries.items()}
    try:
        cases = Cases.model_validate(values, context=Sources(read, {}))
    except ValidationError as error:
        problems = problems_of(mistakes_of(document.root, error, Cases))
        problems.sort(key=lambda problem: (problem.line, problem.column))
        raise PolicyError(problems) from error
    return Read(name, cases, document.root)


def read_caller(text: str) -> Caller:
    """Read a caller from JSON on a command line.

    Raises:
        PolicyError: with every mistake.
    """
    document = parse("--principal", text.encode(), {}, _CALLER)
    if document.root is None or document.problems:
        raise PolicyError(document.problems)
    values = {key: value_of(entry.node) for key, entry in document.root.entries.items()}
    schema: type[Section] = Caller
    try:
        return Caller.model_validate(values, context=Sources(_NO_FILES.__getitem__, {}))
    except ValidationError as error:
        raise PolicyError(problems_of(mistakes_of(document.root, error, schema))) from error


_CALLER: Final = Genre("caller", "tenant: acme", 2**16, 8, is_filled=False)


def json_schema() -> dict[str, object]:
    """Describe files of tests as JSON Schema, for editors."""
    from sidecar.policy.schema.export import section_schema

    return section_schema(Cases, "urn:tenant-sidecar:tests:1", "Sidecar policy tests")
