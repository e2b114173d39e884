"""Audit records as tests look at them."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.e2e.conftest import Running


class Entry(NamedTuple):
    """What one audit record says of an exchange."""

    outcome: str
    status: int
    code: str | None
    reason: str | None


def entry_of(record: Mapping[str, object]) -> Entry:
    """Read a record."""
    metadata = record["metadata"]
    assert isinstance(metadata, Mapping)
    reason, outcome = record["reason"], record["outcome"]
    assert isinstance(outcome, str)
    assert reason is None or isinstance(reason, str)
    return Entry(outcome, metadata["status"], metadata["code"], reason)


async def entries(proxy: Running) -> list[Entry]:
    """Read all records of a sidecar, in the order in which the exchanges ended."""
    return [entry_of(record) for record in await proxy.records()]
