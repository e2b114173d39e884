"""A function fits on a screen, a module in a head."""

import ast
import re
from typing import Final

import pytest

from tests.architecture.sources import (
    Function,
    Source,
    a_source,
    is_within,
    problems_of,
    sources_under,
)

MODULE_LINES: Final = 400
FUNCTION_LINES: Final = 40
HOT_FUNCTION_LINES: Final = 80
NESTING: Final = 2
HOT_NESTING: Final = 3
BRANCHING: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match, ast.Try, ast.TryStar)
HOT: Final = ("sidecar.fronts.proxy", "sidecar.knowledge.http1")
# A measured cost, as in "inlined: 1.4 µs a request" or "splitting it costs 3 % of throughput".
FIGURE: Final = re.compile(r"#.*\d\s*(?:ns|µs|us|ms|%|req/s)")


def length_of(function: Function) -> int:
    """Count the lines of a function, without its decorators and its docstring."""
    assert function.end_lineno is not None
    first = function.body[0]
    docstring = 0
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        docstring = first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - docstring


def size_problems(source: Source) -> list[str]:
    """List what is too large in a module."""
    problems = []
    if len(source.lines) > MODULE_LINES:
        problems.append(f"{source.name} has {len(source.lines)} lines, over {MODULE_LINES}")
    for function in source.functions():
        length = length_of(function)
        limit = HOT_FUNCTION_LINES if _is_hot(source, function) else FUNCTION_LINES
        if length > limit:
            problems.append(f"{source.name}.{function.name} has {length} lines, over {limit}")
    return problems


def nesting_of(node: ast.AST) -> int:
    """Count the decisions, loops and `try`s that the deepest line of a function stands in.

    A `with` decides nothing and an `elif` stands beside its `if`; inner functions count alone.
    """
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        own = 1 if isinstance(child, BRANCHING) and not is_elif else 0
        deepest = max(deepest, own + nesting_of(child))
    return deepest


def nesting_problems(source: Source) -> list[str]:
    """List the functions of a module that are nested too deeply."""
    return [
        f"{source.name}.{function.name} is nested {nesting_of(function)} deep"
        for function in source.functions()
        if nesting_of(function) > (HOT_NESTING if _is_hot(source, function) else NESTING)
    ]


def _is_hot(source: Source, function: Function) -> bool:
    """Tell whether a function is on the hot path, and a figure says what splitting it costs."""
    text = "\n".join(source.lines[max(function.lineno - 2, 0) : function.end_lineno])
    return any(is_within(source.name, room) for room in HOT) and bool(FIGURE.search(text))


def _a_function(lines: int, comment: str = "") -> str:
    return f"def f() -> None:\n    {comment}\n" + "    x = 1\n" * (lines - 2)


def test_everything_fits() -> None:
    found = sources_under("sidecar", "bench", "ci", "docs", "tests")
    problems = problems_of(size_problems, found)
    assert not problems, problems


def test_nothing_is_nested_deeply() -> None:
    problems = problems_of(nesting_problems, sources_under("sidecar"))
    assert not problems, problems


@pytest.mark.parametrize(
    ("module", "text", "count"),
    [
        pytest.param("sidecar.policy.a", _a_function(40), 0, id="fits"),
        pytest.param("sidecar.policy.a", _a_function(41), 1, id="a line too many"),
        pytest.param("sidecar.policy.a", _a_function(41, "# 3 µs"), 1, id="not on the hot path"),
        pytest.param("sidecar.fronts.proxy.a", _a_function(80, "# 3 µs"), 0, id="hot, measured"),
        pytest.param("sidecar.fronts.proxy.a", _a_function(81, "# 3 µs"), 1, id="hot, too long"),
        pytest.param("sidecar.fronts.proxy.a", _a_function(41, "# fast"), 1, id="not measured"),
        pytest.param("sidecar.policy.a", "x = 1\n" * 400, 0, id="a module that fits"),
        pytest.param("sidecar.policy.a", "x = 1\n" * 401, 1, id="a module too long"),
    ],
)
def test_what_is_too_large_is_found(module: str, text: str, count: int) -> None:
    assert len(size_problems(a_source(module, text))) == count


def test_a_docstring_and_a_table_of_parameters_do_not_count() -> None:
    docstring = '    """First.\n' + "    more\n" * 50 + '    """\n'
    table = "@parametrize(\n" + "    1,\n" * 50 + ")\n"
    text = f"{table}def f() -> None:\n{docstring}" + "    x = 1\n" * 39
    assert size_problems(a_source("sidecar.policy.a", text)) == []


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        pytest.param("x = 1", 0, id="flat"),
        pytest.param("if x: pass\nelif y: pass\nelif z: pass", 1, id="elif stands beside"),
        pytest.param("if x: pass\nelse:\n  if y: pass\n  z = 1", 2, id="else holds"),
        pytest.param("for x in y:\n  with z:\n    if x: pass", 2, id="with decides nothing"),
        pytest.param("for x in y:\n  try:\n    if x: pass\n  finally: pass", 3, id="three deep"),
        pytest.param("if x:\n  def g():\n    if y: pass", 1, id="an inner function"),
    ],
)
def test_the_depth_of_nesting_is_counted(body: str, depth: int) -> None:
    assert nesting_of(ast.parse(body)) == depth


def test_what_is_nested_too_deeply_is_found() -> None:
    text = "def f():\n  for x in y:\n    while x:\n      if z: pass  # 3 µs\n"
    assert len(nesting_problems(a_source("sidecar.policy.a", text))) == 1
    assert nesting_problems(a_source("sidecar.fronts.proxy.a", text)) == []
