"""A function fits on a screen, a module in a head."""

import ast
import re
from typing import Final

import pytest

from tests.architecture.sources import Function, Source, a_source, is_within, sources_under

MODULE_LINES: Final = 400
FUNCTION_LINES: Final = 40
HOT_FUNCTION_LINES: Final = 80
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
        length, limit = length_of(function), _limit(source, function)
        if length > limit:
            problems.append(f"{source.name}.{function.name} has {length} lines, over {limit}")
    return problems


def _limit(source: Source, function: Function) -> int:
    """Give the lines that a function may have: more on the hot path, where a figure says why."""
    text = "\n".join(source.lines[max(function.lineno - 2, 0) : function.end_lineno])
    is_hot = any(is_within(source.name, room) for room in HOT) and FIGURE.search(text)
    return HOT_FUNCTION_LINES if is_hot else FUNCTION_LINES


def _a_function(lines: int, comment: str = "") -> str:
    return f"def f() -> None:\n    {comment}\n" + "    x = 1\n" * (lines - 2)


def test_everything_fits() -> None:
    found = sources_under("sidecar", "bench", "ci", "docs", "tests")
    assert [problem for source in found for problem in size_problems(source)] == []


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
