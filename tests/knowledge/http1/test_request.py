"""Request heads: what RFC 9112 and 9110 allow is read once and one way, all else is refused."""

import pytest

from sidecar.knowledge.http1.write import write_head
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.refusals import RefusalCode
from tests.knowledge.http1.reading import BAD, a_parser, code_of

pytestmark = pytest.mark.control("RQ-7")

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", KEY, b"Sec-WebSocket-Version: 13")


def parsed(*lines: bytes, start: bytes = b"GET /a HTTP/1.1") -> RequestHead:
    """Parse a head with a Host, the same parser twice."""
    parser = a_parser()
    raw = write_head(start, [b"Host: a.example", *lines])
    first = parser.parse(raw)
    assert parser.parse(raw) == first
    return first


def test_a_head_is_read_whole() -> None:
    head = parsed(b"Accept: */*", b"x-a:1", start=b"GET /a/b?c=d?e HTTP/1.1")
    assert head == RequestHead(
        method=b"GET",
        target=b"/a/b?c=d?e",
        path=b"/a/b",
        query=b"c=d?e",
        minor=1,
        lines=[b"Host: a.example", b"Accept: */*", b"x-a:1"],
        named=head.named,
        passing=[b"Accept: */*", b"x-a:1"],
        host=b"a.example",
        length=0,
        keeps_alive=True,
        expects_continue=False,
        is_websocket=False,
        connection_options=frozenset(),
    )
    assert [(field.name, field.value) for field in head.named] == [
        (b"host", b"a.example"), (b"accept", b"*/*"),
    ]  # fmt: skip
    assert [head.values(name) for name in (b"x-a", b"accept", b"cookie")] == [[b"1"], [b"*/*"], []]


def test_a_head_of_http_1_0_may_be_nothing_but_its_first_line() -> None:
    head = a_parser().parse(b"GET / HTTP/1.0\r\n\r\n")
    assert (head.minor, head.host, head.lines, head.keeps_alive) == (0, None, [], False)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", None),
        (b"/?", b"/", b""),
        (b"/a?b", b"/a", b"b"),
        (b"/a//b;c/%zz", b"/a//b;c/%zz", None),
        (b"http://a.example/x?y", b"/x", b"y"),
        (b"HTTP://A.example/x", b"/x", None),
        (b"http://a.example", b"/", None),
        (b"http://a.example?y", b"/", b"y"),
    ],
)
def test_a_target_is_path_and_query(target: bytes, path: bytes, query: bytes | None) -> None:
    head = parsed(start=b"GET " + target + b" HTTP/1.1")
    assert (head.target, head.path, head.query) == (target, path, query)


def test_the_whole_server_can_be_asked_for_its_options_alone() -> None:
    head = parsed(start=b"OPTIONS * HTTP/1.1")
    assert (head.path, head.query) == (b"*", None)


@pytest.mark.parametrize(
    ("start", "code"),
    [
        pytest.param(b"", BAD, id="nothing"),
        pytest.param(b"GET", BAD, id="a method alone"),
        pytest.param(b"GET /", BAD, id="HTTP/0.9"),
        pytest.param(b"GET  / HTTP/1.1", BAD, id="two blanks"),
        pytest.param(b"GET / HTTP/1.1 ", BAD, id="a blank at the end"),
        pytest.param(b" GET / HTTP/1.1", BAD, id="a blank at the start"),
        pytest.param(b"GET /a b HTTP/1.1", BAD, id="a blank in the target"),
        pytest.param(b"GET\t/\tHTTP/1.1", BAD, id="tabs"),
        pytest.param(b"get / HTTP/1.1", BAD, id="a method in small letters"),
        pytest.param(b"G\x00T / HTTP/1.1", BAD, id="NUL in the method"),
        pytest.param(b"G" * 33 + b" / HTTP/1.1", BAD, id="a method too long"),
        pytest.param(b"BREW / HTTP/1.1", RefusalCode.NOT_IMPLEMENTED, id="an unknown method"),
        pytest.param(b"TRACE / HTTP/1.1", RefusalCode.NOT_IMPLEMENTED, id="TRACE"),
        pytest.param(b"CONNECT a:1 HTTP/1.1", RefusalCode.NOT_IMPLEMENTED, id="CONNECT"),
        pytest.param(b"GET /a#b HTTP/1.1", BAD, id="a fragment"),
        pytest.param(b"GET /\x00 HTTP/1.1", BAD, id="NUL"),
        pytest.param(b"GET /\x7f HTTP/1.1", BAD, id="DEL"),
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1", BAD, id="bytes beyond ASCII"),
        pytest.param(b"GET /a\rb HTTP/1.1", BAD, id="CR"),
        pytest.param(b"GET /a\nb HTTP/1.1", BAD, id="LF"),
        pytest.param(b"GET a HTTP/1.1", BAD, id="a target without a slash"),
        pytest.param(b"GET * HTTP/1.1", BAD, id="a star for GET"),
        pytest.param(b"GET a.example:80 HTTP/1.1", BAD, id="an authority for GET"),
        pytest.param(b"GET https://a.example/ HTTP/1.1", BAD, id="another scheme"),
        pytest.param(b"GET ftp://a.example/ HTTP/1.1", BAD, id="no scheme of ours"),
        pytest.param(b"GET http:/a HTTP/1.1", BAD, id="a URL without an authority"),
        pytest.param(b"GET http://b.example/ HTTP/1.1", BAD, id="another host than Host"),
        pytest.param(b"GET http://a.example:80/ HTTP/1.1", BAD, id="another port than Host"),
        pytest.param(b"GET http://u@a.example/ HTTP/1.1", BAD, id="a user"),
        pytest.param(b"GET http:/// HTTP/1.1", BAD, id="an empty authority"),
        pytest.param(b"GET / HTTP/1.2", RefusalCode.VERSION_NOT_SUPPORTED, id="HTTP/1.2"),
        pytest.param(b"GET / HTTP/2.0", RefusalCode.VERSION_NOT_SUPPORTED, id="HTTP/2.0"),
        pytest.param(b"GET / HTTP/0.9", RefusalCode.VERSION_NOT_SUPPORTED, id="HTTP/0.9 named"),
        pytest.param(b"PRI * HTTP/2.0", RefusalCode.VERSION_NOT_SUPPORTED, id="HTTP/2 preface"),
        pytest.param(b"GET / HTTP/1", BAD, id="a version without its minor"),
        pytest.param(b"GET / HTTP/1.10", BAD, id="a minor of two digits"),
        pytest.param(b"GET / HTTP/a.1", BAD, id="a version of letters"),
        pytest.param(b"GET / HTTP/1,1", BAD, id="a comma in the version"),
        pytest.param(b"GET / HTTP/1.a", BAD, id="a minor of letters"),
        pytest.param(b"GET / http/1.1", BAD, id="a version in small letters"),
        pytest.param(b"GET / HTTQ/1.1", BAD, id="another protocol"),
    ],
)
def test_a_malformed_request_line_is_refused(start: bytes, code: RefusalCode) -> None:
    assert code_of(start + b"\r\nHost: a.example\r\n\r\n") is code


def test_over_tls_an_absolute_target_is_https() -> None:
    raw = b"GET %b://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert code_of(raw % b"https", is_tls=True) is None
    assert code_of(raw % b"http", is_tls=True) is BAD


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        pytest.param([], BAD, id="no Host"),
        pytest.param([b"Host: a", b"Host: a"], BAD, id="two Hosts"),
        pytest.param([b"Host: a", b"host: b"], BAD, id="two Hosts in two cases"),
        pytest.param([b"Host:"], BAD, id="an empty Host"),
        pytest.param([b"Host: a b"], BAD, id="a Host of two words"),
        pytest.param([b"Host: a", b"X : b"], BAD, id="a blank before the colon"),
        pytest.param([b"Host: a", b" X: b"], BAD, id="a folded line"),
        pytest.param([b"Host: a", b"X"], BAD, id="no colon"),
        pytest.param([b"Host: a", b""], BAD, id="an empty line inside"),
        pytest.param([b"Host: a", b"X: a\nY: b"], BAD, id="LF"),
        pytest.param([b"Host: a", b"X: a\rY: b"], BAD, id="CR"),
        pytest.param([b"Host: a", b"X: a\x00"], BAD, id="NUL"),
        pytest.param([b"Host: a", b"Authorization: a", b"Authorization: b"], BAD, id="two tokens"),
        pytest.param([b"Host: a", b"Content-Type: a/b", b"content-type: a/b"], BAD, id="two types"),
        pytest.param([b"Host: a", b"Origin: a", b"Origin: b"], BAD, id="two origins"),
        pytest.param([b"Host: a", b"Authorization: a", b"Origin: b"], None, id="one of each"),
        pytest.param([b"Host: a", b"Content-Length: 5", b"Content-Length: 5"], BAD, id="two equal"),
        pytest.param([b"Host: a", b"Content-Length: 5, 5"], BAD, id="a list of lengths"),
        pytest.param([b"Host: a", b"Content-Length: +5"], BAD, id="a signed length"),
        pytest.param([b"Host: a", b"Content-Length:"], BAD, id="an empty length"),
        pytest.param(
            [b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"], BAD, id="both"
        ),
        pytest.param([b"Host: a", b"Transfer-Encoding: gzip"], BAD, id="no final chunked"),
        pytest.param([b"Host: a", b"Transfer-Encoding:"], BAD, id="an empty coding"),
        pytest.param([b"Host: a", b"Transfer-Encoding: chunked, chunked"], BAD, id="chunked twice"),
        pytest.param([b"Host: a", b"Transfer-Encoding: chunked, gzip"], BAD, id="chunked first"),
        pytest.param([b"Host: a", b"Transfer-Encoding: xchunked"], BAD, id="nearly chunked"),
        pytest.param([b"Host: a", b"Transfer-Encoding: , chunked"], BAD, id="a list of one"),
        pytest.param(
            [b"Host: a", b"Transfer-Encoding: gzip, chunked"], RefusalCode.NOT_IMPLEMENTED,
            id="another coding",
        ),
        pytest.param(
            [b"Host: a", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
            RefusalCode.NOT_IMPLEMENTED, id="another coding in a line of its own",
        ),
        pytest.param([b"Host: a", b"Connection: a b"], BAD, id="an option of two words"),
        pytest.param([b"Host: a", b"Connection: close, @"], BAD, id="an option that is no token"),
        pytest.param([b"Host: a", b"Expect: 200-maybe"], BAD, id="another expectation"),
        pytest.param([b"Host: a", b"Expect: 100-continue, x"], BAD, id="two expectations"),
        pytest.param(
            [b"Host: a", b"Expect: 100-continue", b"Expect: 100-continue"], BAD, id="twice"
        ),
    ],
)  # fmt: skip
def test_malformed_or_ambiguous_fields_are_refused(
    lines: list[bytes], code: RefusalCode | None
) -> None:
    assert code_of(write_head(b"POST / HTTP/1.1", lines)) is code


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        ([b"Content-Length: 0"], 0),
        ([b"Content-Length: 5"], 5),
        ([b"content-length:007"], 7),
        ([b"Transfer-Encoding: chunked"], CHUNKED),
        ([b"transfer-encoding:\tCHUNKED "], CHUNKED),
    ],
)
def test_the_length_of_the_body_is_known(lines: list[bytes], length: int) -> None:
    assert parsed(*lines, start=b"POST / HTTP/1.1").length == length


def test_http_1_0_has_no_chunks() -> None:
    assert code_of(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") is BAD


@pytest.mark.parametrize(
    ("version", "lines", "keeps_alive", "options"),
    [
        pytest.param(b"1.1", [], True, set(), id="1.1 keeps alive"),
        pytest.param(b"1.1", [b"Connection: close"], False, {b"close"}, id="1.1 may close"),
        pytest.param(b"1.1", [b"Connection: Keep-Alive"], True, {b"keep-alive"}, id="1.1 may say"),
        pytest.param(
            b"1.1", [b"Connection: keep-alive, close"], False, {b"keep-alive", b"close"}, id="both"
        ),
        pytest.param(
            b"1.1", [b"Connection: X-A", b"connection: Close"], False, {b"x-a", b"close"},
            id="two lines",
        ),
        pytest.param(b"1.1", [b"Connection:"], True, set(), id="an empty list"),
        pytest.param(b"1.0", [], False, set(), id="1.0 closes"),
        pytest.param(b"1.0", [b"Connection: keep-alive"], True, {b"keep-alive"}, id="1.0 may keep"),
        pytest.param(
            b"1.0", [b"Connection: keep-alive, close"], False, {b"keep-alive", b"close"},
            id="1.0 says both",
        ),
    ],
)  # fmt: skip
def test_the_client_says_whether_it_goes_on(
    version: bytes, lines: list[bytes], options: set[bytes], *, keeps_alive: bool
) -> None:
    head = parsed(*lines, start=b"GET / HTTP/" + version)
    assert head.keeps_alive is keeps_alive
    assert head.connection_options == options


def test_an_expectation_counts_in_http_1_1_alone() -> None:
    assert parsed(b"Expect: 100-Continue").expects_continue
    assert not parsed(b"Expect: 100-continue", start=b"POST / HTTP/1.0").expects_continue


def test_a_websocket_handshake_is_recognised() -> None:
    assert parsed(*UPGRADE).is_websocket
    assert parsed(UPGRADE[0], b"Upgrade: WebSocket", *UPGRADE[2:]).is_websocket


@pytest.mark.parametrize(
    ("start", "lines"),
    [
        pytest.param(b"GET / HTTP/1.1", UPGRADE[1:], id="without Connection"),
        pytest.param(b"GET / HTTP/1.0", UPGRADE, id="in HTTP/1.0"),
        pytest.param(b"GET / HTTP/1.1", UPGRADE[:1], id="without Upgrade"),
    ],
)
def test_an_upgrade_that_was_not_asked_for_whole_is_none(
    start: bytes, lines: tuple[bytes, ...]
) -> None:
    assert not parsed(*lines, start=start).is_websocket


@pytest.mark.parametrize(
    ("start", "lines", "code"),
    [
        pytest.param(
            b"GET / HTTP/1.1", [UPGRADE[0], b"Upgrade: h2c"], RefusalCode.NOT_IMPLEMENTED,
            id="another protocol",
        ),
        pytest.param(
            b"GET / HTTP/1.1", [*UPGRADE, b"Upgrade: h2c"], RefusalCode.NOT_IMPLEMENTED,
            id="two protocols",
        ),
        pytest.param(b"POST / HTTP/1.1", UPGRADE, BAD, id="not a GET"),
        pytest.param(b"GET / HTTP/1.1", [*UPGRADE, b"Content-Length: 5"], BAD, id="with a body"),
        pytest.param(b"GET / HTTP/1.1", UPGRADE[:3], BAD, id="without a version"),
        pytest.param(
            b"GET / HTTP/1.1", [*UPGRADE[:3], b"Sec-WebSocket-Version: 8"], BAD, id="old"
        ),
        pytest.param(
            b"GET / HTTP/1.1", [*UPGRADE, UPGRADE[3]], BAD, id="two versions"
        ),
        pytest.param(b"GET / HTTP/1.1", [*UPGRADE[:2], UPGRADE[3]], BAD, id="without a key"),
        pytest.param(
            b"GET / HTTP/1.1", [*UPGRADE[:2], b"Sec-WebSocket-Key: a", UPGRADE[3]], BAD,
            id="a key too short",
        ),
        pytest.param(b"GET / HTTP/1.1", [*UPGRADE, KEY], BAD, id="two keys"),
    ],
)  # fmt: skip
def test_a_malformed_handshake_is_refused(
    start: bytes, lines: list[bytes], code: RefusalCode
) -> None:
    assert code_of(write_head(start, [b"Host: a.example", *lines])) is code
