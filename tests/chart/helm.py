"""Releases of the chart, as Helm renders them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import yaml

HOUSE: Final = Path(__file__).parents[2]
CHART: Final = HOUSE / "charts/sidecar"
EXAMPLE: Final = HOUSE / "examples/kubernetes/orders"

# Values and manifests are trees of mappings and lists without fixed types.
Tree = Mapping[str, Any]


class RefusedError(Exception):
    """Helm does not render this."""


@dataclass(frozen=True, slots=True)
class Helm:
    """A process that renders charts."""

    requests: IO[str]
    answers: IO[str]

    def ask(self, work: str, chart: Path, values: Tree, **more: str) -> dict[str, Any]:
        """Have some work done.

        Raises:
            RefusedError: Helm does not do it.
        """
        request = {"work": work, "chart": str(chart), "values": values, "name": "orders", **more}
        self.requests.write(f"{json.dumps(request)}\n")
        self.requests.flush()
        answer: dict[str, Any] = json.loads(self.answers.readline())
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        return answer

    def text(self, values: Tree, chart: Path = CHART, **more: str) -> str:
        """Render a release to the text of its manifests, in the order of their files."""
        files: dict[str, str] = self.ask("render", chart, values, **more)["files"]
        parts = [
            f"# Source: {name}\n{text.strip()}\n"
            for name, text in sorted(files.items())
            if text.strip() and not name.endswith(".txt")
        ]
        return "---\n".join(parts)

    def manifests(self, values: Tree, chart: Path = CHART, **more: str) -> list[dict[str, Any]]:
        """Render a release to its manifests."""
        return [one for one in yaml.safe_load_all(self.text(values, chart, **more)) if one]


@contextmanager
def running() -> Iterator[Helm]:
    """Run Helm until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.chart.rendering"],
        cwd=HOUSE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        yield Helm(child.stdin, child.stdout)
        child.stdin.close()


def one_of(manifests: list[dict[str, Any]], kind: str, suffix: str = "") -> dict[str, Any]:
    """Find the one manifest of a kind, and of an end of its name where there are several."""
    found = [
        one
        for one in manifests
        if one["kind"] == kind and (not suffix or one["metadata"]["name"].endswith(suffix))
    ]
    assert len(found) == 1, (kind, suffix, [one["metadata"]["name"] for one in manifests])
    return found[0]
