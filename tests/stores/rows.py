"""Makers of records for tests of stores."""

import hashlib
from dataclasses import replace
from pathlib import Path

from sidecar.model.blocks import Block, BlockKind
from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    RevocationKind,
    TenantId,
    TenantRecord,
)
from sidecar.policy.schema.state import State
from sidecar.policy.written import Sources

NEVER = 4_000_000_000.0
"""Unix seconds that no test's clock reaches, and no server's."""


def a_digest(word: str) -> KeyDigest:
    """Make the digest of a key."""
    return KeyDigest(hashlib.sha256(word.encode()).digest())


def a_key(key_id: str = "k1", *, tenant: str | None = "acme", **facts: object) -> KeyRecord:
    """Make the record of a key whose digest follows from its id."""
    owner = None if tenant is None else TenantId(tenant)
    made = KeyRecord(KeyId(key_id), a_digest(key_id), "p1", "ck_live_abcdefgh", owner, "key:1")
    return replace(made, **facts)  # type: ignore[arg-type]  # facts by name


def changed(record: KeyRecord, **facts: object) -> KeyRecord:
    """Make the next version of a key."""
    return replace(record, version=record.version + 1, **facts)  # type: ignore[arg-type]  # facts by name


def facts_of(record: TenantRecord | None) -> dict[str, object] | None:
    """Take a tenant apart: its class compares by identity."""
    if record is None:
        return None
    return {name: getattr(record, name) for name in record.__slots__}


def a_revocation(value: str = "jti-1", **facts: object) -> Revocation:
    """Make a revocation that does not end."""
    made = Revocation(RevocationKind.TOKEN, "https://idp.example", value, 1_800_000_000.0, NEVER)
    return replace(made, **facts)  # type: ignore[arg-type]  # facts by name


def a_block(
    value: str = "203.0.113.7", kind: BlockKind = BlockKind.ADDRESS, **facts: object
) -> Block:
    """Make a block that lasts until it is lifted."""
    return replace(Block(kind, value), **facts)  # type: ignore[arg-type]  # facts by name


def a_state(store: str, **keys: object) -> State:
    """Make the section `state` of a policy, patient unless told otherwise."""
    sources = Sources(lambda name: Path(name).read_bytes(), {})
    return State.model_validate({"store": store, "timeout": "5s", **keys}, context=sources)
