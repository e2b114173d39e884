"""Field lines: what separates, begins, continues and ends them; fields that may stand but once."""

from typing import Final

from tests.corpora.rows import NO_ANSWER, After, Malformed, Then, get, post

_START: Final = b"GET /row HTTP/1.1\r\n"

FIELD_LINES: Final = (
    Malformed(
        "field-line", "a space before the colon", "RFC 9112 §5.1", 400, get(b"X-Row : v")
    ),
    Malformed(
        "field-line", "a tab before the colon", "RFC 9112 §5.1", 400, get(b"X-Row\t: v")
    ),
    Malformed("field-line", "no colon", "RFC 9112 §5", 400, get(b"X-Row v")),
    Malformed(
        "field-line", "a second request line in its place", "RFC 9112 §5", 400,
        get(b"GET /secret HTTP/1.1"),
    ),
    Malformed("field-line", "blanks before the first of them", "RFC 9112 §2.2", 400,
        _START + b" Host: a.example\r\n\r\n",
    ),
    Malformed(
        "field-line", "ended by a bare LF", "RFC 9112 §2.2", 400, get(b"X-Row: v\nX-More: v")
    ),
    Malformed(
        "field-line", "ended by a bare CR", "RFC 9112 §2.2", 400, get(b"X-Row: v\rX-More: v")
    ),
    Malformed(
        "field-line", "ended by CR CR LF", "RFC 9112 §2.2", 400, get(b"X-Row: v\r", b"X-More: v")
    ),
    Malformed(
        "field-line", "a line of blanks among them", "RFC 9112 §5.2", 400, get(b" ", b"X-Row: v")
    ),
    Malformed("field-name", "empty", "RFC 9110 §5.1", 400, get(b": v")),
    Malformed("field-name", "a blank inside", "RFC 9110 §5.1", 400, get(b"X Row: v")),
    Malformed("field-name", "a control byte inside", "RFC 9110 §5.1", 400, get(b"X\x01Row: v")),
    Malformed("field-name", "NUL inside", "RFC 9110 §5.1", 400, get(b"X\x00Row: v")),
    Malformed("field-name", "DEL inside", "RFC 9110 §5.1", 400, get(b"X\x7fRow: v")),
    Malformed("field-name", "a vertical tab behind it", "RFC 9110 §5.1", 400, get(b"X-Row\x0b: v")),
    Malformed("field-name", "a byte beyond ASCII", "RFC 9110 §5.1", 400, get(b"X-R\xf6w: v")),
    Malformed("field-name", "parentheses", "RFC 9110 §5.6.2", 400, get(b"X(Row): v")),
    Malformed("field-name", "a slash", "RFC 9110 §5.6.2", 400, get(b"X/Row: v")),
    Malformed("field-name", "quotes", "RFC 9110 §5.6.2", 400, get(b'"X-Row": v')),
    Malformed(
        "field-name", "the pseudo-header of HTTP/2", "RFC 9113 §8.3", 400,
        get(b":path: /secret"),
    ),
    Malformed("field-value", "NUL inside", "RFC 9110 §5.5", 400, get(b"X-Row: a\x00b")),
    Malformed("field-value", "a control byte inside", "RFC 9110 §5.5", 400, get(b"X-Row: a\x01b")),
    Malformed("field-value", "DEL inside", "RFC 9110 §5.5", 400, get(b"X-Row: a\x7fb")),
    Malformed(
        "field-value", "a bare CR at its end", "RFC 9110 §5.5", 400,
        get(b"X-Row: \r", b"X-More: v"),
    ),
    Malformed(
        "obs-fold", "continued behind a space", "RFC 9112 §5.2", 400, get(b"X-Row: a", b" b")
    ),
    Malformed(
        "obs-fold", "continued behind a tab", "RFC 9112 §5.2", 400, get(b"X-Row: a", b"\tb")
    ),
    Malformed(
        "obs-fold", "in Host", "RFC 9112 §5.2", 400, _START + b"Host:\r\n a.example\r\n\r\n"
    ),
    Malformed(
        "HTTP-message", "a head whose every line ends by a bare LF", "RFC 9112 §2.2", (400, 408),
        b"GET /row HTTP/1.1\nHost: a.example\n\n",
    ),
    Malformed(
        "HTTP-message", "a head whose every line ends by a bare CR", "RFC 9112 §2.2", (400, 408),
        b"GET /row HTTP/1.1\rHost: a.example\r\r",
    ),
    Malformed(
        "HTTP-message", "an empty line that is a bare LF", "RFC 9112 §2.2", (400, 408),
        _START + b"Host: a.example\r\n\n",
    ),
    Malformed(
        "HTTP-message", "an empty line that is CR CR LF", "RFC 9112 §2.2", (400, 408),
        _START + b"Host: a.example\r\n\r\r\n",
    ),
    Malformed(
        "HTTP-message", "silence in the middle of the head", "RFC 9110 §15.5.9", 408,
        _START + b"Host: a.exam", alone=True,
    ),
    Malformed(
        "HTTP-message", "it ends in the middle of the head", "RFC 9112 §8", (400, 408, NO_ANSWER),
        _START + b"Host: a.exam", then=Then.EOF, alone=True,
    ),
)  # fmt: skip

SINGLETONS: Final = (
    Malformed(
        "Authorization", "two lines", "RFC 9110 §5.3, §11.6.2", 400,
        get(b"Authorization: Bearer one", b"Authorization: Bearer two"), After.EITHER,
    ),
    Malformed(
        "Content-Type", "two lines", "RFC 9110 §5.3, §8.3", 400,
        post(
            b"Content-Type: application/json", b"Content-Type: text/plain",
            b"Content-Length: 2", body=b"{}",
        ), After.EITHER,
    ),
    Malformed(
        "Content-Type", "a list for a route that names its types", "RFC 9110 §8.3", (400, 415),
        post(
            b"Content-Type: application/json, text/plain", b"Content-Length: 2", body=b"{}",
            target=b"/json",
        ), After.EITHER,
    ),
    Malformed(
        "Content-Type", "missing for a route that names its types", "RFC 9110 §15.5.16", 415,
        post(b"Content-Length: 2", body=b"{}", target=b"/json"), After.EITHER,
    ),
    Malformed(
        "Content-Type", "no media type at all", "RFC 9110 §8.3.1", (400, 415),
        post(b"Content-Type: json", b"Content-Length: 2", body=b"{}", target=b"/json"),
        After.EITHER,
    ),
    Malformed(
        "Content-Type", "gRPC, which HTTP/1.1 cannot carry", "RFC 9110 §15.5.16", 415,
        post(
            b"Content-Type: application/grpc", b"TE: trailers", b"Content-Length: 5",
            body=bytes(5),
        ),
        After.EITHER,
    ),
    Malformed(
        "Content-Type", "a flavour of gRPC", "RFC 9110 §15.5.16", 415,
        post(b"Content-Type: application/grpc+proto", b"Content-Length: 5", body=bytes(5)),
        After.EITHER,
    ),
)  # fmt: skip
