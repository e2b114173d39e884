"""Modules as text and syntax tree, whether they lie in the house or are made up by a test."""

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

HOUSE: Final = Path(__file__).parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its dotted name, its text, its tree."""

    name: str
    text: str
    tree: ast.Module
    is_package: bool

    @property
    def lines(self) -> list[str]:
        """The lines of the text, the first at index 0."""
        return self.text.splitlines()

    def functions(self) -> Iterator[Function]:
        """Every function of the module, methods and inner ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def classes(self) -> Iterator[ast.ClassDef]:
        """Every class of the module, inner ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                yield node


def a_source(name: str, text: str, *, is_package: bool = False) -> Source:
    """Make up a module, to prove that a rule can fail."""
    text = dedent(text)
    return Source(name, text, ast.parse(text), is_package)


def sources_under(*folders: str) -> list[Source]:
    """Read all modules below some folders of the house; a folder without any is a mistake."""
    found = [_read(file) for folder in folders for file in sorted((HOUSE / folder).rglob("*.py"))]
    assert found, f"no module below {folders}: the rule would hold of nothing"
    return found


@functools.cache
def _read(file: Path) -> Source:
    words = file.relative_to(HOUSE).with_suffix("").parts
    is_package = words[-1] == "__init__"
    text = file.read_text("utf-8")
    return Source(".".join(words[:-1] if is_package else words), text, ast.parse(text), is_package)


def problems_of(rule: Callable[[Source], list[str]], found: list[Source]) -> str:
    """Judge modules by a rule: a problem a line, empty when the house is in order."""
    return "\n".join(problem for source in found for problem in rule(source))


def is_within(name: str, room: str) -> bool:
    """Tell whether a dotted name is a room or lies in it."""
    return name == room or name.startswith(f"{room}.")
