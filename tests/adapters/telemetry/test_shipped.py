"""Rules and dashboard ask for metrics and labels that there are, and say what to do."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from sidecar.adapters.telemetry.table import METRICS

COPIES: Final = {
    "rules.yaml": Path("config/prometheus/rules.yaml"),
    "dashboard.json": Path("config/grafana/dashboard.json"),
}
RULES: Final[list[Any]] = yaml.safe_load(COPIES["rules.yaml"].read_bytes())["groups"][0]["rules"]
DASHBOARD: Final[dict[str, Any]] = json.loads(COPIES["dashboard.json"].read_bytes())
RUNBOOK: Final = Path("docs/howto/alerts.md")
NAME: Final = re.compile(r"\b(?:sidecar|process)_[a-z_]+\b(?!=)")
WORD: Final = re.compile(r"\w+")
GROUPED: Final = re.compile(r"\bby \(([^)]*)\)")
SELECTED: Final = re.compile(r"\{([^}]*)\}")
SELECTOR: Final = re.compile(r'(\w+)(?:=~|!~|!=|=)"')
SHOWN: Final = re.compile(r"\{\{ *\$?(?:labels\.)?(\w+) *[|}]")
# What Prometheus adds, and what histograms have.
EVERYWHERE: Final = frozenset(("job", "instance", "le", "value"))


@pytest.mark.parametrize("name", COPIES)
def test_the_package_has_what_stands_beside_the_examples(name: str) -> None:
    shipped = files("sidecar.adapters.telemetry") / "shipped" / name
    assert COPIES[name].read_bytes() == shipped.read_bytes()


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def asked() -> Iterator[tuple[str, str, str]]:
    """List who asks, what, and what is shown of the labels."""
    for rule in RULES:
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


ASKED: Final = [pytest.param(*one, id=f"{at} {one[0]}") for at, one in enumerate(asked())]


def labels_of(expression: str) -> set[str]:
    """Name all labels of an expression."""
    found = {word for group in GROUPED.findall(expression) for word in WORD.findall(group)}
    for selected in SELECTED.findall(expression):
        found |= set(SELECTOR.findall(selected))
    return found


@pytest.mark.parametrize(("who", "expression", "shown"), ASKED)
def test_only_metrics_and_labels_of_the_table_are_asked_for(
    who: str, expression: str, shown: str
) -> None:
    names = set(NAME.findall(expression))
    known = set(EVERYWHERE)
    for name in names:
        metric = METRICS.get(name) or METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]
        known |= set(metric.labels)
    assert names or expression.startswith("up{"), who
    assert labels_of(expression) | set(SHOWN.findall(shown)) <= known


def test_what_is_summed_into_one_line_keeps_the_labels_that_are_shown() -> None:
    for panel in panels():
        for target in panel["targets"]:
            shown = set(SHOWN.findall(target["legendFormat"]))
            assert shown <= labels_of(target["expr"]) | EVERYWHERE, panel["title"]


def test_every_alert_has_a_page_that_says_what_to_do_and_no_other_has() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    idents = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(idents)) == len(idents)


def test_every_panel_asks_the_data_source_that_was_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == [
        "datasource",
        "job",
        "instance",
    ]
