"""The table, and its place in the document."""

import pytest

from bench.everyone import EVERYONE
from bench.profile import Share, of_functions, of_objects
from bench.report import BEGIN, END, insert, markdown
from bench.results import KeyCost, Results, Row, Started


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert(document, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize("document", ["no markers", BEGIN, END])
def test_a_document_without_its_markers_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        insert(document, "new\n")


def test_every_contender_is_named_even_when_absent() -> None:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    results.versions = {one.name: "1.0" for one in EVERYONE if one.name != "envoy"}
    results.absent = {"envoy": "envoy is not installed here"}
    table = markdown(results)
    assert "| Envoy | absent | not measured: envoy is not installed here |" in table
    assert all(f"| {one.title} | 1.0 |" in table for one in EVERYONE if one.name != "envoy")


def test_a_gatekeeper_stands_beside_the_peers_of_its_own_algorithm() -> None:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    rates = {"sidecar-jwt": 80, "haproxy-jwt": 100, "sidecar-jwt-rsa": 80, "haproxy-jwt-rsa": 40}
    results.callers = {name: Row(name, [rate]) for name, rate in rates.items()}
    table = markdown(results)
    assert "| Sidecar, HS256 | 80 | 0.80 | - |" in table
    assert "| Sidecar, RS256 | 80 | 2.00 | - |" in table


def test_stores_are_shown_with_few_and_with_many_keys() -> None:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    few, many = Started(0.5, 70_000_000), Started(0.75, 80_000_000)
    results.keys = {"Redis": KeyCost(150, 160, 1.05, 1_000_000, few, many)}
    table = markdown(results)
    assert "| Redis | 1,000 | 150 | 0.50 | 70 |" in table
    assert "| Redis | 1,000,000 | 160 | 0.75 | 80 |" in table


@pytest.mark.parametrize(("share", "warns"), [(0.05, False), (0.5, True)])
def test_a_machine_that_was_not_idle_is_said_so(share: float, *, warns: bool) -> None:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    results.neighbours = [share]
    assert ("not idle" in markdown(results)) is warns


def test_answers_that_failed_stand_beside_the_name() -> None:
    results = Results(machine="a machine", interpreter="an interpreter", seconds=1)
    results.rows = {"traefik": Row("traefik", [10.0], failures=3)}
    assert "| Traefik (3 failed) | 10 |" in markdown(results)


def test_shared_objects_are_grouped_by_what_they_do() -> None:
    report = """
# Overhead  Shared Object
    50.00%  [kernel.kallsyms]
    20.00%  python3.11
     5.00%  libc.so.6
    15.00%  loop.cpython-311-x86_64-linux-gnu.so
    10.00%  _http_parser.cpython-311-x86_64-linux-gnu.so
"""
    assert of_objects(report) == [
        Share("kernel", 0.5),
        Share("interpreter", 0.25),
        Share("event loop", 0.15),
        Share("parsers of HTTP", 0.1),
    ]


def test_samples_count_for_the_function_that_was_running() -> None:
    stacks = (
        "thread (7): MainThread;<module> (a.py:3);run (/app/sidecar/fronts/driver.py:9) 3\n"
        "thread (7): MainThread;<module> (a.py:3);run (/app/sidecar/fronts/driver.py:12) 1\n"
        "thread (7): MainThread;<module> (a.py:3);other (/lib/aiohttp/web.py:1) 4\n"
    )
    assert of_functions(stacks, {7: 100}) == [
        Share("sidecar/fronts/driver.py run", 0.5),
        Share("web.py other", 0.5),
    ]


def test_a_thread_weighs_what_it_used_not_how_often_it_was_seen() -> None:
    stacks = "thread (7): MainThread;run (a.py:3) 5\nthread (8): writer;wait (b.py:1) 5\n"
    assert of_functions(stacks, {7: 99, 8: 1}) == [
        Share("a.py run", 0.99),
        Share("b.py wait", 0.01),
    ]
