"""A trail that is signed: when checkpoints are written, and what they prove."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidecar.adapters.audit.scribe import COMMAND, Scribe
from sidecar.adapters.audit.sinks import open_sink
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.knowledge.audit.chain import Head, link_of
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.signing import SignatureChecker, StatementSigner
from sidecar.knowledge.audit.trail import Trail
from sidecar.model.secret import Secret
from sidecar.policy.schema.audit import Audit, FileSink
from tests.adapters.audit.test_sinks import START, files_no_larger_than, record, told
from tests.adapters.exchanges import admitted, an_exchange
from tests.knowledge.audit.chains import linked

CHECKPOINT = "audit.checkpoint"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = StatementSigner(Secret(KEY.private_bytes_raw()))
IS_SIGNED = SignatureChecker(
    KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)

Start = Callable[[Path], Awaitable[AuditLedger]]


class Clock:
    """A clock that stands until it is moved."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start ledgers that sign; they are closed at the end of the test."""
    started: list[AuditLedger] = []

    async def start_one(name: Path) -> AuditLedger:
        section = Audit().model_copy(
            update={
                "sinks": (FileSink(file=str(name)),),
                "signing_key": Secret(KEY.private_bytes_raw()),
            }
        )
        ledger = AuditLedger(section, time.time, UuidV7(time.time, os.urandom), role="0")
        await ledger.start()
        started.append(ledger)
        return ledger

    yield start_one
    for ledger in started:
        await ledger.close()


def verified(*names: Path) -> Report:
    """Verify files by the key."""
    trail = Trail(IS_SIGNED)
    for name in names:
        trail.next_file()
        for number, line in enumerate(name.read_bytes().splitlines(), 1):
            trail.take(line, Place(str(name), number))
    return trail.report()


async def written(ledger: AuditLedger, records: int) -> None:
    ledger.flush()
    async with asyncio.timeout(10):
        while ledger.sinks[0].written < records:  # noqa: ASYNC110  a thread sends no event
            await asyncio.sleep(0.005)


@pytest.mark.control("AU-6")
def test_the_first_lines_are_signed_at_once_and_then_as_often_as_asked(tmp_path: Path) -> None:
    name, clock = tmp_path / "audit.jsonl", Clock()
    scribe = Scribe("0", clock, signer=SIGNER, every=60)
    sink = open_sink(FileSink(file=str(name)), scribe)
    sink.open()
    assert scribe.until_due() is None
    sink.write([record(1)])
    sink.write([record(2)])
    assert scribe.until_due() == 60
    clock.now += 60
    assert scribe.until_due() == 0
    sink.write([])
    sink.write([])
    assert scribe.until_due() is None
    sink.write([record(3)])
    sink.close()
    assert told(name) == [START, 1, CHECKPOINT, 2, CHECKPOINT, 3]
    report = verified(name)
    assert report.problems == []
    assert [chain.signed for chain in report.chains.values()] == [4]


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("room", range(400, 1500, 61))
def test_a_checkpoint_that_the_disk_has_no_room_for_is_written_later(
    tmp_path: Path, room: int
) -> None:
    name = tmp_path / "audit.jsonl"
    sink = open_sink(FileSink(file=str(name)), Scribe("0", Clock(), signer=SIGNER))
    sink.open()
    with files_no_larger_than(512 + room):
        taken, error = sink.write([record(n) for n in (1, 2)])
    assert taken <= 2
    assert sink.write([record(n) for n in (1, 2)][taken:]) == (2 - taken, None)
    sink.close()
    report = verified(name)
    assert report.problems == []
    assert [chain.last - chain.signed for chain in report.chains.values()] == [1]
    assert [one for one in told(name) if isinstance(one, int)] == [1, 2]
    assert error is None or isinstance(error, OSError)


@pytest.mark.control("AU-6")
async def test_a_clean_stop_and_a_rotation_sign_what_is_written(
    start: Start, tmp_path: Path
) -> None:
    name, rotated = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    ledger = await start(name)
    for count in (1, 2):
        ledger.note(an_exchange(), admitted())
        await written(ledger, count)
    name.rename(rotated)
    ledger.reopen()
    ledger.note(an_exchange(), admitted())
    await written(ledger, 3)
    await ledger.close()
    assert told(rotated) == [START, "request", CHECKPOINT, "request", CHECKPOINT]
    assert told(name) == ["request", CHECKPOINT]
    report = verified(rotated, name)
    assert (report.problems, report.notes) == ([], [])


async def test_who_wrote_nothing_signs_nothing(start: Start, tmp_path: Path) -> None:
    ledger = await start(tmp_path / "audit.jsonl")
    ledger.reopen()
    await ledger.close()
    assert told(tmp_path / "audit.jsonl") == []


@pytest.mark.control("AU-6")
def test_every_command_signs_what_it_wrote(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    for number in (1, 2):
        sink = open_sink(FileSink(file=str(name)), Scribe(COMMAND, signer=SIGNER))
        sink.open()
        sink.write([record(number)])
        sink.close()
    assert told(name) == [START, 1, CHECKPOINT, 2, CHECKPOINT]
    assert (verified(name).problems, verified(name).notes) == ([], [])


@pytest.mark.control("AU-6")
def test_a_trail_that_somebody_chained_anew_is_found_by_its_checkpoints(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = open_sink(FileSink(file=str(name)), Scribe("0", signer=SIGNER))
    sink.open()
    sink.write([record(1), record(2), record(3)])
    sink.close()
    bodies = [line for line in name.read_bytes().splitlines() if b'"n":2' not in line]
    first = link_of(bodies[0])
    assert first is not None
    records = [line[: line.index(b',"writer":')] + b"}" for line in bodies]
    name.write_bytes(b"".join(linked(records, Head(first.writer))))
    assert [one.kind for one in verified(name).problems] == ["signature", "unsigned"]


def test_without_a_key_there_is_nothing_to_sign() -> None:
    scribe = Scribe("0")
    assert (scribe.is_due(), scribe.until_due()) == (False, None)
    with pytest.raises(RuntimeError, match="without a signing key"):
        scribe.checkpoint(scribe.new_head())
