"""Records as bytes: what SQLite and Redis keep of keys, tenants, revocations and blocks.

A record is a JSON object of those fields that differ from their defaults: a million keys are kept,
and most have few facts. What its class does not say in full (a field that is unknown, a value of
another type) is refused and not dropped: it may be a restriction that this version cannot read.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Final, TypeVar

import msgspec

from sidecar.model.blocks import Block
from sidecar.model.errors import UnreadableRecordError
from sidecar.model.identity import KeyRecord, ProjectRecord, Revocation, TenantRecord

R = TypeVar("R", KeyRecord, TenantRecord, Revocation, Block)

Record = KeyRecord | TenantRecord | Revocation | Block
_Kind = type[Record] | type[ProjectRecord]

UNREADABLE: Final = "the store holds a record that this version cannot read"


def encode(record: Record) -> bytes:
    """Write a record."""
    return msgspec.json.encode(_essence(record))


def decode(kind: type[R], text: bytes) -> R:
    """Read a record.

    Args:
        kind: its class.
        text: what `encode` wrote, perhaps of another version of the sidecar.

    Raises:
        UnreadableRecordError: it is no record of this class.
    """
    try:
        written = msgspec.json.decode(text)
        if not isinstance(written, dict) or not _is_known(kind, written):
            raise UnreadableRecordError(UNREADABLE)
        return msgspec.convert(written, kind)
    except msgspec.MsgspecError as error:
        # Its message may quote the record, so it goes no further.
        raise UnreadableRecordError(UNREADABLE) from error


def encode_key(record: KeyRecord) -> bytes:
    """Write a key without its last use, which stores keep beside it: noting one is no change."""
    return encode(replace(record, last_used_at=None))


def decode_key(text: bytes, last_used_at: float | None) -> KeyRecord:
    """Read a key and put its last use back.

    Raises:
        UnreadableRecordError: it is no key.
    """
    return replace(decode(KeyRecord, text), last_used_at=last_used_at)


def _essence(record: Record) -> dict[str, object]:
    values = ((name, default, getattr(record, name)) for name, default in _defaults(type(record)))
    return {name: value for name, default, value in values if value != default}


def _defaults(kind: _Kind) -> list[tuple[str, object]]:
    made = ((one.name, one.default, one.default_factory) for one in fields(kind))
    return [(name, value if make is MISSING else make()) for name, value, make in made]


def _is_known(kind: _Kind, written: Mapping[str, object]) -> bool:
    if not written.keys() <= {one.name for one in fields(kind)}:
        return False
    projects = written.get("projects")
    if kind is not TenantRecord or not isinstance(projects, dict):
        return True
    return all(isinstance(one, dict) and _is_known(ProjectRecord, one) for one in projects.values())
