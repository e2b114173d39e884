"""A message means the same whole, cut in two at any byte, and byte by byte."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.knowledge.http1 import response
from sidecar.knowledge.http1.framing import (
    BodyDecoder,
    ChunkedDecoder,
    FramingError,
    LengthDecoder,
    UntilCloseDecoder,
)
from sidecar.knowledge.http1.request import (
    HEAD_END,
    RequestHeadParser,
    new_hosts,
    new_request_lines,
)
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.model.errors import ProtocolError, UpstreamError
from sidecar.model.message import CHUNKED, UNTIL_CLOSE, RequestHead
from sidecar.model.refusals import RefusalCode
from tests.corpora.corpus import ANSWERS, LEGAL, MALFORMED
from tests.corpora.rows import Answer, Arrival, Legal, Malformed, get

_LIMITS: Final = HeadLimits(start_line=8192, head=32_768, fields=100)
# Byte by byte costs the square of the length; the large rows are about their size alone.
_SMALL_BYTES: Final = 1000


@dataclass(slots=True)
class Reading:
    """What was read: heads, whole requests, and the refusal that ended it."""

    heads: list[RequestHead] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    refusal: RefusalCode | None = None


class Memories:
    """What the connections of a listener remember together."""

    def __init__(self) -> None:
        self.request_lines = new_request_lines()
        self.hosts = new_hosts()
        self.response_lines = response.new_response_lines()
        self.statuses = response.new_statuses()


class Requests:
    """Read requests from pieces as a connection does: heads, each with its body."""

    def __init__(self, memories: Memories) -> None:
        self._parser = RequestHeadParser(_LIMITS, memories.request_lines, memories.hosts)
        self._waiting = b""
        self._open: Arrival | None = None
        self._decoder: BodyDecoder | None = None
        self.reading = Reading()

    def feed(self, piece: bytes) -> None:
        """Take the next bytes, until the first refusal."""
        if self.reading.refusal is not None:
            return
        try:
            while piece or (self._waiting and self._decoder is None):
                if not self._take(piece):
                    return
                piece = b""
        except ProtocolError as error:
            self.reading.refusal = error.code
        except FramingError:
            self.reading.refusal = RefusalCode.BAD_REQUEST

    def _take(self, piece: bytes) -> bool:
        """Take bytes once; return whether there may be more to read in what waits."""
        if self._decoder is not None and self._open is not None:
            self._take_body(self._decoder, self._open, piece)
            return True
        self._waiting += piece
        while self._waiting[:2] == b"\r\n":
            self._waiting = self._waiting[2:]
        end = self._waiting.find(HEAD_END)
        if end < 0:
            if self._waiting not in {b"", b"\r"}:
                self._parser.check_partial(self._waiting)
            return False
        self._take_head(end + len(HEAD_END))
        return True

    def _take_head(self, size: int) -> None:
        head = self._parser.parse(self._waiting[:size])
        self.reading.heads.append(head)
        rest, self._waiting = self._waiting[size:], b""
        self._open = Arrival(head.method, head.path, b"")
        is_chunked = head.length == CHUNKED
        self._decoder = ChunkedDecoder() if is_chunked else LengthDecoder(head.length)
        self._take_body(self._decoder, self._open, rest)

    def _take_body(self, decoder: BodyDecoder, request: Arrival, piece: bytes) -> None:
        got = decoder.feed(piece)
        self._open = Arrival(request.method, request.target, request.body + got)
        if decoder.done:
            self.reading.arrivals.append(self._open)
            self._open = self._decoder = None
            self._waiting = decoder.rest


def read_requests(pieces: Sequence[bytes], memories: Memories) -> Reading:
    requests = Requests(memories)
    for piece in pieces:
        requests.feed(piece)
    return requests.reading


def cuts(raw: bytes) -> Iterator[list[bytes]]:
    """Cut bytes in two at every place, and at last into single bytes."""
    for cut in range(1, len(raw)):
        yield [raw[:cut], raw[cut:]]
    yield [raw[at : at + 1] for at in range(len(raw))]


def whole(row: Malformed | Legal | Answer) -> bytes:
    return row.raw if isinstance(row.raw, bytes) else b"".join(row.raw)


def small(rows: Sequence[Malformed | Answer]) -> list[Malformed | Answer]:
    return [row for row in rows if 0 < len(whole(row)) < _SMALL_BYTES]


@pytest.mark.parametrize("row", LEGAL, ids=lambda row: row.id)
def test_a_legal_request_means_the_same_however_it_is_cut(row: Legal) -> None:
    memories = Memories()
    expected = read_requests([row.raw], memories)
    assert expected.refusal is None
    assert [(a.method, a.body) for a in expected.arrivals] == [
        (a.method, a.body) for a in row.arrivals
    ]
    # Four thousand cuts of a long path teach what the first hundreds do.
    for pieces in cuts(row.raw) if len(row.raw) < _SMALL_BYTES else ():
        assert read_requests(pieces, memories) == expected, pieces


@pytest.mark.parametrize("row", small(MALFORMED), ids=lambda row: row.id)
def test_a_malformed_request_is_refused_alike_however_it_is_cut(row: Malformed) -> None:
    memories = Memories()
    expected = read_requests([whole(row)], memories)
    for pieces in cuts(whole(row)):
        assert read_requests(pieces, memories) == expected, pieces


@pytest.mark.parametrize("direction", [1, -1], ids=["in order", "backwards"])
def test_what_others_sent_changes_no_reading(direction: int) -> None:
    rows = [*(row.raw for row in LEGAL), *(whole(row) for row in MALFORMED)][::direction]
    shared = Memories()
    for raw in (*rows, *rows):
        assert read_requests([raw], shared) == read_requests([raw], Memories()), raw[:200]


def test_a_line_that_one_reader_refuses_is_not_learnt_beside_a_line_that_both_refuse() -> None:
    # aiohttp's parser refuses the key of a WebSocket draft; our grammar knows nothing of it.
    memories = Memories()
    refused = get(b"Sec-WebSocket-Key1: x")
    assert read_requests([refused], memories).refusal is RefusalCode.BAD_REQUEST
    read_requests([get(b"Sec-WebSocket-Key1: x", b"no field line")], memories)
    assert read_requests([refused], memories).refusal is RefusalCode.BAD_REQUEST


@pytest.mark.parametrize("direction", [1, -1], ids=["in order", "backwards"])
def test_what_other_answers_said_changes_no_reading(direction: int) -> None:
    shared = Memories()
    for row in (*ANSWERS[::direction], *ANSWERS[::direction]):
        method = row.request.partition(b" ")[0]
        expected = read_answer([whole(row)], method, Memories())
        assert read_answer([whole(row)], method, shared) == expected, row.id


def read_answer(
    pieces: Sequence[bytes], method: bytes, memories: Memories
) -> tuple[bytes, bool] | None:
    """Read one answer: its content and whether it was whole, or None for a refusal."""
    waiting, content = b"", b""
    decoder: BodyDecoder | None = None
    try:
        for piece in pieces:
            if decoder is not None:
                content += b"" if decoder.done else decoder.feed(piece)
                continue
            waiting += piece
            end = waiting.find(HEAD_END)
            if end < 0:
                response.check_partial(waiting)
                continue
            size = end + len(HEAD_END)
            decoder = decoder_for(waiting[:size], method, memories)
            if waiting[size:]:
                content += b"" if decoder.done else decoder.feed(waiting[size:])
    except (UpstreamError, FramingError):
        return None
    return content, decoder is not None and decoder.done


def decoder_for(head: bytes, method: bytes, memories: Memories) -> BodyDecoder:
    parsed = response.parse_response(head, method, memories.response_lines, memories.statuses)
    if parsed.length == CHUNKED:
        return ChunkedDecoder()
    return UntilCloseDecoder() if parsed.length == UNTIL_CLOSE else LengthDecoder(parsed.length)


@pytest.mark.parametrize("row", small(ANSWERS), ids=lambda row: row.id)
def test_an_answer_means_the_same_however_it_is_cut(row: Answer) -> None:
    method = row.request.partition(b" ")[0]
    memories = Memories()
    expected = read_answer([whole(row)], method, memories)
    for pieces in cuts(whole(row)):
        assert read_answer(pieces, method, memories) == expected, pieces


_CHUNKS: Final = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(chunks=_CHUNKS, behind=st.binary(max_size=10), at=st.lists(st.integers(0, 400), max_size=8))
def test_chunks_give_back_what_was_put_in_and_what_stands_behind_them(
    chunks: list[bytes], behind: bytes, at: list[int]
) -> None:
    raw = b"".join(b"%X;n=v\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    raw += b"0\r\nX-Row: v\r\n\r\n" + behind
    places = sorted({0, len(raw), *(place for place in at if place < len(raw))})
    decoder = ChunkedDecoder()
    content = rest = b""
    for start, end in pairwise(places):
        if decoder.done:
            rest += raw[start:end]
        else:
            content += decoder.feed(raw[start:end])
            rest += decoder.rest
    assert (decoder.done, content, rest) == (True, b"".join(chunks), behind)


_SEEDS: Final = [*(row.raw for row in LEGAL), *(whole(row) for row in MALFORMED)]
_SMALL: Final = [raw for raw in _SEEDS if len(raw) < _SMALL_BYTES]
_SPLINTERS: Final = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\x85", b"HTTP/1.1"),
        *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n"),
        *(b"chunked", b"0\r\n\r\n"),
    ]
)


@settings(max_examples=500)
@given(data=st.data())
def test_a_splinter_in_a_request_is_read_alike_whole_and_byte_by_byte(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(_SMALL))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.integers(0, 3))
        raw = raw[:at] + data.draw(_SPLINTERS) + raw[at + gone :]
    in_one = read_requests([raw], Memories())
    in_bytes = read_requests([raw[at : at + 1] for at in range(len(raw))], Memories())
    # Of two faults either may be seen first, and byte by byte one is seen as early as can be.
    assert (in_one.heads, in_one.arrivals) == (in_bytes.heads, in_bytes.arrivals)
    assert in_one.refusal is None or in_bytes.refusal is not None
