"""What is named may be anything; it is read within bounds, or said to be what it is."""

import os
import threading
from pathlib import Path

import pytest

from sidecar.adapters.reading import MOST_BYTES, read_file, reading
from sidecar.adapters.watched import Watched


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_file_of_the_largest_size_is_read_whole(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 16
    (tmp_path / "file").write_bytes(content)
    assert len(content) == MOST_BYTES
    assert read_file(str(tmp_path / "file")) == content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/zero", "it is a device, not a file"),
        ("terminal", "it is a device, not a file"),
        (".", "it is a folder, not a file"),
        ("pipe", "it is a pipe, not a file"),
        ("large", "it has more than 16 MiB"),
        ("gone", "No such file or directory"),
    ],
)
def test_what_is_no_file_or_too_large_is_said_at_once(
    tmp_path: Path, pipe: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(pipe.parent)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    ends = os.openpty()
    with pytest.raises(OSError, match=message) as caught:
        read_file(os.ttyname(ends[1]) if name == "terminal" else name)
    assert caught.value.filename
    for end in ends:
        os.close(end)


def test_a_pipe_that_was_given_is_read_until_it_is_closed(pipe: Path) -> None:
    content = b"version: 1\n" * 20_000
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    assert reading(str(pipe))(str(pipe)) == content
    writer.join()


def test_a_pipe_that_was_written_and_closed_before_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"version: 1")
    os.close(writer)
    name = f"/dev/fd/{reader}"
    assert reading(name)(name) == b"version: 1"
    os.close(reader)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_pipe_that_nobody_closes_is_given_up(pipe: Path, *, is_open: bool) -> None:
    writer = os.open(pipe, os.O_RDWR) if is_open else None
    if writer is not None:
        os.write(writer, b"version: 1")
    with pytest.raises(TimeoutError, match=r"a pipe that nobody closed within 0\.01 seconds"):
        read_file(str(pipe), seconds=0.01)
    if writer is not None:
        os.close(writer)


def test_a_pipe_that_has_no_end_is_bounded(pipe: Path) -> None:
    writer = threading.Thread(target=_fill, args=(pipe,))
    writer.start()
    with pytest.raises(OSError, match="more than 1 MiB"):
        read_file(str(pipe), 1 << 20, seconds=5)
    writer.join()


def _fill(pipe: Path) -> None:
    with pipe.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except BrokenPipeError:
            return


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_what_is_no_file_any_more_is_not_waited_for(pipe: Path, name: str) -> None:
    named = str(pipe.parent / name)
    assert Watched([named]).look() == {named: ""}
