"""Bodies: every state of both framings, their bounds, whole and byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.framing import (
    EXTENSION_BYTES,
    LAST_CHUNK,
    SIZE_LINE_BYTES,
    TRAILER_BYTES,
    TRAILER_FIELDS,
    BodyDecoder,
    ChunkedDecoder,
    FramingError,
    LengthDecoder,
    UntilCloseDecoder,
    encode_chunk,
)

pytestmark = pytest.mark.control("RQ-7")


def fed(decoder: BodyDecoder, raw: bytes, size: int) -> bytes:
    """Feed bytes in pieces of one size until the body is whole; the rest is joined behind it."""
    content = b""
    for at in range(0, len(raw), size):
        piece = raw[at : at + size]
        if decoder.done:
            decoder.rest += piece
        else:
            content += decoder.feed(piece)
    return content


SIZES = pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20], ids="in pieces of {}".format)


@SIZES
@pytest.mark.parametrize(
    ("length", "raw", "content", "rest"),
    [
        pytest.param(0, b"GET", b"", b"GET", id="nothing"),
        pytest.param(3, b"abc", b"abc", b"", id="to the byte"),
        pytest.param(3, b"abcGET", b"abc", b"GET", id="with a follower"),
        pytest.param(3, b"ab", b"ab", None, id="cut short"),
    ],
)
def test_a_length_is_counted(
    length: int, raw: bytes, content: bytes, rest: bytes | None, size: int
) -> None:
    decoder = LengthDecoder(length)
    assert fed(decoder, raw, size) == content
    assert decoder.done is decoder.end() is (rest is not None)
    assert decoder.rest == (rest or b"")


@SIZES
def test_a_body_until_the_close_takes_everything(size: int) -> None:
    decoder = UntilCloseDecoder()
    assert fed(decoder, b"abc\r\n\r\n", size) == b"abc\r\n\r\n"
    assert not decoder.done
    assert decoder.end()
    assert decoder.done


@SIZES
@pytest.mark.parametrize(
    ("raw", "content", "rest"),
    [
        pytest.param(b"0\r\n\r\n", b"", b"", id="no chunk"),
        pytest.param(b"3\r\nabc\r\n0\r\n\r\n", b"abc", b"", id="one chunk"),
        pytest.param(b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", b"", id="two chunks"),
        pytest.param(b"3\r\nabc\r\n0\r\n\r\nGET /", b"abc", b"GET /", id="a follower"),
        pytest.param(b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b"", id="hexadecimal"),
        pytest.param(b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b"", id="in capitals"),
        pytest.param(b"0003\r\nabc\r\n000\r\n\r\n", b"abc", b"", id="leading zeros"),
        pytest.param(b"3;a\r\nabc\r\n0\r\n\r\n", b"abc", b"", id="an extension"),
        pytest.param(b'3;a=b;c="d\\"e"\r\nabc\r\n0;f\r\n\r\n', b"abc", b"", id="extensions"),
        pytest.param(b"3 ; a = b\r\nabc\r\n0\r\n\r\n", b"abc", b"", id="bad white space, allowed"),
        pytest.param(b"3\r\n\r\n0\r\n0\r\n\r\n", b"\r\n0", b"", id="data like framing"),
        pytest.param(b"3\r\nabc\r\n0\r\nX: a\r\nY:\r\n\r\nG", b"abc", b"G", id="trailers"),
    ],
)
def test_chunks_are_joined(raw: bytes, content: bytes, rest: bytes, size: int) -> None:
    decoder = ChunkedDecoder()
    assert fed(decoder, raw, size) == content
    assert decoder.done
    assert decoder.end()
    assert decoder.rest == rest


@SIZES
@pytest.mark.parametrize(
    "raw", [b"", b"3", b"3\r\nab", b"3\r\nabc\r\n", b"0\r\n", b"0\r\nX: a\r\n"]
)
def test_what_is_cut_short_is_not_whole(raw: bytes, size: int) -> None:
    decoder = ChunkedDecoder()
    fed(decoder, raw, size)
    assert not decoder.done
    assert not decoder.end()
    assert decoder.rest == b""


@SIZES
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b"g\r\n", id="no digit"),
        pytest.param(b"-1\r\n", id="negative"),
        pytest.param(b"+1\r\n", id="a plus"),
        pytest.param(b"0x3\r\nabc\r\n", id="0x"),
        pytest.param(b" 3\r\nabc\r\n", id="a blank before"),
        pytest.param(b"3 \r\nabc\r\n", id="a blank behind"),
        pytest.param(b"3\nabc\r\n", id="LF alone after the size"),
        pytest.param(b"3\rabc\r\n", id="CR alone after the size"),
        pytest.param(b"3\r\r\nabc\r\n", id="two CR"),
        pytest.param(b"1" * 16 + b"\r\n", id="sixteen digits"),
        pytest.param(b"3;\r\nabc\r\n", id="an extension without a name"),
        pytest.param(b"3;a=\r\nabc\r\n", id="an extension without its value"),
        pytest.param(b"3;a=b c\r\n", id="an extension of two words"),
        pytest.param(b'3;a="b\r\nabc\r\n', id="an open quote"),
        pytest.param(b'3;a="\x00"\r\n', id="NUL in quotes"),
        pytest.param(b"3;a\x00\r\n", id="NUL in an extension"),
        pytest.param(b"3,3\r\nabc\r\n", id="two sizes"),
        pytest.param(b"3\r\nabcd\r\n", id="data longer than its size"),
        pytest.param(b"3\r\nabc\n0\r\n\r\n", id="LF alone after the data"),
        pytest.param(b"3\r\nabc0\r\n\r\n", id="nothing after the data"),
        pytest.param(b"3\r\nabc\r\r\n", id="two CR after the data"),
        pytest.param(b"0\r\nX : a\r\n\r\n", id="a trailer with a blank before its colon"),
        pytest.param(b"0\r\n X: a\r\n\r\n", id="a folded trailer"),
        pytest.param(b"0\r\nX\r\n\r\n", id="a trailer without a colon"),
        pytest.param(b"0\r\nX: a\x00\r\n\r\n", id="NUL in a trailer"),
        pytest.param(b"0\r\nX: a\n\r\n", id="LF alone in the trailers"),
        pytest.param(b"0\r\nX: a\rb\r\n\r\n", id="CR alone in a trailer"),
        pytest.param(b"0\n\n", id="LF alone throughout"),
        pytest.param(b"0\r\n\n", id="LF alone at the end"),
    ],
)
def test_what_the_grammar_excludes_is_refused(raw: bytes, size: int) -> None:
    with pytest.raises(FramingError):
        fed(ChunkedDecoder(), raw, size)


@SIZES
@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        pytest.param(
            b"3;" + b"a" * (SIZE_LINE_BYTES - 2) + b"\r\nabc\r\n",
            b"3;" + b"a" * (SIZE_LINE_BYTES - 1) + b"\r\nabc\r\n", id="a size line",
        ),
        pytest.param(
            (b"1;" + b"a" * 127 + b"\r\nx\r\n") * (EXTENSION_BYTES // 128),
            (b"1;" + b"a" * 127 + b"\r\nx\r\n") * (EXTENSION_BYTES // 128 + 1),
            id="all extensions together",
        ),
        pytest.param(
            b"0\r\nX:" + b"a" * (TRAILER_BYTES - 2) + b"\r\n",
            b"0\r\nX:" + b"a" * (TRAILER_BYTES - 1) + b"\r\n", id="a trailer",
        ),
        pytest.param(
            b"0\r\n" + b"X:a\r\n" * TRAILER_FIELDS, b"0\r\n" + b"X:a\r\n" * (TRAILER_FIELDS + 1),
            id="the number of trailers",
        ),
    ],
)  # fmt: skip
def test_every_bound_holds(within: bytes, beyond: bytes, size: int) -> None:
    fed(ChunkedDecoder(), within, size)
    with pytest.raises(FramingError):
        fed(ChunkedDecoder(), beyond, size)


@pytest.mark.parametrize(
    "start", [b"", b"3\r\nabc\r\n", b"0\r\n"], ids=["first", "second", "trailer"]
)
def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory(start: bytes) -> None:
    decoder = ChunkedDecoder()
    decoder.feed(start)
    with pytest.raises(FramingError):
        fed(decoder, b"1" * 100_000, 100)


@pytest.mark.parametrize("pieces", [[b"3\r\nabc\r", b"X"], [b"3\r", b"Xabc"], [b"0\r\n\r", b"X"]])
def test_half_a_line_end_must_be_completed(pieces: list[bytes]) -> None:
    *first, last = pieces
    decoder = ChunkedDecoder()
    for piece in first:
        decoder.feed(piece)
    with pytest.raises(FramingError):
        decoder.feed(last)


def test_a_chunk_is_its_size_and_its_data() -> None:
    assert encode_chunk(b"a" * 26) == b"1a\r\n" + b"a" * 26 + b"\r\n"


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.integers(1, 40))
def test_what_is_encoded_is_decoded(chunks: list[bytes], size: int) -> None:
    raw = b"".join(map(encode_chunk, chunks)) + LAST_CHUNK
    decoder = ChunkedDecoder()
    assert fed(decoder, raw, size) == b"".join(chunks)
    assert (decoder.done, decoder.rest) == (True, b"")


_BYTES = st.lists(
    st.sampled_from((b"0", b"3", b"a", b"\r\n", b"\r", b"\n", b";", b'"', b":", b" ", b"\x00")),
    max_size=25,
).map(b"".join)


@given(_BYTES | st.binary(max_size=40), st.integers(1, 7))
def test_no_input_raises_anything_else_and_pieces_change_nothing(raw: bytes, size: int) -> None:
    assert judged(raw, size) == judged(raw, len(raw) + 1)


def judged(raw: bytes, size: int) -> tuple[bytes, bool, bytes] | None:
    decoder = ChunkedDecoder()
    try:
        content = fed(decoder, raw, size)
    except FramingError:
        return None
    return content, decoder.done, decoder.rest
