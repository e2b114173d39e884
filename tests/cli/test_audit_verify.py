"""`sidecar audit verify` on files as they lie on a disk."""

import gzip
import json
import os
from pathlib import Path

import pytest

from sidecar.adapters.audit.scribe import Scribe
from sidecar.adapters.audit.sinks import open_sink
from sidecar.cli.main import invoke
from sidecar.policy.schema.audit import FileSink

Said = pytest.CaptureFixture[str]


def write(name: Path, *numbers: int) -> None:
    """Be a worker that writes records and ends."""
    sink = open_sink(FileSink(file=str(name)), Scribe("0"))
    sink.open()
    sink.write([b'{"action":"request","n":%d' % number for number in numbers])
    sink.close()


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Write a trail of three files, the oldest packed."""
    name = tmp_path / "audit.jsonl"
    write(name, 1, 2)
    (tmp_path / "audit.jsonl.2.gz").write_bytes(gzip.compress(name.read_bytes()))
    name.unlink()
    write(name, 3, 4)
    name.rename(tmp_path / "audit.jsonl.1")
    write(name, 5)
    return name


def verify(capsys: Said, *arguments: object) -> tuple[int, str, str]:
    code = invoke(["audit", "verify", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.control("AU-6")
def test_a_trail_is_read_with_all_that_it_became_by_rotation(trail: Path, capsys: Said) -> None:
    code, out, err = verify(capsys, trail)
    assert (code, err) == (0, "")
    assert "records 1 to 6, ends with" in out
    assert out.endswith("6 records in 3 files: whole\n")


@pytest.mark.control("AU-6")
def test_what_is_wrong_is_told_with_file_line_and_number(trail: Path, capsys: Said) -> None:
    rotated = trail.with_name("audit.jsonl.1")
    rotated.write_bytes(rotated.read_bytes().replace(b'"n":4', b'"n":7'))
    code, out, err = verify(capsys, trail)
    assert code == 1
    assert err.startswith(f"{rotated}:2: record 5 of ")
    assert "does not follow the record before it: one of the two was changed" in err
    assert "not whole: 1 problems" in out


@pytest.mark.control("AU-6")
def test_a_trail_that_was_cut_off_is_known_by_what_is_kept_beside_it(
    trail: Path, capsys: Said
) -> None:
    trail.write_bytes(b"")
    code, _, err = verify(capsys, trail)
    assert code == 1
    assert "ends with record 5, but its writer wrote up to record 6" in err


def test_named_files_can_be_read_alone(trail: Path, capsys: Said) -> None:
    code, _, err = verify(capsys, trail, "--only")
    assert (code, "begins with record 6" in err) == (1, True)
    code, out, err = verify(capsys, trail, "--only", "--allow", "beginning")
    assert (code, err) == (0, "")
    assert "note: " in out


def test_the_answer_as_json_has_every_finding(trail: Path, capsys: Said) -> None:
    trail.write_bytes(trail.read_bytes() + b"torn")
    code, out, _ = verify(capsys, trail, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["whole"], document["records"], len(document["files"])) == (True, 6, 3)
    assert document["problems"] == []
    (note,) = document["notes"]
    assert (note["kind"], note["file"], note["line"], note["seq"]) == ("torn", str(trail), 2, None)
    (chain,) = document["chains"].values()
    assert (chain["first"], chain["last"]) == (1, 6)
    (trail.with_name("audit.jsonl.1")).unlink()
    code, out, _ = verify(capsys, trail, "--json")
    (problem,) = json.loads(out)["problems"]
    assert (code, problem["kind"], problem["seq"]) == (1, "missing", 6)


def test_a_key_that_is_none_and_a_file_that_is_missing_are_wrong_usage(
    trail: Path, capsys: Said
) -> None:
    code, _, err = verify(capsys, trail, "--public-key", trail)
    assert code == 2
    assert "is no Ed25519 public key in PEM (openssl pkey" in err
    assert verify(capsys, trail.with_name("nothing"))[0] == 2


def test_a_packed_file_that_cannot_be_read_is_no_answer(trail: Path, capsys: Said) -> None:
    packed = trail.with_name("audit.jsonl.2.gz")
    packed.write_bytes(packed.read_bytes()[:-9])
    code, _, err = verify(capsys, trail)
    assert (code, str(packed) in err) == (3, True)


def test_what_has_no_end_and_what_nobody_writes_to_are_refused(
    tmp_path: Path, capsys: Said
) -> None:
    os.mkfifo(tmp_path / "audit.jsonl")
    for name, kind in ((Path("/dev/zero"), "a device"), (tmp_path / "audit.jsonl", "a pipe")):
        assert verify(capsys, name) == (2, "", f"sidecar: {name}: it is {kind}, not a file\n")
