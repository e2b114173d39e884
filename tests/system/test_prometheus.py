"""What is shipped for Prometheus, judged by Prometheus itself."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.ports import HOST, free_port
from tests.stores.servers import valkey
from tests.system.prometheus import WINDOW, Prometheus, prometheus
from tests.system.scene import Scene, scene

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "config/prometheus/rules.yaml"
CASES: Final = Path(__file__).with_name("alerts.yaml")
PROMTOOL_SECONDS: Final = 60.0


def promtool(*words: str, given: bytes = b"") -> None:
    """Run promtool, which has to be content."""
    done = subprocess.run(  # noqa: S603 -- our own words, no shell
        ["promtool", *words],  # noqa: S607 -- Debian's
        input=given,
        capture_output=True,
        check=False,
        timeout=PROMTOOL_SECONDS,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))


def test_prometheus_understands_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_prometheus_takes_the_configuration_of_the_compose_example(tmp_path: Path) -> None:
    for file in (ROOT / "examples/compose/prometheus.yaml", RULES):
        shutil.copy(file, tmp_path)
    promtool("check", "config", str(tmp_path / "prometheus.yaml"))


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", str(CASES))
    tests: list[Any] = yaml.safe_load(CASES.read_bytes())["tests"]
    judged = [case for one in tests for case in one["alert_rule_test"]]
    for alert in alerts():
        cases = [case for case in judged if case["alertname"] == alert]
        assert any(case.get("exp_alerts") for case in cases), alert
        assert not all(case.get("exp_alerts") for case in cases), alert


# --- a real one

FIRING_SECONDS: Final = 45.0
ABSENT_SECONDS: Final = 15.0
AT_THE_END: Final = {"SidecarAbsent"}
# What needs a mistake of ours, clocks that differ, a thousand connections, workers: the cases.
NOT_PROVOKED: Final = {
    "SidecarInternalError",
    "SidecarRevocationsSlow",
    "SidecarWorkersRestart",
    "SidecarFileDescriptorsShort",
    "SidecarInjectorFailing",
    "SidecarInjectorSlow",
    "SidecarInjectorFull",
}
VARIABLES: Final = {"$job": ".*", "$instance": ".*", "$__rate_interval": WINDOW}


def shown() -> list[tuple[str, str]]:
    """List what the dashboard asks, as Grafana asks it."""
    dashboard: Any = json.loads((ROOT / "config/grafana/dashboard.json").read_bytes())
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append((f"{panel['title']}: {target['legendFormat']}", expression))
    return found


async def without_data(server: Prometheus) -> list[str]:
    """Name what the dashboard asks and never got an answer to."""
    answers = [
        (name, await server.query(f"last_over_time(({expression})[90s:1s])"))
        for name, expression in shown()
    ]
    return [name for name, found in answers if not found]


async def shown_requests(server: Prometheus) -> set[str]:
    """List the request ids that exemplars show."""
    found = await server.ask(
        "query_exemplars",
        query="sidecar_request_duration_seconds_bucket",
        start=str(time.time() - FIRING_SECONDS * 2),
        end=str(time.time() + 1),
    )
    return {one["labels"]["request_id"] for series in found for one in series["exemplars"]}


@pytest.mark.timeout(120)
async def test_prometheus_sees_what_happens_to_a_sidecar(tmp_path: Path) -> None:
    with valkey() as store:
        async with scene(tmp_path, store) as seen:
            _, text = await seen.sidecar.ask_admin(b"/metrics")
            await asyncio.to_thread(promtool, "check", "metrics", given=text)
            nobody = f"{HOST}:{free_port()}"
            ports = (seen.sidecar.admin_port, seen.other.admin_port, seen.injector.ports[1])
            targets = [*(f"{HOST}:{port}" for port in ports), nobody]
            async with prometheus(tmp_path, RULES, targets) as server:
                await provoked(seen, server)
                assert await without_data(server) == []
                ids = await shown_requests(server)
                trails = [*seen.sidecar.records(), *seen.other.records()]
                assert ids
                assert ids <= {record["request_id"] for record in trails}
                seen.sidecar.child.kill()
                seen.other.child.kill()
                assert await server.fires(AT_THE_END, ABSENT_SECONDS) == set()


async def provoked(seen: Scene, server: Prometheus) -> None:
    """Let everything happen, and wait for what Prometheus says of it."""
    living = asyncio.create_task(seen.live())
    try:
        breaking = asyncio.create_task(seen.break_everything())
        expected = set(alerts()) - NOT_PROVOKED - AT_THE_END
        assert await server.fires(expected, FIRING_SECONDS) == set()
        await breaking
    finally:
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living
