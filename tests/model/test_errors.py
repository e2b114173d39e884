"""Errors say where and whose fault it is."""

import pytest

from sidecar.model.errors import PolicyError, Problem, ProtocolError, UpstreamError
from sidecar.model.refusals import RefusalCode


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem("p.yaml", 3, 7, "routes[0].path", "is no path", "write /"),
            "p.yaml:3:7: error: routes[0].path: is no path (hint: write /)",
        ),
        (
            Problem("p.yaml", 1, 1, "", "is empty", "write version: 1"),
            "p.yaml:1:1: error: is empty (hint: write version: 1)",
        ),
        (
            Problem("p.yaml", 0, 0, "", "is not there", "name a file"),
            "p.yaml: error: is not there (hint: name a file)",
        ),
        (
            Problem("p.yaml", 2, 1, "mode", "is odd", "leave it out", warning=True),
            "p.yaml:2:1: warning: mode: is odd (hint: leave it out)",
        ),
    ],
)
def test_a_problem_reads_as_one_line_that_editors_can_jump_to(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_policy_error_holds_every_problem() -> None:
    problems = [Problem("p", line, 1, "", "is wrong", "mend it") for line in (1, 2)]
    error = PolicyError(problems)
    assert error.problems == problems
    assert len(str(error).splitlines()) == 2


@pytest.mark.parametrize("kind", [ProtocolError, UpstreamError])
def test_an_error_of_a_peer_has_a_code_to_show_and_a_reason_to_keep(
    kind: type[ProtocolError | UpstreamError],
) -> None:
    error = kind(RefusalCode.BAD_GATEWAY, "two lengths")
    assert (error.code, error.reason, str(error)) == (
        RefusalCode.BAD_GATEWAY, "two lengths", "two lengths",
    )  # fmt: skip
