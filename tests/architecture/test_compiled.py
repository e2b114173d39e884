"""What compilation by mypyc changes of what code may do; CI builds and tests the compiled wheel."""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from types import ModuleType
from typing import Final, Protocol

import pytest

from sidecar.model.ports import Ledger
from tests.architecture.sources import HOUSE, Source, a_source, problems_of, sources_under

_PROTOCOLS: Final = type(Protocol)


def _compiled_files() -> list[str]:
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
    hooks = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    found: list[str] = hooks["mypyc"]["include"]
    return found


COMPILED: Final = _compiled_files()


def is_compiled(name: str) -> bool:
    return any(fnmatch(name.replace(".", "/") + ".py", pattern) for pattern in COMPILED)


def test_every_pattern_of_the_list_names_a_module() -> None:
    files = [str(file.relative_to(HOUSE)) for file in (HOUSE / "sidecar").rglob("*.py")]
    assert [p for p in COMPILED if not any(fnmatch(file, p) for file in files)] == []


def _heirs(kind: type[object]) -> Iterator[type[object]]:
    for heir in kind.__subclasses__():
        yield heir
        yield from _heirs(heir)


def test_every_heir_of_a_compiled_trait_is_compiled() -> None:
    """An interpreted class cannot inherit from a compiled trait: the import fails."""
    for source in sources_under("sidecar"):
        if "Ledger)" in source.text:
            importlib.import_module(source.name)
    heirs = [heir for heir in _heirs(Ledger) if heir.__module__.startswith("sidecar.")]
    assert len(heirs) > 5
    assert [heir.__qualname__ for heir in heirs if not is_compiled(heir.__module__)] == []


def _asked_classes(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.MatchClass):
            yield node.lineno, ast.unparse(node.cls)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass"}:
            for name in ast.walk(node.args[1]):
                if isinstance(name, ast.Name):
                    yield node.lineno, name.id


def _is_uncertain(module: ModuleType, name: str) -> bool:
    """Whether compiled classes share, through a protocol, what `isinstance` remembers of them."""
    kind = getattr(module, name, None)
    if not isinstance(kind, _PROTOCOLS) or not is_compiled(kind.__module__):
        return False
    return any(getattr(base, "_is_protocol", False) for base in kind.__mro__)


def asks_a_shared_memory(source: Source) -> list[str]:
    """Find questions that compiled classes answer wrongly to code that is not compiled.

    A compiled class has the memory of its protocol (`_abc_impl`) instead of one of its own: once
    one class was found to be an heir of another, it passes for an heir of all that share it.
    """
    if is_compiled(source.name):
        return []
    module = importlib.import_module(source.name)
    return [
        f"{source.name}:{line}: isinstance of {name}: ask `type(one) is {name}`"
        for line, name in _asked_classes(source)
        if _is_uncertain(module, name)
    ]


def test_no_interpreted_code_asks_whether_something_is_an_heir_of_a_compiled_protocol() -> None:
    rooms = [one for one in sources_under("sidecar") if not one.name.endswith("__main__")]
    assert problems_of(asks_a_shared_memory, rooms) == ""


@pytest.mark.parametrize(
    "line", ["isinstance(step, Authenticate)", "issubclass(type(step), (str, Authenticate))"]
)
def test_such_a_question_is_found(line: str) -> None:
    source = a_source("sidecar.decision.callers", line)
    assert "type(one) is Authenticate" in problems_of(asks_a_shared_memory, [source])
