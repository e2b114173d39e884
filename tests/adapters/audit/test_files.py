"""A trail is read in the order in which it was written, in pages, however it was rotated."""

import gzip
import os
from pathlib import Path

import pytest

from sidecar.adapters.audit import files
from sidecar.adapters.audit.files import (
    LostPlaceError,
    UnreadableFileError,
    read_last,
    read_page,
    trail_files,
)
from sidecar.knowledge.audit.chain import Head
from sidecar.knowledge.audit.query import Query
from tests.knowledge.audit.chains import linked

ALL = Query()


def lines(first: int, last: int) -> bytes:
    records = [b'{"n":%d,"tenant_id":"%s"}' % (n, b"odd" if n % 2 else b"even")
               for n in range(first, last + 1)]  # fmt: skip
    return b"".join(linked(records, Head(b"web/0/000000000000", first - 1)))


def numbers(found: list[bytes]) -> list[int]:
    return [int(line.partition(b":")[2].partition(b",")[0]) for line in found]


def a_trail(folder: Path) -> str:
    """Write twelve records into four files, the older ones by three ways of rotation."""
    name = folder / "audit.jsonl"
    parts = [
        ("audit.jsonl.2.gz", gzip.compress(lines(1, 3))),
        ("audit.jsonl.1", lines(4, 6)),
        ("audit.jsonl-20260131", lines(7, 9)),
        ("audit.jsonl", lines(10, 12)),
    ]
    for at, (part, content) in enumerate(parts):
        (folder / part).write_bytes(content)
        os.utime(folder / part, (1000 + at, 1000 + at))
    (folder / "audit.jsonl.heads").write_bytes(b"")
    (folder / "audit.jsonl.bak").write_bytes(lines(90, 91))
    return str(name)


def test_the_oldest_file_comes_first_and_others_are_none(tmp_path: Path) -> None:
    name = a_trail(tmp_path)
    os.utime(name, (1, 1))
    assert [path.name for path in trail_files(name)] == [
        "audit.jsonl.2.gz", "audit.jsonl.1", "audit.jsonl-20260131", "audit.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 12, 500])
def test_pages_are_the_whole_whatever_their_length(limit: int, tmp_path: Path) -> None:
    name, found, after = a_trail(tmp_path), [], ""
    while True:
        page = read_page(name, ALL, after=after, limit=limit)
        assert len(page.lines) <= limit
        found += page.lines
        if not (after := page.next):
            break
    assert numbers(found) == list(range(1, 13))


def test_a_page_looks_at_so_many_bytes_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = a_trail(tmp_path)
    monkeypatch.setattr(files, "PAGE_BYTES", len(lines(1, 4)))
    page = read_page(name, Query(tenant="nobody"))
    assert (page.lines, bool(page.next)) == ([], True)
    assert numbers(read_page(name, ALL, after=page.next).lines)[0] == 5
    monkeypatch.setattr(files, "PAGE_BYTES", len(lines(10, 12)) + len(lines(8, 9)) + 1)
    # Where the bound lies amid a line, or where it cannot know better, that line is left out.
    assert numbers(read_last(name, ALL, 500).lines) == list(range(8, 13))


def test_a_query_and_lines_that_are_none(tmp_path: Path) -> None:
    name = a_trail(tmp_path)
    with Path(name).open("ab") as file:
        file.write(b"torn\n" + lines(13, 13) + b'{"n":14,"tenant_id":"odd"')
    page = read_page(name, Query(tenant="odd"))
    assert (numbers(page.lines), page.unreadable, page.next) == ([1, 3, 5, 7, 9, 11, 13], 1, "")


@pytest.mark.parametrize(("limit", "first"), [(1, 12), (2, 11), (5, 8), (12, 1), (100, 1)])
def test_the_last_ones_come_in_their_order(limit: int, first: int, tmp_path: Path) -> None:
    assert numbers(read_last(a_trail(tmp_path), ALL, limit).lines) == list(range(first, 13))


def test_a_place_holds_through_a_rotation_and_not_beyond_the_file(tmp_path: Path) -> None:
    name = a_trail(tmp_path)
    after = read_page(name, ALL, limit=11).next
    Path(name).rename(tmp_path / "audit.jsonl.20260201T000000Z")
    Path(name).write_bytes(lines(13, 13))
    assert numbers(read_page(name, ALL, after=after).lines) == [12, 13]
    (tmp_path / "audit.jsonl.20260201T000000Z").unlink()
    with pytest.raises(LostPlaceError):
        read_page(name, ALL, after=after)


@pytest.mark.parametrize("after", ["x", "1", "1-", "-1-2", "1-2-3"])
def test_what_is_no_place_is_none(after: str, tmp_path: Path) -> None:
    with pytest.raises(LostPlaceError):
        read_page(a_trail(tmp_path), ALL, after=after)


def test_a_packed_file_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    name = a_trail(tmp_path)
    packed = tmp_path / "audit.jsonl.2.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(UnreadableFileError, match=r"audit\.jsonl\.2\.gz cannot be unpacked"):
        read_page(name, ALL)


def test_a_trail_that_was_never_written_is_empty(tmp_path: Path) -> None:
    page = read_page(str(tmp_path / "audit.jsonl"), ALL)
    assert (page.lines, page.next) == ([], "")
