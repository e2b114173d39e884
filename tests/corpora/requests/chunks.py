"""The chunked coding: sizes, extensions, data, the last chunk and the trailer section."""

from typing import Final

from tests.corpora.rows import NO_ANSWER, After, Malformed, Reach, Then, chunked

_END: Final = b"0\r\n\r\n"
_PART: Final = Reach.PART


def _size(line: bytes) -> bytes:
    return chunked(line + b"\r\nhello\r\n" + _END)


def _extension(text: bytes) -> bytes:
    return chunked(b"5" + text + b"\r\nhello\r\n" + _END)


def _trailers(*lines: bytes) -> bytes:
    return chunked(b"5\r\nhello\r\n0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


SIZES: Final = (
    Malformed("chunk-size", "empty", "RFC 9112 §7.1", 400, _size(b""), reach=_PART),
    Malformed("chunk-size", "a letter beyond F", "RFC 9112 §7.1", 400, _size(b"5g"), reach=_PART),
    Malformed("chunk-size", "negative", "RFC 9112 §7.1", 400, _size(b"-5"), reach=_PART),
    Malformed("chunk-size", "a plus sign", "RFC 9112 §7.1", 400, _size(b"+5"), reach=_PART),
    Malformed("chunk-size", "a prefix 0x", "RFC 9112 §7.1", 400, _size(b"0x5"), reach=_PART),
    Malformed("chunk-size", "an underscore", "RFC 9112 §7.1", 400, _size(b"0_5"), reach=_PART),
    Malformed("chunk-size", "a decimal point", "RFC 9112 §7.1", 400, _size(b"5.0"), reach=_PART),
    Malformed("chunk-size", "a blank before it", "RFC 9112 §7.1", 400, _size(b" 5"), reach=_PART),
    Malformed("chunk-size", "a blank behind it", "RFC 9112 §7.1", 400, _size(b"5 "), reach=_PART),
    Malformed("chunk-size", "a tab behind it", "RFC 9112 §7.1", 400, _size(b"5\t"), reach=_PART),
    Malformed(
        "chunk-size", "a vertical tab before it", "RFC 9112 §7.1", 400,
        _size(b"\x0b5"), reach=_PART,
    ),
    Malformed("chunk-size", "NUL behind it", "RFC 9112 §7.1", 400, _size(b"5\x00"), reach=_PART),
    Malformed("chunk-size", "quotes", "RFC 9112 §7.1", 400, _size(b'"5"'), reach=_PART),
    Malformed(
        "chunk-size", "digits of another script", "RFC 9112 §7.1", 400,
        _size(b"\xd9\xa5"), reach=_PART,
    ),
    Malformed(
        "chunk-size", "beyond 64 bits", "RFC 9112 §7.1", (400, 413),
        _size(b"10000000000000005"), reach=_PART,
    ),
    Malformed(
        "chunk-size", "thousands of leading zeros", "RFC 9112 §7.1", (400, 413),
        _size(b"0" * 20_000 + b"5"), reach=_PART,
    ),
    Malformed(
        "chunk-size", "ended by a bare LF", "RFC 9112 §7.1", 400,
        chunked(b"5\nhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-size", "ended by a bare CR", "RFC 9112 §7.1", 400,
        chunked(b"5\rhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-size", "ended by CR CR LF", "RFC 9112 §7.1", 400,
        chunked(b"5\r\r\nhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-size", "silence in its place", "RFC 9110 §15.5.9", 408,
        chunked(b"5\r\nhello\r\n"), reach=_PART, alone=True,
    ),
    Malformed(
        "chunk-size", "the end in its place", "RFC 9112 §8", (400, 408, NO_ANSWER),
        chunked(b"5\r\nhello\r\n"), reach=_PART, then=Then.EOF, alone=True,
    ),
)  # fmt: skip

DATA: Final = (
    Malformed(
        "chunk-data", "longer than its size", "RFC 9112 §7.1", 400,
        chunked(b"4\r\nhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "shorter than its size", "RFC 9112 §7.1", 400,
        chunked(b"6\r\nhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "ended by a bare LF", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "ended by a bare CR", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\r" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "ended by LF CR", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\n\r" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "ended by nothing", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "ended by two bytes that a lenient reader skips", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhelloXX" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-data", "silence in the middle", "RFC 9110 §15.5.9", 408,
        chunked(b"5\r\nhe"), reach=_PART, alone=True,
    ),
    Malformed(
        "chunk-data", "the end in the middle", "RFC 9112 §8", (400, 408, NO_ANSWER),
        chunked(b"5\r\nhe"), reach=_PART, then=Then.EOF, alone=True,
    ),
)  # fmt: skip

EXTENSIONS: Final = (
    Malformed("chunk-ext", "no name", "RFC 9112 §7.1.1", 400, _extension(b";"), reach=_PART),
    Malformed(
        "chunk-ext", "no name before the value", "RFC 9112 §7.1.1", 400,
        _extension(b";=v"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "no value behind the equals sign", "RFC 9112 §7.1.1", 400,
        _extension(b";n="), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "no semicolon before it", "RFC 9112 §7.1.1", 400,
        _extension(b" n=v"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a comma for the semicolon", "RFC 9112 §7.1.1", 400,
        _extension(b",n=v"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a name that is no token", "RFC 9112 §7.1.1", 400,
        _extension(b";n(1)=v"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a value that is no token", "RFC 9112 §7.1.1", 400,
        _extension(b";n=v/1"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a byte beyond ASCII", "RFC 9112 §7.1.1", 400,
        _extension(b";n=\xff"), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a control byte", "RFC 9112 §7.1.1", 400,
        _extension(b";n=\x01"), reach=_PART,
    ),
    Malformed("chunk-ext", "NUL", "RFC 9112 §7.1.1", 400, _extension(b";n=\x00"), reach=_PART),
    Malformed(
        "chunk-ext", "a bare LF inside (TERM.EXT)", "RFC 9112 §7.1.1", 400,
        chunked(b"5;\nhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a bare CR inside", "RFC 9112 §7.1.1", 400,
        chunked(b"5;n\rhello\r\n" + _END), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "quotes around a CRLF", "RFC 9110 §5.6.4", 400,
        _extension(b';n="a\r\nb"'), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "quotes that do not close", "RFC 9110 §5.6.4", 400,
        _extension(b';n="v'), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a backslash before a control byte", "RFC 9110 §5.6.4", 400,
        _extension(b';n="\\\x01"'), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "letters behind the quotes", "RFC 9110 §5.6.4", 400,
        _extension(b';n="v"w'), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "a hundred thousand bytes in one line", "RFC 9112 §7.1.1", (400, 413, 431),
        _extension(b";n=" + b"v" * 100_000), reach=_PART,
    ),
    Malformed(
        "chunk-ext", "small ones without end", "RFC 9112 §7.1.1", (400, 413, 431),
        chunked((b"1;n=" + b"v" * 100 + b"\r\nx\r\n") * 1000 + _END), reach=_PART,
    ),
    Malformed(
        "last-chunk", "an extension that is no token", "RFC 9112 §7.1.1", 400,
        chunked(b"5\r\nhello\r\n0;\x7f\r\n\r\n"), reach=_PART,
    ),
    Malformed(
        "last-chunk", "ended by a bare LF", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\r\n0\n\r\n"), reach=_PART,
    ),
    Malformed(
        "last-chunk", "negative zero", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\r\n-0\r\n\r\n"), reach=_PART,
    ),
    Malformed(
        "last-chunk", "followed by data", "RFC 9112 §7.1", 400,
        chunked(b"5\r\nhello\r\n0\r\nhello\r\n\r\n"), reach=_PART,
    ),
)  # fmt: skip

TRAILERS: Final = (
    Malformed(
        "trailer-section", "no colon", "RFC 9112 §7.1.2", 400,
        _trailers(b"X-Row v"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a space before the colon", "RFC 9112 §5.1", 400,
        _trailers(b"X-Row : v"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "an empty name", "RFC 9110 §5.1", 400,
        _trailers(b": v"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a folded value", "RFC 9112 §5.2", 400,
        _trailers(b"X-Row: a", b" b"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a blank before the first of them", "RFC 9112 §2.2", 400,
        _trailers(b" X-Row: a"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a line ended by a bare LF", "RFC 9112 §2.2", 400,
        _trailers(b"X-Row: a\nX-More: b"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a bare CR in a value", "RFC 9112 §2.2", 400,
        _trailers(b"X-Row: a\rb"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "NUL in a value", "RFC 9110 §5.5", 400,
        _trailers(b"X-Row: a\x00b"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a byte beyond ASCII in a name", "RFC 9110 §5.1", 400,
        _trailers(b"X-R\xf6w: a"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a request in its place", "RFC 9112 §7.1.2", 400,
        chunked(b"5\r\nhello\r\n0\r\nGET /secret HTTP/1.1\r\nHost: a.example\r\n\r\n"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "ended by a bare LF", "RFC 9112 §7.1.2", (400, 408),
        chunked(b"5\r\nhello\r\n0\r\n\n"), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a thousand lines", "RFC 9112 §7.1.2; RFC 6585 §5", (400, 431),
        _trailers(*(b"X-Row-%d: v" % number for number in range(1000))), reach=_PART,
    ),
    Malformed(
        "trailer-section", "a hundred thousand bytes", "RFC 9112 §7.1.2; RFC 6585 §5", (400, 431),
        _trailers(b"X-Row: " + b"v" * 100_000), reach=_PART,
    ),
    Malformed(
        "trailer-section", "silence before its last CRLF", "RFC 9110 §15.5.9", 408,
        chunked(b"5\r\nhello\r\n0\r\n"), reach=_PART, alone=True,
    ),
    Malformed(
        "trailer-section", "the end before its last CRLF", "RFC 9112 §8", (400, 408, NO_ANSWER),
        chunked(b"5\r\nhello\r\n0\r\n"), reach=_PART, then=Then.EOF, alone=True,
    ),
)  # fmt: skip

# A recipient may drop these or refuse the message; it must never merge them into the head.
FORBIDDEN_TRAILERS: Final = (
    Malformed(
        "trailer-section", "Content-Length", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"Content-Length: 50"), after=After.EITHER, reach=Reach.WHOLE,
        absent=(b"content-length",),
    ),
    Malformed(
        "trailer-section", "Transfer-Encoding", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"Transfer-Encoding: gzip, chunked"), after=After.EITHER, reach=Reach.WHOLE,
    ),
    Malformed(
        "trailer-section", "Host", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"Host: b.example"), after=After.EITHER, reach=Reach.WHOLE,
    ),
    Malformed(
        "trailer-section", "a credential", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"Authorization: Bearer evil"), after=After.EITHER, reach=Reach.WHOLE,
        absent=(b"authorization",),
    ),
    Malformed(
        "trailer-section", "an identity as the sidecar states it", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"X-Tenant-Id: acme"), after=After.EITHER, reach=Reach.WHOLE,
        absent=(b"x-tenant-id",),
    ),
    Malformed(
        "trailer-section", "a content coding", "RFC 9110 §6.5.1", (200, 400),
        _trailers(b"Content-Encoding: gzip"), after=After.EITHER, reach=Reach.WHOLE,
        absent=(b"content-encoding",),
    ),
    Malformed(
        "trailer-section", "connection options", "RFC 9110 §6.5.1, §7.6.1", (200, 400),
        _trailers(b"Connection: Host"), after=After.EITHER, reach=Reach.WHOLE,
    ),
)  # fmt: skip
