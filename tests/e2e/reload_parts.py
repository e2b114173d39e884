"""A sidecar with its reloader in the test's own process, before a service that can be held up."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.adapters.decoding import Decoded, Report
from sidecar.adapters.handover import blank, hand_over
from sidecar.app import Sidecar
from sidecar.cli.decoding import decoded
from sidecar.reload import Outcome, Reloader, Result, Wish
from tests.e2e.callers import a_record
from tests.e2e.conftest import Running, load_policy
from tests.e2e.guarded import KEY
from tests.e2e.reloading import Sections, policy_of
from tests.e2e.wire import Peer, a_service, ok

OPS: Final = "0123456789abcdef" * 2
TOKENS: Final = {"tokens": [{"name": "ops", "token": OPS, "role": "admin"}]}


@dataclass(slots=True)
class Gate:
    """A service that answers with the target, and holds what asks for `hold` until it is opened.

    Attributes:
        held: how many requests it has held so far.
    """

    held: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, peer: Peer) -> None:
        while peer.waiting or await peer.more():
            request = await peer.request()
            if b"hold" in request.start[1] or request.values(b"x-hold"):
                self.held.release()
                async with asyncio.timeout(20):
                    await self._opened.wait()
            target = request.start[1]
            await peer.send(ok(len(target)) + target)

    def open(self) -> None:
        """Answer what is held, and hold nothing any more."""
        self._opened.set()


@dataclass(slots=True)
class Reloading:
    """A sidecar that reads its policy anew when a test says so.

    Attributes:
        proxy: the sidecar.
        reloader: what brings policies into force.
        url: URL of the service behind it.
        folder: where its policy and files are.
        gate: the service.
    """

    proxy: Running
    reloader: Reloader
    url: str
    folder: Path
    gate: Gate

    @property
    def port(self) -> int:
        """Port of the proxy listener."""
        return self.proxy.port

    async def reload(self, *above: Sections) -> Outcome:
        """Write the policy with sections laid over it, and have it read."""
        (self.folder / "policy.yaml").write_text(written(self.url, self.folder, *above))
        return await self.read()

    async def read(self) -> Outcome:
        """Have the files read as they are."""
        return await self.reloader.reload(Wish("ops"))

    def counted(self) -> Mapping[str, float]:
        """Count the reloads by what became of them."""
        rows = self.reloader.snapshot().get("sidecar_policy_reload_total", [])
        return {labels[0]: numbers[0] for labels, numbers in rows}

    async def told(self) -> list[tuple[object, Mapping[str, Any]]]:
        """Read the audit of reloads: outcome and details of each."""
        records = [one for one in await self.proxy.records() if one["action"] == "config.reload"]
        return [(one["outcome"], details(one)) for one in records]


def details(record: Mapping[str, object]) -> Mapping[str, Any]:
    """Read the details of a record of the audit."""
    metadata = record["metadata"]
    assert isinstance(metadata, dict)
    found: Mapping[str, Any] = metadata["details"]
    return found


def written(url: str, folder: Path, *above: Sections) -> str:
    """Write the policy of `callers` with its audit in a file, sections laid over it."""
    audit = {"audit": {"sinks": [{"file": str(folder / "audit.jsonl")}]}}
    return policy_of(url, folder, audit, {"admin": TOKENS}, *above)


async def decoded_here(name: str, in_force: int) -> Decoded:
    """Decode as the process does that is started for it, but in this one: that takes half a second.

    Who starts it, and that files are looked at, is the subject of `test_reload_run`.
    """
    descriptor = blank()
    found = await asyncio.to_thread(decoded, name, in_force, descriptor)
    return Decoded(msgspec.convert(found, Report), descriptor)


@asynccontextmanager
async def reloads(folder: Path, *above: Sections) -> AsyncIterator[Reloading]:
    """Run a sidecar whose store has one good key, of an owner."""
    gate = Gate()
    async with a_service(gate) as service:
        loaded = load_policy(written(service.url, folder, *above), folder)
        sidecar = Sidecar(loaded)
        descriptor = hand_over(loaded, is_whole=True)
        reloader = Reloader(sidecar, descriptor, sidecar.events, decoded_here)
        sidecar.be_reloaded(reloader)
        await sidecar.start()
        try:
            proxy = Running(sidecar, folder / "audit.jsonl")
            if loaded.policy.state.store == "memory":
                assert await proxy.store.add_key(a_record("good", KEY, "owner"))
            yield Reloading(proxy, reloader, service.url, folder, gate)
        finally:
            gate.open()
            await reloader.close()
            await sidecar.stop()


async def refuses(sidecar: Reloading, outcome: Outcome, result: Result, told: str) -> None:
    """Have a reload refused: said to whoever asked, counted, and in the audit."""
    assert outcome.result is result
    assert told in "\n".join((outcome.reason, *outcome.problems))
    assert sidecar.counted()[result.value] == 1
    assert sidecar.reloader.snapshot()["sidecar_degraded"] == [(["policy"], [1.0])]
    last, details = (await sidecar.told())[-1]
    assert (last, details["result"]) == ("refused", result.value)
    # What cannot be read cannot be compared: then its problems are there.
    said = details["problems"] if result is Result.INVALID else details["diff"]
    assert said


async def admits(sidecar: Reloading, outcome: Outcome, diff: str) -> None:
    """Have a reload admitted: counted, and in the audit with what it changes."""
    assert outcome.result is Result.ADMITTED, (outcome.reason, outcome.problems)
    assert sidecar.counted()["admitted"] == 1
    assert sidecar.reloader.snapshot()["sidecar_degraded"] == [(["policy"], [0.0])]
    last, details = (await sidecar.told())[-1]
    assert (last, details["result"]) == ("admitted", "admitted")
    assert any(diff in line for line in details["diff"]), details["diff"]
    assert details["after"] == outcome.after == sidecar.proxy.sidecar.loaded.sha256
