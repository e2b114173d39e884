"""Imports point downwards only, and the pure rooms stay pure."""

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.architecture.sources import Source, a_source, is_within, problems_of, sources_under

# The levels of the house. Rooms of one level never meet; each front is a room of its own.
LEVELS: Final = {
    "sidecar.model": 0,
    "sidecar.policy": 1,
    "sidecar.knowledge": 2,
    "sidecar.decision": 3,
    "sidecar.adapters": 3,
    "sidecar.lifecycle": 4,
    "sidecar.fronts": 5,
    "sidecar.admin": 6,
    "sidecar.app": 6,
    "sidecar.lasting": 6,
    "sidecar.memory": 6,
    "sidecar.noting": 6,
    "sidecar.outside": 6,
    "sidecar.reload": 6,
    "sidecar.worker": 6,
    "sidecar.cli": 7,
    "sidecar.__main__": 8,
}
COMPOSITION: Final = frozenset(
    {
        "sidecar.admin",
        "sidecar.app",
        "sidecar.lasting",
        "sidecar.memory",
        "sidecar.noting",
        "sidecar.outside",
        "sidecar.reload",
        "sidecar.worker",
    }
)

PURE: Final = ("sidecar.model", "sidecar.policy", "sidecar.knowledge", "sidecar.decision")
IMPURE: Final = frozenset(
    {
        "aiohttp",
        "asyncio",
        "http.client",
        "http.server",
        "httpx",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "redis",
        "requests",
        "secrets",
        "select",
        "selectors",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
        "uvloop",
    }
)
# The outside world as protocols: it is described there, and waits elsewhere.
PORTS: Final = "sidecar.model.ports"
# Heads are read by aiohttp's C parser, a function of bytes; nothing else of aiohttp is pure.
HTTP1: Final = "sidecar.knowledge.http1"
PARSER: Final = ("aiohttp.http_parser", "aiohttp.http_exceptions", "aiohttp._http_parser")

# Foreign packages that have one home; exceptions and types of theirs must not leak out of it.
HOMES: Final = {
    "aiohttp._http_parser": HTTP1,
    "aiohttp.http_parser": HTTP1,
    "click": "sidecar.cli",
    "redis": "sidecar.adapters.stores",
    "sqlite3": "sidecar.adapters.stores",
}
# YAML is read in two places: policies, and manifests whose comments must stay.
YAML: Final = ("sidecar.policy", "sidecar.knowledge.kube")


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """List what a module imports, wherever in it, as line and dotted name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def room_of(name: str) -> str | None:
    """Name the room that a module of ours stands in."""
    room = next((room for room in LEVELS if is_within(name, room)), None)
    if room == "sidecar.fronts":
        return ".".join(name.split(".")[:3])
    return "composition" if room in COMPOSITION else room


def level_of(name: str) -> int:
    """Give the level of a module of ours that stands in a room."""
    return next(level for room, level in LEVELS.items() if is_within(name, room))


def level_problems(source: Source) -> list[str]:
    """List the imports that do not point downwards."""
    room = room_of(source.name)
    if room is None:
        return [] if source.name == "sidecar" else [f"{source.name} stands in no room"]
    problems = []
    for line, name in imported(source):
        if name.startswith("."):
            problems.append(f"{source.name}:{line} imports {name}: dots hide the room")
            continue
        other = room_of(name)
        is_below = other is None or other == room or level_of(name) < level_of(source.name)
        if not is_below:
            problems.append(f"{source.name}:{line} imports {name}, which is not below it")
    return problems


def purity_problems(source: Source) -> list[str]:
    """List what makes a room of values depend on the outside world."""
    if not any(is_within(source.name, room) for room in PURE):
        return []
    problems = [
        f"{source.name}:{line} imports {name}, which is not pure"
        for line, name in imported(source)
        if any(is_within(name, banned) for banned in IMPURE)
        and not (is_within(source.name, HTTP1) and any(is_within(name, one) for one in PARSER))
    ]
    problems += [
        f"{source.name}:{node.lineno} waits: {node.name} is async"
        for node in source.functions()
        if isinstance(node, ast.AsyncFunctionDef) and source.name != PORTS
    ]
    return problems + [
        f"{source.name}:{node.lineno} calls {node.func.id}()"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "input", "print"}
    ]


def home_problems(source: Source) -> list[str]:
    """List the uses of a foreign package outside its home."""
    homes = {package: (home,) for package, home in HOMES.items()} | {"yaml": YAML}
    return [
        f"{source.name}:{line} imports {name}: only {' and '.join(rooms)} may"
        for line, name in imported(source)
        for package, rooms in homes.items()
        if is_within(name, package) and not any(is_within(source.name, one) for one in rooms)
    ]


def init_problems(source: Source) -> list[str]:
    """List the packages whose `__init__` is more than a docstring; the version is the exception."""
    if not source.is_package or source.name == "sidecar":
        return []
    is_docstring = len(source.tree.body) == 1 and ast.get_docstring(source.tree) is not None
    return [] if is_docstring else [f"{source.name}.__init__ is more than a docstring"]


def test_imports_point_downwards_only() -> None:
    problems = problems_of(level_problems, sources_under("sidecar"))
    assert not problems, problems


def test_the_rooms_of_values_are_pure() -> None:
    problems = problems_of(purity_problems, sources_under("sidecar"))
    assert not problems, problems


def test_foreign_packages_stay_at_home() -> None:
    problems = problems_of(home_problems, sources_under("sidecar"))
    assert not problems, problems


def test_a_package_is_a_docstring() -> None:
    problems = problems_of(init_problems, sources_under("sidecar"))
    assert not problems, problems


def test_no_test_imports_a_mock() -> None:
    names = {name for source in sources_under("tests") for _, name in imported(source)}
    assert not {name for name in names if is_within(name, "unittest.mock")}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("sidecar.model.a", "import sidecar.policy.load", id="a level upwards"),
        pytest.param("sidecar.policy.a", "from sidecar import cli", id="through the package"),
        pytest.param("sidecar.decision.a", "from sidecar.adapters import b", id="halves meet"),
        pytest.param("sidecar.adapters.a", "from sidecar.decision import b", id="halves meet too"),
        pytest.param("sidecar.fronts.a.b", "from sidecar.fronts.c import d", id="fronts meet"),
        pytest.param("sidecar.app", "from sidecar.cli.main import main", id="composition calls"),
        pytest.param("sidecar.policy.a", "from . import b", id="relative"),
        pytest.param("sidecar.shed.a", "import re", id="no room"),
        pytest.param("sidecar.model.a", "def f():\n    import sidecar.cli", id="inside a function"),
    ],
)
def test_an_import_that_does_not_point_downwards_is_found(module: str, line: str) -> None:
    assert len(level_problems(a_source(module, line))) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sidecar.cli.run", "from sidecar.app import run"),
        ("sidecar.app", "from sidecar.worker import Proxy"),
        ("sidecar.fronts.proxy.driver", "from sidecar.fronts.proxy.pool import Pool"),
        ("sidecar.decision.runner", "from sidecar.decision.pipeline import build"),
        ("sidecar.model.errors", "from dataclasses import dataclass"),
        ("sidecar.cli.main", "from sidecar import __version__"),
    ],
)
def test_an_import_that_points_downwards_passes(module: str, line: str) -> None:
    assert level_problems(a_source(module, line)) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sidecar.model.a", "import time"),
        ("sidecar.policy.a", "from os import path"),
        ("sidecar.knowledge.a", "from aiohttp.http_parser import HttpRequestParser"),
        ("sidecar.knowledge.http1.a", "from aiohttp import web"),
        ("sidecar.knowledge.http1.a", "import aiohttp"),
        ("sidecar.decision.a", "import logging.handlers"),
        ("sidecar.decision.a", "async def decide(): ..."),
        ("sidecar.policy.a", "text = open('policy.yaml')"),
    ],
)
def test_the_outside_world_in_a_pure_room_is_found(module: str, line: str) -> None:
    assert len(purity_problems(a_source(module, line))) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sidecar.knowledge.http1.a", "from aiohttp.http_parser import HttpRequestParser"),
        ("sidecar.knowledge.http1.a", "from aiohttp import http_exceptions"),
        ("sidecar.fronts.proxy.a", "import asyncio"),
        ("sidecar.policy.a", "import ipaddress"),
    ],
)
def test_what_is_pure_or_may_touch_the_world_passes(module: str, line: str) -> None:
    assert purity_problems(a_source(module, line)) == []


def test_a_foreign_package_away_from_home_is_found() -> None:
    assert home_problems(a_source("sidecar.fronts.proxy.a", "import aiohttp._http_parser")) != []
    assert home_problems(a_source("sidecar.knowledge.http1.a", "import aiohttp._http_parser")) == []


def test_yaml_is_at_home_in_two_rooms() -> None:
    assert home_problems(a_source("sidecar.knowledge.kube.a", "import yaml")) == []
    assert home_problems(a_source("sidecar.knowledge.auth.a", "import yaml")) != []


def test_a_package_that_does_work_is_found() -> None:
    text = '"""A room."""\nfrom sidecar.model.errors import PolicyError\n'
    assert init_problems(a_source("sidecar.model", text, is_package=True)) != []
    assert init_problems(a_source("sidecar.model", '"""A room."""', is_package=True)) == []
