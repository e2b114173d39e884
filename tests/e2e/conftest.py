"""A real sidecar for tests: real sockets, real files, in the test's own event loop."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sidecar.app import Sidecar
from sidecar.model.ports import Store
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.audit import FileSink, Sink


@dataclass(slots=True)
class Running:
    """A sidecar that serves.

    Attributes:
        sidecar: the sidecar.
        audit: audit records, as of the last `flush`.
    """

    sidecar: Sidecar
    _trail: Path
    audit: list[Mapping[str, object]] = field(default_factory=list)
    _read_bytes: int = 0

    @property
    def port(self) -> int:
        """Port of the proxy listener."""
        return self.sidecar.port

    @property
    def store(self) -> Store:
        """The state store of the policy."""
        store = self.sidecar.proxy.outside.store
        assert store is not None
        return store

    @property
    def admin_port(self) -> int:
        """Port of the admin listener."""
        return self.sidecar.admin_port

    def gauge(self, name: str, *labels: str) -> float:
        """Read a number that /metrics shows."""
        for given, numbers in self.sidecar.proxy.metrics.snapshot()[name]:
            if tuple(given) == labels:
                return numbers[0]
        raise KeyError(name, labels)

    @property
    def load(self) -> tuple[float, float, float, float]:
        """Client connections, requests in flight, WebSockets, busy upstream connections."""
        return (
            self.gauge("sidecar_connections"),
            self.gauge("sidecar_requests_in_flight"),
            self.gauge("sidecar_websockets"),
            self.gauge("sidecar_upstream_connections", "busy"),
        )

    async def becomes(self, *load: float) -> None:
        """Wait until `load` is this."""
        async with asyncio.timeout(5):
            while self.load != load:  # noqa: ASYNC110 -- the sidecar has no event for a test
                await asyncio.sleep(0.005)

    async def rests(self) -> None:
        """Wait until nothing is open but idle upstream connections."""
        await self.becomes(0, 0, 0, 0)

    async def records(self) -> list[Mapping[str, object]]:
        """Return all audit records."""
        await self.flush()
        return self.audit

    async def flush(self) -> None:
        """Bring `audit` up to date with everything that was noted."""
        ledger = self.sidecar.proxy.audit
        ledger.flush()
        while any(sink.waiting for sink in ledger.sinks):  # noqa: ASYNC110 -- threads write
            await asyncio.sleep(0.002)
        with self._trail.open("rb") as trail:
            trail.seek(self._read_bytes)
            news = trail.read()
        self._read_bytes += len(news)
        read = map(json.loads, news.splitlines())
        self.audit += [record for record in read if record["action"] != "audit.start"]


def load_policy(text: str, folder: Path) -> Loaded:
    """Load a policy from text, as if it stood in a file in the folder."""
    name = str(folder / "policy.yaml")
    Path(name).write_text(text, encoding="utf-8")
    return load(name, lambda file: Path(file).read_bytes(), os.environ)


@asynccontextmanager
async def running(
    text: str, beside: Path | None = None, sink: Sink | None = None
) -> AsyncIterator[Running]:
    """Run a sidecar on a policy; its audit trail goes to a file of the test's own.

    Args:
        text: the policy.
        beside: folder of the files that it names; a fresh one if left out.
        sink: where the audit trail goes instead.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = beside or Path(name)
        loaded = load_policy(text, folder)
        trail = folder / "audit.jsonl"
        audit = loaded.policy.audit.model_copy(
            update={"sinks": (sink or FileSink(file=str(trail)),)}
        )
        policy = loaded.policy.model_copy(update={"audit": audit})
        sidecar = Sidecar(replace(loaded, policy=policy))
        await sidecar.start()
        try:
            yield Running(sidecar, trail)
        finally:
            await sidecar.stop()
