"""The end of a line, and how one line leads to the next."""

from hashlib import sha256

import pytest

from sidecar.knowledge.audit.chain import (
    NO_HASH,
    Head,
    chain_name,
    is_fragment,
    last_head,
    link_of,
)
from tests.knowledge.audit.chains import end_of, linked

HEAD = Head(chain_name("web-1", "0", bytes(6)))


def test_a_line_is_hashed_over_the_hash_before_and_all_of_itself_up_to_its_hash() -> None:
    first, second = linked([b'{"a":1}', b'{"b":2}'], HEAD)
    start = b'{"a":1,"writer":"web-1/0/000000000000","seq":1'
    digest = sha256(NO_HASH + start).hexdigest().encode()
    assert first == start + b',"hash":"' + digest + b'"}\n'
    start = b'{"b":2,"writer":"web-1/0/000000000000","seq":2'
    assert second.startswith(start + b',"hash":"' + sha256(digest + start).hexdigest().encode())


def test_what_is_chained_in_parts_is_what_is_chained_at_once() -> None:
    records = [b'{"n":%d}' % n for n in range(5)]
    first = linked(records[:2], HEAD)
    assert first + linked(records[2:], end_of(first, HEAD)) == linked(records, HEAD)
    assert end_of([], HEAD) == HEAD


def test_the_end_of_a_line_is_read_as_it_was_written() -> None:
    (line,) = linked([b'{"a":1}'], HEAD)
    found = link_of(line[:-1])
    assert found is not None
    assert found.head == end_of([line], HEAD)
    assert found.follows(NO_HASH)
    assert not found.follows(b"f" * 64)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"a":1,"writer":"web/0/000000000000","seq":0,"hash":"' + b"0" * 64 + b'"}',
        b'{"a":1,"writer":"web/0/000000000000","seq":01,"hash":"' + b"0" * 64 + b'"}',
        b'{"a":1,"writer":"web","seq":1,"hash":"' + b"0" * 64 + b'"}',
        b'{"a":1,"writer":"web/0/000000000000","seq":1,"hash":"' + b"0" * 63 + b'"}',
        b'{"a":1,"writer":"web/0/000000000000","seq":1,"hash":"' + b"0" * 64 + b'"} ',
        b'{"a":1,"writer":"web/0/000000000000","seq":1,"hash":"' + b"0" * 64 + b'"}\n',
    ],
)
def test_what_does_not_end_as_a_line_of_a_chain_is_none(line: bytes) -> None:
    assert link_of(line) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("web-1.example", b"web-1.example/0/000000000000"),
        ('a"b\n', b"a_b_/0/000000000000"),
        ("h" * 99, b"h" * 48 + b"/0/000000000000"),
        ("", b"_/0/000000000000"),
    ],
)
def test_a_chain_is_named_by_what_fits_of_the_host(host: str, name: bytes) -> None:
    assert chain_name(host, "0", bytes(6)) == name


def test_any_first_part_of_a_line_is_a_fragment_and_nothing_beyond_its_end() -> None:
    (line,) = linked([b'{"a":1}'], HEAD)
    whole = line[:-1]
    assert all(is_fragment(whole[:size]) for size in range(len(whole)))
    assert not is_fragment(whole)
    assert not is_fragment(whole + b"\x0b")


def test_the_end_of_a_chain_is_its_last_whole_line_among_those_of_others() -> None:
    lines = linked([b'{"n":1}', b'{"n":2}'], HEAD)
    (other,) = linked([b'{"n":3}'], Head(b"web-2/0/000000000000"))
    content = b"".join([*lines, other])
    assert last_head(content, HEAD) == end_of(lines, HEAD)
    assert last_head(content + lines[0][:-2], HEAD) == end_of(lines, HEAD)
    assert last_head(content[: -len(other) - 1], HEAD) == end_of(lines, HEAD)
    assert last_head(other, HEAD) == HEAD
    assert last_head(b"", HEAD) == HEAD


@pytest.mark.parametrize("before", [0, 990, 999, 1000, 998_990, 10**15 - 5])
def test_numbers_go_on_over_every_thousand(before: int) -> None:
    lines = linked([b'{"n":%d}' % n for n in range(1020)], Head(HEAD.writer, before))
    links = [link_of(line[:-1]) for line in lines]
    assert [one and one.seq for one in links] == list(range(before + 1, before + 1021))
    hashes = [NO_HASH, *(one.hash for one in links if one)]
    assert all(one and one.follows(hash_) for one, hash_ in zip(links, hashes, strict=False))
