"""What audit and metrics cost: the sidecar against one that takes no note of what it serves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.arena import arena
from bench.authenticated import Stage
from bench.contenders import SIDECAR, Contender
from bench.limited import CONNECTIONS, count_rounds
from bench.load import Load
from bench.policy import ORDER_PATH

UNOBSERVED: Final = replace(
    SIDECAR,
    name="sidecar-unobserved",
    title="Sidecar, without audit and metrics",
    enforces="what the sidecar does above, without a record and uncounted: the bench's own program",
    command=("{python}", "-P", "{root}/bench/unobserved.py", "sidecar.yaml"),
    tls="",
    is_apart=True,
)
OBSERVED: Final = (SIDECAR, UNOBSERVED)


def measure_observed(contenders: Sequence[Contender], stage: Stage) -> None:
    """Measure both, if both take part: one figure alone says nothing."""
    if not all(one in contenders for one in OBSERVED):
        return
    with arena(OBSERVED, stage.cores, stage.python) as up:
        stage.results.absent.update(up.failed)
        url, seconds = ORDER_PATH, stage.effort.seconds
        loads = [
            (one, Load(one.url(url), stage.cores.load, seconds, CONNECTIONS)) for one in up.targets
        ]
        count_rounds(loads, stage.results.observed, stage)
