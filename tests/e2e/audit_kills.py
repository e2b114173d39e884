"""A sidecar under load that is killed at a moment nobody chose, and started again on its trail."""

import asyncio
import io
import json
import os
import random
import signal
import time
from collections.abc import Collection, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sidecar.cli.main import invoke
from tests.e2e.launch import Launched, serving
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

FLUSH: Final = "50ms"
# A busy machine may run the timer of the flush, and the thread of the sink, that much later.
SETTLED_SECONDS: Final = 1.05
_CLIENTS: Final = 6
_LEAST_SECONDS: Final = 1.1
_MOST_SECONDS: Final = 1.8


@dataclass(slots=True)
class Load:
    """Requests that were answered, by their paths, and when."""

    answered: dict[str, float] = field(default_factory=dict)
    sent: int = 0

    async def go_on(self, port: int) -> None:
        """Ask on one connection until the other side is gone."""
        with suppress(OSError, EOFError, AssertionError):
            async with a_client(port) as client:
                while True:
                    self.sent += 1
                    path = f"/{self.sent}"
                    await client.ask(get(path.encode()))
                    self.answered[path] = time.monotonic()


def verify(trail: Path) -> Mapping[str, Collection[str]]:
    """Run `sidecar audit verify`, and return what it says."""
    said = io.StringIO()
    with redirect_stdout(said):
        code = invoke(["audit", "verify", "--json", str(trail)])
    report: Mapping[str, Collection[str]] = json.loads(said.getvalue())
    assert (code == 0) == bool(report["whole"])
    return report


def paths_in(trail: Path) -> list[str]:
    """List the paths of the requests that whole lines tell of."""
    whole = [line for line in trail.read_bytes().splitlines(keepends=True) if line.endswith(b"}\n")]
    records = [json.loads(line) for line in whole]
    return [one["metadata"]["path"] for one in records if one["action"] == "request"]


def kill(sidecar: Launched) -> None:
    """Kill every process of a sidecar at once, in whatever each of them is amid."""
    for pid in [*sidecar.workers(), sidecar.child.pid]:
        os.kill(pid, signal.SIGKILL)


async def killed_under_load(folder: Path, policy: str, seconds: float) -> list[str]:
    """Run a sidecar under load, kill it, and list what was answered long enough before."""
    async with serving(policy, folder) as sidecar:
        await sidecar.becomes_ready()
        load = Load()
        clients = [asyncio.create_task(load.go_on(sidecar.port)) for _ in range(_CLIENTS)]
        await asyncio.sleep(seconds)
        # What was answered is known before the kill: an answer read after it came before it.
        settled = time.monotonic() - SETTLED_SECONDS
        kill(sidecar)
        await asyncio.gather(*clients)
        await sidecar.ended()
        return [path for path, at in load.answered.items() if at < settled]


async def check_kill(folder: Path, chance: random.Random, port: int, *, kills: int = 1) -> None:
    """Kill a sidecar, again and again on one trail, and hold the trail to what it promises."""
    listen = {"proxy": f"127.0.0.1:{port}"}
    workers = chance.choice((1, 2))
    trail = folder / "audit.jsonl"
    told: list[str] = []
    async with a_service(Echo()) as service:
        policy = a_policy(service.url, workers=workers, listen=listen, audit={"flush": FLUSH})
        for _ in range(kills):
            seconds = chance.uniform(_LEAST_SECONDS, _MOST_SECONDS)
            settled = await killed_under_load(folder, policy, seconds)
            before, told = len(told), await asyncio.to_thread(paths_in, trail)
            assert settled
            assert set(settled) - set(told[before:]) == set()
            assert not (await asyncio.to_thread(verify, trail))["problems"]
        async with serving(policy, folder) as sidecar:
            assert [await sidecar.ask() for _ in range(20)] == [200] * 20
            sidecar.order(signal.SIGTERM)
            assert await sidecar.ended() == 0
        report = await asyncio.to_thread(verify, trail)
        assert not report["problems"]
        assert (await asyncio.to_thread(paths_in, trail))[len(told) :] == ["/"] * 20
        # The chains of before go on: no process began another.
        processes = [writer.rpartition("/")[0] for writer in report["chains"]]
        assert len(processes) == len(set(processes))
