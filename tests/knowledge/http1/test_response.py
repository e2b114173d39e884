"""Response heads: what RFC 9112 allows is read one way, all else is the upstream's fault."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.response import (
    FIELDS,
    HEAD_BYTES,
    check_partial,
    new_response_lines,
    new_statuses,
    parse_response,
)
from sidecar.knowledge.http1.write import write_head
from sidecar.model.errors import UpstreamError
from sidecar.model.message import CHUNKED, UNTIL_CLOSE, ResponseHead
from sidecar.model.refusals import RefusalCode

pytestmark = pytest.mark.control("RQ-7")

_LINES = new_response_lines()
_STATUSES = new_statuses()


def parsed(
    *lines: bytes, start: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET"
) -> ResponseHead:
    """Parse a head twice, by memories that others use too."""
    raw = write_head(start, list(lines))
    first = parse_response(raw, method, _LINES, _STATUSES)
    assert parse_response(raw, method, _LINES, _STATUSES) == first
    return first


def refusal(read: Callable[[], object]) -> RefusalCode | None:
    """Read, and say how it is refused; None if it is not."""
    try:
        read()
    except UpstreamError as error:
        return error.code
    return None


def is_refused(raw: bytes, method: bytes = b"GET") -> bool:
    code = refusal(lambda: parse_response(raw, method, _LINES, _STATUSES))
    assert code in {None, RefusalCode.BAD_GATEWAY}
    return code is not None


def test_a_head_is_read_whole() -> None:
    assert parsed(b"Content-Type: text/plain", b"Content-Length: 5") == ResponseHead(
        status=200,
        start=b"HTTP/1.1 200 OK",
        lines=[b"Content-Type: text/plain", b"Content-Length: 5"],
        length=5,
        keeps_alive=True,
        is_event_stream=False,
        upgrades=(),
    )


@pytest.mark.parametrize(
    ("start", "status", "passed_on"),
    [
        (b"HTTP/1.1 200 OK", 200, b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 200 OK", 200, b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 404 Not Found", 404, b"HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 200 ", 200, b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200", 200, b"HTTP/1.1 200 "),
        (b"HTTP/1.1 599 x\ty \xe9", 599, b"HTTP/1.1 599 x\ty \xe9"),
    ],
)
def test_a_status_line_goes_on_with_the_version_that_we_speak(
    start: bytes, status: int, passed_on: bytes
) -> None:
    head = parsed(start=start)
    assert (head.status, head.start) == (status, passed_on)


@pytest.mark.parametrize(
    "start",
    [
        b"", b"200 OK", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1  200 OK", b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 x", b"HTTP/1.1 600 x", b"HTTP/1.1 200OK", b"ICY 200 OK",
        b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK",
        b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1\t200\tOK",
        b"HTTP/1.1 +20 x",
    ],
)  # fmt: skip
def test_a_malformed_status_line_is_refused(start: bytes) -> None:
    assert is_refused(write_head(start, [b"Content-Length: 0"]))


@pytest.mark.parametrize(
    ("lines", "method", "start", "length"),
    [
        pytest.param([b"Content-Length: 5"], b"GET", b"1.1 200 OK", 5, id="a length"),
        pytest.param([b"Transfer-Encoding: Chunked"], b"GET", b"1.1 200 OK", CHUNKED, id="chunks"),
        pytest.param([], b"GET", b"1.1 200 OK", UNTIL_CLOSE, id="until the close"),
        pytest.param([], b"GET", b"1.0 200 OK", UNTIL_CLOSE, id="HTTP/1.0"),
        pytest.param([b"Content-Length: 5"], b"HEAD", b"1.1 200 OK", 0, id="HEAD"),
        pytest.param([], b"HEAD", b"1.1 200 OK", 0, id="HEAD without a length"),
        pytest.param([b"Transfer-Encoding: chunked"], b"HEAD", b"1.1 200 OK", 0, id="HEAD, chunks"),
        pytest.param([b"Content-Length: 5"], b"GET", b"1.1 304 Not Modified", 0, id="304"),
        pytest.param([b"Content-Length: 5"], b"GET", b"1.1 204 No Content", 0, id="204"),
        pytest.param([], b"GET", b"1.1 100 Continue", 0, id="100"),
        pytest.param([], b"GET", b"1.1 103 Early Hints", 0, id="103"),
    ],
)
def test_the_length_of_the_body_is_known(
    lines: list[bytes], method: bytes, start: bytes, length: int
) -> None:
    head = parsed(*lines, start=b"HTTP/" + start, method=method)
    assert head.length == length
    assert head.keeps_alive is (length != UNTIL_CLOSE)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"Content-Length: 5", b"Content-Length: 5"], id="two lengths"),
        pytest.param([b"Content-Length: 5, 5"], id="a list of lengths"),
        pytest.param([b"Content-Length: -5"], id="a negative length"),
        pytest.param([b"Content-Length:"], id="an empty length"),
        pytest.param([b"Content-Length: 5", b"Transfer-Encoding: chunked"], id="both"),
        pytest.param([b"Transfer-Encoding: gzip"], id="another coding"),
        pytest.param([b"Transfer-Encoding: gzip, chunked"], id="two codings"),
        pytest.param([b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"], id="twice"),
        pytest.param([b"Transfer-Encoding:"], id="an empty coding"),
        pytest.param([b"X : a"], id="a blank before the colon"),
        pytest.param([b" X: a"], id="a folded line"),
        pytest.param([b"X"], id="no colon"),
        pytest.param([b"X: a\x00"], id="NUL"),
        pytest.param([b"X: a\nSet-Cookie: a"], id="LF"),
        pytest.param([b"X: a"] * FIELDS + [b"Y: a"], id="too many fields"),
        pytest.param([b"X: " + b"a" * HEAD_BYTES], id="too long"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_malformed_or_ambiguous_fields_are_refused(lines: list[bytes], method: bytes) -> None:
    assert is_refused(write_head(b"HTTP/1.1 200 OK", lines), method)


@pytest.mark.parametrize(
    ("start", "lines"),
    [
        pytest.param(b"HTTP/1.0 200 OK", [b"Transfer-Encoding: chunked"], id="chunks of HTTP/1.0"),
        pytest.param(b"HTTP/1.1 100 Continue", [b"Content-Length: 0"], id="a length of 100"),
        pytest.param(b"HTTP/1.1 101 x", [b"Transfer-Encoding: chunked"], id="chunks of 101"),
        pytest.param(b"HTTP/1.0 100 Continue", [], id="100 of HTTP/1.0"),
    ],
)
def test_framing_that_the_message_cannot_have_is_refused(start: bytes, lines: list[bytes]) -> None:
    assert is_refused(write_head(start, lines))


@pytest.mark.parametrize(
    ("version", "lines", "keeps_alive"),
    [
        pytest.param(b"1.1", [], True, id="1.1"),
        pytest.param(b"1.1", [b"Connection: close"], False, id="1.1 closes"),
        pytest.param(b"1.1", [b"Connection: X, Close"], False, id="in a list"),
        pytest.param(b"1.1", [b"Connection: X", b"Connection: close"], False, id="in two lines"),
        pytest.param(b"1.0", [], False, id="1.0"),
        pytest.param(b"1.0", [b"Connection: Keep-Alive"], True, id="1.0 keeps alive"),
        pytest.param(b"1.0", [b"Connection: keep-alive, close"], False, id="1.0 says both"),
    ],
)
def test_the_upstream_says_whether_it_goes_on(
    version: bytes, lines: list[bytes], *, keeps_alive: bool
) -> None:
    head = parsed(b"Content-Length: 0", *lines, start=b"HTTP/" + version + b" 200 OK")
    assert head.keeps_alive is keeps_alive


def test_fields_of_the_connection_do_not_go_on() -> None:
    head = parsed(
        b"Connection: close, X-Hop, Content-Length", b"Keep-Alive: timeout=5", b"X-Hop: 1",
        b"Proxy-Connection: a", b"Proxy-Authenticate: a", b"TE: a", b"Trailer: a", b"Upgrade: h2c",
        b"Content-Length: 0", b"X-End: 2", b"Proxy-Authentication-Info: a",
    )  # fmt: skip
    assert head.lines == [b"Content-Length: 0", b"X-End: 2"]
    assert head.upgrades == ()


def test_a_transfer_coding_does_not_go_on() -> None:
    assert parsed(b"Transfer-Encoding: chunked", b"X: 1").lines == [b"X: 1"]


def test_an_upgrade_names_its_protocols() -> None:
    head = parsed(
        b"Connection: Upgrade", b"Upgrade: WebSocket, x/1", start=b"HTTP/1.1 101 Switching"
    )  # fmt: skip
    assert head.upgrades == (b"websocket", b"x/1")
    assert parsed(b"Connection: upgrade").upgrades == ()


@pytest.mark.parametrize(
    ("content_type", "is_event_stream"),
    [
        (b"text/event-stream", True), (b"Text/Event-Stream; charset=utf-8", True),
        (b"text/html", False), (b"", False),
    ],
)  # fmt: skip
def test_an_event_stream_is_recognised(content_type: bytes, *, is_event_stream: bool) -> None:
    line = b"Content-Type: " + content_type
    head = parsed(line)
    assert head.is_event_stream is is_event_stream
    assert head.lines == [line]


def test_a_cookie_is_never_remembered() -> None:
    lines = new_response_lines()
    raw = write_head(b"HTTP/1.1 200 OK", [b"Set-Cookie: session=abc", b"ETag: a"])
    for _ in range(2):
        assert len(parse_response(raw, b"GET", lines, new_statuses()).lines) == 2
    assert set(lines.known) == {b"ETag: a"}


def test_a_status_line_without_end_is_not_remembered() -> None:
    statuses = new_statuses()
    raw = write_head(b"HTTP/1.1 200 " + b"a" * 1000, [])
    parse_response(raw, b"GET", new_response_lines(), statuses)
    assert statuses.known == {}


@pytest.mark.parametrize(
    "raw", [b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 OK\r\nX: a\r\n"]
)
def test_a_good_beginning_may_go_on(raw: bytes) -> None:
    check_partial(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"h", b"HTTP/2", b"\x15\x03\x03", b"SSH-2.0-x", b"HTTP/1.1 200 OK\nX: a",
        b"HTTP/1.1 200 OK\rX", b"HTTP/1.1 200 " + b"a" * HEAD_BYTES,
    ],
    ids=["small letters", "HTTP/2", "TLS", "SSH", "LF alone", "CR alone", "too long"],
)  # fmt: skip
def test_a_beginning_is_refused_as_soon_as_nothing_can_mend_it(raw: bytes) -> None:
    with pytest.raises(UpstreamError):
        check_partial(raw)


_FIELD_LINES = st.lists(
    st.sampled_from(
        (
            b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: a", b"Connection: close",
            b"Connection: x, upgrade", b"Upgrade: websocket", b"Content-Type: text/event-stream",
            b"Set-Cookie: a", b"", b" a",
        )
    )
    | st.binary(max_size=12),
    max_size=6,
)  # fmt: skip
_STARTS = st.sampled_from((b"HTTP/1.1 200 OK", b"HTTP/1.0 304 x", b"HTTP/1.1 101 x")) | st.binary(
    max_size=20
)


@given(_STARTS, _FIELD_LINES, st.sampled_from((b"GET", b"HEAD")))
def test_no_head_raises_anything_but_an_upstream_error(
    start: bytes, lines: list[bytes], method: bytes
) -> None:
    raw = write_head(start, lines)
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    if is_refused(raw, method):
        return
    head = parse_response(raw, method, _LINES, _STATUSES)
    assert head == parse_response(raw, method, new_response_lines(), new_statuses())
    assert [line for line in raw.split(b"\r\n") if line in head.lines] == head.lines
    # What goes on reads the same; the framing, which is ours to write, apart.
    again = parse_response(write_head(head.start, head.lines), method, _LINES, _STATUSES)
    assert (again.status, again.start, again.lines) == (head.status, head.start, head.lines)
    for at in range(1, len(raw) - 4):
        check_partial(raw[:at])


@given(st.binary(max_size=60))
def test_no_beginning_raises_anything_but_an_upstream_error(raw: bytes) -> None:
    assert refusal(lambda: check_partial(raw)) in {None, RefusalCode.BAD_GATEWAY}
