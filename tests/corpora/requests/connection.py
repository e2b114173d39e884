"""Expect, Connection and Upgrade, and the opening handshake of a WebSocket."""

from typing import Final

from tests.corpora.rows import After, Malformed, Reach, get, post

_EITHER: Final = After.EITHER
_HOP: Final = (b"upgrade", b"http2-settings")
_KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_VERSION: Final = b"Sec-WebSocket-Version: 13"
_ASKED: Final = (b"Connection: Upgrade", b"Upgrade: websocket")


def _upgrade(value: bytes, *lines: bytes) -> bytes:
    return get(b"Connection: Upgrade", b"Upgrade: " + value, *lines)


EXPECTATIONS: Final = (
    Malformed(
        "Expect", "an expectation that nobody knows", "RFC 9110 §10.1.1", (400, 417),
        post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"), _EITHER,
    ),
    Malformed(
        "Expect", "a second expectation in the list", "RFC 9110 §10.1.1", (400, 417),
        post(b"Expect: 100-continue, sesame", b"Content-Length: 5", body=b"hello"), _EITHER,
    ),
    Malformed(
        "Expect", "a word before it, to hide it from one reader (0.CL)", "RFC 9110 §10.1.1",
        (400, 417),
        post(b"Expect: y 100-continue", b"Content-Length: 5", body=b"hello"), _EITHER,
    ),
    Malformed(
        "Expect", "empty", "RFC 9110 §10.1.1", (200, 400, 417),
        post(b"Expect:", b"Content-Length: 5", body=b"hello"), _EITHER, Reach.WHOLE,
    ),
)  # fmt: skip

OPTIONS: Final = (
    Malformed(
        "connection-option", "no token", "RFC 9110 §7.6.1", 400,
        get(b"Connection: cl(ose"), _EITHER,
    ),
    Malformed(
        "connection-option", "quotes", "RFC 9110 §7.6.1", 400,
        get(b'Connection: "close"'), _EITHER,
    ),
    Malformed(
        "connection-option", "a parameter", "RFC 9110 §7.6.1", 400,
        get(b"Connection: close;now"), _EITHER,
    ),
    Malformed(
        "connection-option", "two words without a comma", "RFC 9110 §7.6.1", 400,
        get(b"Connection: keep-alive close"), _EITHER,
    ),
    Malformed(
        "connection-option", "a byte beyond ASCII", "RFC 9110 §7.6.1", 400,
        get(b"Connection: cl\xf6se"), _EITHER,
    ),
    # RFC 9110 §7.6.1 forbids a sender to name what is meant for every recipient. A proxy that
    # refuses is right, and so is one that takes such a name for nothing.
    Malformed(
        "connection-option", "the name of Host", "RFC 9110 §7.6.1", (200, 400),
        get(b"Connection: Host"), _EITHER, Reach.WHOLE,
    ),
    Malformed(
        "connection-option", "the name of Content-Length", "RFC 9110 §7.6.1", (200, 400),
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), _EITHER,
        Reach.WHOLE,
    ),
    Malformed(
        "connection-option", "the name of Transfer-Encoding", "RFC 9110 §7.6.1", (200, 400),
        post(
            b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked",
            body=b"5\r\nhello\r\n0\r\n\r\n",
        ), _EITHER, Reach.WHOLE,
    ),
)  # fmt: skip

UPGRADES: Final = (
    Malformed(
        "Upgrade", "HTTP/2 over plain text", "RFC 9113 §3.1; design §3", 501,
        get(
            b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "TLS on the same connection", "RFC 2817 §3; design §3", 501,
        _upgrade(b"TLS/1.0"), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "a protocol that nobody knows", "RFC 9110 §7.8; design §3", 501,
        _upgrade(b"sesame"), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "a WebSocket or something else", "RFC 9110 §7.8; design §3", (400, 501),
        _upgrade(b"websocket, h2c", _KEY, _VERSION), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "two lines", "RFC 9110 §7.8; design §3", (400, 501),
        _upgrade(b"websocket", b"Upgrade: h2c", _KEY, _VERSION), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "a version of the WebSocket protocol in the token", "RFC 6455 §4.2.1",
        (400, 501),
        _upgrade(b"websocket/13", _KEY, _VERSION), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "empty", "RFC 9110 §7.8", (400, 501),
        _upgrade(b"", _KEY, _VERSION), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "no token", "RFC 9110 §7.8", (400, 501),
        _upgrade(b"web(socket)", _KEY, _VERSION), _EITHER, absent=_HOP,
    ),
    Malformed(
        "Upgrade", "without the connection option", "RFC 9110 §7.8; RFC 6455 §4.2.1", (200, 400),
        get(b"Upgrade: websocket", _KEY, _VERSION), _EITHER, Reach.WHOLE, absent=_HOP,
    ),
)  # fmt: skip

HANDSHAKES: Final = (
    Malformed(
        "Sec-WebSocket-Key", "missing", "RFC 6455 §4.2.1", 400, get(*_ASKED, _VERSION), _EITHER
    ),
    Malformed(
        "Sec-WebSocket-Key", "fifteen bytes", "RFC 6455 §4.2.1", 400,
        get(*_ASKED, _VERSION, b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Key", "no base64", "RFC 6455 §4.2.1", 400,
        get(*_ASKED, _VERSION, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!=="), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Key", "empty", "RFC 6455 §4.2.1", 400,
        get(*_ASKED, _VERSION, b"Sec-WebSocket-Key:"), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Key", "two lines", "RFC 6455 §11.3.1", 400,
        get(*_ASKED, _VERSION, _KEY, b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Version", "missing", "RFC 6455 §4.2.1", (400, 426),
        get(*_ASKED, _KEY), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Version", "another version", "RFC 6455 §4.4", (400, 426),
        get(*_ASKED, _KEY, b"Sec-WebSocket-Version: 8"), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Version", "a leading zero", "RFC 6455 §4.3", (400, 426),
        get(*_ASKED, _KEY, b"Sec-WebSocket-Version: 013"), _EITHER,
    ),
    Malformed(
        "Sec-WebSocket-Version", "two lines", "RFC 6455 §11.3.5", (400, 426),
        get(*_ASKED, _KEY, _VERSION, b"Sec-WebSocket-Version: 8"), _EITHER,
    ),
    Malformed(
        "opening handshake", "another method than GET", "RFC 6455 §4.2.1", 400,
        post(*_ASKED, _KEY, _VERSION), _EITHER,
    ),
    Malformed(
        "opening handshake", "content by length", "RFC 6455 §4.1; RFC 9110 §7.8", 400,
        get(*_ASKED, _KEY, _VERSION, b"Content-Length: 5") + b"hello", _EITHER,
    ),
    Malformed(
        "opening handshake", "content in chunks", "RFC 6455 §4.1; RFC 9110 §7.8", 400,
        get(*_ASKED, _KEY, _VERSION, b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        _EITHER,
    ),
    Malformed(
        "opening handshake", "content that is a request", "RFC 6455 §4.1; RFC 9110 §7.8", 400,
        get(*_ASKED, _KEY, _VERSION, b"Content-Length: 24") + b"GET /secret HTTP/1.1\r\n\r\n",
        _EITHER,
    ),
)  # fmt: skip
