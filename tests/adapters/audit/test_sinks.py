"""Files whose chains go on: torn lines, full disks, kills between any two steps, rotations."""

import json
import logging
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.adapters.audit.heads import SLOT_BYTES, heads_of, written_heads
from sidecar.adapters.audit.scribe import COMMAND, Scribe
from sidecar.adapters.audit.sinks import Sink, open_sink
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.trail import Trail
from sidecar.policy.schema.audit import FileSink, StdoutSink

Spoil = Callable[[Path], object]

START = "audit.start"
TORN = "audit.torn"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse to make a file larger, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def a_sink(name: Path, role: str = "0") -> Sink:
    sink = open_sink(FileSink(file=str(name)), Scribe(role))
    sink.open()
    return sink


def record(number: int) -> bytes:
    return b'{"action":"request","n":%d' % number


def write(name: Path, *numbers: int, role: str = "0") -> None:
    """Be a process that writes records to a file and ends."""
    sink = a_sink(name, role)
    assert sink.write([record(number) for number in numbers]) == (len(numbers), None)
    sink.close()


def read(*names: Path) -> Report:
    """Verify files."""
    trail = Trail()
    for name in names:
        trail.next_file()
        for number, line in enumerate(name.read_bytes().splitlines(keepends=True), 1):
            place = Place(str(name), number)
            trail.take(line.removesuffix(b"\n"), place, is_ended=line.endswith(b"\n"))
    return trail.report(written_heads(str(names[0])))


def told(name: Path) -> list[object]:
    """List the numbers of a file's records, and the actions of the trail's own."""
    said: list[object] = []
    for line in name.read_bytes().splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        said.append(one.get("n", one["action"]))
    return said


@pytest.mark.control("AU-6")
def test_a_chain_begins_once_and_goes_on_after_each_start(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1, 2)
    write(name, 3)
    write(name, 4)
    assert told(name) == [START, 1, 2, 3, 4]
    report = read(name)
    assert report.problems == []
    assert [chain.last for chain in report.chains.values()] == [5]


@pytest.mark.control("AU-6")
def test_processes_under_one_name_share_a_chain(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    old, new = a_sink(name, COMMAND), a_sink(name, COMMAND)
    for number in range(10):
        assert (old, new)[number % 2].write([record(number)]) == (1, None)
    old.close()
    new.close()
    report = read(name)
    assert report.problems == []
    assert [chain.records for chain in report.chains.values()] == [11]


def test_a_chain_that_begins_in_a_file_names_the_line_before_it(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    before = json.loads(name.read_bytes().splitlines()[-1])
    write(name, 2, role="supervisor")
    start = json.loads(name.read_bytes().splitlines()[2])
    assert start["metadata"]["details"] == {
        "previous_writer": before["writer"],
        "previous_seq": 2,
        "previous_hash": before["hash"],
    }
    assert read(name).problems == []


@pytest.mark.control("AU-6")
def test_a_chain_goes_on_in_the_next_file_after_a_rotation(tmp_path: Path) -> None:
    name, rotated = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    sink = a_sink(name)
    sink.write([record(1)])
    name.rename(rotated)
    sink.write([record(2)])
    sink.open()
    sink.write([record(3)])
    sink.close()
    write(name, 4)
    assert (told(rotated), told(name)) == ([START, 1, 2], [3, 4])
    assert read(name, rotated).problems == []
    assert [one.kind for one in read(name).problems] == ["beginning"]


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("room", range(300, 900, 37))
def test_a_full_disk_tears_a_line_that_is_ended_vouched_for_and_said_again(
    tmp_path: Path, room: int
) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    sink = a_sink(name)
    # The heads are smaller than the file, or the limit would hold them up instead.
    size = max(name.stat().st_size, SLOT_BYTES) + room
    with files_no_larger_than(size):
        taken, error = sink.write([record(n) for n in range(2, 9)])
        again, still = sink.write([record(n) for n in range(2 + taken, 9)])
    assert isinstance(error, OSError)
    assert isinstance(still, OSError)
    rest = [record(n) for n in range(2 + taken + again, 9)]
    assert sink.write(rest) == (len(rest), None)
    sink.close()
    assert [one for one in told(name) if one not in (START, TORN)] == list(range(1, 9))
    report = read(name)
    assert report.problems == []
    assert {one.kind for one in report.notes} <= {"torn"}


def before_line_feed(name: Path, number: int) -> int:
    """Write records 2 to 9 to a copy of a file, and say where the line of one of them ends."""
    copy = name.with_name("copy.jsonl")
    for one in (name, Path(heads_of(str(name)))):
        one.with_name(one.name.replace("audit", "copy")).write_bytes(one.read_bytes())
    write(copy, *range(2, 10))
    content = copy.read_bytes()
    return content.index(b"\n", content.index(b'"n":%d' % number))


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("number", [5, 8])
def test_a_line_that_a_full_disk_took_but_for_its_line_feed_is_not_said_again(
    tmp_path: Path, number: int
) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    size = before_line_feed(name, number)
    sink = a_sink(name)
    with files_no_larger_than(size):
        taken, error = sink.write([record(n) for n in range(2, 10)])
    assert name.stat().st_size == size > SLOT_BYTES
    assert taken == number - 1
    assert isinstance(error, OSError)
    rest = [record(n) for n in range(number + 1, 10)]
    assert sink.write(rest) == (len(rest), None)
    sink.close()
    assert told(name) == [START, *range(1, 10)]
    report = read(name)
    assert (report.problems, report.notes) == ([], [])


@pytest.mark.control("AU-6")
def test_a_line_that_a_kill_left_without_its_line_feed_is_where_the_chain_goes_on(
    tmp_path: Path,
) -> None:
    name = tmp_path / "audit.jsonl"
    heads = Path(heads_of(str(name)))
    write(name, 1)
    settled, size = heads.read_bytes(), name.stat().st_size
    cut = before_line_feed(name, 3)
    write(name, 2, 3, 4)
    os.truncate(name, cut)
    words = settled.split()
    writing = [*words[:4], b"9", b"f" * 64, *words[6:7], b"%d" % size, b"%d" % (cut + 99 - size)]
    heads.write_bytes(b" ".join(writing).ljust(SLOT_BYTES - 1) + b"\n")
    write(name, 5)
    assert told(name) == [START, 1, 2, 3, 5]
    report = read(name)
    assert (report.problems, report.notes) == ([], [])


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("kept", range(0, 700, 23))
def test_a_kill_amid_a_write_leaves_a_chain_that_goes_on(tmp_path: Path, kept: int) -> None:
    name = tmp_path / "audit.jsonl"
    heads = Path(heads_of(str(name)))
    write(name, 1)
    settled, size = heads.read_bytes(), name.stat().st_size
    sink = a_sink(name)
    sink.write([record(2), record(3), record(4)])
    sink.close()
    after = name.read_bytes()[size:]
    os.truncate(name, size + min(kept, len(after)))
    words = settled.split()
    writing = [*words[:4], b"9", b"f" * 64, *words[6:7], b"%d" % size, b"%d" % len(after)]
    heads.write_bytes(b" ".join(writing).ljust(SLOT_BYTES - 1) + b"\n")
    assert read(name).problems == []
    write(name, 5)
    report = read(name)
    assert report.problems == []
    assert [chain.records for chain in report.chains.values()] == [len(told(name))]
    assert told(name)[-1] == 5


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda heads: heads.unlink(), id="gone"),
        pytest.param(lambda heads: heads.write_bytes(b"x" * 700), id="unreadable"),
        pytest.param(
            lambda heads: heads.write_bytes(heads.read_bytes().replace(b" 2 ", b" x ")), id="no seq"
        ),
    ],
)
def test_without_its_heads_a_file_gets_a_new_chain_and_no_alarm(
    tmp_path: Path, spoil: Spoil
) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    spoil(Path(heads_of(str(name))))
    write(name, 2)
    report = read(name)
    assert told(name) == [START, 1, START, 2]
    assert report.problems == []
    assert len(report.chains) == 2


def test_what_a_power_failure_lost_amid_a_write_begins_a_new_chain(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    heads = Path(heads_of(str(name)))
    words = heads.read_bytes().split()
    heads.write_bytes(b" ".join([*words[:7], b"9999", b"10"]).ljust(SLOT_BYTES - 1) + b"\n")
    write(name, 2)
    assert told(name) == [START, 1, START, 2]


def test_a_folder_that_cannot_be_written_gives_each_start_a_chain_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = tmp_path / "audit.jsonl"
    Path(heads_of(str(name))).mkdir()  # root may write any folder, but no folder as a file
    with caplog.at_level(logging.WARNING):
        write(name, 1)
        write(name, 2)
    assert told(name) == [START, 1, START, 2]
    assert read(name).problems == []
    assert "each start begins a new chain" in caplog.text


def test_files_and_heads_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    write(name, 1)
    for one in (name, Path(heads_of(str(name)))):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600


@pytest.mark.parametrize(("role", "first"), [("0", [START]), (COMMAND, [])])
def test_the_chain_of_standard_output_begins_with_each_start(
    tmp_path: Path, role: str, first: list[object]
) -> None:
    name = tmp_path / "out"
    for number in (1, 2):
        with name.open("ab") as out:
            sink = open_sink(StdoutSink(), Scribe(role), out.fileno())
            sink.open()
            sink.open()
            assert sink.write([record(number)]) == (1, None)
            sink.close()
    assert told(name) == [*first, 1, *first, 2]
    assert read(name).problems == []


def test_a_pipe_that_breaks_amid_a_line_has_it_vouched_for(tmp_path: Path) -> None:
    name = tmp_path / "out"
    with name.open("ab") as out:
        sink = open_sink(StdoutSink(), Scribe("0"), out.fileno())
        sink.open()
        with files_no_larger_than(600):
            taken, error = sink.write([record(1), record(2), record(3)])
        assert isinstance(error, OSError)
        rest = [record(n) for n in range(1 + taken, 4)]
        assert sink.write(rest) == (len(rest), None)
        sink.close()
    assert [one for one in told(name) if one not in (START, TORN)] == [1, 2, 3]
    assert read(name).problems == []


def test_a_sink_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    open_sink(FileSink(file=str(name)), Scribe("0")).close()
    assert not name.exists()
