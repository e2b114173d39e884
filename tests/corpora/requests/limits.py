"""Messages that are larger than the policy allows; the limits are the defaults.

A start line has at most 8 KiB, a head 32 KiB and 100 fields, a body one million bytes (and ten at
`/small`). The rows hold their distance from a limit: bytes at the very limit are a unit test's.
"""

from typing import Final

from tests.corpora.rows import After, Malformed, Reach, chunked, get, post

_MILLION: Final = 1_000_000

LIMITS: Final = (
    Malformed(
        "request-target", "a path longer than a start line may be", "RFC 9112 §3", 414,
        get(target=b"/row/" + b"a" * 9000),
    ),
    Malformed(
        "request-target", "a query longer than a start line may be", "RFC 9112 §3", 414,
        get(target=b"/row?" + b"a" * 9000),
    ),
    Malformed(
        "request-target", "without end", "RFC 9112 §3", 414,
        b"GET /row" + b"a" * 40_000, alone=True,
    ),
    Malformed(
        "field-value", "larger than a head may be", "RFC 6585 §5", 431,
        get(b"X-Row: " + b"v" * 40_000),
    ),
    Malformed(
        "field-value", "without end", "RFC 6585 §5", 431,
        b"GET /row HTTP/1.1\r\nHost: a.example\r\nX-Row: " + b"v" * 80_000, alone=True,
    ),
    Malformed(
        "field-name", "larger than a head may be", "RFC 6585 §5", 431,
        get(b"X-" + b"n" * 40_000 + b": v"),
    ),
    Malformed(
        "field-line", "too many of them", "RFC 6585 §5", 431,
        get(*(b"X-Row-%d: v" % number for number in range(120))),
    ),
    Malformed(
        "field-line", "too many empty ones of one name", "RFC 6585 §5", 431,
        get(*([b"X:"] * 120)),
    ),
    Malformed(
        "field-line", "few, but larger than a head in sum", "RFC 6585 §5", 431,
        get(*(b"X-Row-%d: %b" % (number, b"v" * 1000) for number in range(50))),
    ),
    Malformed(
        "field-line", "Cookie lines larger than a head in sum", "RFC 6585 §5", 431,
        get(*([b"Cookie: c=" + b"v" * 4000] * 10)),
    ),
    Malformed(
        "Content-Length", "one byte more than the route takes", "RFC 9110 §15.5.14", 413,
        post(b"Content-Length: 11", body=b"hello world", target=b"/small/row"), After.EITHER,
    ),
    Malformed(
        "Content-Length", "a body that was never sent", "RFC 9110 §15.5.14", 413,
        post(b"Content-Length: %d" % (2 * _MILLION)), After.EITHER, alone=True,
    ),
    Malformed(
        "Content-Length", "too much, announced by an expectation", "RFC 9110 §10.1.1, §15.5.14",
        413,
        post(b"Expect: 100-continue", b"Content-Length: %d" % (2 * _MILLION)), After.EITHER,
        alone=True,
    ),
    Malformed(
        "chunk-data", "more than the route takes in one chunk", "RFC 9110 §15.5.14", 413,
        chunked(b"b\r\nhello world\r\n0\r\n\r\n", target=b"/small/row"), After.EITHER, Reach.PART,
    ),
    Malformed(
        "chunk-data", "more than the route takes in sum", "RFC 9110 §15.5.14", 413,
        chunked(b"1\r\nx\r\n" * 11 + b"0\r\n\r\n", target=b"/small/row"), After.EITHER, Reach.PART,
    ),
    Malformed(
        "chunk-size", "a promise of more than the route takes", "RFC 9110 §15.5.14", (408, 413),
        chunked(b"7fffffff\r\n"), After.EITHER, Reach.PART, alone=True,
    ),
)  # fmt: skip
