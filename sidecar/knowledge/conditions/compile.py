"""Compile conditions with the library for CEL, and evaluate them within their bounds (AZ-6)."""

from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Final, Protocol, cast

from sidecar.knowledge.conditions.bounds import FUNCTIONS, ConditionError, Reading, read
from sidecar.knowledge.conditions.facts import Facts, Need

# Visits of values; the dearest measured (copying a string) cost 85 ns, hence 9 ms at most.
_BUDGET: Final = 100_000
_EXTRA_HINT: Final = "pip install 'tenant-sidecar[conditions]'"


Finder = Callable[[str], ModuleSpec | None]


class _Program(Protocol):
    """A compiled expression of the library."""

    def execute(self, context: dict[str, object]) -> object:
        """Evaluate it."""

    def variables(self) -> list[str]:
        """List the names that it reads."""

    def functions(self) -> list[str]:
        """List what it calls, operators included."""


class _Library(Protocol):
    """The part of the library that is written in Rust."""

    def compile(self, expression: str) -> _Program:
        """Compile an expression; raises ValueError."""


class Condition:
    """A condition that may be evaluated as often as one likes.

    Attributes:
        needs: facts that it reads.
    """

    __slots__ = ("_program", "_reading", "needs")

    def __init__(self, program: _Program, reading: Reading) -> None:
        self._program = program
        self._reading = reading
        self.needs: tuple[Need, ...] = reading.needs

    def objection(self, facts: Facts) -> str | None:
        """Evaluate it.

        Args:
            facts: the facts that it needs.

        Returns:
            None when it is true; else why the exchange is refused.

        Controls: AZ-6.
        """
        if self._reading.cost_of(facts.weight) > _BUDGET:
            return "the condition would cost too much on this request"
        try:
            value = self._program.execute(dict(facts.values))
        # What the library raises for an expression that cannot be evaluated.
        except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
            return f"the condition cannot be evaluated ({type(error).__name__})"
        if value is True:
            return None
        return "the condition is false" if value is False else "the condition has no truth value"


def compile_condition(text: str, find: Finder = find_spec) -> Condition:
    """Compile a condition.

    Args:
        text: the expression.
        find: finds an installed package by name, without importing it.

    Raises:
        ConditionError: it is beyond the bounds, no CEL, or the library is not installed.

    Controls: AZ-6.
    """
    reading = read(text)
    library = _library(find)
    if library is None:
        raise ConditionError("needs the library for CEL, which is not installed", _EXTRA_HINT)
    try:
        program = library.compile(text)
    except ValueError as error:
        raise ConditionError(
            "is no expression in CEL", "such as request.method == 'GET'"
        ) from error
    known = {name for name, _ in reading.needs} | reading.variables
    called = {name for name in program.functions() if name[:1].isalpha()}
    if not (set(program.variables()) <= known and called <= FUNCTIONS):
        raise ConditionError("is read in two ways", "a simpler expression")
    return Condition(program, reading)


@cache
def _library(find: Finder) -> _Library | None:
    """Load the library's core; None when it is not installed.

    Its package also imports a command line: 35 MB and a second that nobody here needs.
    """
    package = find("cel")
    if package is None or package.submodule_search_locations is None:
        return None
    spec = PathFinder.find_spec("cel.cel", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("_Library", module)
