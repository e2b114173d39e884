"""The command `sidecar run` as users start it: a process of its own."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.wire import a_client, get

_STARTED: Final = re.compile(r"sidecar: https?://[^:]+:(\d+) -> .*, admin on http://[^:]+:(\d+)")
START_SECONDS: Final = 45.0


@dataclass(slots=True)
class Launched:
    """A sidecar that runs as a process.

    Attributes:
        port: of the proxy listener.
        admin_port: of the admin listener.
        said: lines on stderr so far.
    """

    child: asyncio.subprocess.Process
    trail: Path
    port: int = 0
    admin_port: int = 0
    said: list[str] = field(default_factory=list)

    async def started(self) -> None:
        """Wait for the line that says where it listens."""
        async with asyncio.timeout(START_SECONDS):
            while not (found := _STARTED.search("\n".join(self.said))):
                assert await self._line(), self.said
            self.port, self.admin_port = int(found[1]), int(found[2])

    async def _line(self) -> str:
        assert self.child.stderr is not None
        line = (await self.child.stderr.readline()).decode()
        if line:
            self.said.append(line.rstrip("\n"))
        return line

    async def says(self, text: str) -> None:
        """Wait for a line on stderr that holds a text."""
        async with asyncio.timeout(START_SECONDS):
            while not any(text in line for line in self.said):
                assert await self._line(), self.said

    async def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        async with asyncio.timeout(START_SECONDS):
            while await self._line():
                pass
            return await self.child.wait()

    def order(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.child.send_signal(number)

    async def ask_admin(self, target: bytes) -> tuple[int, bytes]:
        """Ask the admin listener; 0 if nobody listens."""
        try:
            async with a_client(self.admin_port) as client:
                request = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target
                answer = await client.ask(request)
        except OSError:
            return 0, b""
        return answer.status, answer.body

    async def becomes_ready(self, *, ready: bool = True) -> None:
        """Wait until /readyz says so."""
        wanted = 200 if ready else 503
        async with asyncio.timeout(START_SECONDS):
            while (await self.ask_admin(b"/readyz"))[0] != wanted:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.02)

    async def count(self, metric: str) -> int:
        """Sum the samples of a metric over its labels."""
        _, text = await self.ask_admin(b"/metrics")
        lines = [line for line in text.decode().splitlines() if line.startswith(metric)]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    async def ask(self, target: bytes = b"/") -> int:
        """Ask the proxy listener on a connection of its own."""
        async with a_client(self.port) as client:
            return (await client.ask(get(target, b"Connection: close"))).status

    def records(self) -> list[Mapping[str, object]]:
        """Read the audit trail but for where chains begin; every line of it must be whole."""
        read = map(json.loads, self.trail.read_bytes().splitlines())
        return [record for record in read if record["action"] != "audit.start"]

    def workers(self) -> list[int]:
        """List the process ids of its children."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    @property
    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def launched(arguments: Sequence[str], trail: Path) -> AsyncIterator[Launched]:
    """Run `sidecar run` with arguments until the block ends."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar", "run", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    process = Launched(child, trail)
    try:
        yield process
    finally:
        if child.returncode is None:
            child.kill()
        await process.ended()


@asynccontextmanager
async def serving(policy: str, folder: Path) -> AsyncIterator[Launched]:
    """Run `sidecar run` on a policy, with its audit trail in a file of the folder."""
    document = json.loads(policy)
    trail = folder / "audit.jsonl"
    document["audit"] = {**document.get("audit", {}), "sinks": [{"file": str(trail)}]}
    name = folder / "policy.yaml"
    name.write_text(json.dumps(document))
    async with launched([str(name)], trail) as process:
        await process.started()
        yield process
