"""The workflows are right, ask for little, and run no words of a stranger; what is not is found."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

pytestmark = pytest.mark.control("RT-2")
HOUSE: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
WORKFLOWS: Final = sorted((HOUSE / ".github" / "workflows").glob("*.yml"))
USES: Final = re.compile(r"^\s*(?:- )?uses: (\S+)(.*)$", re.MULTILINE)
SHA: Final = "8e8c483db84b4bee98b60c0593521ed34d9990e8"
KEPT_OUT: Final = "        with: {persist-credentials: false}\n"
GOOD: Final = f"""\
name: good
on: [pull_request]
permissions: {{}}
jobs:
  one:
    runs-on: ubuntu-24.04
    permissions: {{contents: read}}
    steps:
      - uses: actions/checkout@{SHA} # v6.0.1
        with: {{persist-credentials: false}}
      - run: make test
"""


def judged(program: str, *words: str | Path) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - a program of .venv, no shell
        [BIN / program, *words], cwd=HOUSE, capture_output=True, text=True, timeout=50, check=False
    )
    return done.returncode, done.stdout + done.stderr


def actionlint(*files: Path) -> tuple[int, str]:
    return judged("actionlint", "-shellcheck", BIN / "shellcheck", "-pyflakes=", *files)


def zizmor(*files: Path) -> tuple[int, str]:
    return judged("zizmor", "--quiet", "--no-progress", "--offline", *files)


def test_actionlint_and_zizmor_find_nothing_in_the_workflows() -> None:
    assert len(WORKFLOWS) >= 4
    assert actionlint(*WORKFLOWS) == (0, "")
    status, said = zizmor(HOUSE / ".github")
    assert status == 0, said


@pytest.mark.parametrize(
    ("program", "old", "new", "rule"),
    [
        pytest.param("actionlint", "runs-on", "run-on", "syntax-check", id="unknown key"),
        pytest.param(
            "actionlint", "make test", "make ${{ github.evnt }}", "expression", id="no such value"
        ),
        pytest.param("actionlint", "make test", "cat $HOME/*", "shellcheck", id="shell"),
        pytest.param(
            "zizmor",
            "make test",
            "echo ${{ github.event.pull_request.title }}",
            "template-injection",
            id="words of a stranger in a script",
        ),
        pytest.param("zizmor", SHA, "v6", "unpinned-uses", id="a tag that can move"),
        pytest.param("zizmor", "{contents: read}", "write-all", "excessive-permissions", id="all"),
        pytest.param(
            "zizmor", "[pull_request]", "[pull_request_target]", "dangerous-triggers", id="trigger"
        ),
        pytest.param("zizmor", KEPT_OUT, "", "artipacked", id="a token left in the clone"),
    ],
)
def test_what_is_wrong_is_found(
    tmp_path: Path, program: str, old: str, new: str, rule: str
) -> None:
    file = tmp_path / ".github" / "workflows" / "one.yml"
    file.parent.mkdir(parents=True)
    judge = actionlint if program == "actionlint" else zizmor
    file.write_text(GOOD)
    assert judge(file)[0] == 0
    file.write_text(GOOD.replace(old, new))
    status, said = judge(file)
    assert status != 0
    assert rule in said


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(file: Path) -> None:
    found = USES.findall(file.read_text("utf-8"))
    assert found
    for action, rest in found:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", rest)


def test_an_action_is_the_same_commit_everywhere() -> None:
    pins = {pin for file in WORKFLOWS for pin in USES.findall(file.read_text("utf-8"))}
    names = [action.partition("@")[0] for action, _ in pins]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_nothing_and_each_job_says_what_it_may(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text("utf-8"))
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert job["timeout-minutes"] <= 90


def test_only_what_publishes_may_sign_or_write() -> None:
    powers = {"id-token", "packages", "attestations"}
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text("utf-8"))
        events = set(workflow.get("on", workflow.get(True)))
        held = {power for job in workflow["jobs"].values() for power in job["permissions"]}
        assert not (held & powers) or events == {"push"}, file.name
        if held & powers:
            assert list(workflow.get("on", workflow.get(True))["push"]) == ["tags"]
