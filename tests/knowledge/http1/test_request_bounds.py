"""Request heads: their bounds, what is remembered of them, and any input at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.write import write_head
from sidecar.model.errors import ProtocolError
from sidecar.model.refusals import RefusalCode
from tests.knowledge.http1.reading import BAD, LIMITS, a_parser, code_of, refusal

pytestmark = pytest.mark.control("RQ-7")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(
            b"GET /" + b"a" * 186 + b" HTTP/1.1\r\nHost: a\r\n\r\n", None, id="a line of 200"
        ),
        pytest.param(
            b"GET /" + b"a" * 187 + b" HTTP/1.1\r\nHost: a\r\n\r\n", RefusalCode.URI_TOO_LONG,
            id="a line of 201",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 568 + b"\r\n\r\n", None, id="600 bytes"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 569 + b"\r\n\r\n",
            RefusalCode.HEADERS_TOO_LARGE, id="601 bytes",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 7 + b"\r\n", None, id="8 fields"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 8 + b"\r\n",
            RefusalCode.HEADERS_TOO_LARGE, id="9 fields",
        ),
    ],
)  # fmt: skip
def test_a_head_beyond_the_limits_is_refused(raw: bytes, code: RefusalCode | None) -> None:
    assert code_of(raw) is code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"G", None, id="a letter"),
        pytest.param(b"GET /" + b"a" * 195, None, id="a line of 200"),
        pytest.param(b"GET /" + b"a" * 196, RefusalCode.URI_TOO_LONG, id="a line of 201"),
        pytest.param(b"GET / HTTP/1.1\r", None, id="half a line end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 7, None, id="8 fields"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 9, RefusalCode.HEADERS_TOO_LARGE,
            id="10 fields",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nX: " + b"a" * 600, RefusalCode.HEADERS_TOO_LARGE, id="too long"
        ),
        pytest.param(b"GET / HTTP/1.1\nHost: a", BAD, id="LF alone"),
        pytest.param(b"GET / HTTP/1.1\rHost: a", BAD, id="CR alone"),
        pytest.param(b"\x16\x03\x01\x02", BAD, id="TLS on a port in clear text"),
        pytest.param(b"get /", BAD, id="small letters"),
        pytest.param(b"A" * 40, None, id="a long word that may go on"),
        pytest.param(b" GET", BAD, id="a blank"),
    ],
)  # fmt: skip
def test_a_beginning_is_refused_as_soon_as_nothing_can_mend_it(
    raw: bytes, code: RefusalCode | None
) -> None:
    assert refusal(a_parser().check_partial, raw) is code


def test_a_line_that_only_one_reader_took_is_not_remembered() -> None:
    lines = new_request_lines()
    parser = RequestHeadParser(LIMITS, lines, new_hosts())
    for malformed in (b"X : a", b"Content-Length : 5"):
        with pytest.raises(ProtocolError):
            parser.parse(write_head(b"GET / HTTP/1.1", [b"Host: a", b"X-New: 1", malformed]))
        assert lines.known == {}
    parser.parse(write_head(b"GET / HTTP/1.1", [b"Host: a", b"X-New: 1"]))
    assert set(lines.known) == {b"Host: a", b"X-New: 1"}


def test_a_secret_is_never_remembered() -> None:
    lines = new_request_lines()
    parser = RequestHeadParser(LIMITS, lines, new_hosts())
    sent = [b"Host: a", b"Authorization: Bearer abc", b"Cookie: a=b", b"X-API-Key: abc"]
    for _ in range(2):
        parser.parse(write_head(b"GET / HTTP/1.1", sent))
    assert set(lines.known) == {b"Host: a"}


_LINES = st.lists(
    st.sampled_from(
        (
            b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: a", b"X : a",
            b"Connection: upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b"Cookie: a=b",
            b"Connection: close", b"", b" a", b"Origin: null",
        )
    )
    | st.binary(max_size=12),
    max_size=6,
)  # fmt: skip
_STARTS = st.sampled_from((b"GET / HTTP/1.1", b"POST /a?b HTTP/1.0", b"OPTIONS * HTTP/1.1")) | (
    st.binary(max_size=20)
)


@given(_STARTS, _LINES)
def test_no_head_raises_anything_but_a_protocol_error(start: bytes, lines: list[bytes]) -> None:
    raw = write_head(start, lines)
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    parser = a_parser()
    if refusal(parser.parse, raw) is not None:
        return
    head = parser.parse(raw)
    # What was read says the same when it is written again.
    start = b"%b %b HTTP/1.%d" % (head.method, head.target, head.minor)
    assert write_head(start, head.lines) == raw
    assert parser.parse(raw) == head == a_parser().parse(raw)
    for at in range(1, len(raw) - 4):
        parser.check_partial(raw[:at])


@given(st.binary(max_size=60))
def test_no_beginning_raises_anything_but_a_protocol_error(raw: bytes) -> None:
    parser = a_parser()
    assert refusal(parser.check_partial, raw) is refusal(parser.check_partial, raw)
