"""Rounds in which callers are known: one token or key again and again, then a hundred in turn."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.arena import Arena, Guests, Target, arena
from bench.callers import Callers, Method, make_callers
from bench.contenders import CONFIGS, Contender
from bench.load import Load, hammer
from bench.machine import Cores, neighbours
from bench.measure import MANY_CONNECTIONS, Effort, naming
from bench.policy import ORDER_PATH
from bench.processes import resident_bytes
from bench.redis_server import redis_server
from bench.results import Results, Row

# These are asked by a hundred callers as well; with RSA the peer that remembers and the sidecar
# would give the figures of HS256 again.
_BY_MANY: Final = (Method.SHARED, Method.KEY)
Say = Callable[[str], None]


@contextmanager
def guests(contenders: Sequence[Contender], core: int) -> Iterator[Guests]:
    """Issue credentials, and start a server with the keys where a contender wants one.

    Raises:
        BenchError: there is no such server.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="sidecar-callers-")))
        callers = make_callers(folder)
        redis = ""
        if any(one.method is Method.MIXED for one in contenders):
            redis, _ = stack.enter_context(redis_server(folder, core))
            asyncio.run(callers.admit(redis))
        yield Guests(callers, redis)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how long is measured, and where figures and progress go."""

    cores: Cores
    python: Path
    effort: Effort
    results: Results
    say: Say


def measure_callers(contenders: Sequence[Contender], stage: Stage) -> None:
    """Measure those contenders that know who asks."""
    asked = [one for one in contenders if one.method is not None and not one.is_apart]
    if not asked:
        return
    cores = stage.cores
    with guests(asked, cores.load) as known, arena(asked, cores, stage.python, guests=known) as up:
        stage.results.absent.update(up.failed)
        methods = {one.name: one.method for one in asked if one.method is not None}
        bench = _Rounds(up, known.callers, methods, stage)
        bench.alike()
        bench.by_many()
        bench.memory()


@dataclass(frozen=True, slots=True)
class _Rounds:
    """Who is up, who asks, how long, and where the figures go."""

    arena: Arena
    callers: Callers
    methods: dict[str, Method]
    stage: Stage

    def alike(self) -> None:
        """Requests a second with one credential."""
        targets = self._of(Method.SHARED, Method.PUBLIC, Method.KEY)
        for target in targets:
            hammer(replace(self._load(target), seconds=1))
        for number in range(self.stage.effort.rounds):
            for target in targets:
                self.stage.results.neighbours.append(neighbours())
                flow = self._counted(target, self._load(target))
                self._row(target).rates.append(flow)
                self.stage.say(
                    f"round {number + 1}: {target.name} {flow:,.0f} requests/s, one caller"
                )

    def by_many(self) -> None:
        """Requests a second with as many credentials as there are callers."""
        for _ in range(self.stage.effort.rounds):
            for target in self._of(*_BY_MANY):
                flow = self._counted(target, self._load_of_many(target))
                self._row(target).caller_rates.append(flow)
                self.stage.say(f"{target.name}: {flow:,.0f} requests/s, many callers")

    def memory(self) -> None:
        """Resident memory of what has keys, tokens and Redis, after many connections."""
        for target in self._of(Method.MIXED):
            load = replace(self._load_of_many(target), connections=MANY_CONNECTIONS)
            self._counted(target, load)
            found = resident_bytes(target.pid)
            self._row(target).resident_bytes = found
            self.stage.say(f"{target.name}: {found / 1e6:,.0f} MB resident")

    def _of(self, *methods: Method) -> list[Target]:
        return [one for one in self.arena.targets if self.methods[one.name] in methods]

    def _row(self, target: Target) -> Row:
        return self.stage.results.callers.setdefault(target.name, Row(target.name))

    def _load(self, target: Target) -> Load:
        line = self.callers.good[self.methods[target.name]][0]
        url = target.url(ORDER_PATH)
        return Load(url, self.stage.cores.load, self.stage.effort.seconds, fields=(line,))

    def _load_of_many(self, target: Target) -> Load:
        listed = self.callers.listed(self.methods[target.name])
        load = replace(self._load(target), fields=(), script=CONFIGS / "callers.lua")
        return replace(load, words=(str(listed),))

    def _counted(self, target: Target, load: Load) -> float:
        with naming(target):
            flow = hammer(load)
        self._row(target).failures += flow.failures
        return flow.per_second
