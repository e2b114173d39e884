"""What a million keys cost: look-ups, start-up and memory, in SQLite and in Redis.

    python -m bench.key_stores [COUNT…]

Fills each store in bulk with 1,000 and with 1,000,000 keys and prints a row for each.
"""

import asyncio
import hashlib
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import redis

from sidecar.adapters.stores.opening import open_store
from sidecar.adapters.stores.records import encode_key
from sidecar.adapters.stores.redis.names import Names
from sidecar.model.identity import KeyDigest, KeyId, KeyRecord, TenantId
from sidecar.model.ports import Store
from sidecar.policy.schema.state import State
from tests.stores.servers import valkey

COUNTS: Final = (1_000, 1_000_000)
LOOKUPS: Final = 3_000
TENANTS: Final = 1_000
CHUNK: Final = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """What one store with so many keys costs.

    Attributes:
        store: its kind.
        count: its keys.
        open_ms: time that `open` takes.
        median_us: median time of a look-up by digest.
        p99_us: 99th percentile of it.
        size_mb: size of the file, or memory of the server.
        rss_mb: memory that the sidecar's side grew by, in all.
    """

    store: str
    count: int
    open_ms: float
    median_us: float
    p99_us: float
    size_mb: float
    rss_mb: float


def digest_of(number: int) -> KeyDigest:
    """Return the digest of a key."""
    return KeyDigest(hashlib.sha256(str(number).encode()).digest())


def records(count: int) -> Iterator[KeyRecord]:
    """Make keys of a thousand tenants."""
    for number in range(count):
        yield KeyRecord(
            id=KeyId(f"0190a4c2-7d10-7abc-8def-{number:012x}"),
            digest=digest_of(number),
            pepper="0123456789abcdef",
            prefix="ck_live_abcdefgh",
            tenant=TenantId(f"tenant-{number % TENANTS}"),
            subject=f"user-{number}",
            roles=("viewer",),
            scopes=("orders:read", "orders:write"),
            created_at=1_800_000_000.0,
            created_by="cli:ops",
        )


def fill_file(file: Path, count: int) -> None:
    """Write keys straight into the tables."""
    rows = (
        (one.id, one.digest, one.tenant, one.version, None, encode_key(one))
        for one in records(count)
    )
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", rows)


def fill_server(port: int, count: int) -> None:
    """Write keys straight into the server."""
    names, client = Names("sidecar"), redis.Redis("127.0.0.1", port)
    pipeline = client.pipeline(transaction=False)
    for number, one in enumerate(records(count), 1):
        member = one.id.encode() + b"\0" + one.digest
        value = f"1||{one.tenant}|".encode() + encode_key(one)
        pipeline.hset(names.records, one.digest, value)
        pipeline.zadd(names.ids, {member: 0})
        pipeline.zadd(names.ids_of(one.tenant), {member: 0})
        if number % CHUNK == 0:
            pipeline.execute()
    pipeline.execute()
    client.close()


def resident_mb() -> float:
    """Return the memory of this program."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in one)
    return int(line.split()[1]) / 1024


async def measure(store: Store, kind: str, count: int) -> Row:
    """Open a store and look keys up, one after the other."""
    before = resident_mb()
    began = time.perf_counter()
    await store.open()
    open_ms = (time.perf_counter() - began) * 1e3
    lottery = random.Random(1)  # noqa: S311 -- which keys, no secrets
    costs = []
    for _ in range(LOOKUPS):
        digest = digest_of(lottery.randrange(count))
        began = time.perf_counter()
        found = await store.find_key([digest])
        costs.append((time.perf_counter() - began) * 1e6)
        if found is None:
            raise LookupError("a key is missing")
    await store.close()
    grown = resident_mb() - before
    return Row(kind, count, open_ms, median(costs), quantiles(costs, n=100)[98], 0.0, grown)


def measure_sqlite(count: int) -> Row:
    """Measure a SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        state = State.model_validate({"store": f"sqlite:{file}", "timeout": "10s"})
        asyncio.run(_made(open_store(state, {})))
        fill_file(file, count)
        row = asyncio.run(measure(open_store(state, {}), "SQLite", count))
        return _sized(row, file.stat().st_size / 1e6)


def measure_redis(count: int) -> Row:
    """Measure a server."""
    with valkey() as server:
        state = State.model_validate({"store": server.url, "timeout": "10s"})
        fill_server(server.port, count)
        row = asyncio.run(measure(open_store(state, {}), "Redis", count))
        used = redis.Redis("127.0.0.1", server.port).info("memory")["used_memory"]
        return _sized(row, used / 1e6)


async def _made(store: Store) -> None:
    await store.open()
    await store.close()


def _sized(row: Row, size_mb: float) -> Row:
    return Row(row.store, row.count, row.open_ms, row.median_us, row.p99_us, size_mb, row.rss_mb)


def main() -> None:
    """Measure both stores with each number of keys."""
    counts = [int(word) for word in sys.argv[1:]] or COUNTS
    print("| store | keys | open, ms | look-up, µs | p99, µs | store, MB | RSS grew, MB |")  # noqa: T201 -- its work
    print("|---|---:|---:|---:|---:|---:|---:|")  # noqa: T201 -- its work
    for measured in (measure_sqlite, measure_redis):
        for count in counts:
            row = measured(count)
            print(  # noqa: T201 -- its work
                f"| {row.store} | {row.count:,} | {row.open_ms:.1f} | {row.median_us:.0f} |"
                f" {row.p99_us:.0f} | {row.size_mb:.0f} | {row.rss_mb:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
