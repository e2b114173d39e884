"""Interim answers (1xx) and 101: how many, when, and to whom."""

from typing import Final

from tests.corpora.rows import Answer, Sight, Then

_REFUSED: Final = Sight.REFUSED
_GOOD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
# The key of RFC 6455 §1.3, and the accept value that belongs to it.
_ASK: Final = (
    b"GET /row HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_ACCEPT: Final = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
_SWITCH: Final = b"HTTP/1.1 101 Switching Protocols\r\n"
_OPTION: Final = b"Connection: Upgrade\r\n"
_PROTOCOL: Final = b"Upgrade: websocket\r\n"
_FRAME: Final = b"\r\n\x81\x04EVIL"

SWITCHES: Final = (
    Answer(
        "101", "nobody asked for it", "RFC 9110 §15.2.2", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL + _ACCEPT + _FRAME,
    ),
    Answer(
        "101", "for another protocol than was asked for", "RFC 9110 §7.8", _REFUSED,
        _SWITCH + _OPTION + b"Upgrade: h2c\r\n" + _ACCEPT + _FRAME, request=_ASK,
    ),
    Answer(
        "101", "without Upgrade", "RFC 9110 §15.2.2", _REFUSED,
        _SWITCH + _OPTION + _ACCEPT + _FRAME, request=_ASK,
    ),
    Answer(
        "101", "without the connection option", "RFC 6455 §4.1", _REFUSED,
        _SWITCH + _PROTOCOL + _ACCEPT + _FRAME, request=_ASK,
    ),
    Answer("101", "bare", "RFC 9110 §15.2.2", _REFUSED, _SWITCH + _FRAME, request=_ASK),
    Answer(
        "101", "from HTTP/1.0", "RFC 9110 §15.2", _REFUSED,
        b"HTTP/1.0 101 Switching Protocols\r\n" + _OPTION + _PROTOCOL + _ACCEPT + _FRAME,
        request=_ASK,
    ),
    Answer(
        "Sec-WebSocket-Accept", "missing", "RFC 6455 §4.1", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL + _FRAME, request=_ASK,
    ),
    Answer(
        "Sec-WebSocket-Accept", "of another key", "RFC 6455 §4.1", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL
        + b"Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n" + _FRAME,
        request=_ASK,
    ),
    Answer(
        "Sec-WebSocket-Accept", "the key itself", "RFC 6455 §4.1", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL
        + b"Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n" + _FRAME,
        request=_ASK,
    ),
    Answer(
        "Sec-WebSocket-Accept", "in other letters", "RFC 6455 §4.1", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL + _ACCEPT.lower() + _FRAME, request=_ASK,
    ),
    Answer(
        "Sec-WebSocket-Accept", "two lines", "RFC 6455 §11.3.3", _REFUSED,
        _SWITCH + _OPTION + _PROTOCOL + _ACCEPT * 2 + _FRAME, request=_ASK,
    ),
    Answer(
        "opening handshake", "answered like any request", "RFC 6455 §4.2.2", Sight.WHOLE,
        _GOOD, request=_ASK, body=b"good",
    ),
)  # fmt: skip

INTERIM: Final = (
    Answer(
        "1xx", "without end", "RFC 9110 §15.2", _REFUSED,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10_000 + _GOOD,
    ),
    Answer(
        "1xx", "content by length, which it cannot have", "RFC 9112 §6.3", _REFUSED,
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nEVIL" + _GOOD,
    ),
    Answer(
        "1xx", "chunks, which it cannot have", "RFC 9112 §6.3", _REFUSED,
        b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n"
        + _GOOD,
    ),
    Answer(
        "1xx", "and then the end", "RFC 9110 §15.2", _REFUSED,
        b"HTTP/1.1 100 Continue\r\n\r\n", then=Then.EOF,
    ),
    Answer(
        "1xx", "and then garbage", "RFC 9112 §4", _REFUSED,
        b"HTTP/1.1 100 Continue\r\n\r\nEVIL\r\n\r\n",
    ),
    Answer(
        "1xx", "100 that nobody expects", "RFC 9110 §15.2", Sight.WHOLE,
        b"HTTP/1.1 100 Continue\r\n\r\n" + _GOOD, body=b"good",
    ),
    Answer(
        "1xx", "103 with fields", "RFC 8297 §2", Sight.WHOLE,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _GOOD, body=b"good",
    ),
    Answer(
        "1xx", "three, of several kinds", "RFC 9110 §15.2", Sight.WHOLE,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n"
        + _GOOD,
        body=b"good",
    ),
    Answer(
        "1xx", "for a client of HTTP/1.0, which must not see it", "RFC 9110 §15.2", Sight.WHOLE,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + _GOOD, body=b"good",
        request=b"GET /row HTTP/1.0\r\nHost: a.example\r\n\r\n",
    ),
    Answer(
        "1xx", "100 from an upstream of HTTP/1.0", "RFC 9110 §15.2", (_REFUSED, Sight.WHOLE),
        b"HTTP/1.0 100 Continue\r\n\r\n" + _GOOD, body=b"good",
    ),
)  # fmt: skip
