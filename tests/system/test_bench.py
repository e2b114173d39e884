"""The bench works: real programs, short rounds, and no opinion on how fast they were."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from bench.callers import Method
from bench.gatekeepers import GATEKEEPERS
from bench.observed import OBSERVED

ROOT: Final = Path(__file__).parents[2]
LIMIT_SECONDS: Final = 150
KINDS: Final = (
    *("rates", "varied_rates", "tls_rates"),
    *("medians", "p99s", "uploads", "downloads"),
)


def run_bench(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "bench", "--quick", "--python", sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
        cwd=ROOT,
    )


@pytest.mark.timeout(LIMIT_SECONDS + 10)
def test_a_quick_run_gives_figures_of_nginx_and_the_sidecar(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    parts = ("throughput", "varied", "latency", "memory", "payloads", "tls", "routes")
    chosen = [word for part in parts for word in ("--part", part)]
    ran = run_bench(["--only", "nginx,sidecar", *chosen, "--json", str(figures)])
    assert ran.returncode == 0, ran.stderr
    assert "| nginx |" in ran.stdout
    assert "| Sidecar |" in ran.stdout
    found = json.loads(figures.read_text())
    assert found["absent"] == {}
    for name in ("nginx", "sidecar"):
        row = found["rows"][name]
        assert row["failures"] == 0
        assert row["resident_bytes"] > 0
        for kind in (
            "rates",
            "varied_rates",
            "tls_rates",
            "medians",
            "p99s",
            "uploads",
            "downloads",
        ):
            assert min(row[kind]) > 0, kind
    assert found["routes"]["ratio"] > 0


@pytest.mark.timeout(LIMIT_SECONDS + 10)
def test_a_quick_run_gives_figures_of_all_who_know_who_asks(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    ran = run_bench(["--part", "authenticated", "--json", str(figures)])
    assert ran.returncode == 0, ran.stderr
    found = json.loads(figures.read_text())
    # Each has proved before that it refuses bad callers and names good ones to the upstream.
    assert found["absent"] == {}
    by_one = {one.name for one in GATEKEEPERS if one.method is not Method.MIXED}
    by_many = {one.name for one in GATEKEEPERS if one.method in {Method.SHARED, Method.KEY}}
    rows = found["callers"]
    assert {name for name, row in rows.items() if row["rates"]} == by_one
    assert {name for name, row in rows.items() if row["caller_rates"]} == by_many
    assert all(row["failures"] == 0 for row in rows.values())
    assert rows["sidecar-redis"]["resident_bytes"] > 0
    assert "| API keys, requests/s, of the sidecar with JWT |" in ran.stdout


@pytest.mark.timeout(LIMIT_SECONDS + 10)
def test_a_quick_run_compares_many_keys_with_few_in_both_stores(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    ran = run_bench(["--part", "keys", "--json", str(figures)])
    assert ran.returncode == 0, ran.stderr
    costs = json.loads(figures.read_text())["keys"]
    assert set(costs) == {"SQLite", "Redis"}
    for cost in costs.values():
        assert cost["ratio"] > 0
        assert min(cost["few_keys"]["seconds"], cost["many_keys"]["seconds"]) > 0
        assert min(cost["few_keys"]["resident_bytes"], cost["many_keys"]["resident_bytes"]) > 0


@pytest.mark.timeout(LIMIT_SECONDS + 10)
def test_a_quick_run_tells_what_audit_and_metrics_cost(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    ran = run_bench(["--part", "observed", "--json", str(figures)])
    assert ran.returncode == 0, ran.stderr
    found = json.loads(figures.read_text())
    assert found["absent"] == {}
    assert set(found["observed"]) == {one.name for one in OBSERVED}
    for row in found["observed"].values():
        assert row["failures"] == 0
        assert min(row["core_rates"]) > 0
    assert "| Sidecar, without audit and metrics |" in ran.stdout
    assert "| Sidecar, HS256, without audit and metrics |" in ran.stdout


@pytest.mark.timeout(LIMIT_SECONDS + 10)
def test_a_peer_that_does_not_come_up_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    # An interpreter without the package: the sidecar cannot start there.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    arguments = ["--only", "nginx,sidecar", "--part", "throughput", "--python", str(bare)]
    ran = run_bench(arguments)
    assert ran.returncode == 0, ran.stderr
    assert "| Sidecar | absent | not measured:" in ran.stdout
    assert "| nginx |" in ran.stdout


def test_an_unknown_contender_is_a_usage_error_that_names_the_known() -> None:
    ran = run_bench(["--only", "apache"])
    assert ran.returncode == 2
    assert "nginx" in ran.stderr
