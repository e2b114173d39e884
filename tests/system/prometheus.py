"""A real Prometheus on loopback, with the shipped rules at the pace of a test."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.ports import HOST, free_port

SCRAPE: Final = "500ms"
WINDOW: Final = "5s"
START_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.25
_FOR: Final = re.compile(r"^(\s+for: )\w+$", re.MULTILINE)
_WINDOWS: Final = re.compile(r"\[\w+\]")
_OFFSETS: Final = re.compile(r"offset \w+")


def quickened(rules: str) -> str:
    """Write rules with waits and windows of seconds; what they compare stays as it is."""
    rules = _FOR.sub(r"\g<1>1s", rules)
    return _OFFSETS.sub(f"offset {WINDOW}", _WINDOWS.sub(f"[{WINDOW}]", rules))


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that runs.

    Attributes:
        url: where it is asked.
    """

    url: str
    _session: aiohttp.ClientSession

    async def ask(self, path: str, **words: str) -> Any:  # noqa: ANN401 -- a tree of JSON
        """Ask its API."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=words) as answer:
            document = json.loads(await answer.read())
        assert document["status"] == "success", document
        return document["data"]

    async def query(self, expression: str) -> Sequence[Mapping[str, Any]]:
        """Evaluate an expression now."""
        found: Sequence[Mapping[str, Any]] = (await self.ask("query", query=expression))["result"]
        return found

    async def firing(self) -> set[str]:
        """Name the alerts that fire."""
        found = await self.query('ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"] for one in found}

    async def fires(self, alerts: set[str], seconds: float) -> set[str]:
        """Wait until each of some alerts has fired at some time; name those that did not."""
        missing = set(alerts)
        try:
            async with asyncio.timeout(seconds):
                while missing := missing - await self.firing():  # noqa: ASYNC110 -- from outside
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            pass
        return missing

    async def _is_ready(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def becomes_ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._is_ready():  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(_LOOK_SECONDS)


def _configured(folder: Path, rules: Path, targets: Sequence[str]) -> Path:
    (folder / "rules.yaml").write_text(quickened(rules.read_text(encoding="utf-8")))
    pace = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    scraped = {"job_name": "sidecar", "static_configs": [{"targets": list(targets)}]}
    document = {"global": pace, "rule_files": ["rules.yaml"], "scrape_configs": [scraped]}
    configuration = folder / "prometheus.yaml"
    configuration.write_text(yaml.safe_dump(document))
    return configuration


@asynccontextmanager
async def prometheus(
    folder: Path, rules: Path, targets: Sequence[str]
) -> AsyncIterator[Prometheus]:
    """Run Prometheus, which scrapes targets and judges a quick copy of rules, until the block ends.

    Args:
        folder: for its configuration and its data.
        rules: the rules.
        targets: hosts and ports with /metrics.
    """
    configuration = _configured(folder, rules, targets)
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    )
    try:
        async with aiohttp.ClientSession() as session:
            running = Prometheus(f"http://{HOST}:{port}", session)
            await running.becomes_ready()
            yield running
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
