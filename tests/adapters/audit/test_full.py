"""What happens when a sink's queue is full: drop, spill, block; and that the counts add up."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.audit.sink_writer import SinkWriter
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.policy.schema.audit import Audit
from tests.adapters.audit.test_sinks import files_no_larger_than
from tests.adapters.audit.test_writer import read_into, until
from tests.adapters.exchanges import a_head, admitted, an_exchange

Start = Callable[[dict[str, object]], Awaitable[AuditLedger]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start ledgers with one sink each; they are closed at the end of the test."""
    started: list[AuditLedger] = []

    async def start_one(sink: dict[str, object]) -> AuditLedger:
        section = Audit.model_validate({"sinks": [sink], "flush": "20ms"})
        ledger = AuditLedger(section, time.time, UuidV7(time.time, os.urandom), role="0")
        await ledger.start()
        started.append(ledger)
        return ledger

    yield start_one
    for ledger in started:
        await ledger.close(0.1)


class Fifo:
    """A full FIFO with a reader that does not read until it is told to: its sink stands still."""

    def __init__(self, name: Path) -> None:
        os.mkfifo(name)
        self.name = name
        self.received = bytearray()
        self._reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        # What fits in besides the queue would be taken at some moment or other.
        self._filling = _fill(name)

    def read(self) -> bool:
        read_into(self.received, self._reader)
        ours = min(self._filling, len(self.received))
        del self.received[:ours]
        self._filling -= ours
        return True

    def close(self) -> None:
        os.close(self._reader)

    def routes(self) -> list[str]:
        """Name the routes of the requests that came, in order."""
        return [r["resource_id"] for r in self.records() if r["action"] == "request"]

    def missing(self) -> int:
        """Add up what the records of gaps tell."""
        gaps = [r for r in self.records() if r["action"] == "audit.gap"]
        return sum(gap["metadata"]["dropped"] for gap in gaps)

    def records(self) -> list[dict[str, Any]]:
        whole = self.received[: self.received.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]


def _fill(name: Path) -> int:
    writer = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(writer, bytes(4096))
    os.close(writer)
    return filled


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    pipe = Fifo(tmp_path / "fifo")
    yield pipe
    pipe.close()


async def note(ledger: AuditLedger, numbers: range) -> None:
    """Note exchanges of routes that are numbers, a batch in a turn of the event loop."""
    for number in numbers:
        ledger.note(an_exchange(route=str(number)), admitted())
        if number % 64 == 0:
            await asyncio.sleep(0)
    ledger.flush()


async def settled(sink: SinkWriter, noted: int) -> None:
    """Wait until it is known what became of each record; gaps are records too."""
    await until(lambda: sink.waiting + sink.written + sink.spilled + sink.dropped >= noted)


def spilling(fifo: Fifo, size: str = "100MB", queue: str = "64KiB") -> dict[str, object]:
    spill = {"file": str(fifo.name.with_name("audit.spill")), "size": size}
    return {"file": str(fifo.name), "queue": queue, "on_full": "spill", "spill": spill}


@pytest.mark.control("AU-1")
async def test_what_a_full_queue_cannot_take_waits_on_disk_and_comes_in_order(
    start: Start, fifo: Fifo
) -> None:
    ledger = await start(spilling(fifo))
    sink = ledger.sinks[0]
    # As fast as the disk takes them: the way there is bounded as well.
    for first in range(0, 2000, 100):
        await note(ledger, range(first, first + 100))
        await settled(sink, first + 100)
    assert sink.spilled > 1000
    assert sink.on_disk > 0
    await until(lambda: fifo.read() and sink.written == 2000)
    await until(lambda: sink.on_disk == 0)
    await note(ledger, range(2000, 2100))
    await until(lambda: fifo.read() and sink.written == 2100)
    fifo.read()
    assert fifo.routes() == [str(number) for number in range(2100)]
    assert (sink.dropped, fifo.missing()) == (0, 0)


@pytest.mark.control("AU-1")
async def test_what_was_spilled_and_what_waited_in_memory_come_in_order_after_a_restart(
    start: Start, tmp_path: Path
) -> None:
    name = tmp_path / "audit.jsonl"
    name.symlink_to("/dev/full")
    spill = {"file": str(tmp_path / "audit.spill")}
    section: dict[str, object] = {
        "file": str(name),
        "queue": "64KiB",
        "on_full": "spill",
        "spill": spill,
    }
    ledger = await start(section)
    sink = ledger.sinks[0]
    for first in range(0, 1000, 100):
        await note(ledger, range(first, first + 100))
        await settled(sink, first + 100)
    assert min(sink.waiting, sink.spilled) > 50
    await ledger.close(0.2)
    assert (sink.dropped, sink.spilled) == (0, 1000)

    name.unlink()
    again = await start(section)
    await note(again, range(1000, 1100))
    await until(lambda: again.sinks[0].written == 1100)
    lines = [json.loads(line) for line in name.read_bytes().splitlines()]
    came = [line["resource_id"] for line in lines if line["action"] == "request"]
    assert came == [str(number) for number in range(1100)]


@pytest.mark.control("AU-1")
async def test_beyond_the_size_of_the_spill_records_are_dropped_and_the_gap_is_told(
    start: Start, fifo: Fifo
) -> None:
    ledger = await start(spilling(fifo, size="100KB"))
    sink = ledger.sinks[0]
    for first in range(0, 2000, 100):
        await note(ledger, range(first, first + 100))
        await settled(sink, first + 100)
    assert sink.dropped > 100
    await until(lambda: fifo.read() and sink.on_disk == 0)
    await note(ledger, range(2000, 2001))
    await until(lambda: fifo.read() and "2000" in fifo.routes())
    assert len(fifo.routes()) + fifo.missing() == 2001
    assert fifo.missing() == sink.dropped


@pytest.mark.control("AU-1")
async def test_a_full_disk_under_the_spill_loses_what_is_counted_and_told(
    start: Start, fifo: Fifo, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await start(spilling(fifo))
    sink = ledger.sinks[0]
    for first in range(0, 300, 50):
        await note(ledger, range(first, first + 50))
        await settled(sink, first + 50)
    assert sink.spilled > 0
    size = fifo.name.with_name("audit.spill").stat().st_size
    with files_no_larger_than(size + 100):
        await note(ledger, range(300, 500))
        await until(lambda: sink.dropped == 200)
    assert "cannot be spilled" in caplog.text
    await note(ledger, range(500, 501))
    await until(lambda: fifo.read() and "500" in fifo.routes())
    assert fifo.routes() == [str(number) for number in (*range(300), 500)]
    assert fifo.missing() == sink.dropped == 200


async def test_a_full_sink_that_blocks_says_so_until_there_is_room(
    start: Start, fifo: Fifo
) -> None:
    ledger = await start({"file": str(fifo.name), "queue": "64KiB", "on_full": "block"})
    sink = ledger.sinks[0]
    noted = 0
    while not ledger.full_sink():
        await note(ledger, range(noted, noted + 50))
        noted += 50
    assert ledger.full_sink() == str(fifo.name)
    # What is under way has room too, and all is there in the end.
    await note(ledger, range(noted, noted + 20))
    await until(lambda: fifo.read() and sink.waiting == 0)
    fifo.read()
    assert ledger.full_sink() == ""
    assert fifo.routes() == [str(number) for number in range(noted + 20)]
    assert sink.dropped == 0


@pytest.mark.parametrize("queue", ["1B", "4KB", "24KB", "32KiB", "64KiB"])
async def test_a_sink_that_blocks_drops_nothing_before_it_is_full_however_small_its_queue(
    start: Start, fifo: Fifo, queue: str
) -> None:
    """Records are handed over several at a time: these may be more than a queue holds."""
    ledger = await start({"file": str(fifo.name), "queue": queue, "on_full": "block"})
    sink = ledger.sinks[0]
    long_path = b"/" + b"p" * 1023
    noted = 0
    while not ledger.full_sink():
        ledger.note(an_exchange(a_head(path=long_path), route=str(noted)), admitted())
        noted += 1
    # Refusals, and what is under way, come together as well.
    for _ in range(16):
        ledger.note(an_exchange(a_head(path=long_path), route=str(noted)), admitted())
        noted += 1
    ledger.flush()
    assert sink.dropped == 0
    await until(lambda: fifo.read() and sink.waiting == 0)
    fifo.read()
    assert fifo.routes() == [str(number) for number in range(noted)]


async def test_the_room_of_a_sink_that_blocks_has_an_end_too(start: Start, fifo: Fifo) -> None:
    ledger = await start({"file": str(fifo.name), "queue": "64KiB", "on_full": "block"})
    sink = ledger.sinks[0]
    await note(ledger, range(2000))
    assert sink.dropped > 0
    await until(lambda: fifo.read() and sink.waiting == 0)
    await note(ledger, range(2000, 2001))
    await until(lambda: fifo.read() and "2000" in fifo.routes())
    assert len(fifo.routes()) + fifo.missing() == 2001


@pytest.mark.parametrize("rule", ["drop", "spill"])
async def test_other_rules_refuse_nobody(start: Start, fifo: Fifo, rule: str) -> None:
    section = spilling(fifo)
    section["on_full"] = rule
    ledger = await start(section)
    await note(ledger, range(500))
    assert not ledger.blocks
    assert ledger.full_sink() == ""


async def test_a_spill_file_that_cannot_be_used_is_fatal_at_start(start: Start, fifo: Fifo) -> None:
    fifo.name.with_name("audit.spill").mkdir()
    with pytest.raises(OSError, match="the spill file cannot be used: Is a directory"):
        await start(spilling(fifo))


async def test_a_changed_policy_gives_a_sink_its_new_rule_and_loses_nothing(
    start: Start, fifo: Fifo
) -> None:
    ledger = await start(spilling(fifo))
    sink = ledger.sinks[0]
    for first in range(0, 300, 50):
        await note(ledger, range(first, first + 50))
        await settled(sink, first + 50)
    assert sink.spilled > 0
    same = Audit.model_validate({"sinks": [spilling(fifo)]})
    assert await ledger.stage(same) == ledger.sinks
    other = Audit.model_validate({"sinks": [{**spilling(fifo), "queue": "128KiB"}]})
    staged = await ledger.stage(other)
    assert staged != ledger.sinks
    ledger.renew(other, staged)
    await note(ledger, range(300, 400))
    await until(lambda: fifo.read() and len(set(fifo.routes())) == 400, 20)
    assert sink.dropped + staged[0].dropped == 0
