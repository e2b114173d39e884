"""What an operator hands to a tenant whose records were erased (AU-7).

A certificate is text, a fact on each line, so that it can be read by people and its signature
checked with nothing but openssl. The trail itself names the tenant by a digest alone: whoever has
the certificate, or the name, can tell which record it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_HEAD: Final = "sidecar audit erasure 1"
_DIGITS: Final = 24


@dataclass(frozen=True, slots=True)
class ErasedFrom:
    """What became of a tenant's records in the files of one trail.

    Attributes:
        file: the file that is written.
        removed: records, by class.
        kept: records that stay for their class, likewise.
    """

    file: str
    removed: Mapping[str, int]
    kept: Mapping[str, int]


def tenant_digest(tenant: str) -> str:
    """Name a tenant for those alone who know its name.

    Args:
        tenant: its id.
    """
    digest = sha256(_HEAD.encode() + b"\0" + tenant.encode()).hexdigest()
    return f"sha256-{digest[:_DIGITS]}"


def certificate(
    tenant: str,
    facts: Mapping[str, str],
    trails: Sequence[ErasedFrom],
    elsewhere: Sequence[str],
) -> str:
    """Write the certificate of an erasure; its signature is over these bytes.

    Args:
        tenant: its id.
        facts: who, when and why, by name.
        trails: what was erased.
        elsewhere: where records may be that only others can erase.
    """
    lines = [_HEAD, f"tenant: {tenant}", f"record: {tenant_digest(tenant)}"]
    lines += [f"{name}: {value}" for name, value in facts.items()]
    for trail in trails:
        lines.append(f"erased from {trail.file}: {counted(trail.removed)}")
        lines.append(f"kept in {trail.file} for the legal window: {counted(trail.kept)}")
    lines += [f"not erased, others hold it: {place}" for place in elsewhere]
    return "\n".join([*lines, ""])


def counted(counts: Mapping[str, int]) -> str:
    """Say numbers of records by class."""
    total = sum(counts.values())
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)
    return f"{total} records ({parts})" if parts else "0 records"
