"""The rounds: every contender in turn, again and again, so that no neighbour hurts only one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.arena import DOWNLOAD_BYTES, Arena, Target
from bench.contenders import CONFIGS
from bench.load import CONNECTIONS, Load, hammer
from bench.machine import Cores, neighbours
from bench.policy import DOWNLOAD_PATH, ORDER_PATH, UPLOAD_PATH
from bench.processes import BenchError, resident_bytes
from bench.results import Results, Row
from bench.steady import steady_latency

MANY_CONNECTIONS: Final = 256
UPLOAD_BYTES: Final = 1_000_000
# Few at a time: the bytes are what is measured.
_BULK_CONNECTIONS: Final = 8
_BULK_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: seconds of a round, and how many rounds."""

    seconds: int
    rounds: int


FULL: Final = Effort(seconds=3, rounds=5)
QUICK: Final = Effort(seconds=1, rounds=1)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """One measurement: who is up, how long, and where the figures go."""

    arena: Arena
    cores: Cores
    effort: Effort
    results: Results
    say: Say

    def throughput(self) -> None:
        """Requests a second of all, the upstream itself included."""
        for target in self._everyone():
            hammer(self._load(target, ORDER_PATH, seconds=1))
        for number in range(self.effort.rounds):
            for target in self._everyone():
                self.results.neighbours.append(neighbours())
                flow = self._counted(target, self._load(target, ORDER_PATH))
                self._row(target).rates.append(flow)
                self.say(f"round {number + 1}: {target.name} {flow:,.0f} requests/s")

    def latency(self) -> None:
        """Latency at a constant rate, the upstream itself included."""
        for _ in range(self.effort.rounds):
            for target in self._everyone():
                with naming(target):
                    found = steady_latency(target.port, ORDER_PATH, self.effort.seconds)
                self._row(target).medians.append(found.median)
                self._row(target).p99s.append(found.p99)
                self.say(f"{target.name}: median {found.median * 1e3:.2f} ms at a constant rate")

    def memory(self) -> None:
        """Resident memory after many connections."""
        for target in self.arena.targets:
            load = self._load(target, ORDER_PATH, connections=MANY_CONNECTIONS)
            self._counted(target, load)
            found = resident_bytes(target.pid)
            self._row(target).resident_bytes = found
            self.say(f"{target.name}: {found / 1e6:,.0f} MB resident")

    def varied(self) -> None:
        """Requests a second when no two requests are alike."""
        for _ in range(self.effort.rounds):
            for target in self._everyone():
                load = replace(self._load(target, ORDER_PATH), script=CONFIGS / "varied.lua")
                flow = self._counted(target, load)
                self._row(target).varied_rates.append(flow)
                self.say(f"{target.name}: {flow:,.0f} requests/s, no two alike")

    def tls(self) -> None:
        """Requests a second over TLS, connections kept."""
        for target in self.arena.targets:
            hammer(self._load(target, ORDER_PATH, seconds=1))
        for _ in range(self.effort.rounds):
            for target in self.arena.targets:
                flow = self._counted(target, self._load(target, ORDER_PATH))
                self._row(target).tls_rates.append(flow)
                self.say(f"{target.name}: {flow:,.0f} requests/s over TLS")

    def payloads(self) -> None:
        """Bytes a second of uploads and downloads."""
        if not self.arena.has_files:
            return
        for _ in range(min(self.effort.rounds, _BULK_ROUNDS)):
            for target in self._everyone():
                up = self._counted(target, self._bulk(target, UPLOAD_PATH, CONFIGS / "upload.lua"))
                down = self._counted(target, self._bulk(target, DOWNLOAD_PATH, None))
                self._row(target).uploads.append(up * UPLOAD_BYTES)
                self._row(target).downloads.append(down * DOWNLOAD_BYTES)
                self.say(f"{target.name}: {up:,.0f} MB/s up, {down * 10:,.0f} MB/s down")

    def _everyone(self) -> tuple[Target, ...]:
        return (self.arena.direct, *self.arena.targets)

    def _row(self, target: Target) -> Row:
        return self.results.rows.setdefault(target.name, Row(target.name))

    def _load(
        self,
        target: Target,
        path: str,
        *,
        seconds: int | None = None,
        connections: int = CONNECTIONS,
    ) -> Load:
        return Load(target.url(path), self.cores.load, seconds or self.effort.seconds, connections)

    def _bulk(self, target: Target, path: str, script: Path | None) -> Load:
        load = self._load(target, path, connections=_BULK_CONNECTIONS)
        return replace(load, script=script)

    def _counted(self, target: Target, load: Load) -> float:
        with naming(target):
            flow = hammer(load)
        self._row(target).failures += flow.failures
        return flow.per_second


@contextmanager
def naming(target: Target) -> Iterator[None]:
    """Say in an error on which target the measurement broke."""
    try:
        yield
    except BenchError as error:
        raise BenchError(f"{target.name}: {error}") from error
