"""Where an answer ends: length, chunks, the end of the connection, and answers without content."""

from typing import Final

from tests.corpora.rows import Answer, Sight, Then

_REFUSED: Final = Sight.REFUSED
_OK: Final = b"HTTP/1.1 200 OK\r\n"
# Nothing was sent yet, or the head was: both are right, but never a complete message.
_BROKEN: Final = (Sight.REFUSED, Sight.CUT)
_SURPLUS: Final = (Sight.REFUSED, Sight.WHOLE)
_SECOND: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
_HEAD: Final = b"HEAD /row HTTP/1.1\r\nHost: a.example\r\n\r\n"
_END: Final = b"0\r\n\r\n"
_CHUNKED: Final = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _length(value: bytes) -> bytes:
    return _OK + b"Content-Length:" + value + b"\r\n\r\ngood"


def _coding(*values: bytes, version: bytes = b"1.1") -> bytes:
    lines = b"".join(b"Transfer-Encoding:" + value + b"\r\n" for value in values)
    return b"HTTP/" + version + b" 200 OK\r\n" + lines + b"\r\n4\r\ngood\r\n" + _END


LENGTHS: Final = (
    Answer(
        "Content-Length", "two lines that agree", "RFC 9110 §8.6", _REFUSED,
        _length(b" 4\r\nContent-Length: 4"),
    ),
    Answer(
        "Content-Length", "two lines that differ", "RFC 9112 §6.3", _REFUSED,
        _length(b" 4\r\nContent-Length: 0"),
    ),
    Answer("Content-Length", "a list that agrees", "RFC 9110 §8.6", _REFUSED, _length(b" 4, 4")),
    Answer("Content-Length", "a list that differs", "RFC 9112 §6.3", _REFUSED, _length(b" 4, 0")),
    Answer("Content-Length", "negative", "RFC 9110 §8.6", _REFUSED, _length(b" -4")),
    Answer("Content-Length", "a plus sign", "RFC 9110 §8.6", _REFUSED, _length(b" +4")),
    Answer("Content-Length", "hexadecimal", "RFC 9110 §8.6", _REFUSED, _length(b" 0x4")),
    Answer(
        "Content-Length", "beyond 64 bits", "RFC 9110 §8.6", _REFUSED,
        _length(b" 18446744073709551620"),
    ),
    Answer("Content-Length", "empty", "RFC 9110 §8.6", _REFUSED, _length(b"")),
    Answer("Content-Length", "a word", "RFC 9110 §8.6", _REFUSED, _length(b" four")),
    Answer("Content-Length", "a blank between digits", "RFC 9110 §8.6", _REFUSED, _length(b" 0 4")),
    Answer(
        "Content-Length", "a vertical tab before it", "RFC 9110 §5.6.3", _REFUSED,
        _length(b" \x0b4"),
    ),
    Answer("Content-Length", "folded", "RFC 9112 §5.2", _REFUSED, _length(b"\r\n 4")),
    Answer(
        "Content-Length", "the end before the body is whole", "RFC 9112 §8", _BROKEN,
        _OK + b"Content-Length: 9\r\n\r\ngood", then=Then.EOF,
    ),
    Answer(
        "Content-Length", "the end before the body begins", "RFC 9112 §8", _BROKEN,
        _OK + b"Content-Length: 9\r\n\r\n", then=Then.EOF,
    ),
    Answer("Content-Length", "the end in the middle of a body that flows", "RFC 9112 §8", Sight.CUT,
        (_OK + b"Content-Length: 90000\r\n\r\n" + b"g" * 40_000, b"g" * 40_000), then=Then.EOF,
    ),
    Answer("Content-Length", "silence before the body is whole", "RFC 9112 §8", Sight.CUT,
        (_OK + b"Content-Length: 9\r\n\r\n", b"good"),
    ),
)  # fmt: skip

CODINGS: Final = (
    Answer(
        "Transfer-Encoding", "behind a Content-Length", "RFC 9112 §6.3", _REFUSED,
        _coding(b" chunked\r\nContent-Length: 14"),
    ),
    Answer("Transfer-Encoding", "before a Content-Length", "RFC 9112 §6.3", _REFUSED,
        _OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n" + _END,
    ),
    Answer(
        "Transfer-Encoding", "in HTTP/1.0", "RFC 9112 §6.1", _REFUSED,
        _coding(b" chunked", version=b"1.0"),
    ),
    Answer(
        "Transfer-Encoding", "an unknown coding alone", "RFC 9112 §6.1", _REFUSED,
        _coding(b" sesame"), then=Then.EOF,
    ),
    Answer(
        "Transfer-Encoding", "a compression alone, which the end would end", "RFC 9112 §6.1",
        _REFUSED,
        _coding(b" gzip"), then=Then.EOF,
    ),
    Answer(
        "Transfer-Encoding", "a compression before chunked", "RFC 9112 §6.1", _REFUSED,
        _coding(b" gzip, chunked"),
    ),
    Answer(
        "Transfer-Encoding", "chunked before a compression", "RFC 9112 §6.3", _REFUSED,
        _coding(b" chunked, gzip"), then=Then.EOF,
    ),
    Answer(
        "Transfer-Encoding", "chunked twice in a list", "RFC 9112 §6.1", _REFUSED,
        _coding(b" chunked, chunked"),
    ),
    Answer(
        "Transfer-Encoding", "chunked in two lines", "RFC 9112 §6.1", _REFUSED,
        _coding(b" chunked", b" chunked"),
    ),
    Answer(
        "Transfer-Encoding", "a second line that is no coding", "RFC 9112 §6.3", _REFUSED,
        _coding(b" chunked", b" x"),
    ),
    Answer(
        "Transfer-Encoding", "identity", "RFC 9112 §7", _REFUSED,
        _coding(b" identity"), then=Then.EOF,
    ),
    Answer("Transfer-Encoding", "empty", "RFC 9112 §6.1", _REFUSED, _coding(b"")),
    Answer(
        "Transfer-Encoding", "a parameter of chunked", "RFC 9112 §7.1", _REFUSED,
        _coding(b" chunked;q=1"),
    ),
    Answer("Transfer-Encoding", "quotes", "RFC 9110 §10.1.4", _REFUSED, _coding(b' "chunked"')),
    Answer(
        "Transfer-Encoding", "a vertical tab before chunked", "RFC 9110 §5.6.3", _REFUSED,
        _coding(b" \x0bchunked"),
    ),
    Answer(
        "Transfer-Encoding", "a name that begins like chunked", "RFC 9112 §6.3", _REFUSED,
        _coding(b" chunkedx"), then=Then.EOF,
    ),
    Answer(
        "Transfer-Encoding", "a trailing comma", "RFC 9112 §6.1", _REFUSED,
        _coding(b" chunked,"),
    ),
    Answer(
        "Transfer-Encoding", "a space before its colon, beside Content-Length", "RFC 9112 §5.1",
        _REFUSED,
        _OK + b"Content-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\ngood",
    ),
)  # fmt: skip

CHUNKS: Final = (
    Answer(
        "chunk-size", "a letter beyond F", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"4g\r\ngood\r\n" + _END,
    ),
    Answer("chunk-size", "empty", "RFC 9112 §7.1", _BROKEN, _CHUNKED + b"\r\ngood\r\n" + _END),
    Answer("chunk-size", "negative", "RFC 9112 §7.1", _BROKEN, _CHUNKED + b"-4\r\ngood\r\n" + _END),
    Answer(
        "chunk-size", "a prefix 0x", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"0x4\r\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-size", "beyond 64 bits", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"10000000000000004\r\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-size", "ended by a bare LF", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"4\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-size", "a blank before it", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b" 4\r\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-size", "the end inside it", "RFC 9112 §8", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n4", then=Then.EOF,
    ),
    Answer(
        "chunk-data", "longer than its size", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"3\r\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-data", "shorter than its size", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"5\r\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-data", "ended by a bare LF", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"4\r\ngood\n" + _END,
    ),
    Answer(
        "chunk-data", "the end in the middle", "RFC 9112 §8", _BROKEN,
        _CHUNKED + b"9\r\ngood", then=Then.EOF,
    ),
    Answer("chunk-data", "broken in the middle of a body that flows", "RFC 9112 §7.1", Sight.CUT,
        (_CHUNKED + b"4\r\ngood\r\n", b"4\r\ngoodXX" + _END),
    ),
    Answer(
        "chunk-ext", "a bare LF inside", "RFC 9112 §7.1.1", _BROKEN,
        _CHUNKED + b"4;\ngood\r\n" + _END,
    ),
    Answer(
        "chunk-ext", "a hundred thousand bytes", "RFC 9112 §7.1.1", _BROKEN,
        _CHUNKED + b"4;n=" + b"v" * 100_000 + b"\r\ngood\r\n" + _END,
    ),
    Answer(
        "last-chunk", "missing at the end", "RFC 9112 §8", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n", then=Then.EOF,
    ),
    Answer(
        "last-chunk", "negative zero", "RFC 9112 §7.1", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n-0\r\n\r\n",
    ),
    Answer(
        "trailer-section", "the end before its last CRLF", "RFC 9112 §8", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n0\r\n", then=Then.EOF,
    ),
    Answer(
        "trailer-section", "no colon", "RFC 9112 §7.1.2", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n0\r\nX-Row v\r\n\r\n",
    ),
    Answer(
        "trailer-section", "a response in its place", "RFC 9112 §7.1.2", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n0\r\n" + _SECOND,
    ),
    Answer("trailer-section", "thousands of lines", "RFC 9112 §7.1.2", _BROKEN,
        _CHUNKED + b"4\r\ngood\r\n0\r\n" + b"X-Row: v\r\n" * 20_000 + b"\r\n",
    ),
)  # fmt: skip

# RFC 9112 §6.3: bytes behind a message must not be processed, cached or forwarded as a response.
SURPLUS: Final = (
    Answer(
        "message-body", "bytes behind a length", "RFC 9112 §6.3", _SURPLUS,
        _OK + b"Content-Length: 4\r\n\r\ngoodEVIL", body=b"good",
    ),
    Answer(
        "message-body", "a response behind a length", "RFC 9112 §6.3", _SURPLUS,
        _OK + b"Content-Length: 4\r\n\r\ngood" + _SECOND, body=b"good",
    ),
    Answer(
        "message-body", "a byte behind a length, and then a response", "RFC 9112 §6.3", _SURPLUS,
        (_OK + b"Content-Length: 4\r\n\r\ngood\n", _SECOND), body=b"good",
    ),
    Answer(
        "message-body", "a response behind the last chunk", "RFC 9112 §6.3", _SURPLUS,
        _CHUNKED + b"4\r\ngood\r\n" + _END + _SECOND, body=b"good",
    ),
    Answer(
        "message-body", "a response behind an empty body", "RFC 9112 §6.3", _SURPLUS,
        _OK + b"Content-Length: 0\r\n\r\n" + _SECOND,
    ),
    Answer(
        "message-body", "a response on the idle connection", "RFC 9112 §9.2", Sight.WHOLE,
        _OK + b"Content-Length: 4\r\n\r\ngood", body=b"good", late=_SECOND,
    ),
    Answer(
        "message-body", "a request time-out on the idle connection", "RFC 9110 §15.5.9",
        Sight.WHOLE,
        _OK + b"Content-Length: 4\r\n\r\ngood", body=b"good",
        late=b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\nConnection: close\r\n\r\nEVIL",
    ),
    Answer(
        "message-body", "an empty line on the idle connection", "RFC 9112 §2.2", Sight.WHOLE,
        _OK + b"Content-Length: 4\r\n\r\ngood", body=b"good", late=b"\r\n",
    ),
    Answer(
        "message-body", "content of a 204", "RFC 9112 §6.3", _SURPLUS,
        b"HTTP/1.1 204 No Content\r\n\r\nEVIL", status=204,
    ),
    Answer(
        "message-body", "content of a 304", "RFC 9112 §6.3", _SURPLUS,
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 4\r\n\r\nEVIL', status=304,
    ),
    Answer(
        "message-body", "content of an answer to HEAD", "RFC 9112 §6.3", _SURPLUS,
        _OK + b"Content-Length: 4\r\n\r\nEVIL", request=_HEAD,
    ),
    Answer(
        "message-body", "a response behind an answer to HEAD", "RFC 9112 §6.3", _SURPLUS,
        _OK + b"Content-Length: 4\r\n\r\n" + _SECOND, request=_HEAD,
    ),
    Answer(
        "message-body", "a length of a 204", "RFC 9110 §8.6", _SURPLUS,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", status=204,
        absent=(b"content-length",),
    ),
    Answer(
        "message-body", "chunks of a 204", "RFC 9112 §6.1", _SURPLUS,
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n" + _END,
        status=204, absent=(b"transfer-encoding",),
    ),
)  # fmt: skip

ODD_BODIES: Final = (
    Answer(
        "message-body", "no length in HTTP/1.1, the end of the connection ends it", "RFC 9112 §6.3",
        Sight.WHOLE,
        _OK + b"\r\ngood", body=b"good", then=Then.EOF,
    ),
    Answer(
        "message-body", "no length in HTTP/1.0", "RFC 9112 §6.3", Sight.WHOLE,
        b"HTTP/1.0 200 OK\r\n\r\ngood", body=b"good", then=Then.EOF,
    ),
    Answer(
        "message-body", "no length and no content", "RFC 9112 §6.3", Sight.WHOLE,
        _OK + b"\r\n", then=Then.EOF,
    ),
    Answer(
        "message-body", "a length in a 304", "RFC 9110 §8.6", Sight.WHOLE,
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 4\r\n\r\n', status=304,
    ),
    Answer(
        "message-body", "chunks announced to HEAD", "RFC 9112 §6.1", Sight.WHOLE,
        _CHUNKED, request=_HEAD,
    ),
    Answer(
        "message-body", "chunks for a client of HTTP/1.0", "RFC 9112 §6.1", Sight.WHOLE,
        _CHUNKED + b"4\r\ngood\r\n" + _END, body=b"good",
        request=b"GET /row HTTP/1.0\r\nHost: a.example\r\n\r\n", absent=(b"transfer-encoding",),
    ),
    Answer(
        "chunk-size", "leading zeros and letters of both cases", "RFC 9112 §7.1", Sight.WHOLE,
        _CHUNKED + b"0a\r\n0123456789\r\nA\r\n0123456789\r\n" + _END, body=b"0123456789" * 2,
    ),
    Answer(
        "chunk-ext", "a name and a quoted value", "RFC 9112 §7.1.1", Sight.WHOLE,
        _CHUNKED + b'4;n="v;"\r\ngood\r\n' + _END, body=b"good",
    ),
    Answer(
        "trailer-section", "a field that means no harm", "RFC 9112 §7.1.2", Sight.WHOLE,
        _CHUNKED + b"4\r\ngood\r\n0\r\nX-Row: v\r\n\r\n", body=b"good", absent=(b"x-row",),
    ),
    Answer(
        "trailer-section", "a cookie", "RFC 9110 §6.5.1", Sight.WHOLE,
        _CHUNKED + b"4\r\ngood\r\n0\r\nSet-Cookie: evil=1\r\n\r\n", body=b"good",
        absent=(b"set-cookie",),
    ),
    Answer(
        "Connection", "the name of a field of its own", "RFC 9110 §7.6.1", Sight.WHOLE,
        _OK + b"Connection: X-Row\r\nX-Row: v\r\nContent-Length: 4\r\n\r\ngood", body=b"good",
        absent=(b"x-row",),
    ),
    Answer(
        "Connection", "the name of Content-Length", "RFC 9110 §7.6.1", _SURPLUS,
        _OK + b"Connection: Content-Length\r\nContent-Length: 4\r\n\r\ngood", body=b"good",
    ),
    Answer(
        "Connection", "fields that go one hop", "RFC 9110 §7.6.1", Sight.WHOLE,
        _OK + b"Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nContent-Length: 4\r\n\r\ngood",
        body=b"good", absent=(b"keep-alive", b"proxy-connection"),
    ),
    Answer(
        "Transfer-Encoding", "upper case", "RFC 9112 §7", Sight.WHOLE,
        _coding(b" CHUNKED"), body=b"good",
    ),
)  # fmt: skip
