"""Rounds in which requests are counted: in the process, on Redis, and on Redis by leases."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.arena import Guests, Target, arena
from bench.authenticated import Stage
from bench.callers import make_callers
from bench.contenders import CONFIGS, SIDECAR, Contender
from bench.load import Load, hammer
from bench.machine import neighbours
from bench.measure import naming
from bench.policy import ORDER_PATH
from bench.processes import processor_seconds
from bench.redis_server import redis_server
from bench.results import Row

CALLERS: Final = 100
# With few, all of them wait for Redis while the sidecar has nothing to do.
CONNECTIONS: Final = 128


def _counting(name: str, title: str, state: str, limits: str, enforces: str) -> Contender:
    return Contender(
        name=name,
        title=title,
        enforces=f"all that the sidecar does above; a tier of {CALLERS} callers, {enforces}",
        command=("{python}", "-P", "-m", "sidecar", "run", "sidecar-limits.yaml"),
        configs=("sidecar-limits.yaml",),
        version=SIDECAR.version,
        settings={"state": state, "limits": limits},
        counts=True,
    )


IN_MEMORY: Final = "sidecar-limits"
SHARED: Final = "sidecar-shared"
LEASED: Final = "sidecar-leased"
COUNTING: Final = (
    _counting(IN_MEMORY, "Sidecar, limits in memory", "memory", "", "counted in the process"),
    _counting(
        *(SHARED, "Sidecar, limits on Redis", "{redis}", ""),
        "each request counted on Redis, the server on the core of the load",
    ),
    _counting(
        *(LEASED, "Sidecar, limits on Redis by leases", "{redis}", "lease: 1s"),
        "counted on Redis in shares that are taken in advance",
    ),
)


def measure_limits(contenders: Sequence[Contender], stage: Stage) -> None:
    """Measure those contenders that count."""
    counting = [one for one in contenders if one.counts]
    if not counting:
        return
    cores = stage.cores
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="sidecar-limits-")))
        redis, _ = stack.enter_context(redis_server(folder, cores.load))
        guests = Guests(make_callers(folder), redis)
        up = stack.enter_context(arena(counting, cores, stage.python, guests=guests))
        stage.results.absent.update(up.failed)
        listed = folder / "callers.lines"
        listed.write_text("".join(f"X-Caller: caller-{n}\n" for n in range(CALLERS)))
        loads = [(one, _load(one, listed, stage)) for one in up.targets]
        count_rounds(loads, stage.results.limits, stage)


def count_rounds(loads: Sequence[tuple[Target, Load]], rows: dict[str, Row], stage: Stage) -> None:
    """Hammer all in turn, after a second each to warm up, and note what each did in its rows."""
    for _, load in loads:
        hammer(replace(load, seconds=1))
    for number in range(stage.effort.rounds):
        for target, load in loads:
            stage.results.neighbours.append(neighbours())
            row = rows.setdefault(target.name, Row(target.name))
            _round(target, load, row)
            stage.say(
                f"round {number + 1}: {target.name} {row.rates[-1]:,.0f} requests/s,"
                f" {row.core_rates[-1]:,.0f} in a second of its core"
            )


def _round(target: Target, load: Load, row: Row) -> None:
    """Hammer once; note the rate, and the rate of the target's own core.

    Load, upstream and Redis share a core, and fill it before the sidecar fills its own: the rate
    alone would tell what they can.
    """
    before = processor_seconds(target.pid)
    with naming(target):
        flow = hammer(load)
    spent = processor_seconds(target.pid) - before
    row.failures += flow.failures
    row.rates.append(flow.per_second)
    row.core_rates.append(flow.per_second * load.seconds / spent)


def _load(target: Target, listed: Path, stage: Stage) -> Load:
    load = Load(target.url(ORDER_PATH), stage.cores.load, stage.effort.seconds, CONNECTIONS)
    return replace(load, script=CONFIGS / "callers.lua", words=(str(listed),))
