"""Records of a tenant that wait on disk for a sink, and are part of no trail yet (AU-7).

Whatever the sink: its file to spill to is on this machine, and goes to the sink by and by.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sidecar.adapters.audit.spill import erase_waiting, opened_spill
from sidecar.knowledge.audit.removal import Rule, Tally, take_waiting
from sidecar.model.errors import StoreUnavailableError
from sidecar.policy.schema.audit import Audit

_BUSY: Final = "a process is writing what waits in it (run this again)"


@dataclass(slots=True)
class Spilled:
    """What became of one file to spill to.

    Attributes:
        file: its name.
        tally: what went, or would.
        why_left: why nothing was done; empty where it was.
    """

    file: str
    tally: Tally = field(default_factory=Tally)
    why_left: str = ""


def erase_spilled(section: Audit, rule: Rule, patience: float, *, is_dry: bool) -> list[Spilled]:
    """Take records out of the files that sinks spill to.

    Args:
        section: the policy's sinks.
        rule: which records.
        patience: seconds for which a process may go on writing what waits.
        is_dry: whether they are only counted.

    Returns:
        Of each file in which there were some: what went, or stays for its class alone.

    Raises:
        StoreUnavailableError: a file cannot be read or written.
    """
    found = [
        _counted(name, rule) if is_dry else _erased(name, rule, patience)
        for name in _files(section)
    ]
    return [one for one in found if one.tally.removed or one.tally.spared]


def _files(section: Audit) -> Iterator[str]:
    for sink in section.sinks:
        if sink.spill is not None:
            yield sink.spill.file


def _erased(name: str, rule: Rule, patience: float) -> Spilled:
    told = Spilled(name)
    with _translated(name):
        if erase_waiting(name, lambda line: take_waiting(rule, line, told.tally), patience):
            return told
    told = _counted(name, rule)
    told.why_left = _BUSY
    return told


def _counted(name: str, rule: Rule) -> Spilled:
    told = Spilled(name)
    with _translated(name), opened_spill(name) as file:
        for line in file.lines() if file is not None else ():
            take_waiting(rule, line, told.tally)
    return told


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(f"{error.filename or name}: {error.strerror}") from error
