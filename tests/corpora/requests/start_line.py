"""Request lines: their spaces, their method, their version, and what is no HTTP at all."""

from typing import Final

from tests.corpora.rows import NO_ANSWER, After, Malformed, Reach, Then

_HOST: Final = b"\r\nHost: a.example\r\n\r\n"

REQUEST_LINES: Final = (
    Malformed(
        "request-line", "two spaces behind the method", "RFC 9112 §3", 400,
        b"GET  /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "two spaces before the version", "RFC 9112 §3", 400,
        b"GET /row  HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a tab behind the method", "RFC 9112 §3", 400,
        b"GET\t/row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a tab before the version", "RFC 9112 §3", 400,
        b"GET /row\tHTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a vertical tab as separator", "RFC 9112 §3", 400,
        b"GET\x0b/row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a form feed as separator", "RFC 9112 §3", 400,
        b"GET /row\x0cHTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a bare CR as separator", "RFC 9112 §2.2", 400,
        b"GET\r/row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a space before the method", "RFC 9112 §3", 400,
        b" GET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a space behind the version", "RFC 9112 §3", 400,
        b"GET /row HTTP/1.1 " + _HOST,
    ),
    Malformed(
        "request-line", "a fourth word behind the version", "RFC 9112 §3", 400,
        b"GET /row HTTP/1.1 HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "a space inside the target", "RFC 9112 §3.2", 400,
        b"GET /row and more HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "no method", "RFC 9112 §3", 400,
        b"/row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "no target", "RFC 9112 §3", 400,
        b"GET HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "no version, the simple request of HTTP/0.9", "RFC 9112 §3", 400,
        b"GET /row\r\n\r\n",
    ),
    Malformed(
        "request-line", "nothing but a method", "RFC 9112 §3", 400,
        b"GET" + _HOST,
    ),
    Malformed(
        "request-line", "ended by a bare LF", "RFC 9112 §2.2", 400,
        b"GET /row HTTP/1.1\nHost: a.example\r\n\r\n",
    ),
    Malformed(
        "request-line", "a bare CR before its CRLF", "RFC 9112 §2.2", 400,
        b"GET /row HTTP/1.1\r" + _HOST,
    ),
    Malformed(
        "request-line", "NUL behind the version", "RFC 9112 §3", 400,
        b"GET /row HTTP/1.1\x00" + _HOST,
    ),
    Malformed(
        "request-line", "a field line stands in its place", "RFC 9112 §2.1", 400,
        b"Host: a.example\r\nGET /row HTTP/1.1\r\n\r\n",
    ),
    Malformed(
        "request-line", "the status line of a response", "RFC 9112 §2.1", 400,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    Malformed(
        "request-line", "a PROXY protocol header that no policy announced", "RFC 9112 §3", 400,
        b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\nGET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "request-line", "the banner of another protocol", "RFC 9112 §3", 400,
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ),
    Malformed(
        "request-line", "the byte stream of a TLS client hello", "RFC 9112 §3", (400, 408),
        b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(range(32))
        + b"\x00\x00\x02\x13\x01\x01\x00",
    ),
    Malformed(
        "request-line", "a byte order mark before the method", "RFC 9112 §3", 400,
        b"\xef\xbb\xbfGET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-message", "a bare LF as the empty line before it", "RFC 9112 §2.2", 400,
        b"\nGET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-message", "a bare CR before it", "RFC 9112 §2.2", 400,
        b"\rGET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-message", "a line of blanks before it", "RFC 9112 §2.2", 400,
        b"  \r\nGET /row HTTP/1.1" + _HOST,
    ),
    # One empty line must do; a second may, if it does so however it arrives.
    Malformed(
        "HTTP-message", "two empty lines before it", "RFC 9112 §2.2", (200, 400),
        b"\r\n\r\nGET /row HTTP/1.1" + _HOST, After.EITHER, Reach.WHOLE,
    ),
    Malformed(
        "HTTP-message", "ten thousand empty lines before it", "RFC 9112 §2.2", (400, 414, 431),
        b"\r\n" * 10_000 + b"GET /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-message", "nothing but silence behind the first word", "RFC 9110 §15.5.9", 408,
        b"GET /ro", alone=True,
    ),
    Malformed(
        "HTTP-message", "it ends inside the request line", "RFC 9112 §8", (400, 408, NO_ANSWER),
        b"GET /ro", then=Then.EOF, alone=True,
    ),
)  # fmt: skip

METHODS: Final = (
    Malformed(
        "method", "lower case", "RFC 9110 §9.1", 400,
        b"get /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "a control byte inside", "RFC 9110 §5.6.2", 400,
        b"GE\x01T /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "NUL inside", "RFC 9110 §5.6.2", 400,
        b"GET\x00 /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "a delimiter inside", "RFC 9110 §5.6.2", 400,
        b"GET(1) /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "a colon behind it, as in a field line", "RFC 9110 §5.6.2", 400,
        b"GET: /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "quoted", "RFC 9110 §5.6.2", 400,
        b'"GET" /row HTTP/1.1' + _HOST,
    ),
    Malformed(
        "method", "a byte beyond ASCII inside", "RFC 9110 §5.6.2", 400,
        b"G\xc9T /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "longer than a start line may be", "RFC 9112 §3", (414, 501),
        b"G" * 9000 + b" /row HTTP/1.1" + _HOST,
    ),
    Malformed(
        "method", "CONNECT, which would make a tunnel", "RFC 9110 §9.3.6", 501,
        b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", after=After.EITHER,
    ),
    Malformed(
        "method", "CONNECT with a path for its target", "RFC 9112 §3.2.3", (400, 501),
        b"CONNECT /row HTTP/1.1" + _HOST, after=After.EITHER,
    ),
    Malformed(
        "method", "TRACE with content", "RFC 9110 §9.3.8", (400, 501),
        b"TRACE /row HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx", after=After.EITHER,
    ),
)  # fmt: skip

VERSIONS: Final = (
    Malformed(
        "HTTP-version", "a later major version", "RFC 9110 §15.6.6", 505,
        b"GET /row HTTP/2.0" + _HOST,
    ),
    Malformed(
        "HTTP-version", "an earlier major version", "RFC 9110 §15.6.6", 505,
        b"GET /row HTTP/0.9" + _HOST,
    ),
    Malformed(
        "HTTP-version", "a later minor version, refused by design", "RFC 9110 §15.6.6", 505,
        b"GET /row HTTP/1.2" + _HOST,
    ),
    Malformed(
        "HTTP-version", "the connection preface of HTTP/2", "RFC 9113 §3.4", 505,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ),
    Malformed(
        "HTTP-version", "two digits behind the dot", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/1.10" + _HOST,
    ),
    Malformed(
        "HTTP-version", "a leading zero", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/01.1" + _HOST,
    ),
    Malformed(
        "HTTP-version", "no minor version", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/1" + _HOST,
    ),
    Malformed(
        "HTTP-version", "nothing behind the dot", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/1." + _HOST,
    ),
    Malformed(
        "HTTP-version", "nothing before the dot", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/.1" + _HOST,
    ),
    Malformed(
        "HTTP-version", "nothing behind the slash", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/" + _HOST,
    ),
    Malformed(
        "HTTP-version", "a sign before the digit", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/+1.1" + _HOST,
    ),
    Malformed(
        "HTTP-version", "a comma for the dot", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/1,1" + _HOST,
    ),
    Malformed(
        "HTTP-version", "a letter for the digit", "RFC 9112 §2.3", 400,
        b"GET /row HTTP/1.x" + _HOST,
    ),
    Malformed(
        "HTTP-name", "lower case", "RFC 9112 §2.3", 400,
        b"GET /row http/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-name", "another protocol", "RFC 9112 §2.3", 400,
        b"GET /row ICE/1.1" + _HOST,
    ),
    Malformed(
        "HTTP-name", "a letter too many", "RFC 9112 §2.3", 400,
        b"GET /row HTTPS/1.1" + _HOST,
    ),
)  # fmt: skip
