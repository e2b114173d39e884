"""What audit and metrics cost: the sidecar against one that takes no note of what it serves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.arena import Guests, Target, arena
from bench.authenticated import Stage, guests
from bench.contenders import SIDECAR, Contender
from bench.gatekeepers import SIDECAR_JWT
from bench.limited import CONNECTIONS, count_rounds
from bench.load import Load
from bench.policy import ORDER_PATH
from bench.results import unobserved


def _without(observed: Contender) -> Contender:
    return replace(
        observed,
        name=unobserved(observed.name),
        title=f"{observed.title}, without audit and metrics",
        enforces="what the one above does, without a record and uncounted: the bench's own program",
        command=("{python}", "-P", "{root}/bench/unobserved.py", *observed.configs),
        tls="",
        is_apart=True,
    )


_PAIRS: Final = tuple((one, _without(one)) for one in (SIDECAR, SIDECAR_JWT))
OBSERVED: Final = tuple(one for pair in _PAIRS for one in pair)
UNOBSERVED: Final = tuple(one for one in OBSERVED if one.is_apart)


def measure_observed(contenders: Sequence[Contender], stage: Stage) -> None:
    """Measure the pairs of which both take part: one figure alone says nothing."""
    names = {one.name for one in contenders}
    pairs = [(one, other) for one, other in _PAIRS if {one.name, other.name} <= names]
    taking_part = [one for pair in pairs for one in pair]
    if not taking_part:
        return
    cores = stage.cores
    with (
        guests(taking_part, cores.load) as known,
        arena(taking_part, cores, stage.python, guests=known) as up,
    ):
        stage.results.absent.update(up.failed)
        loads = [(one, _load(one, known, stage)) for one in up.targets]
        count_rounds(loads, stage.results.observed, stage)


def _load(target: Target, known: Guests, stage: Stage) -> Load:
    method = next(one.method for one in OBSERVED if one.name == target.name)
    fields = () if method is None else (known.callers.good[method][0],)
    url, seconds = target.url(ORDER_PATH), stage.effort.seconds
    return Load(url, stage.cores.load, seconds, CONNECTIONS, fields=fields)
