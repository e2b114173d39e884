"""Audit files that the sidecar rotates itself, alone and with other processes."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import Sink, open_sink
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.policy.schema.audit import FileSink
from tests.architecture.sources import HOUSE
from tests.knowledge.audit.removals import SIGNER

pytestmark = pytest.mark.control("AU-1")


def a_sink(
    name: Path, role: str = "0", signer: StatementSigner | None = None, **rotate: object
) -> Sink:
    section = FileSink.model_validate({"file": str(name), "rotate": rotate})
    sink = open_sink(section, Scribe(role, signer=signer, every=0.0))
    sink.open()
    return sink


def a_record(number: int, time: str = "2030-01-01T00:00:00.000Z") -> bytes:
    return json.dumps(
        {"id": str(number), "timestamp": time, "action": "request"}, separators=(",", ":")
    ).encode()[:-1]


def ids(name: Path) -> list[str]:
    lines = [json.loads(line) for line in name.read_bytes().splitlines()]
    return [line["id"] for line in lines if line["action"] == "request"]


def kept(name: Path) -> list[str]:
    return sorted(one.name for one in name.parent.iterdir() if not one.name.startswith("."))


@contextmanager
def files_opened_no_more(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the system out of descriptors."""

    def refuse(name: str, *_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files", name)

    with monkeypatch.context() as patched:
        patched.setattr("sidecar.adapters.audit.sinks.os.open", refuse)
        yield


def is_whole(names: Sequence[Path]) -> bool:
    command = [sys.executable, "-m", "sidecar", "audit", "verify", *map(str, names)]
    return subprocess.run(command, cwd=HOUSE, check=False, capture_output=True).returncode == 0  # noqa: S603  our own command


def test_a_file_is_rotated_before_it_grows_beyond_its_size(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name, size="1KB")
    for number in range(20):
        assert sink.write([a_record(number)] * 1) == (1, None)
    sink.close()
    old = sorted(tmp_path.glob("audit.jsonl.*"), key=lambda one: -int(one.suffix[1:]))
    assert len(old) > 2
    assert [i for file in (*old, name) for i in ids(file)] == [str(n) for n in range(20)]
    assert max(file.stat().st_size for file in (*old, name)) <= 1000
    assert is_whole([name])


def test_many_records_at_once_are_spread_over_files(tmp_path: Path) -> None:
    """What waited for a disk that stood still may be more than a file holds."""
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name, size="4KB", keep=100)
    assert sink.write([a_record(number) for number in range(200)]) == (200, None)
    sink.close()
    old = sorted(tmp_path.glob("audit.jsonl.*"), key=lambda one: -int(one.suffix[1:]))
    assert [i for file in (*old, name) for i in ids(file)] == [str(n) for n in range(200)]
    sizes = [file.stat().st_size for file in old]
    assert max(sizes) <= 4000
    # None was given up long before it was full.
    assert min(sizes) > 3400
    assert is_whole([name])


def test_a_file_is_no_larger_for_being_signed_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The longest names: nothing that a trail says of itself is longer.
    monkeypatch.setattr("sidecar.adapters.audit.scribe.gethostname", lambda: "h" * 64)
    name = tmp_path / "audit.jsonl"
    sinks = [
        a_sink(name, role * 16, signer=SIGNER, size="8KB", keep=100) for role in ("a", "b", "c")
    ]
    for number in range(300):
        assert sinks[number % 3].write([a_record(number)] * (number % 5)) == (number % 5, None)
    old = sorted(tmp_path.glob("audit.jsonl.*"), key=lambda one: -int(one.suffix[1:]))
    assert sum(len(ids(file)) for file in (*old, name)) == 600
    assert max(file.stat().st_size for file in (*old, name)) <= 8000
    assert all(b'"audit.checkpoint"' in file.read_bytes().splitlines()[-1] for file in old)
    for sink in sinks:
        sink.close()
    assert is_whole([name])


def test_records_that_were_written_before_a_disk_is_full_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file cannot be opened: what is in the first one must not be written again."""
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name, size="4KB")
    records = [a_record(number) for number in range(30)]
    with files_opened_no_more(monkeypatch):
        taken, error = sink.write(records)
    assert 0 < taken < 30
    assert error is not None
    assert sink.write(records[taken:]) == (30 - taken, None)
    sink.close()
    old = sorted(tmp_path.glob("audit.jsonl.*"), key=lambda one: -int(one.suffix[1:]))
    assert [i for file in (*old, name) for i in ids(file)] == [str(n) for n in range(30)]
    assert is_whole([name])


def test_so_many_old_files_are_kept(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name, size="1B", keep=2)
    for number in range(5):
        sink.write([a_record(number)])
    sink.close()
    assert kept(name) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert [ids(tmp_path / one) for one in kept(name)] == [["4"], ["3"], ["2"]]


def test_a_file_is_rotated_when_its_first_record_is_too_old(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    name.write_bytes(a_record(0, "2020-01-01T00:00:00.000Z") + b"}\n")
    sink = a_sink(name, age="24h")
    sink.write([a_record(1)])
    sink.write([a_record(2)])
    sink.close()
    assert kept(name) == ["audit.jsonl", "audit.jsonl.1"]
    assert ids(tmp_path / "audit.jsonl.1") == ["0"]
    assert ids(name) == ["1", "2"]


def test_a_file_whose_age_cannot_be_told_is_left_to_its_size(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    name.write_bytes(b'{"id":"x","timestamp":"once upon a time","action":"request"}\n')
    sink = a_sink(name, age="1ms")
    sink.write([a_record(1)])
    sink.close()
    assert kept(name) == ["audit.jsonl"]


def test_who_rotates_is_followed_by_the_others(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    first, second = a_sink(name, size="1KB"), a_sink(name, "1", size="1KB")
    second.write([a_record(0)])
    for number in range(1, 10):
        first.write([a_record(number)])
    before = kept(name)
    second.write([a_record(10)])
    assert ids(name)[-1] == "10"
    # It went on in the file that it found, and did not rotate that one for its own old one's size.
    assert (kept(name), len(ids(name)) > 1) == (before, True)
    first.close()
    second.close()
    assert is_whole([name])


def test_a_file_that_was_moved_away_by_others_is_made_anew(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    sink = a_sink(name, size="1MB")
    sink.write([a_record(0)])
    name.rename(tmp_path / "elsewhere")
    sink.write([a_record(1)])
    sink.close()
    assert ids(name) == ["1"]


def test_a_file_that_cannot_be_rotated_is_written_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = tmp_path / "audit.jsonl"
    (tmp_path / "audit.jsonl.1").mkdir()
    sink = a_sink(name, size="1B", keep=1)
    for number in range(3):
        assert sink.write([a_record(number)]) == (1, None)
    sink.close()
    assert ids(name) == ["0", "1", "2"]
    assert caplog.text.count("cannot be rotated: Is a directory") == 1


def test_workers_that_share_a_file_that_rotates_lose_nothing(tmp_path: Path) -> None:
    name = tmp_path / "audit.jsonl"
    rotate = {"size": "100KB", "keep": 100}
    command = [sys.executable, "-m", "tests.adapters.audit.append", str(name), "1000"]
    workers = [
        subprocess.Popen([*command, route, json.dumps(rotate)], cwd=HOUSE, env=os.environ)  # noqa: S603  a module of ours
        for route in ("/a", "/b", "/c")
    ]
    assert [worker.wait(50) for worker in workers] == [0, 0, 0]
    files = [name, *tmp_path.glob("audit.jsonl.*")]
    assert len(files) > 3
    lines = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    came = [line["resource_id"] for line in lines if line["action"] == "request"]
    assert {route: came.count(route) for route in ("/a", "/b", "/c")} == dict.fromkeys(
        ("/a", "/b", "/c"), 1000
    )
    assert is_whole([name])
