"""A condition that cannot be used is a mistake in the policy, with its place and its mend."""

import pytest

from sidecar.knowledge.conditions.rule import unusable_conditions
from sidecar.model.errors import PolicyError
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded

pytestmark = pytest.mark.control("AZ-6")
POLICY = """\
version: 1
upstream: http://127.0.0.1:3000
authentication: {api_keys: {}}
secrets: {pepper: "env:PEPPER"}
routes:
  - path: /a
    role: viewer
  - path: /b
    condition: %s
  - path: /c
    condition: request.method == 'GET'
"""


def loaded(condition: str) -> Loaded:
    content = (POLICY % condition).encode()
    return load("p.yaml", lambda _: content, {"PEPPER": "0" * 32}, [unusable_conditions])


@pytest.mark.parametrize(
    ("condition", "message", "hint"),
    [
        ("os.environ", "names os, which is no fact", "one of caller, client, now, request, tenant"),
        ("request.method ==", "is no expression in CEL", "such as request.method == 'GET'"),
    ],
)
def test_an_unusable_condition_is_shown_with_its_place(
    condition: str, message: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        loaded(condition)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (9, 16, "routes[1].condition")
    assert (problem.message, problem.hint) == (message, hint)


def test_usable_conditions_load() -> None:
    assert loaded("now < now").warnings == ()
