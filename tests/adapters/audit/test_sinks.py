"""A sink on a disk that is full in the middle of a line."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.adapters.audit.sinks import Sink
from sidecar.policy.schema.audit import FileSink


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse to make a file larger, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def a_sink(name: Path) -> Sink:
    sink = Sink(FileSink(file=str(name)))
    sink.open()
    return sink


def test_a_torn_line_is_ended_and_said_again(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name)
    with files_no_larger_than(9):
        rest, error = sink.write(b"first\nsecond\nthird\n")
        again, still = sink.write(rest)
    assert (rest, again) == (b"second\nthird\n", b"second\nthird\n")
    assert error is not None
    assert still is not None
    assert sink.write(again) == (b"", None)
    assert sink.write(b"fourth\n") == (b"", None)
    sink.close()
    assert name.read_bytes() == b"first\nsec\nsecond\nthird\nfourth\n"


def test_a_torn_line_is_remembered_when_the_same_file_is_opened_again(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name)
    with files_no_larger_than(3):
        rest, _ = sink.write(b"first\n")
    sink.open()
    assert sink.write(rest) == (b"", None)
    sink.close()
    assert name.read_bytes() == b"fir\nfirst\n"


def test_a_torn_line_does_not_follow_into_a_fresh_file(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name)
    with files_no_larger_than(3):
        rest, _ = sink.write(b"first\n")
    name.rename(tmp_path / "rotated")
    sink.open()
    assert sink.write(rest) == (b"", None)
    sink.close()
    assert name.read_bytes() == b"first\n"


def test_a_sink_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    sink = Sink(FileSink(file=str(tmp_path / "audit.jsonl")))
    sink.close()
    assert not (tmp_path / "audit.jsonl").exists()
