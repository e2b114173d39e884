"""Every control that the product claims is held by a test that names it."""

import ast
from pathlib import Path
from typing import Final

from sidecar.model.controls import ASSURANCES, CONTROLS
from tests.architecture.sources import Source, a_source, sources_under

_DOCS: Final = Path(__file__).parents[2] / "docs"


def controls_named(source: Source) -> set[str]:
    """Collect the ids in all `pytest.mark.control("…")` of a module."""
    return {
        argument.value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.control"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def _named_in_the_house() -> set[str]:
    found = [source for source in sources_under("tests") if source.name != __name__]
    return {control for source in found for control in controls_named(source)}


def test_every_control_has_a_test() -> None:
    assert sorted({*CONTROLS, *ASSURANCES} - _named_in_the_house()) == []


def test_every_control_that_a_test_names_is_in_the_table() -> None:
    assert sorted(_named_in_the_house() - {*CONTROLS, *ASSURANCES}) == []


def test_what_no_request_meets_is_named_by_the_tests_that_it_points_to() -> None:
    for name, row in ASSURANCES.items():
        found = [s for s in sources_under("tests") if s.name.startswith(f"tests.{row.proof}.")]
        assert any(name in controls_named(source) for source in found), name


def test_what_no_request_meets_names_a_page_that_is_there() -> None:
    assert not set(ASSURANCES) & set(CONTROLS)
    assert [name for name, row in ASSURANCES.items() if not (_DOCS / row.page).is_file()] == []


def test_every_row_says_what_and_where() -> None:
    assert [name for name, row in CONTROLS.items() if not (row.step and row.title)] == []


def test_every_row_names_a_module_that_is_there() -> None:
    names = {source.name for source in sources_under("sidecar")}
    assert [name for name, row in CONTROLS.items() if f"sidecar.{row.step}" not in names] == []


def test_the_mark_is_found_wherever_it_stands() -> None:
    source = a_source(
        "tests.a",
        """
        pytestmark = pytest.mark.control("TN-1")

        @pytest.mark.control("RQ-7")
        @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.control("AU-1"))])
        def test_it(x): ...
        """,
    )
    assert controls_named(source) == {"TN-1", "RQ-7", "AU-1"}


def test_a_word_in_a_string_is_no_mark() -> None:
    assert controls_named(a_source("tests.a", "x = 'pytest.mark.control(\"TN-1\")'")) == set()
