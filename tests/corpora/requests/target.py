"""Request targets: paths with two readings, and the three other forms."""

from typing import Final

from tests.corpora.rows import After, Malformed, get

_UNSAFE: Final = After.EITHER


def _absolute(target: bytes, host: bytes = b"a.example") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)


PATHS: Final = (
    Malformed(
        "absolute-path", "an encoded slash", "RFC 3986 §2.2; design §8", 400,
        get(target=b"/row%2fsecret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "an encoded slash in upper case", "RFC 3986 §2.1; design §8", 400,
        get(target=b"/row%2Fsecret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "an encoded backslash", "RFC 3986 §2.2; design §8", 400,
        get(target=b"/row%5csecret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "a raw backslash", "RFC 3986 §3.3", 400,
        get(target=b"/row\\secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "an encoded NUL", "RFC 3986 §7.3; design §8", 400,
        get(target=b"/row%00.html"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "a segment of two dots", "RFC 3986 §5.2.4; design §8", 400,
        get(target=b"/row/../secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two dots as the last segment", "RFC 3986 §5.2.4; design §8", 400,
        get(target=b"/row/.."), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "a segment of one dot", "RFC 3986 §5.2.4; design §8", 400,
        get(target=b"/row/./secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two encoded dots", "RFC 3986 §6.2.2.3; design §8", 400,
        get(target=b"/row/%2e%2e/secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "one encoded dot", "RFC 3986 §6.2.2.3; design §8", 400,
        get(target=b"/row/%2e/secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two dots, one of them encoded", "RFC 3986 §6.2.2.3; design §8", 400,
        get(target=b"/row/.%2E/secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two dots with a parameter", "RFC 3986 §3.3; design §8", 400,
        get(target=b"/row/..;/secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two slashes inside", "RFC 3986 §3.3; design §8", 400,
        get(target=b"/row//secret"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "two slashes at the beginning, as before an authority",
        "RFC 9112 §3.2.1; design §8", 400,
        get(target=b"//b.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-path", "a parameter behind a semicolon", "RFC 3986 §3.3; design §8", 400,
        get(target=b"/row;jsessionid=1"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "digits that are not hexadecimal", "RFC 3986 §2.1", 400,
        get(target=b"/row/%zz"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "one digit only", "RFC 3986 §2.1", 400,
        get(target=b"/row/%4"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "no digit", "RFC 3986 §2.1", 400,
        get(target=b"/row/%"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "the %u form of old browsers", "RFC 3986 §2.1", 400,
        get(target=b"/row/%u002e"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "an octet that no UTF-8 has", "RFC 3986 §2.5; RFC 3629 §3", 400,
        get(target=b"/row/%ff"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "a slash in overlong UTF-8", "RFC 3629 §10", 400,
        get(target=b"/row/..%c0%af"), _UNSAFE,
    ),
    Malformed(
        "pct-encoded", "a surrogate in UTF-8", "RFC 3629 §3", 400,
        get(target=b"/row/%ed%a0%80"), _UNSAFE,
    ),
    Malformed(
        "pchar", "a control byte", "RFC 3986 §3.3", 400,
        get(target=b"/row\x01"),
    ),
    Malformed(
        "pchar", "NUL", "RFC 3986 §3.3", 400,
        get(target=b"/row\x00"),
    ),
    Malformed(
        "pchar", "DEL", "RFC 3986 §3.3", 400,
        get(target=b"/row\x7f"),
    ),
    Malformed(
        "pchar", "a byte beyond ASCII", "RFC 3986 §2.1", 400,
        get(target=b"/r\xc3\xb6w"), _UNSAFE,
    ),
    Malformed(
        "pchar", "an angle bracket", "RFC 3986 §3.3", 400,
        get(target=b"/row/<script>"), _UNSAFE,
    ),
    Malformed(
        "origin-form", "a fragment behind the path", "RFC 9112 §3.2.1", 400,
        get(target=b"/row#fragment"), _UNSAFE,
    ),
    Malformed(
        "origin-form", "a fragment behind the query", "RFC 9112 §3.2.1", 400,
        get(target=b"/row?a=b#fragment"), _UNSAFE,
    ),
    Malformed(
        "origin-form", "no slash at the beginning", "RFC 9112 §3.2.1", 400,
        get(target=b"row"), _UNSAFE,
    ),
    Malformed(
        "origin-form", "a query without a path", "RFC 9112 §3.2.1", 400,
        get(target=b"?a=b"), _UNSAFE,
    ),
    Malformed(
        "origin-form", "a backslash for the slash", "RFC 9112 §3.2.1", 400,
        get(target=b"\\row"), _UNSAFE,
    ),
    Malformed(
        "query", "a control byte", "RFC 3986 §3.4", 400,
        get(target=b"/row?a=\x01"),
    ),
    Malformed(
        "query", "NUL", "RFC 3986 §3.4", 400,
        get(target=b"/row?a=\x00"),
    ),
    Malformed(
        "query", "a byte beyond ASCII", "RFC 3986 §2.1", 400,
        get(target=b"/row?a=\xff"), _UNSAFE,
    ),
)  # fmt: skip

OTHER_FORMS: Final = (
    Malformed(
        "absolute-form", "another host than Host", "RFC 9112 §3.2.2", 400,
        _absolute(b"http://b.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "another port than Host", "RFC 9112 §3.2.2", 400,
        _absolute(b"http://a.example:81/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "userinfo", "RFC 9110 §4.2.4", 400,
        _absolute(b"http://user@a.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "an empty host", "RFC 9110 §4.2.1", 400,
        _absolute(b"http:///row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "an empty host before a port", "RFC 9110 §4.2.1", 400,
        _absolute(b"http://:80/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a scheme that is not of the web", "RFC 9110 §7.4", 400,
        _absolute(b"ftp://a.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "https over a connection without TLS", "RFC 9110 §7.4", 400,
        _absolute(b"https://a.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "one slash behind the scheme", "RFC 9110 §4.2.1", 400,
        _absolute(b"http:/a.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a port that is not a number", "RFC 3986 §3.2.3", 400,
        _absolute(b"http://a.example:eighty/row", b"a.example"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a port beyond 65535", "RFC 3986 §3.2.3", 400,
        _absolute(b"http://a.example:65616/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "an address in brackets that do not close", "RFC 3986 §3.2.2", 400,
        _absolute(b"http://[::1/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a backslash in the authority", "RFC 3986 §3.2.2", 400,
        _absolute(b"http://a.example\\@b.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a byte beyond ASCII in the authority", "RFC 3986 §3.2.2", 400,
        _absolute(b"http://\xc3\xa4.example/row"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a fragment", "RFC 9112 §3.2.2", 400,
        _absolute(b"http://a.example/row#fragment"), _UNSAFE,
    ),
    Malformed(
        "absolute-form", "a segment of two dots", "RFC 3986 §5.2.4; design §8", 400,
        _absolute(b"http://a.example/row/../secret"), _UNSAFE,
    ),
    Malformed(
        "authority-form", "with another method than CONNECT", "RFC 9112 §3.2.3", 400,
        _absolute(b"a.example:80"), _UNSAFE,
    ),
    Malformed(
        "asterisk-form", "with another method than OPTIONS", "RFC 9112 §3.2.4", 400,
        _absolute(b"*"), _UNSAFE,
    ),
    Malformed(
        "asterisk-form", "something behind the asterisk", "RFC 9112 §3.2.4", 400,
        b"OPTIONS */row HTTP/1.1\r\nHost: a.example\r\n\r\n", _UNSAFE,
    ),
)  # fmt: skip
