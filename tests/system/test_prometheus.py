"""What is shipped for Prometheus, judged by Prometheus itself."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

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


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", str(CASES))
    tests: list[Any] = yaml.safe_load(CASES.read_bytes())["tests"]
    judged = [case for one in tests for case in one["alert_rule_test"]]
    for alert in alerts():
        cases = [case for case in judged if case["alertname"] == alert]
        assert any(case.get("exp_alerts") for case in cases), alert
        assert not all(case.get("exp_alerts") for case in cases), alert
