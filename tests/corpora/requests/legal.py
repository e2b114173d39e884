"""Requests that look odd and are right; a proxy that refuses them refuses too much."""

from typing import Final

from tests.corpora.rows import Arrival, Legal, chunked, get, post

_SMUGGLED: Final = b"GET /secret HTTP/1.1\r\nHost: a.example\r\n\r\n"
_HELLO: Final = (Arrival(b"POST", body=b"hello"),)
_EMPTY: Final = (Arrival(b"POST"),)
_CHUNKS: Final = b"5\r\nhello\r\n0\r\n\r\n"


def _target(target: bytes, arrives: bytes | None = None) -> tuple[bytes, tuple[Arrival, ...]]:
    return get(target=target), (Arrival(target=arrives or target),)


LINES: Final = (
    Legal(
        "HTTP-message", "an empty line before it", "RFC 9112 §2.2", b"\r\n" + get(),
    ),
    Legal(
        "HTTP-message", "two requests in one write", "RFC 9112 §9.3.2",
        get(target=b"/row/1") + get(target=b"/row/2"),
        (Arrival(target=b"/row/1"), Arrival(target=b"/row/2")),
    ),
    Legal(
        "HTTP-message", "a body, and the next request in one write", "RFC 9112 §9.3.2",
        chunked(_CHUNKS) + get(target=b"/row/2"), (*_HELLO, Arrival(target=b"/row/2")),
    ),
    Legal(
        "HTTP-message", "an empty line between two requests", "RFC 9112 §2.2",
        post(b"Content-Length: 5", body=b"hello") + b"\r\n" + get(target=b"/row/2"),
        (*_HELLO, Arrival(target=b"/row/2")),
    ),
    Legal("HTTP-version", "HTTP/1.0 without Host", "RFC 9112 §3.2", b"GET /row HTTP/1.0\r\n\r\n"),
    Legal(
        "HTTP-version", "HTTP/1.0 that asks to stay", "RFC 9112 §9.3",
        b"GET /row HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n",
    ),
    Legal(
        "method", "one of DeltaV, which Subversion speaks", "RFC 3253 §11.2; RFC 9110 §9.1",
        b"MERGE /row HTTP/1.1\r\nHost: a.example\r\n\r\n", (Arrival(b"MERGE"),),
    ),
    Legal(
        "method", "one of WebDAV", "RFC 9110 §9.1",
        b"PROPFIND /row HTTP/1.1\r\nHost: a.example\r\n\r\n", (Arrival(b"PROPFIND"),),
    ),
    Legal(
        "method", "DELETE with content", "RFC 9110 §9.3.5",
        b"DELETE /row HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
        (Arrival(b"DELETE", body=b"hello"),),
    ),
    Legal("absolute-path", "every byte that a segment may have", "RFC 3986 §3.3",
        *_target(b"/row/aZ09-._~!$&'()*+,=:@"),
    ),
    Legal("absolute-path", "dots that are no dot segment", "RFC 3986 §3.3",
        *_target(b"/row/.well-known/a..b/.../..c"),
    ),
    Legal("absolute-path", "UTF-8, encoded", "RFC 3986 §2.5", *_target(b"/row/%C3%A4%e2%82%ac")),
    Legal(
        "absolute-path", "letters encoded without need", "RFC 3986 §2.3",
        *_target(b"/ro%77/%41"),
    ),
    Legal("absolute-path", "an encoded percent sign", "RFC 3986 §2.4", *_target(b"/row/100%25")),
    Legal("absolute-path", "a slash at its end", "RFC 3986 §3.3", *_target(b"/row/")),
    Legal("absolute-path", "four thousand bytes", "RFC 9112 §3", *_target(b"/row/" + b"a" * 4000)),
    Legal("query", "empty", "RFC 3986 §3.4", *_target(b"/row?")),
    Legal(
        "query", "what a path may not have", "RFC 3986 §3.4",
        *_target(b"/row?a=/../b//c;d?e%2f%5c%00"),
    ),
    Legal(
        "absolute-form", "the same host as Host", "RFC 9112 §3.2.2",
        *_target(b"http://a.example/row?a=b", b"/row?a=b"),
    ),
    Legal(
        "absolute-form", "the same host in other letters", "RFC 9110 §4.2.3",
        *_target(b"HTTP://A.EXAMPLE/row", b"/row"),
    ),
    Legal(
        "absolute-form", "no path", "RFC 9112 §3.2.1", *_target(b"http://a.example", b"/"),
    ),
    Legal("Host", "a port", "RFC 9110 §7.2", b"GET /row HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
    Legal(
        "Host", "an IPv4 address", "RFC 3986 §3.2.2",
        b"GET /row HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
    ),
    Legal(
        "Host", "an IPv6 address and a port", "RFC 3986 §3.2.2",
        b"GET /row HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
    ),
    Legal(
        "Host", "not the first field", "RFC 9110 §7.2",
        b"GET /row HTTP/1.1\r\nAccept: */*\r\nhOST: a.example\r\n\r\n",
    ),
)  # fmt: skip

FIELDS: Final = (
    Legal(
        "field-line", "no space behind the colon", "RFC 9112 §5",
        get(b"X-Row:v"), present=((b"x-row", b"v"),),
    ),
    Legal(
        "field-line", "blanks and tabs around the value", "RFC 9110 §5.6.3",
        get(b"X-Row: \t v \t "), present=((b"x-row", b"v"),),
    ),
    Legal(
        "field-line", "a hundred of them, Host among them", "RFC 9110 §5.4",
        get(*(b"X-Row-%d: v" % n for n in range(99))),
    ),
    Legal("field-name", "every byte that a token may have", "RFC 9110 §5.6.2",
        get(b"X!#$%&'*+-^`|~09azAZ: v"), present=((b"x!#$%&'*+-^`|~09azaz", b"v"),),
    ),
    Legal("field-value", "empty", "RFC 9110 §5.5", get(b"X-Row:"), present=((b"x-row", b""),)),
    Legal(
        "field-value", "bytes beyond ASCII", "RFC 9110 §5.5",
        get(b"X-Row: \xc3\xa4\xff"), present=((b"x-row", b"\xc3\xa4\xff"),),
    ),
    Legal(
        "field-value", "a tab inside", "RFC 9110 §5.5",
        get(b"X-Row: a\tb"), present=((b"x-row", b"a\tb"),),
    ),
    Legal(
        "field-value", "colons and commas", "RFC 9110 §5.5",
        get(b"X-Row: a: b,, c:"), present=((b"x-row", b"a: b,, c:"),),
    ),
    Legal("field-value", "the same name twice", "RFC 9110 §5.3",
        get(b"X-Row: a", b"X-Row: b"), present=((b"x-row", b"a"), (b"x-row", b"b")),
    ),
    Legal("Connection", "close", "RFC 9112 §9.6", get(b"Connection: close")),
    Legal(
        "Connection", "empty members and a close twice", "RFC 9110 §5.6.1",
        get(b"Connection: , close,, CLOSE,"),
    ),
    Legal("Connection", "the name of a field of the client's own", "RFC 9110 §7.6.1",
        get(b"Connection: X-Row", b"X-Row: v"), absent=(b"x-row",),
    ),
    Legal(
        "Connection", "the name of a field that the sidecar adds", "RFC 9110 §7.6.1; controls TN-1",
        get(b"Connection: X-Forwarded-For, X-Forwarded-Proto"),
        present=((b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-proto", b"http")),
    ),
    Legal("Connection", "fields of old proxies", "RFC 9110 §7.6.1",
        get(b"Proxy-Connection: keep-alive", b"Keep-Alive: timeout=5"),
        absent=(b"proxy-connection", b"keep-alive"),
    ),
    Legal(
        "TE", "trailers", "RFC 9110 §10.1.4",
        get(b"TE: trailers", b"Connection: TE"), absent=(b"te",),
    ),
    Legal(
        "Upgrade", "in HTTP/1.0, where it means nothing", "RFC 9110 §7.8",
        b"GET /row HTTP/1.0\r\nHost: a.example\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        absent=(b"upgrade",),
    ),
    Legal("Expect", "100-continue with the body at hand", "RFC 9110 §10.1.1",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), _HELLO,
    ),
    Legal("Expect", "in other letters", "RFC 9110 §10.1.1",
        post(b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"), _HELLO,
    ),
    Legal(
        "Expect", "100-continue without content", "RFC 9110 §10.1.1",
        get(b"Expect: 100-continue"),
    ),
    Legal(
        "Expect", "in HTTP/1.0, where it means nothing", "RFC 9110 §10.1.1",
        b"POST /row HTTP/1.0\r\nHost: a.example\r\nExpect: 100-continue\r\n"
        b"Content-Length: 5\r\n\r\nhello",
        _HELLO,
    ),
)  # fmt: skip

BODIES: Final = (
    Legal("Content-Length", "zero in a GET", "RFC 9110 §8.6", get(b"Content-Length: 0")),
    Legal(
        "Content-Length", "leading zeros", "RFC 9110 §8.6",
        post(b"Content-Length: 0005", body=b"hello"), _HELLO,
    ),
    Legal(
        "Content-Length", "blanks around it", "RFC 9110 §5.6.3",
        post(b"Content-Length:\t 5 \t", body=b"hello"), _HELLO,
    ),
    Legal("Content-Length", "missing in a POST", "RFC 9112 §6.3", post(), _EMPTY),
    Legal(
        "Content-Length", "a spelling with an underscore beside it", "RFC 9110 §5.1; design §8",
        post(b"Content-Length: 5", b"Content_Length: 0", body=b"hello"), _HELLO,
        absent=(b"content_length",),
    ),
    Legal(
        "Content-Length", "content that is a request (CL.0)", "RFC 9112 §6.3",
        post(b"Content-Length: %d" % len(_SMUGGLED), body=_SMUGGLED),
        (Arrival(b"POST", body=_SMUGGLED),),
    ),
    Legal("Content-Length", "a GET whose content is a request", "RFC 9110 §9.3.1",
        get(b"Content-Length: %d" % len(_SMUGGLED)) + _SMUGGLED, (Arrival(body=_SMUGGLED),),
    ),
    Legal(
        "Transfer-Encoding", "upper case", "RFC 9112 §7",
        post(b"Transfer-Encoding: CHUNKED", body=_CHUNKS), _HELLO,
    ),
    Legal(
        "Transfer-Encoding", "a tab before it and a blank behind it", "RFC 9110 §5.6.3",
        post(b"Transfer-Encoding:\tchunked ", body=_CHUNKS), _HELLO,
    ),
    Legal("Transfer-Encoding", "a spelling with an underscore", "RFC 9110 §5.1; design §8",
        post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"hello"), _HELLO,
        absent=(b"transfer_encoding", b"transfer-encoding"),
    ),
    Legal(
        "Transfer-Encoding", "in a GET", "RFC 9110 §9.3.1",
        get(b"Transfer-Encoding: chunked") + _CHUNKS, (Arrival(body=b"hello"),),
    ),
    Legal(
        "chunk-size", "leading zeros", "RFC 9112 §7.1",
        chunked(b"0005\r\nhello\r\n0\r\n\r\n"), _HELLO,
    ),
    Legal(
        "chunk-size", "letters of both cases", "RFC 9112 §7.1",
        chunked(b"a\r\n0123456789\r\nB\r\nhello world\r\n0\r\n\r\n"),
        (Arrival(b"POST", body=b"0123456789hello world"),),
    ),
    Legal(
        "last-chunk", "several zeros", "RFC 9112 §7.1",
        chunked(b"5\r\nhello\r\n000\r\n\r\n"), _HELLO,
    ),
    Legal("last-chunk", "the only one", "RFC 9112 §7.1", chunked(b"0\r\n\r\n"), _EMPTY),
    Legal(
        "chunk-ext", "a name", "RFC 9112 §7.1.1",
        chunked(b"5;n\r\nhello\r\n0;n\r\n\r\n"), _HELLO,
    ),
    Legal(
        "chunk-ext", "names and values", "RFC 9112 §7.1.1",
        chunked(b"5;a=b;c=d\r\nhello\r\n0\r\n\r\n"), _HELLO,
    ),
    Legal(
        "chunk-ext", "a quoted value", "RFC 9112 §7.1.1",
        chunked(b'5;a="b;\\"c\\""\r\nhello\r\n0\r\n\r\n'), _HELLO,
    ),
    Legal(
        "chunk-data", "CRLF and what looks like the end", "RFC 9112 §7.1",
        chunked(b"9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"),
        (Arrival(b"POST", body=b"\r\n0\r\n\r\n\r\n"),),
    ),
    Legal(
        "chunk-data", "a request", "RFC 9112 §7.1",
        chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED)),
        (Arrival(b"POST", body=_SMUGGLED),),
    ),
    Legal(
        "trailer-section", "a field that means no harm", "RFC 9112 §7.1.2",
        chunked(b"5\r\nhello\r\n0\r\nX-Row: v\r\n\r\n"), _HELLO, absent=(b"x-row",),
    ),
    Legal(
        "trailer-section", "two fields, one of them empty", "RFC 9112 §7.1.2",
        chunked(b"5\r\nhello\r\n0\r\nX-Row:\r\nX-More: v\r\n\r\n"), _HELLO,
        absent=(b"x-row", b"x-more"),
    ),
    Legal(
        "trailer-section", "a credential, and a request without one behind it", "RFC 9110 §6.5.1",
        chunked(b"0\r\nX-Row: Bearer evil\r\n\r\n") + get(), (*_EMPTY, Arrival()),
        absent=(b"x-row",),
    ),
)  # fmt: skip
