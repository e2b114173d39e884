"""Content-Length and Transfer-Encoding: where the body ends, and who may doubt it."""

from typing import Final

from tests.corpora.rows import NO_ANSWER, After, Malformed, Reach, Then, get, post

_ZERO: Final = b"0\r\n\r\n"


def _length(value: bytes) -> bytes:
    return post(b"Content-Length:" + value, body=b"hello")


def _coding(*values: bytes) -> bytes:
    lines = [b"Transfer-Encoding:" + value for value in values]
    return post(*lines, body=b"5\r\nhello\r\n" + _ZERO)


CONTENT_LENGTHS: Final = (
    Malformed(
        "Content-Length", "two lines that agree", "RFC 9110 §8.6", 400,
        post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    ),
    Malformed(
        "Content-Length", "two lines that differ", "RFC 9112 §6.3", 400,
        post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"),
    ),
    Malformed("Content-Length", "a list that agrees", "RFC 9110 §8.6", 400, _length(b" 5, 5")),
    Malformed("Content-Length", "a list that differs", "RFC 9112 §6.3", 400, _length(b" 5, 0")),
    Malformed("Content-Length", "a trailing comma", "RFC 9110 §8.6", 400, _length(b" 5,")),
    Malformed("Content-Length", "empty", "RFC 9110 §8.6", 400, _length(b"")),
    Malformed("Content-Length", "a plus sign", "RFC 9110 §8.6", 400, _length(b" +5")),
    Malformed("Content-Length", "negative", "RFC 9110 §8.6", 400, _length(b" -5")),
    Malformed("Content-Length", "a minus before zero", "RFC 9110 §8.6", 400, _length(b" -0")),
    Malformed("Content-Length", "hexadecimal", "RFC 9110 §8.6", 400, _length(b" 0x5")),
    Malformed("Content-Length", "a decimal point", "RFC 9110 §8.6", 400, _length(b" 5.0")),
    Malformed("Content-Length", "an exponent", "RFC 9110 §8.6", 400, _length(b" 5e0")),
    Malformed(
        "Content-Length", "an underscore between digits", "RFC 9110 §8.6", 400,
        _length(b" 0_5"),
    ),
    Malformed("Content-Length", "a blank between digits", "RFC 9110 §8.6", 400, _length(b" 0 5")),
    Malformed(
        "Content-Length", "letters behind the digits", "RFC 9110 §8.6", 400,
        _length(b" 5bytes"),
    ),
    Malformed("Content-Length", "a parameter", "RFC 9110 §8.6", 400, _length(b" 5;v=1")),
    Malformed("Content-Length", "quotes", "RFC 9110 §8.6", 400, _length(b' "5"')),
    Malformed(
        "Content-Length", "digits of another script", "RFC 9110 §8.6", 400,
        _length(b" \xd9\xa5"),
    ),
    Malformed(
        "Content-Length", "a vertical tab before it", "RFC 9110 §5.6.3", 400,
        _length(b" \x0b5"),
    ),
    Malformed(
        "Content-Length", "a form feed behind it", "RFC 9110 §5.6.3", 400,
        _length(b" 5\x0c"),
    ),
    Malformed(
        "Content-Length", "a no-break space before it", "RFC 9110 §5.6.3", 400,
        _length(b" \xa05"),
    ),
    Malformed("Content-Length", "NUL behind it", "RFC 9110 §5.5", 400, _length(b" 5\x00")),
    Malformed("Content-Length", "folded", "RFC 9112 §5.2", 400, _length(b"\r\n 5")),
    Malformed(
        "Content-Length", "beyond 64 bits", "RFC 9110 §8.6", (400, 413),
        _length(b" 18446744073709551621"), alone=True,
    ),
    Malformed(
        "Content-Length", "thousands of digits", "RFC 9110 §8.6", (400, 413, 431),
        _length(b" " + b"9" * 6000), alone=True,
    ),
    Malformed(
        "Content-Length", "silence before the body is whole", "RFC 9110 §15.5.9", 408,
        post(b"Content-Length: 10", body=b"hello"), reach=Reach.PART, alone=True,
    ),
    Malformed(
        "Content-Length", "the end before the body is whole", "RFC 9112 §8", (400, 408, NO_ANSWER),
        post(b"Content-Length: 10", body=b"hello"), reach=Reach.PART, then=Then.EOF, alone=True,
    ),
)  # fmt: skip

TRANSFER_ENCODINGS: Final = (
    Malformed(
        "Transfer-Encoding", "behind a Content-Length that ends later (CL.TE)", "RFC 9112 §6.3",
        400,
        post(
            b"Content-Length: 35", b"Transfer-Encoding: chunked",
            body=_ZERO + b"GET /secret HTTP/1.1\r\nX: x\r\n\r\n",
        ),
    ),
    Malformed(
        "Transfer-Encoding", "before a Content-Length that ends earlier (TE.CL)", "RFC 9112 §6.3",
        400,
        post(
            b"Transfer-Encoding: chunked", b"Content-Length: 4",
            body=b"18\r\nGET /secret HTTP/1.1\r\n\r\n\r\n" + _ZERO,
        ),
    ),
    Malformed(
        "Transfer-Encoding", "with a Content-Length of zero in a GET", "RFC 9112 §6.3", 400,
        get(b"Content-Length: 0", b"Transfer-Encoding: chunked") + _ZERO,
    ),
    Malformed(
        "Transfer-Encoding", "in HTTP/1.0", "RFC 9112 §6.1", 400,
        b"POST /row HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + _ZERO,
    ),
    Malformed(
        "Transfer-Encoding", "an unknown coding alone", "RFC 9112 §6.1, §6.3", (400, 501),
        _coding(b" sesame"),
    ),
    Malformed(
        "Transfer-Encoding", "a compression before chunked", "RFC 9112 §6.1", 501,
        _coding(b" gzip, chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "chunked before a compression", "RFC 9112 §6.3", 400,
        _coding(b" chunked, gzip"),
    ),
    Malformed(
        "Transfer-Encoding", "chunked twice in a list", "RFC 9112 §6.1", 400,
        _coding(b" chunked, chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "chunked in two lines", "RFC 9112 §6.1", 400,
        _coding(b" chunked", b" chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "a second line that is no coding (TE.TE)", "RFC 9112 §6.3", 400,
        _coding(b" chunked", b" x"),
    ),
    Malformed(
        "Transfer-Encoding", "a first line that is no coding (TE.TE)", "RFC 9112 §6.1", (400, 501),
        _coding(b" x", b" chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "identity alone", "RFC 9112 §6.3", (400, 501),
        _coding(b" identity"),
    ),
    Malformed(
        "Transfer-Encoding", "identity before chunked", "RFC 9112 §7", (400, 501),
        _coding(b" identity, chunked"),
    ),
    Malformed("Transfer-Encoding", "empty", "RFC 9112 §6.1", 400, _coding(b"")),
    Malformed("Transfer-Encoding", "a trailing comma", "RFC 9112 §6.1", 400, _coding(b" chunked,")),
    Malformed("Transfer-Encoding", "a leading comma", "RFC 9112 §6.1", 400, _coding(b" ,chunked")),
    Malformed(
        "Transfer-Encoding", "chunked in quotes", "RFC 9110 §10.1.4", (400, 501),
        _coding(b' "chunked"'),
    ),
    Malformed(
        "Transfer-Encoding", "a parameter of chunked", "RFC 9112 §7.1", 400,
        _coding(b" chunked;q=1"),
    ),
    Malformed(
        "Transfer-Encoding", "two codings without a comma", "RFC 9110 §10.1.4", 400,
        _coding(b" chunked chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "a name that ends like chunked", "RFC 9112 §6.3", (400, 501),
        _coding(b" xchunked"),
    ),
    Malformed(
        "Transfer-Encoding", "a name that begins like chunked", "RFC 9112 §6.3", (400, 501),
        _coding(b" chunkedx"),
    ),
    Malformed(
        "Transfer-Encoding", "a colon before chunked", "RFC 9110 §10.1.4", 400,
        _coding(b": chunked"),
    ),
    Malformed(
        "Transfer-Encoding", "a vertical tab before chunked", "RFC 9110 §5.6.3", 400,
        _coding(b" \x0bchunked"),
    ),
    Malformed(
        "Transfer-Encoding", "a form feed behind chunked", "RFC 9110 §5.6.3", 400,
        _coding(b" chunked\x0c"),
    ),
    Malformed(
        "Transfer-Encoding", "a no-break space behind chunked", "RFC 9110 §5.6.3", (400, 501),
        _coding(b" chunked\xa0"),
    ),
    Malformed(
        "Transfer-Encoding", "NUL behind chunked", "RFC 9110 §5.5", 400,
        _coding(b" chunked\x00"),
    ),
    Malformed(
        "Transfer-Encoding", "a letter that folds to k in Unicode", "RFC 9110 §5.6.2", (400, 501),
        _coding(b" chun\xe2\x84\xaaed"),
    ),
    # White space that RFC 9112 §5 excludes from the value; the parser that we build on takes the
    # tab for a part of it. To refuse it hurts nobody: no sender writes it but to fool a reader.
    Malformed(
        "Transfer-Encoding", "a tab behind chunked", "RFC 9112 §5", (200, 400),
        _coding(b" chunked\t"), After.EITHER, Reach.WHOLE,
    ),
    Malformed("Transfer-Encoding", "folded", "RFC 9112 §5.2", 400, _coding(b"\r\n chunked")),
    Malformed(
        "Transfer-Encoding", "a space before its colon, beside Content-Length", "RFC 9112 §5.1",
        400,
        post(b"Content-Length: 5", b"Transfer-Encoding : chunked", body=_ZERO),
    ),
    Malformed(
        "Transfer-Encoding", "behind a bare LF in another value", "RFC 9112 §2.2", 400,
        post(b"Content-Length: 5", b"X-Row: v\nTransfer-Encoding: chunked", body=_ZERO),
    ),
    Malformed(
        "Transfer-Encoding", "behind a bare CR in another value", "RFC 9112 §2.2", 400,
        post(b"Content-Length: 5", b"X-Row: v\rTransfer-Encoding: chunked", body=_ZERO),
    ),
    Malformed(
        "Transfer-Encoding", "a bare LF before its colon", "RFC 9112 §2.2", 400,
        post(b"Content-Length: 5", b"Transfer-Encoding\n: chunked", body=_ZERO),
    ),
    Malformed(
        "Transfer-Encoding", "a blank before its name", "RFC 9112 §5.2", 400,
        post(b"Content-Length: 5", b"X-Row: v", b" Transfer-Encoding: chunked", body=_ZERO),
    ),
    Malformed(
        "Content-Length", "hidden behind a fold (0.CL)", "RFC 9112 §5.2", 400,
        post(
            b"X-Row: v", b"\tContent-Length: 24",
            body=b"GET /secret HTTP/1.1\r\n\r\n",
        ),
    ),
    Malformed(
        "Content-Length", "NUL inside its name (0.CL)", "RFC 9110 §5.1", 400,
        post(b"Content-\x00Length: 24", body=b"GET /secret HTTP/1.1\r\n\r\n"),
    ),
    Malformed(
        "Content-Length", "a space before its colon (0.CL)", "RFC 9112 §5.1", 400,
        post(b"Content-Length : 24", body=b"GET /secret HTTP/1.1\r\n\r\n"),
    ),
    Malformed(
        "HTTP-message", "a head that a bare CR seems to end", "RFC 9112 §2.2", 400,
        get(b"X-Row: v", b"\rGET /secret HTTP/1.1", b"X-More: v"),
    ),
)  # fmt: skip
