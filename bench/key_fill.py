"""A million keys, put into stores by the thousand: one by one they would take half an hour."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import redis

from bench.callers import ROLE, TENANT
from bench.keys import RING, a_key, a_record
from sidecar.adapters.stores.records import encode_key
from sidecar.adapters.stores.redis.names import Names
from sidecar.adapters.stores.sqlite.schema import opened
from sidecar.model.identity import TenantId
from sidecar.policy.schema.state import State

_CHUNK: Final = 5_000
_WAIT_SECONDS: Final = 5.0
Row = tuple[str, bytes, bytes]
"""Id, digest and record of a key."""


def fill_sqlite(path: Path, count: int) -> None:
    """Make a state file with keys."""
    connection = opened(path, _WAIT_SECONDS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for rows in _chunks(count):
            connection.executemany(
                "INSERT INTO keys VALUES (?, ?, ?, 1, NULL, ?)",
                [(key_id, digest, TENANT, record) for key_id, digest, record in rows],
            )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def fill_redis(url: str, count: int) -> None:
    """Put keys into a server that a store has taken possession of."""
    names = Names(State.model_validate(url).prefix)
    start = f"1||{TENANT}|".encode()
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
        for rows in _chunks(count):
            values = {digest: start + record for _, digest, record in rows}
            members = {key_id.encode() + b"\0" + digest: 0 for key_id, digest, _ in rows}
            pipeline.hset(names.records, mapping=values)
            pipeline.zadd(names.ids, members)
            pipeline.zadd(names.ids_of(TenantId(TENANT)), members)
            pipeline.execute()


def _chunks(count: int) -> Iterator[Sequence[Row]]:
    # A record is written once and copied: only its id and digest differ.
    model = a_record(0, "caller", TENANT, ROLE)
    before, digest, after = encode_key(model).partition(b64encode(model.digest))
    head, _, between = before.partition(model.id.encode())
    for first in range(0, count, _CHUNK):
        rows: list[Row] = []
        for number in range(first, min(count, first + _CHUNK)):
            key_id = f"key-{number:08d}"
            digest = RING.digest(a_key(number).encode())
            record = b"".join((head, key_id.encode(), between, b64encode(digest), after))
            rows.append((key_id, digest, record))
        yield rows
