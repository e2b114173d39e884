"""Whole records as lines of a chain, one by one: what writes them makes many at once."""

from collections.abc import Sequence

from sidecar.knowledge.audit.chain import Head, head_after
from sidecar.knowledge.audit.linking import link


def linked(records: Sequence[bytes], head: Head) -> list[bytes]:
    """Chain whole records to a head."""
    lines, _ = link([record[:-1] for record in records], head)
    return lines.splitlines(keepends=True)


def end_of(lines: Sequence[bytes], head: Head) -> Head:
    """Return the end of a chain after lines that `linked` made."""
    return head_after(b"".join(lines), head)
