"""Nothing is named that does not exist: links, keys, commands, options, metrics, refusal codes."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import pytest

from sidecar.adapters.telemetry.table import METRICS, Kind
from sidecar.cli.main import group
from sidecar.model.events import EVENTS
from sidecar.model.refusals import REFUSALS
from sidecar.policy.schema.export import json_schema
from tests.docs.pages import HOUSE, Page, pages

PAGES: Final = pages()
# JSON Schema is a tree of mappings and lists without fixed types.
Schema = Mapping[str, Any]
SCHEMA: Final[Schema] = json_schema()
NAME_OF_FILE: Final = re.compile(r"\w+\.(md|py|yaml|jsonl?|html|token)")
METRIC: Final = re.compile(r"(?:sidecar|process)_[a-z_]+")
SHOUTED: Final = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
# Variables of the environment that are not refusal codes.
VARIABLES: Final = frozenset(
    {
        "BUILD_ARGS",
        "RAW_URI",
        "REQUEST_URI",
        "SIDECAR_ADMIN",
        "SIDECAR_ADMIN_TOKEN_FILE",
        "SIDECAR_POLICY",
        "SIDECAR_STATE_DIR",
        "SIDECAR_UPSTREAM_PORT",
        "SO_REUSEPORT",
    }
)
# They read like keys of the policy.
ACTIONS: Final = frozenset(EVENTS)


def key_problem(name: str) -> str:
    """Say what is wrong with a dotted name that begins with a section of the policy."""
    path = name.partition(":")[0].replace("[]", "").split(".")
    if name in ACTIONS or path[0] not in SCHEMA["properties"] or len(path) == 1:
        return ""
    if NAME_OF_FILE.fullmatch(name):
        return ""
    about = SCHEMA
    for step in path:
        below = _below(about)
        if step not in below:
            return f"{name} is no key of the policy"
        about = below[step]
    return ""


def _below(about: Schema) -> Schema:
    """The keys of a section, through lists, references and short forms."""
    if "items" in about:
        about = about["items"]
    if "$ref" in about:
        about = SCHEMA["$defs"][about["$ref"].rpartition("/")[2]]
    if "additionalProperties" in about and isinstance(about["additionalProperties"], dict):
        return dict.fromkeys((*REFUSALS, "*"), about["additionalProperties"])
    forms = [about, *about.get("anyOf", ()), *about.get("oneOf", ())]
    return {
        key: below
        for form in forms
        for key, below in (form.get("properties") or _named(form)).items()
    }


def _named(form: Schema) -> Schema:
    return _below(form) if "$ref" in form else {}


def command_problem(name: str) -> str:
    """Say what is wrong with a command line of the sidecar's."""
    program, *words = name.split()
    if program.rpartition("/")[2] != "sidecar" or not words or not words[0][0].islower():
        return ""
    command: click.Command | None = group
    while words and isinstance(command, click.Group) and words[0][0].islower():
        command = command.get_command(click.Context(command), words.pop(0))
    if command is None:
        return f"{name}: there is no such command"
    known = {o for p in command.get_params(click.Context(command)) for o in p.opts} | {"--help"}
    unknown = [w for w in words if w.startswith("--") and w.partition("=")[0] not in known]
    return f"{name}: unknown {unknown}" if unknown else ""


def metric_problem(name: str) -> str:
    """Say what is wrong with the name of a metric."""
    found = METRIC.match(name)
    if found is None or "." in name or found[0] in METRICS:
        return ""
    histograms = [m for m in METRICS if METRICS[m].kind is Kind.HISTOGRAM]
    parts = {f"{m}_{part}" for m in histograms for part in ("bucket", "sum", "count")}
    return "" if found[0] in parts else f"{name} is no metric"


def code_problem(name: str) -> str:
    """Say what is wrong with what looks like a refusal code."""
    is_known = name in REFUSALS or name in VARIABLES
    return "" if is_known or not SHOUTED.fullmatch(name) else f"{name} is no refusal code"


def problems(page: Page) -> list[str]:
    """List the names of a page that nothing bears."""
    rules = (key_problem, command_problem, metric_problem, code_problem)
    names = [*page.names(), *re.findall(r"\bsidecar_\w+", page.text)]
    return [problem for name in names for rule in rules if (problem := rule(name))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_nothing_that_does_not_exist(page: Page) -> None:
    assert problems(page) == []


@pytest.mark.parametrize(
    "name",
    [
        "listen.limits.heads",
        "routes[].roles",
        "errors.TEAPOT.html",
        "sidecar prove",
        "sidecar check --fast policy.yaml",
        "sidecar tenants pause acme",
        "sidecar tenants suspend acme --tier pro",
        "sidecar_tenants_total",
        "CSRF_MISSING",
    ],
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert problems(Page("here", f"See `{name}`.")) != []


@pytest.mark.parametrize(
    "name",
    [
        "listen.limits.head: 16KiB",
        "routes[].upstream.timeouts.idle",
        "errors.NOT_FOUND.html",
        "audit.sinks[].file",
        "audit.jsonl",
        "sidecar check --strict policy.yaml",
        "sidecar tenants create acme --tier pro",
        "sidecar_request_duration_seconds_bucket",
        "URI_TOO_LONG",
    ],
)
def test_a_name_that_exists_is_left_alone(name: str) -> None:
    assert problems(Page("here", f"See `{name}`.")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_house_leads_somewhere(page: Page) -> None:
    broken = [
        link for link in page.links() if not link.startswith("https://") and _is_dead(page, link)
    ]
    assert broken == []


def _is_dead(page: Page, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (page.path.parent / file).resolve() if file else page.path
    if not target.exists():
        return True
    name = str(target.relative_to(HOUSE))
    return bool(anchor) and anchor not in Page(name, target.read_text("utf-8")).anchors()


def test_every_page_can_be_reached_from_the_index() -> None:
    linked = {
        (page.path.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in page.links()
        if page.name in {"README.md", "docs/index.md"}
    }
    lost = [page.name for page in PAGES if page.path not in linked and page.name != "README.md"]
    assert lost == []


def test_the_reference_manual_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=HOUSE, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_named(tmp_path: Path) -> None:
    for name in ("generate.py", "policy_manual.py"):
        (tmp_path / name).write_bytes((HOUSE / "docs" / name).read_bytes())
    reference = tmp_path / "reference"
    reference.mkdir()
    for file in (HOUSE / "docs" / "reference").iterdir():
        (reference / file.name).write_bytes(file.read_bytes())
    (reference / "metrics.md").write_text("old")
    done = subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, str(tmp_path / "generate.py"), "--check"],
        cwd=HOUSE, env=os.environ | {"PYTHONPATH": str(HOUSE)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "docs/reference/metrics.md is stale: make docs\n")


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    text = (HOUSE / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    kinds = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert set(kinds) <= {"Security", "Removed", "Deprecated", "Changed", "Added", "Fixed"}


def test_the_first_screen_of_the_readme_has_its_two_commands() -> None:
    first_screen = (HOUSE / "README.md").read_text("utf-8").splitlines()[:25]
    commands = {line.partition(" #")[0].strip() for line in first_screen}
    assert {"make demo", "make test"} <= commands
