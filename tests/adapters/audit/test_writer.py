"""Audit records on their way to files and pipes: full disks, stalled readers, several workers."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import pytest

from sidecar.adapters.audit.record import Asked
from sidecar.adapters.audit.writer import BATCH_RECORDS, AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Event
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.audit import Audit
from tests.adapters.exchanges import (
    OWN_ID,
    admitted,
    an_exchange,
    an_unreadable_exchange,
    refused,
)
from tests.architecture.sources import HOUSE

Start = Callable[..., Awaitable[AuditLedger]]

FULL: Final = Path("/dev/full")
OF_THE_TRAIL: Final = frozenset({"audit.start", "audit.torn"})


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start ledgers that write to files; they are closed at the end of the test."""
    started: list[AuditLedger] = []

    async def start_one(
        *names: Path, requests: str = "all", flush: str = "20ms", queue: str = "8MiB"
    ) -> AuditLedger:
        sinks = [{"file": str(name), "queue": queue} for name in names]
        section = Audit.model_validate({"sinks": sinks, "requests": requests, "flush": flush})
        ledger = AuditLedger(section, time.time, UuidV7(time.time, os.urandom), role="0")
        await ledger.start()
        started.append(ledger)
        return ledger

    yield start_one
    for ledger in started:
        await ledger.close(0.1)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Make a FIFO with a reader that does not read yet: its name, and the reader's descriptor."""
    name = tmp_path / "fifo"
    os.mkfifo(name)
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    yield name, reader
    os.close(reader)


def records(text: bytes) -> list[dict[str, object]]:
    assert text.endswith(b"\n")
    read = [json.loads(line) for line in text.splitlines()]
    return [record for record in read if record.get("action") not in OF_THE_TRAIL]


def read_into(received: bytearray, reader: int) -> bool:
    """Read what a FIFO holds."""
    with suppress(BlockingIOError):
        while piece := os.read(reader, 1 << 20):
            received += piece
    return True


def missing(received: bytearray) -> int:
    """Add up what the records of gaps tell."""
    gaps = [json.loads(line) for line in received.splitlines() if b"audit.gap" in line]
    return sum(gap["metadata"]["dropped"] for gap in gaps)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  a thread and a file send no event
            await asyncio.sleep(0.005)


async def test_records_are_in_the_file_soon_after_they_were_noted(
    start: Start, tmp_path: Path
) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name)
    ledger.note(an_exchange(), admitted())
    ledger.note(an_unreadable_exchange(), refused(RefusalCode.BAD_REQUEST, "bare LF", "framing"))
    ledger.note_denied(Asked("GET", "/v1/status", 401), "127.0.0.1", "the token is wrong")
    await until(lambda: ledger.sinks[0].written == 3)
    read = records(name.read_bytes())
    assert [r["outcome"] for r in read] == ["admitted", "refused", "refused"]
    assert [r["action"] for r in read] == ["request", "request", "admin.authenticate"]


async def test_actions_and_requests_stand_in_the_order_in_which_they_were_noted(
    start: Start, tmp_path: Path
) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name, requests="refused")
    ledger.note(an_exchange(), refused(RefusalCode.NOT_FOUND, "no route", "route"))
    ledger.note_event(Event("key.revoke", "ops", "acme", "key", "k1"))
    ledger.note_event(Event("key.revoke", "ops", None, "key", "k2", "there is no key k2"))
    await until(lambda: ledger.sinks[0].written == 3)
    read = records(name.read_bytes())
    assert [(r["action"], r["outcome"]) for r in read] == [
        ("request", "refused"),
        ("key.revoke", "admitted"),
        ("key.revoke", "refused"),
    ]


async def test_the_file_is_readable_by_its_owner_alone(start: Start, tmp_path: Path) -> None:
    await start(tmp_path / "audit.jsonl")
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_file_is_appended_to(start: Start, tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    name.write_bytes(b'{"id":"old"}\n')
    ledger = await start(name)
    ledger.note(an_exchange(), admitted())
    await ledger.close()
    assert [r["id"] == "old" for r in records(name.read_bytes())] == [True, False]


async def test_a_full_batch_does_not_wait_for_the_clock(start: Start, tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name, flush="1h")
    for _ in range(BATCH_RECORDS + 44):
        ledger.note(an_exchange(), admitted())
    await until(lambda: ledger.sinks[0].written == BATCH_RECORDS)
    await ledger.close()
    assert len(records(name.read_bytes())) == BATCH_RECORDS + 44


async def test_a_batch_takes_a_part_of_its_queue_at_most(start: Start, tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name, queue="64KiB", flush="1h")
    for _ in range(100):
        ledger.note(an_exchange(), admitted())
    # A quarter of it are 33 records, and sixteen are composed at a time.
    await until(lambda: ledger.sinks[0].written == 96)
    await ledger.close()
    assert len(records(name.read_bytes())) == 100


async def test_a_record_that_cannot_be_written_is_a_gap_and_the_trail_goes_on(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name)
    broken = an_exchange()
    broken.client = cast("str", 7)  # a bug of ours
    ledger.note(an_exchange(route="/before"), admitted())
    ledger.note(broken, admitted())
    ledger.note(an_exchange(route="/after"), admitted())
    await ledger.close()
    told = [(r["action"], r["resource_id"]) for r in records(name.read_bytes())]
    assert told == [("audit.gap", "-"), ("request", "/before"), ("request", "/after")]
    assert ledger.sinks[0].dropped == 1
    assert OWN_ID.decode() in caplog.text


async def test_only_what_was_or_would_have_been_refused_is_recorded_on_demand(
    start: Start, tmp_path: Path
) -> None:
    name = tmp_path / "audit.jsonl"
    ledger = await start(name, requests="refused")
    shadowed = an_exchange(route="/shadowed")
    shadowed.shadow.append(Refuse(RefusalCode.FORBIDDEN, "address denied"))
    ledger.note(an_exchange(route="/admitted"), admitted())
    ledger.note(an_exchange(route="/refused"), refused())
    ledger.note(shadowed, admitted())
    await ledger.close()
    assert [r["resource_id"] for r in records(name.read_bytes())] == ["/refused", "/shadowed"]


async def test_every_sink_gets_every_record(start: Start, tmp_path: Path) -> None:
    ledger = await start(tmp_path / "one", tmp_path / "two")
    ledger.note(an_exchange(), admitted())
    await ledger.close()
    one, two = ((tmp_path / name).read_bytes() for name in ("one", "two"))
    assert [r["id"] for r in records(one)] == [r["id"] for r in records(two)] != []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("missing/audit.jsonl", "No such file", id="no folder"),
        pytest.param("folder", "Is a directory", id="a folder"),
        pytest.param("fifo", "No such device", id="a FIFO that nobody reads"),
    ],
)
async def test_a_sink_that_cannot_be_opened_is_fatal_at_start(
    start: Start, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match=reason) as caught:
        await start(tmp_path / "good", tmp_path / name)
    assert caught.value.filename == str(tmp_path / name)
    assert "the audit sink cannot be opened" in str(caught.value)


async def test_a_stalled_sink_stalls_nobody_and_its_gap_is_told(
    start: Start, tmp_path: Path, fifo: tuple[Path, int]
) -> None:
    name, reader = fifo
    ledger = await start(name, tmp_path / "healthy")
    stalled, healthy = ledger.sinks
    noted = 0
    while not stalled.dropped:  # the guard of the event loop watches that none of it blocks
        for _ in range(100):
            ledger.note(an_exchange(), admitted())
        noted += 100
        # The healthy one has its turn, or it would be flooded too and lose what it may not lose.
        await until(lambda: healthy.waiting == 0)
    ledger.flush()
    await until(lambda: healthy.waiting == 0)
    assert (healthy.dropped, healthy.written) == (0, noted)
    assert stalled.waiting > 0

    received = bytearray()
    await until(lambda: read_into(received, reader) and stalled.waiting == 0)
    ledger.note(an_exchange(), admitted())
    ledger.flush()
    noted += 1
    await until(lambda: read_into(received, reader) and stalled.waiting == 0)
    read_into(received, reader)
    assert missing(received) == stalled.dropped
    assert received.count(b'"action":"request"') + stalled.dropped == noted


async def test_a_gap_is_told_at_the_latest_when_the_ledger_closes(
    start: Start, fifo: tuple[Path, int]
) -> None:
    name, reader = fifo
    ledger = await start(name)
    while not ledger.sinks[0].dropped:
        for _ in range(100):
            ledger.note(an_exchange(), admitted())
        await asyncio.sleep(0)
    closing = asyncio.create_task(ledger.close())
    received = bytearray()
    await until(lambda: read_into(received, reader) and closing.done())
    read_into(received, reader)
    assert missing(received) == ledger.sinks[0].dropped > 0


async def test_closing_a_ledger_whose_sink_is_stalled_ends_in_time(
    start: Start, fifo: tuple[Path, int], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await start(fifo[0])
    for _ in range(2000):
        ledger.note(an_exchange(), admitted())
    begun = time.monotonic()
    await ledger.close(0.2)
    assert time.monotonic() - begun < 2
    # What the pipe itself holds was written; not a record of the rest is forgotten.
    dropped, written = ledger.sinks[0].dropped, ledger.sinks[0].written
    assert dropped + written == 2000
    assert dropped > 1500
    assert f"{dropped} audit records were not written" in caplog.text


async def test_a_full_disk_is_counted_told_once_and_tried_again(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await start(FULL)
    ledger.note(an_exchange(), admitted())
    await until(lambda: ledger.sinks[0].errors >= 3)
    assert ledger.sinks[0].waiting == 1
    assert ledger.sinks[0].is_failing
    await ledger.close(0.1)
    assert ledger.sinks[0].dropped == 1
    complaints = [r for r in caplog.records if "cannot be written" in r.getMessage()]
    assert [(r.levelno, r.name) for r in complaints] == [(logging.ERROR, "sidecar.audit")]
    assert "No space left on device" in caplog.text


async def test_what_waited_for_a_full_disk_is_written_once_there_is_room(
    start: Start, tmp_path: Path
) -> None:
    name = tmp_path / "audit.jsonl"
    name.symlink_to(FULL)
    ledger = await start(name)
    ledger.note(an_exchange(), admitted())
    await until(lambda: ledger.sinks[0].errors >= 1)
    name.unlink()
    ledger.reopen()
    await until(lambda: ledger.sinks[0].written == 1)
    assert len(records(name.read_bytes())) == 1
    assert ledger.sinks[0].dropped == 0
    assert not ledger.sinks[0].is_failing


async def test_a_rotated_file_is_opened_again(start: Start, tmp_path: Path) -> None:
    name, rotated = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    ledger = await start(name)
    ledger.note(an_exchange(route="/before"), admitted())
    ledger.flush()
    await until(lambda: ledger.sinks[0].written == 1)
    name.rename(rotated)
    ledger.reopen()
    await until(name.exists)
    ledger.note(an_exchange(route="/after"), admitted())
    await ledger.close()
    assert [r["resource_id"] for r in records(rotated.read_bytes())] == ["/before"]
    assert [r["resource_id"] for r in records(name.read_bytes())] == ["/after"]


async def test_a_file_that_cannot_be_opened_again_is_written_where_it_went(
    start: Start, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    ledger = await start(folder / "audit.jsonl")
    folder.rename(moved)
    ledger.reopen()
    await until(lambda: ledger.sinks[0].errors == 1)
    ledger.note(an_exchange(), admitted())
    await ledger.close()
    assert len(records((moved / "audit.jsonl").read_bytes())) == 1


async def test_what_is_noted_after_the_end_is_counted_as_dropped(
    start: Start, tmp_path: Path
) -> None:
    ledger = await start(tmp_path / "audit.jsonl")
    await ledger.close()
    ledger.note(an_exchange(), admitted())
    ledger.flush()
    assert ledger.sinks[0].dropped == 1


def _worker(sink: str, count: int, name: str, stdout: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.adapters.audit.append", sink, str(count), name]
    return subprocess.Popen(command, cwd=HOUSE, stdout=stdout)  # noqa: S603  a module of ours


def _ended(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    return [worker.wait(30) for worker in workers]


def test_the_lines_of_workers_that_share_a_file_stay_whole(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    workers = [_worker(str(name), 2000, route, None) for route in ("/a", "/b", "/c")]
    assert _ended(workers) == [0, 0, 0]
    told = Counter(str(r["resource_id"]) for r in records(name.read_bytes()))
    assert told == {"/a": 2000, "/b": 2000, "/c": 2000}


@pytest.mark.parametrize("sink", ["stdout", "nonblocking"])
def test_the_lines_of_workers_that_share_a_pipe_stay_whole(sink: str) -> None:
    reader, writer = os.pipe()
    workers = [_worker(sink, 1000, route, writer) for route in ("/a", "/b")]
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        read = pipe.read()
    assert _ended(workers) == [0, 0]
    assert Counter(str(r["resource_id"]) for r in records(read)) == {"/a": 1000, "/b": 1000}
