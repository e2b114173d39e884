"""What the measurement ran on, and whether the machine was ours alone."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Above this share of one core, neighbours move the figures by more than the rounds even out.
BUSY_SHARE: Final = 0.10
_SAMPLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core carries what.

    Attributes:
        proxy: the core of the contender, alone.
        load: the core of load generator and upstream.
    """

    proxy: int
    load: int


def cores() -> Cores:
    """Choose the cores; on a machine with one, both are the same and the figures mean little."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(proxy=usable[-1], load=usable[0])


def describe() -> str:
    """Name processor, number of cores and kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def neighbours() -> float:
    """Measure what others use while the contenders idle.

    Returns:
        Busy time over all cores, in cores: 0 on a machine that is ours alone.
    """
    before = _busy_seconds()
    time.sleep(_SAMPLE_SECONDS)
    return max(0.0, _busy_seconds() - before) / _SAMPLE_SECONDS


def _busy_seconds() -> float:
    first = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _wait, irq, soft_irq, stolen = map(int, first.split()[1:9])
    ticks = user + nice + system + irq + soft_irq + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
