"""Status lines and field lines of an upstream, and what is no HTTP at all."""

from typing import Final

from tests.corpora.rows import Answer, Sight, Then

_REFUSED: Final = Sight.REFUSED
_LENGTH: Final = b"Content-Length: 4\r\n"


def _status_line(line: bytes) -> bytes:
    return line + b"\r\n" + _LENGTH + b"\r\nEVIL"


def _field(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\n" + _LENGTH + b"\r\nEVIL"


STATUS_LINES: Final = (
    Answer("HTTP-name", "lower case", "RFC 9112 §2.3", _REFUSED, _status_line(b"http/1.1 200 OK")),
    Answer("HTTP-name", "another protocol", "RFC 9112 §2.3", _REFUSED, _status_line(b"ICY 200 OK")),
    Answer("HTTP-name", "missing", "RFC 9112 §4", _REFUSED, _status_line(b"200 OK")),
    Answer(
        "HTTP-version", "a later major version", "RFC 9110 §2.5", _REFUSED,
        _status_line(b"HTTP/2.0 200 OK"),
    ),
    Answer(
        "HTTP-version", "no minor version", "RFC 9112 §2.3", _REFUSED,
        _status_line(b"HTTP/2 200"),
    ),
    Answer(
        "HTTP-version", "an earlier major version", "RFC 9110 §2.5", _REFUSED,
        _status_line(b"HTTP/0.9 200 OK"),
    ),
    Answer(
        "HTTP-version", "two digits behind the dot", "RFC 9112 §2.3", _REFUSED,
        _status_line(b"HTTP/1.10 200 OK"),
    ),
    Answer("status-code", "below 100", "RFC 9110 §15", _REFUSED, _status_line(b"HTTP/1.1 099 OK")),
    Answer("status-code", "beyond 599", "RFC 9110 §15", _REFUSED, _status_line(b"HTTP/1.1 600 OK")),
    Answer(
        "status-code", "four digits", "RFC 9112 §4", _REFUSED,
        _status_line(b"HTTP/1.1 1000 OK"),
    ),
    Answer("status-code", "two digits", "RFC 9112 §4", _REFUSED, _status_line(b"HTTP/1.1 20 OK")),
    Answer("status-code", "letters", "RFC 9112 §4", _REFUSED, _status_line(b"HTTP/1.1 2xx OK")),
    Answer("status-code", "a sign", "RFC 9112 §4", _REFUSED, _status_line(b"HTTP/1.1 +200 OK")),
    Answer("status-code", "missing", "RFC 9112 §4", _REFUSED, _status_line(b"HTTP/1.1 OK")),
    Answer(
        "status-code", "letters behind the digits", "RFC 9112 §4", _REFUSED,
        _status_line(b"HTTP/1.1 200OK"),
    ),
    Answer(
        "status-line", "two spaces behind the version", "RFC 9112 §4", _REFUSED,
        _status_line(b"HTTP/1.1  200 OK"),
    ),
    Answer(
        "status-line", "a tab behind the version", "RFC 9112 §4", _REFUSED,
        _status_line(b"HTTP/1.1\t200 OK"),
    ),
    Answer(
        "status-line", "a space before the version", "RFC 9112 §4", _REFUSED,
        _status_line(b" HTTP/1.1 200 OK"),
    ),
    Answer(
        "status-line", "an empty line before it", "RFC 9112 §2.1", _REFUSED,
        b"\r\n" + _status_line(b"HTTP/1.1 200 OK"),
    ),
    Answer(
        "status-line", "ended by a bare LF", "RFC 9112 §2.2", _REFUSED,
        b"HTTP/1.1 200 OK\n" + _LENGTH + b"\r\nEVIL",
    ),
    Answer(
        "status-line", "a request line in its place", "RFC 9112 §2.1", _REFUSED,
        _status_line(b"GET / HTTP/1.1"),
    ),
    Answer(
        "status-line", "a field line in its place", "RFC 9112 §2.1", _REFUSED,
        _LENGTH + b"\r\nEVIL",
    ),
    Answer("reason-phrase", "NUL", "RFC 9112 §4", _REFUSED, _status_line(b"HTTP/1.1 200 O\x00K")),
    Answer(
        "reason-phrase", "a control byte", "RFC 9112 §4", _REFUSED,
        _status_line(b"HTTP/1.1 200 O\x01K"),
    ),
    Answer(
        "reason-phrase", "a bare CR", "RFC 9112 §2.2", _REFUSED,
        _status_line(b"HTTP/1.1 200 O\rK"),
    ),
    Answer(
        "reason-phrase", "larger than a head may be", "RFC 9110 §2.3", _REFUSED,
        _status_line(b"HTTP/1.1 200 " + b"k" * 300_000),
    ),
)  # fmt: skip

FIELD_LINES: Final = (
    Answer(
        "field-line", "a space before the colon", "RFC 9112 §5.1", _REFUSED,
        _field(b"X-Row : v"),
    ),
    Answer(
        "field-line", "a tab before the colon", "RFC 9112 §5.1", _REFUSED,
        _field(b"X-Row\t: v"),
    ),
    Answer("field-line", "no colon", "RFC 9112 §5", _REFUSED, _field(b"X-Row v")),
    Answer(
        "field-line", "a blank before the first of them", "RFC 9112 §2.2", _REFUSED,
        _field(b" X-Row: v"),
    ),
    Answer(
        "field-line", "ended by a bare LF", "RFC 9112 §2.2", _REFUSED,
        _field(b"X-Row: v\nX-More: v"),
    ),
    Answer(
        "field-line", "ended by a bare CR", "RFC 9112 §2.2", _REFUSED,
        _field(b"X-Row: v\rX-More: v"),
    ),
    Answer(
        "field-line", "thousands of them", "RFC 9110 §5.4", _REFUSED,
        _field(b"\r\n".join([b"X-Row: v"] * 5000)),
    ),
    Answer("field-name", "empty", "RFC 9110 §5.1", _REFUSED, _field(b": v")),
    Answer("field-name", "a blank inside", "RFC 9110 §5.1", _REFUSED, _field(b"X Row: v")),
    Answer("field-name", "a control byte", "RFC 9110 §5.1", _REFUSED, _field(b"X\x01Row: v")),
    Answer("field-name", "a byte beyond ASCII", "RFC 9110 §5.1", _REFUSED, _field(b"X-R\xf6w: v")),
    Answer("field-name", "a delimiter", "RFC 9110 §5.6.2", _REFUSED, _field(b"X(Row): v")),
    Answer("field-value", "NUL", "RFC 9110 §5.5", _REFUSED, _field(b"X-Row: a\x00b")),
    Answer("field-value", "a control byte", "RFC 9110 §5.5", _REFUSED, _field(b"X-Row: a\x01b")),
    Answer(
        "field-value", "larger than a head may be", "RFC 9110 §5.4", _REFUSED,
        _field(b"X-Row: " + b"v" * 300_000),
    ),
    Answer(
        "field-value", "without end", "RFC 9110 §5.4", _REFUSED,
        b"HTTP/1.1 200 OK\r\nX-Row: " + b"v" * 2_000_000,
    ),
    Answer(
        "obs-fold", "continued behind a space", "RFC 9112 §5.2", _REFUSED,
        _field(b"X-Row: a\r\n b"),
    ),
    Answer(
        "obs-fold", "continued behind a tab", "RFC 9112 §5.2", _REFUSED,
        _field(b"X-Row: a\r\n\tb"),
    ),
    Answer("HTTP-message", "a head whose every line ends by a bare LF", "RFC 9112 §2.2", _REFUSED,
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\nEVIL", then=Then.EOF,
    ),
    Answer("HTTP-message", "an empty line that is a bare LF", "RFC 9112 §2.2", _REFUSED,
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\nEVIL", then=Then.EOF,
    ),
)  # fmt: skip

NOT_HTTP: Final = (
    Answer(
        "HTTP-message", "nothing, and the end", "RFC 9110 §15.6.3", _REFUSED,
        b"", then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "the end inside the status line", "RFC 9112 §8", _REFUSED,
        b"HTTP/1.1 20", then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "the end inside a field line", "RFC 9112 §8", _REFUSED,
        b"HTTP/1.1 200 OK\r\nContent-Le", then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "the end before the empty line", "RFC 9112 §8", _REFUSED,
        b"HTTP/1.1 200 OK\r\n" + _LENGTH, then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "random bytes", "RFC 9112 §2.1", _REFUSED,
        bytes(range(255, 127, -1)) + b"EVIL",
    ),
    Answer(
        "HTTP-message", "a page without a head, as in HTTP/0.9", "RFC 9112 §2.1", _REFUSED,
        b"<html>EVIL</html>\r\n", then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "an alert of TLS", "RFC 9112 §2.1", _REFUSED,
        b"\x15\x03\x03\x00\x02\x02\x46", then=Then.EOF,
    ),
    Answer(
        "HTTP-message", "the SETTINGS frame of HTTP/2", "RFC 9113 §3.4", _REFUSED,
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", then=Then.EOF,
    ),
)  # fmt: skip

ODD_HEADS: Final = (
    Answer(
        "status-line", "no space behind the status code", "RFC 9112 §4", (_REFUSED, Sight.WHOLE),
        _status_line(b"HTTP/1.1 200").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "HTTP-version", "a later minor version", "RFC 9110 §2.5", (_REFUSED, Sight.WHOLE),
        _status_line(b"HTTP/1.2 200 OK").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "reason-phrase", "empty", "RFC 9112 §4", Sight.WHOLE,
        _status_line(b"HTTP/1.1 200 ").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "reason-phrase", "bytes beyond ASCII", "RFC 9112 §4", Sight.WHOLE,
        _status_line(b"HTTP/1.1 200 gew\xf6hnlich").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "status-code", "a code that nobody registered", "RFC 9110 §15", Sight.WHOLE,
        _status_line(b"HTTP/1.1 299 Fine").replace(b"EVIL", b"good"), status=299, body=b"good",
    ),
    Answer(
        "field-value", "empty", "RFC 9110 §5.5", Sight.WHOLE,
        _field(b"X-Row:").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "field-value", "bytes beyond ASCII", "RFC 9110 §5.5", Sight.WHOLE,
        _field(b"X-Row: \xc3\xa4\xff").replace(b"EVIL", b"good"), body=b"good",
    ),
    Answer(
        "field-line", "blanks and tabs around the value", "RFC 9110 §5.6.3", Sight.WHOLE,
        _field(b"X-Row:\t v \t").replace(b"EVIL", b"good"), body=b"good",
    ),
)  # fmt: skip
