"""A worker: `append.py SINK COUNT NAME [ROTATE]` notes COUNT exchanges of route NAME and ends.

SINK is a file, `stdout`, or `nonblocking` for a standard output that is in non-blocking mode.
"""

import asyncio
import json
import os
import sys
import time

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.policy.schema.audit import Audit
from tests.adapters.exchanges import admitted, an_exchange


async def append(sink: str, count: int, name: str, rotate: str = "null") -> None:
    if sink == "nonblocking":
        os.set_blocking(1, False)
    section = {"file": sink, "rotate": json.loads(rotate)} if sink.startswith("/") else "stdout"
    audit = Audit.model_validate({"sinks": [section]})
    ledger = AuditLedger(audit, time.time, UuidV7(time.time, os.urandom), role=name.strip("/"))
    await ledger.start()
    for _ in range(count):
        ledger.note(an_exchange(route=name), admitted())
    await ledger.close(20)


if __name__ == "__main__":
    asyncio.run(append(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
