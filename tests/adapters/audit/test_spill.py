"""The file where records wait for a sink: its order, its bounds, and what a kill leaves."""

from pathlib import Path

import pytest

from sidecar.adapters.audit.spill import SpillFile
from tests.adapters.audit.test_sinks import files_no_larger_than

A, B, C, D = (b'{"id":"%s"}' % name for name in (b"a", b"b", b"c", b"d"))


@pytest.fixture
def file(tmp_path: Path) -> SpillFile:
    return opened(tmp_path / "audit.spill")


def opened(name: Path, size: int = 1000) -> SpillFile:
    file = SpillFile(str(name), size)
    file.open()
    return file


def test_records_come_back_in_order(file: SpillFile) -> None:
    file.append([A, B])
    file.append([C])
    assert file.first() == [A, B, C]
    file.take([A])
    file.append([D])
    assert file.first() == [B, C, D]


def test_an_empty_file_takes_no_disk(file: SpillFile) -> None:
    assert file.first() == []
    file.append([A, B])
    assert file.waiting() == len(A + B) + 2
    # What lies before the records is a hole: a few blocks, whatever the length says.
    assert Path(file.name).stat().st_blocks * 512 < 65536
    file.take([A, B])
    assert file.waiting() == 0
    assert Path(file.name).stat().st_size == 0


def test_what_is_older_goes_before_the_others(file: SpillFile) -> None:
    file.append([C])
    file.prepend([A, B])
    assert file.first() == [A, B, C]
    file.take([A, B, C])
    file.prepend([D])
    assert file.first() == [D]


def test_records_are_there_after_a_restart_for_any_process(file: SpillFile) -> None:
    file.append([A, B])
    file.take([A])
    file.close()
    again = opened(Path(file.name))
    assert again.first() == [B]
    assert Path(file.name).stat().st_mode & 0o777 == 0o600


def test_the_fragment_that_a_kill_left_is_cut_off(file: SpillFile) -> None:
    file.append([A])
    with Path(file.name).open("ab") as torn:
        torn.write(B[:5])
    assert file.first() == [A]
    file.append([C])
    assert file.first() == [A, C]


def test_a_record_larger_than_what_is_read_at_once_comes_whole(tmp_path: Path) -> None:
    file = opened(tmp_path / "spill", 10**6)
    large = b"x" * 700_000
    file.append([large, A])
    assert file.first()[0] == large


def test_the_size_is_a_bound(file: SpillFile) -> None:
    file.append([A] * 50)
    with pytest.raises(OSError, match="size that the policy gives"):
        file.append([b"x" * 1000])
    assert file.first() == [A] * 50


def test_a_disk_that_is_full_amid_a_record_leaves_nothing_of_it(file: SpillFile) -> None:
    file.append([A])
    with (
        files_no_larger_than(Path(file.name).stat().st_size + 3),
        pytest.raises(OSError, match="File too large"),
    ):
        file.append([B])
    assert file.first() == [A]
    file.append([C])
    assert file.first() == [A, C]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b'{"id":"a"}\n', "is no spill file"), (None, "No such file")],
)
def test_a_file_that_cannot_be_used_says_so(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    name = tmp_path / "folder" / "spill"
    if content is not None:
        name.parent.mkdir()
        name.write_bytes(content)
    with pytest.raises(OSError, match=reason) as caught:
        opened(name)
    assert caught.value.filename == str(name)
    assert content is None or name.read_bytes() == content
