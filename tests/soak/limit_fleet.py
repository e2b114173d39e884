"""Several `sidecar run` that share their limits, one by one killed, started again, or set wrong."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.launch import Launched
from tests.e2e.wire import a_policy
from tests.soak.limit_load import REPLICAS

# The interpreter imports it before anything else, of whatever program: so also of the one that the
# command becomes, once it has read the policy.
_SHIFT: Final = """
import time
right = time.time
time.time = lambda: right() + {seconds}
"""


@dataclass(slots=True)
class Fleet:
    """The sidecars.

    Attributes:
        policy: the policy of all of them.
        folder: where their files are.
        ports: where they listen, by their number.
        sidecars: the processes that run, by their number.
    """

    policy: str
    folder: Path
    ports: list[int] = field(default_factory=lambda: [0] * REPLICAS)
    sidecars: dict[int, Launched] = field(default_factory=dict)

    async def start(self, number: int, ahead_seconds: int = 0) -> None:
        """Start one.

        Args:
            number: which.
            ahead_seconds: how far its clock is ahead of the right time.
        """
        own = self.folder / str(number)
        own.mkdir(exist_ok=True)
        file = own / "policy.yaml"
        trail = own / "audit.jsonl"
        file.write_text(self.policy.replace("AUDIT", str(trail)))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sidecar", "run", str(file), stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, **_shifted(own, ahead_seconds)},
        )  # fmt: skip
        sidecar = self.sidecars[number] = Launched(child, trail)
        await sidecar.started()
        self.ports[number] = sidecar.port

    async def kill(self, number: int) -> None:
        """End one without a word."""
        sidecar = self.sidecars.pop(number)
        sidecar.child.kill()
        await sidecar.ended()

    async def metrics(self) -> list[str]:
        """Return what each that runs says of itself."""
        answers = [await one.ask_admin(b"/metrics") for one in self.sidecars.values()]
        return [body.decode() for _, body in answers]


def _shifted(folder: Path, seconds: int) -> Mapping[str, str]:
    if not seconds:
        return {}
    (folder / "sitecustomize.py").write_text(_SHIFT.format(seconds=seconds))
    return {"PYTHONPATH": str(folder)}


@asynccontextmanager
async def a_fleet(
    folder: Path, ahead_seconds: Mapping[int, int], upstream: str, **sections: object
) -> AsyncIterator[Fleet]:
    """Run eight sidecars under one policy until the block ends.

    Args:
        folder: an empty one.
        ahead_seconds: how far clocks are ahead of the right time, by number of the sidecar.
        upstream: URL of the service.
        sections: of the policy.
    """
    audit = {"sinks": [{"file": "AUDIT"}], "requests": "refused", "flush": "200ms"}
    fleet = Fleet(a_policy(upstream, audit=audit, **sections), folder)
    try:
        for number in range(REPLICAS):
            await fleet.start(number, ahead_seconds.get(number, 0))
        yield fleet
    finally:
        for number in list(fleet.sidecars):
            await fleet.kill(number)
