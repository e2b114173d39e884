"""The Host field: missing, twice, or no `uri-host [ ":" port ]`."""

from typing import Final

from tests.corpora.rows import After, Malformed


def _host(value: bytes) -> bytes:
    return b"GET /row HTTP/1.1\r\nHost: %b\r\n\r\n" % value


HOSTS: Final = (
    Malformed(
        "Host", "missing in HTTP/1.1", "RFC 9112 §3.2", 400,
        b"GET /row HTTP/1.1\r\nAccept: */*\r\n\r\n", After.EITHER,
    ),
    Malformed(
        "Host", "missing beside an absolute target", "RFC 9112 §3.2", 400,
        b"GET http://a.example/row HTTP/1.1\r\nAccept: */*\r\n\r\n", After.EITHER,
    ),
    Malformed(
        "Host", "two lines that agree", "RFC 9112 §3.2", 400,
        b"GET /row HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", After.EITHER,
    ),
    Malformed(
        "Host", "two lines that differ", "RFC 9112 §3.2", 400,
        b"GET /row HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", After.EITHER,
    ),
    Malformed(
        "Host", "two lines in HTTP/1.0", "RFC 9112 §3.2", 400,
        b"GET /row HTTP/1.0\r\nHost: a.example\r\nhost: b.example\r\n\r\n", After.CLOSED,
    ),
    Malformed(
        "Host", "a list", "RFC 9112 §3.2", 400, _host(b"a.example, b.example"), After.EITHER
    ),
    Malformed(
        "Host", "empty for an http resource", "RFC 9110 §4.2.1", 400,
        _host(b""), After.EITHER,
    ),
    Malformed(
        "Host", "a port without a host", "RFC 9110 §4.2.1", 400, _host(b":80"), After.EITHER
    ),
    Malformed(
        "Host", "userinfo", "RFC 9110 §7.2", 400, _host(b"user@a.example"), After.EITHER
    ),
    Malformed("Host", "a scheme", "RFC 9110 §7.2", 400, _host(b"http://a.example"), After.EITHER),
    Malformed("Host", "a path", "RFC 9110 §7.2", 400, _host(b"a.example/row"), After.EITHER),
    Malformed("Host", "a query", "RFC 9110 §7.2", 400, _host(b"a.example?a=b"), After.EITHER),
    Malformed("Host", "a fragment", "RFC 9110 §7.2", 400, _host(b"a.example#b"), After.EITHER),
    Malformed(
        "uri-host", "a blank inside", "RFC 3986 §3.2.2", 400, _host(b"a.example b.example"),
        After.EITHER,
    ),
    Malformed(
        "uri-host", "a tab inside", "RFC 3986 §3.2.2", 400, _host(b"a.example\tb.example"),
        After.EITHER,
    ),
    Malformed(
        "uri-host", "a backslash", "RFC 3986 §3.2.2", 400, _host(b"a.example\\b"), After.EITHER
    ),
    Malformed(
        "uri-host", "a byte beyond ASCII", "RFC 3986 §3.2.2", 400, _host(b"\xc3\xa4.example"),
        After.EITHER,
    ),
    Malformed("uri-host", "quotes", "RFC 3986 §3.2.2", 400, _host(b'"a.example"'), After.EITHER),
    Malformed(
        "uri-host", "an angle bracket", "RFC 3986 §3.2.2", 400, _host(b"<a.example>"), After.EITHER
    ),
    Malformed(
        "uri-host", "broken percent encoding", "RFC 3986 §2.1", 400, _host(b"a%zz.example"),
        After.EITHER,
    ),
    Malformed(
        "IP-literal", "brackets that do not close", "RFC 3986 §3.2.2", 400, _host(b"[::1"),
        After.EITHER,
    ),
    Malformed(
        "IP-literal", "brackets that do not open", "RFC 3986 §3.2.2", 400, _host(b"::1]"),
        After.EITHER,
    ),
    Malformed("IP-literal", "no brackets", "RFC 3986 §3.2.2", 400, _host(b"::1"), After.EITHER),
    Malformed("IP-literal", "nothing inside", "RFC 3986 §3.2.2", 400, _host(b"[]"), After.EITHER),
    Malformed(
        "IP-literal", "a letter that is not hexadecimal", "RFC 3986 §3.2.2", 400, _host(b"[::g]"),
        After.EITHER,
    ),
    Malformed(
        "IP-literal", "nine groups", "RFC 3986 §3.2.2", 400, _host(b"[1:2:3:4:5:6:7:8:9]"),
        After.EITHER,
    ),
    Malformed(
        "IP-literal", "letters behind the bracket", "RFC 3986 §3.2.2", 400, _host(b"[::1]evil"),
        After.EITHER,
    ),
    Malformed(
        "port", "letters", "RFC 3986 §3.2.3", 400, _host(b"a.example:http"), After.EITHER
    ),
    Malformed(
        "port", "beyond 65535", "RFC 9110 §4.2.1", 400, _host(b"a.example:65536"), After.EITHER
    ),
    Malformed("port", "a sign", "RFC 3986 §3.2.3", 400, _host(b"a.example:+80"), After.EITHER),
    Malformed(
        "port", "a blank before it", "RFC 3986 §3.2.3", 400,
        _host(b"a.example: 80"), After.EITHER,
    ),
    Malformed("port", "twice", "RFC 3986 §3.2.3", 400, _host(b"a.example:80:81"), After.EITHER),
)  # fmt: skip
