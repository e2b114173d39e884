"""The gate lets pass what is covered, and names what is not."""

import pytest

from ci.coverage_gate import Coverage, Report, Summary, gaps


def _a_file(lines: tuple[int, int], branches: tuple[int, int] = (0, 0)) -> Coverage:
    covered_lines, all_lines = lines
    covered_branches, all_branches = branches
    summary = Summary(all_lines, covered_lines, all_branches, covered_branches)
    return Coverage(summary, missing_lines=[], missing_branches=[])


def _a_report(**changes: Coverage) -> Report:
    files = {
        "sidecar/model/outcome.py": _a_file((10, 10)),
        "sidecar/policy/load.py": _a_file((10, 10), (4, 4)),
        "sidecar/knowledge/http1/framing.py": _a_file((10, 10), (4, 4)),
        "sidecar/fronts/proxy/driver.py": _a_file((80, 80), (10, 20)),
    }
    return Report(files | {name.replace("__", "/") + ".py": one for name, one in changes.items()})


def test_a_report_that_pays_its_due_passes() -> None:
    assert gaps(_a_report()) == []


@pytest.mark.parametrize(
    "file",
    ["sidecar__model__a", "sidecar__decision__steps__path", "sidecar__decision__pipeline"],
)
def test_a_missed_branch_of_what_only_decides_is_named(file: str) -> None:
    found = gaps(_a_report(**{file: _a_file((10, 10), (3, 4))}))
    assert [line.split(":")[0] for line in found] == [file.replace("__", "/") + ".py"]


def test_what_was_missed_is_named_once_and_briefly() -> None:
    missed = Coverage(Summary(9, 5, 4, 1), [3, 4, 5, 9], [(4, 5), (7, 8), (7, -1)])
    [line] = gaps(_a_report(sidecar__policy__a=missed))
    assert line == "sidecar/policy/a.py: 6 of 13; not run: 3-5, 9, 7->8, 7->-1"


def test_the_outside_half_may_miss_a_tenth_but_no_more() -> None:
    assert gaps(_a_report(sidecar__app=_a_file((10, 10)))) == []
    found = gaps(_a_report(sidecar__app=_a_file((9, 20))))
    assert [line.split(":")[0] for line in found] == [
        "outside half",
        "  sidecar/app.py",
        "  sidecar/fronts/proxy/driver.py",
    ]


def test_a_report_that_measured_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no file of sidecar/model"):
        gaps(Report({}))
