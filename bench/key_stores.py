"""A million keys against a thousand, in SQLite and in Redis: look-ups, start and memory."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.arena import start_upstream
from bench.authenticated import Stage
from bench.callers import Callers, Method, make_callers
from bench.contenders import CONFIGS, Place, prepare
from bench.elsewhere import printed_by
from bench.gatekeepers import SIDECAR_KEYS
from bench.key_fill import fill_redis, fill_sqlite
from bench.keys import FEW, MANY, a_key
from bench.load import Load, hammer
from bench.measure import FULL, MANY_CONNECTIONS
from bench.policy import ORDER_PATH
from bench.processes import (
    Program,
    await_answer,
    free_port,
    resident_bytes,
    running,
)
from bench.redis_server import redis_server
from bench.results import KeyCost, Started
from sidecar.adapters.stores.opening import open_store
from sidecar.policy.schema.state import State

_MANY_QUICKLY: Final = 20_000
# More than a sidecar remembers, so that its memory of keys is full.
_ASKING: Final = 15_000
_STARTS: Final = 5


@dataclass(frozen=True, slots=True)
class _Stores:
    """Stores of a kind with few and with many keys, as a policy names them."""

    kind: str
    few: str
    many: str


def measure_key_stores(stage: Stage) -> None:
    """Fill stores, time look-ups in process, and start a sidecar on each.

    Raises:
        BenchError: a part of it does not run.
    """
    many = MANY if stage.effort == FULL else _MANY_QUICKLY
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="sidecar-keys-")))
        callers = make_callers(root)
        upstream, _ = start_upstream(stack, root, stage.cores)
        for stores in (_sqlite(root, many), *stack.enter_context(_redis(root, stage, many))):
            stage.say(f"{stores.kind}: {FEW:,} keys and {many:,} are in place")
            cost = _lookups(stores, many, stage)
            bench = _Sidecars(root, upstream.port, callers, stage)
            pairs = [
                (bench.start(stores.few), bench.start(stores.many))
                for _ in range(_STARTS if stage.effort == FULL else 1)
            ]
            cost.start_ratio = median(second / first for first, second in pairs)
            cost.few_keys = bench.filled(stores.few, FEW, [first for first, _ in pairs])
            cost.many_keys = bench.filled(stores.many, many, [second for _, second in pairs])
            cost.keys = many
            stage.results.keys[stores.kind] = cost
            stage.say(f"{stores.kind}: {cost}")


def _sqlite(root: Path, many: int) -> _Stores:
    paths = root / "few.db", root / "many.db"
    for path, count in zip(paths, (FEW, many), strict=True):
        fill_sqlite(path, count)
    return _Stores("SQLite", *(f"sqlite:{path}" for path in paths))


@contextmanager
def _redis(root: Path, stage: Stage, many: int) -> Iterator[Sequence[_Stores]]:
    with ExitStack() as stack:
        urls = []
        for count in (FEW, many):
            folder = root / f"redis-{count}"
            folder.mkdir()
            url, _ = stack.enter_context(redis_server(folder, stage.cores.load))
            asyncio.run(_take(url))
            fill_redis(url, count)
            urls.append(url)
        yield [_Stores("Redis", *urls)]


async def _take(url: str) -> None:
    store = open_store(State.model_validate(url), {})
    await store.open()
    await store.close()


def _lookups(stores: _Stores, many: int, stage: Stage) -> KeyCost:
    words = [f"{FEW}:{stores.few}", f"{many}:{stores.many}"]
    printed = printed_by("bench.key_lookups", stage.python, stage.cores.proxy, words)
    return KeyCost(**json.loads(printed))


@dataclass(frozen=True, slots=True)
class _Sidecars:
    """Starts a sidecar on a store, again and again."""

    root: Path
    upstream: int
    callers: Callers
    stage: Stage

    def start(self, store: str) -> float:
        """Time a start, until the first answer."""
        with self._running(store) as (_, _, seconds):
            return seconds

    def filled(self, store: str, count: int, seconds: Sequence[float]) -> Started:
        """Read the memory after as many keys as are remembered, and more."""
        with self._running(store) as (place, pid, _):
            failures = self._ask(place, count)
            return Started(median(seconds), resident_bytes(pid), failures)

    @contextmanager
    def _running(self, store: str) -> Iterator[tuple[Place, int, float]]:
        folder = self.root / f"sidecar-{len(list(self.root.iterdir()))}"
        folder.mkdir()
        contender = replace(SIDECAR_KEYS, settings={**SIDECAR_KEYS.settings, "state": store})
        place = Place(folder, free_port(), self.upstream, self.stage.python, None, self.callers)
        program = Program(prepare(contender, place), self.stage.cores.proxy, folder, {})
        line = self.callers.good[Method.KEY][0]
        begun = time.perf_counter()
        with running(program) as pid:
            url = f"http://127.0.0.1:{place.port}{ORDER_PATH}"
            await_answer(url, program, pid, dict([line.split(": ", 1)]))
            yield place, pid, time.perf_counter() - begun

    def _ask(self, place: Place, count: int) -> int:
        listed = place.folder / "keys.lines"
        step = max(1, count // _ASKING)
        numbers = range(0, count, step)
        listed.write_text("".join(f"X-API-Key: {a_key(number)}\n" for number in numbers))
        url = f"http://127.0.0.1:{place.port}{ORDER_PATH}"
        load = Load(url, self.stage.cores.load, self.stage.effort.seconds * 2, MANY_CONNECTIONS)
        flow = hammer(replace(load, script=CONFIGS / "callers.lua", words=(str(listed),)))
        return flow.failures
