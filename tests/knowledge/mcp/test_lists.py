"""Lists in answers are cut to what the caller may use, however the answer is framed and split."""

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.mcp.lists import EventLists, ListFilter, WholeList
from sidecar.knowledge.mcp.names import Names
from sidecar.model.errors import UpstreamError
from sidecar.model.mcp import Rewriting
from sidecar.model.message import CHUNKED, ResponseHead

pytestmark = pytest.mark.control("RQ-6")

RULES = ListFilter({"tools": Names(["search"]), "prompts": Names([])}, 400)
SEARCH = {"name": "search", "description": "x"}
DELETE = {"name": "delete"}


def a_head(*lines: bytes, status: int = 200, length: int = CHUNKED) -> ResponseHead:
    start = b"HTTP/1.1 %d " % status
    return ResponseHead(
        status, start, list(lines), length, keeps_alive=True, is_event_stream=False, upgrades=()
    )


def begun(kind: bytes, *lines: bytes, status: int = 200) -> Rewriting:
    rewriting = RULES.begin(a_head(b"Content-Type: " + kind, *lines, status=status))
    assert rewriting is not None
    return rewriting


def a_list(*tools: object, **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "result": {"tools": list(tools), **more}}


def passed(rewriting: Rewriting, pieces: Iterable[bytes]) -> bytes:
    return b"".join([*map(rewriting.feed, pieces), rewriting.end()])


def as_json(body: object, *pieces: bytes) -> bytes:
    del pieces
    return passed(begun(b"application/json"), [json.dumps(body).encode()])


@pytest.mark.parametrize(
    ("body", "left"),
    [
        pytest.param(a_list(SEARCH, DELETE), a_list(SEARCH), id="a list"),
        pytest.param(a_list(DELETE, nextCursor="2"), a_list(nextCursor="2"), id="a page"),
        pytest.param([a_list(DELETE), {"result": 1}], [a_list(), {"result": 1}], id="a batch"),
        pytest.param(a_list("delete", {"title": "x"}, {"name": 7}), a_list(), id="no names"),
        pytest.param({"result": {"prompts": [SEARCH]}}, {"result": {"prompts": []}}, id="prompts"),
    ],
)  # fmt: skip
def test_a_list_is_cut(body: object, left: object) -> None:
    rewriting = begun(b"application/json; charset=UTF-8")
    cut = passed(rewriting, [json.dumps(body).encode()])
    assert json.loads(cut) == left
    assert b"Content-Length: %d" % len(cut) in rewriting.head.lines
    assert rewriting.head.length == len(cut)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0", "id":1, "result":{"tools":[ {"name":"search"} ]}}',
        b'{"result":{"content":[{"name":"delete"}]}}',
        b'{"result":[{"name":"delete"}]}',
        b'{"result":{"tools":"delete"}}',
        b'{"error":{"code":-32601}}',
        b"[1, null]",
        b"",
    ],
)
def test_what_needs_no_cut_goes_on_byte_for_byte(body: bytes) -> None:
    assert passed(begun(b"application/json"), [body]) == body


@pytest.mark.parametrize(
    "body", [b"{", b"x", b"[" * 100_000, b'{"result":{"tools":[{"name":"search"}]}']
)
def test_an_answer_that_is_no_json_is_refused(body: bytes) -> None:
    whole = WholeList(ListFilter({}, 1_000_000), a_head())
    assert whole.feed(body) == b""
    with pytest.raises(UpstreamError, match="a list is no JSON"):
        whole.end()


def test_text_that_utf_8_cannot_write_is_cut_too() -> None:
    body = b'{"result":{"tools":[{"name":"delete"},{"name":"search","d":"\\ud800\xff","n":NaN}]}}'
    cut = passed(begun(b"application/json"), [body])
    assert b"delete" not in cut
    assert b'"\\ud800\\ufffd"' in cut


def test_a_list_that_is_too_large_is_refused() -> None:
    whole = begun(b"application/json")
    assert whole.feed(b"x" * 400) == b""
    with pytest.raises(UpstreamError, match="larger"):
        whole.feed(b"x")


def test_what_describes_the_bytes_that_came_goes() -> None:
    lines = (b"ETag: x", b"content-length: 5", b"Content-MD5: x", b"Digest: x", b"Repr-Digest: x")
    rewriting = begun(b"text/event-stream", *lines, b"Mcp-Session-Id: s")
    assert rewriting.head.lines == [b"Content-Type: text/event-stream", b"Mcp-Session-Id: s"]
    assert rewriting.head.length < 0
    assert not rewriting.is_whole


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(a_head(), "neither JSON nor an event stream", id="no type"),
        pytest.param(a_head(b"Content-Type: text/plain"), "neither", id="text"),
        pytest.param(
            a_head(b"Content-Type: text/event-streams"), "neither", id="almost an event stream"
        ),
        pytest.param(
            a_head(b"Content-Type: application/json", b"Content-Type: text/html"),
            "neither",
            id="two",
        ),
        pytest.param(
            a_head(b"Content-Type: application/json", b"Content-Encoding: gzip"),
            "coding",
            id="gzip",
        ),
        pytest.param(
            a_head(b"Content-Type: application/json; charset=utf-16"), "charset", id="UTF-16"
        ),
        pytest.param(a_head(b"Content-Type: application/json", status=206), "in part", id="a part"),
    ],
)
def test_what_cannot_be_filtered_is_refused(head: ResponseHead, reason: str) -> None:
    with pytest.raises(UpstreamError, match=reason):
        RULES.begin(head)


@pytest.mark.parametrize(
    "head",
    [
        a_head(b"Content-Type: application/json", length=0),
        a_head(b"Content-Type: text/plain", status=405),
        a_head(b"Content-Type: text/html", status=302),
        a_head(status=404),
    ],
)
def test_answers_without_a_list_are_left_alone(head: ResponseHead) -> None:
    assert RULES.begin(head) is None


def test_an_error_in_json_is_read_too() -> None:
    assert isinstance(RULES.begin(a_head(b"Content-Type: application/json", status=400)), WholeList)


def an_event(body: object, end: bytes = b"\n") -> bytes:
    data = b"data: " + json.dumps(body).encode() + end
    return b"event: message" + end + b"id: 7" + end + data + end


CUT = b"event: message\nid: 7\ndata: " + json.dumps(a_list(SEARCH), separators=(",", ":")).encode()
PING = b": ping\n\n"
NOTE = b'data: {"method":"notifications/x","params":{"tools":[{"name":"delete"}]}}\r\n\r\n'
ENDS = [b"\n", b"\r\n", b"\r"]
STREAM = PING + NOTE + an_event(a_list(SEARCH, DELETE)) + NOTE
LEFT = PING + NOTE + CUT + b"\n\n" + NOTE


@pytest.mark.parametrize("end", ENDS)
def test_an_event_is_cut_and_others_are_not_touched(end: bytes) -> None:
    stream = PING + an_event(a_list(SEARCH, DELETE), end) + NOTE
    assert passed(begun(b"text/event-stream"), [stream]) == PING + CUT + b"\n\n" + NOTE


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11])
@pytest.mark.parametrize("end", ENDS)
def test_events_may_be_split_anywhere(end: bytes, size: int) -> None:
    stream = PING + NOTE + an_event(a_list(SEARCH, DELETE), end) + NOTE
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    left = passed(begun(b"text/event-stream"), pieces)
    assert b"delete" not in left.replace(NOTE, b"")
    assert CUT in left
    assert left.count(NOTE) == 2


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_however_it_is_split_it_is_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[at:to] for at, to in pairwise(places)]
    assert passed(begun(b"text/event-stream"), pieces) == LEFT


def test_each_event_goes_on_as_soon_as_it_is_whole() -> None:
    events = begun(b"text/event-stream")
    event = an_event(a_list(SEARCH))
    assert events.feed(PING + event[:-1]) == PING
    assert events.feed(event[-1:]) == event
    assert events.feed(b"") == b""


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(
            b'data:{"result":\ndata\ndata: {"tools":[{"name":"delete"}]}}\n\n', id="lines"),
        pytest.param(b'\xef\xbb\xbfdata: {"result":{"tools":[{"name":"delete"}]}}\n\n', id="BOM"),
        pytest.param(b'\n\rdata: {"result":{"tools":[{"name":"delete"}]}}\n\n', id="empty"),
        pytest.param(b'data: {"result":{"tools":[{"name":"\\u0064elete"}]}}\n\n', id="escapes"),
        pytest.param(b'data: {"result":{"tools":[{"name":"delete","d":"\xff"}]}}\n\n', id="bytes"),
        pytest.param(b'data: {"result":{"tools":[{"name":"delete"}]}}\n', id="no end"),
        pytest.param(b'data: [{"id":"x","result":{"tools":[{"name":"delete"}]}}]\n\n', id="many"),
    ],
)  # fmt: skip
def test_a_list_is_found_however_the_event_is_written(event: bytes) -> None:
    left = passed(begun(b"text/event-stream"), [event])
    assert b"elete" not in left
    assert b'"tools":[]' in left


@pytest.mark.parametrize(
    "event", [b"data: /messages?id=7\n\n", b"data\n\n", b"event: x\n\n", b"\n\n"]
)
def test_an_event_that_is_no_message_passes(event: bytes) -> None:
    assert passed(begun(b"text/event-stream"), [event]) == event


@pytest.mark.parametrize("data", [b"{", b" [1,", b'{"n":' + b"9" * 5000 + b"}", b"[" * 100_000])
def test_a_message_that_cannot_be_read_is_refused(data: bytes) -> None:
    events = EventLists(ListFilter({}, 1_000_000), a_head())
    with pytest.raises(UpstreamError, match="cannot be read"):
        events.feed(b"data: " + data + b"\n\n")


def test_an_event_that_is_too_large_is_refused() -> None:
    events = begun(b"text/event-stream")
    with pytest.raises(UpstreamError, match="larger"):
        events.feed(PING + b"data: " + b"x" * 400)
