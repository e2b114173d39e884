"""The files of a trail as readers find them: the one that is written, and those it became.

Reading is bounded: a line of more than a mebibyte is none, and a page ends after so many records
or so many bytes, whichever comes first.
"""

import gzip
import re
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from sidecar.adapters.reading import opened_file
from sidecar.knowledge.audit.query import Query, record_of

PAGE_BYTES: Final = 32 << 20
"""Bytes that are looked at for one page: half a second of the processor's."""
LINE_BYTES: Final = 1 << 20
# What logrotate and the sidecar itself make of audit.jsonl: .1, .2.gz, -20260102, .20260102T030405Z
_ROTATED: Final = re.compile(r"[.-][0-9][0-9TZ.-]*(\.gz)?\Z")
_GZIP: Final = b"\x1f\x8b"
_CURSOR: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,18})\Z")


class UnreadableFileError(Exception):
    """A file cannot be unpacked."""


class LostPlaceError(Exception):
    """The place where a page ended is not there any more."""


def with_rotated(name: str) -> list[Path]:
    """List a file and those that it became by rotation; the order says nothing."""
    path = Path(name)
    beside = [
        one
        for one in path.parent.iterdir()
        if one.name.startswith(path.name)
        and _ROTATED.match(one.name[len(path.name) :])
        # A FIFO or a folder of that name is no part of the trail, and would be waited for.
        and (one.is_file() or one.is_symlink())
    ]
    return [path, *sorted(beside)]


def trail_files(name: str) -> list[Path]:
    """List the files of a trail that are there, the oldest first and the one written last."""
    found: list[tuple[float, Path]] = []
    for path in with_rotated(name):
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime, path))
    written = Path(name)
    found.sort(key=lambda one: (one[1] == written, one[0], one[1].name))
    return [path for _, path in found]


def is_packed(file: BinaryIO) -> bool:
    """Whether a file that was just opened is packed with gzip."""
    is_gzip = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return is_gzip


@contextmanager
def opened(name: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked if it is packed."""
    with opened_file(str(name)) as file:
        if not is_packed(file):
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]  # read as any file; its type lacks a name
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFileError(f"{name} cannot be unpacked: {error}") from error


@dataclass(slots=True)
class Page:
    """Some of the wanted records.

    Attributes:
        lines: their lines, as they were written, without line feeds.
        unreadable: lines that are no records.
        next: where the next page begins; empty at the end.
    """

    lines: list[bytes] = field(default_factory=list)
    unreadable: int = 0
    next: str = ""


def read_page(name: str, query: Query, *, after: str = "", limit: int = 500) -> Page:
    """Read the wanted records of a trail, the oldest file first.

    Args:
        name: the file that is written.
        query: what is wanted.
        after: `next` of the page before; empty for the first.
        limit: most records.

    Raises:
        LostPlaceError: the file of `after` is gone.
        UnreadableFileError: a file cannot be unpacked.
        OSError: a file cannot be read.
    """
    page = Page()
    left = PAGE_BYTES
    with closing(_located(trail_files(name), after)) as located:
        for line, place in located:
            left -= len(line)
            _take(page, line, query)
            if len(page.lines) >= limit or left <= 0:
                page.next = place
                break
    return page


def read_last(name: str, query: Query, limit: int) -> Page:
    """Read the last wanted records; those of the last mebibytes of the trail alone.

    Raises:
        UnreadableFileError: a file cannot be unpacked.
        OSError: a file cannot be read.
    """
    page = Page()
    left = PAGE_BYTES
    for path in reversed(trail_files(name)):
        newest: deque[bytes] = deque(maxlen=limit - len(page.lines))
        part = Page()
        with opened(path) as file:
            left -= _skip(file, path, left)
            for line in _lines(file):
                _take(part, line, query)
                newest.extend(part.lines)
                part.lines.clear()
        page.lines = [*newest, *page.lines]
        page.unreadable += part.unreadable
        if len(page.lines) >= limit or left <= 0:
            break
    return page


def _skip(file: BinaryIO, path: Path, left: int) -> int:
    """Go to where the last bytes of a file begin; what is packed has to be read whole."""
    size = path.stat().st_size
    if size <= left or path.suffix == ".gz":
        return size
    file.seek(size - left)
    file.readline(LINE_BYTES)
    return left


def _located(files: list[Path], after: str) -> Generator[tuple[bytes, str], None, None]:
    """Read lines, each with the place behind it."""
    for path, begin in _from(files, after):
        inode, at = path.stat().st_ino, begin
        with opened(path) as file:
            file.seek(begin)
            for line in _lines(file):
                at += len(line)
                yield line, f"{inode}-{at}"


def _from(files: list[Path], after: str) -> Iterator[tuple[Path, int]]:
    """Pair files with where to begin in each."""
    if not after:
        yield from ((path, 0) for path in files)
        return
    found = _CURSOR.match(after)
    inode, offset = (int(found[1]), int(found[2])) if found else (-1, 0)
    at = next((n for n, path in enumerate(files) if path.stat().st_ino == inode), None)
    if at is None:
        raise LostPlaceError
    yield files[at], offset
    yield from ((path, 0) for path in files[at + 1 :])


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Read lines with their ends; one that is being written, or too long, ends the file."""
    while (line := file.readline(LINE_BYTES)).endswith(b"\n"):
        yield line


def _take(page: Page, line: bytes, query: Query) -> None:
    line = line.rstrip(b"\n")
    record = record_of(line)
    if record is None:
        page.unreadable += 1
    elif query.wants(record):
        page.lines.append(line)
