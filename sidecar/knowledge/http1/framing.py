"""Bodies of HTTP/1.1 messages: a strict decoder for both framings (RFC 9112 §6, §7).

Transitions of the chunked decoder, the only place where its state changes:

    SIZE     -> DATA | TRAILER        a size line; zero begins the trailer section
    DATA     -> DATA_END              all octets of the chunk were seen
    DATA_END -> SIZE                  its CRLF was seen
    TRAILER  -> DONE                  the empty line was seen

Whatever the grammar of RFC 9112 §7.1 excludes raises `FramingError`; nothing is repaired, because a
repair is a second reading of the message (request smuggling).
"""

import re
from enum import Enum
from typing import Final, Protocol

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
# Fifteen hexadecimal digits are below 2**60: no length can overflow on either side.
_SIZE_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})"
    rb"(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*\Z"
)
_TRAILER_LINE: Final = re.compile(_TOKEN + rb":[\t \x21-\x7e\x80-\xff]*\Z")
_BARE_CR: Final = re.compile(rb"\r(?!\Z)")

SIZE_LINE_BYTES: Final = 256
"""Longest chunk-size line with its extensions; real ones have under ten bytes."""
EXTENSION_BYTES: Final = 16_384
"""Most bytes of size lines beyond the digits in one message, against chunk-extension floods."""
TRAILER_BYTES: Final = 8_192
"""Longest trailer section."""
TRAILER_FIELDS: Final = 64
"""Most trailer fields."""


class FramingError(Exception):
    """A body that breaks RFC 9112 §6 or §7, or exceeds a bound of this module."""


class BodyDecoder(Protocol):
    """Takes the bytes behind a head and gives the body's, and what follows the message.

    Attributes:
        done: whether the whole body was seen.
        rest: bytes behind the end of the message; empty until `done`.
    """

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those of the body.

        Raises:
            FramingError: the bytes break the framing.
        """

    def end(self) -> bool:
        """Say whether the body is complete when the connection ends here."""


class LengthDecoder(BodyDecoder):
    """Body of a declared length (RFC 9112 §6.2)."""

    __slots__ = ("_remaining", "done", "rest")

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those of the body."""
        remaining = self._remaining - len(data)
        if remaining > 0:
            self._remaining = remaining
            return data
        self._remaining = 0
        self.done = True
        if remaining == 0:
            return data
        self.rest = data[remaining:]
        return data[:remaining]

    def end(self) -> bool:
        """Say whether the declared length was reached."""
        return self.done


class UntilCloseDecoder(BodyDecoder):
    """Body of a response that ends with its connection (RFC 9112 §6.3 rule 8)."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return all bytes: they are the body's."""
        return data

    def end(self) -> bool:
        """Accept the end of the connection as the end of the body."""
        self.done = True
        return True


class _State(Enum):
    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILER = 3
    DONE = 4


class ChunkedDecoder(BodyDecoder):
    """Body in chunks (RFC 9112 §7.1); trailer fields are checked, then dropped (§7.1.2)."""

    __slots__ = (
        "_buffer",
        "_extensions",
        "_remaining",
        "_state",
        "_trailer",
        "_trailers",
        "done",
        "rest",
    )

    def __init__(self) -> None:
        self._state = _State.SIZE
        self._buffer = b""
        self._remaining = 0
        self._extensions = 0
        self._trailer = 0
        self._trailers = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those of the body.

        Raises:
            FramingError: the bytes break the grammar of RFC 9112 §7.1 or a bound.
        """
        pieces: list[bytes] = []
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        position = 0
        while position < len(data) and self._state is not _State.DONE:
            if self._state is _State.DATA:
                piece = self._take_data(data, position)
                pieces.append(piece)
                position += len(piece)
                continue
            line_end = data.find(b"\n", position)
            if line_end < 0:
                self._buffer = data[position:]
                self._check_partial_line()
                return b"".join(pieces)
            self._take_line(data[position : line_end + 1])
            position = line_end + 1
        if self._state is _State.DONE:
            self.done = True
            self.rest = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self) -> bool:
        """Say whether the last chunk and the trailer section were seen."""
        return self.done

    def _take_data(self, data: bytes, position: int) -> bytes:
        piece = data[position : position + self._remaining]
        self._remaining -= len(piece)
        if not self._remaining:
            self._state = _State.DATA_END
        return piece

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise FramingError("a line of the chunked coding does not end in CRLF")
        text = line[:-2]
        if self._state is _State.SIZE:
            self._take_size(text)
        elif self._state is _State.DATA_END:
            if text:
                raise FramingError("chunk data is longer than its size")
            self._state = _State.SIZE
        else:
            self._take_trailer(text)

    def _take_size(self, text: bytes) -> None:
        if len(text) > SIZE_LINE_BYTES:
            raise FramingError("chunk-size line too long")
        match = _SIZE_LINE.match(text)
        if match is None:
            raise FramingError("malformed chunk size or chunk extension")
        digits = match[1]
        self._extensions += len(text) - len(digits)
        if self._extensions > EXTENSION_BYTES:
            raise FramingError("too many bytes in chunk extensions")
        self._remaining = int(digits, 16)
        self._state = _State.DATA if self._remaining else _State.TRAILER

    def _take_trailer(self, text: bytes) -> None:
        if not text:
            self._state = _State.DONE
            return
        self._trailer += len(text)
        self._trailers += 1
        if self._trailer > TRAILER_BYTES or self._trailers > TRAILER_FIELDS:
            raise FramingError("trailer section too large")
        if not _TRAILER_LINE.match(text):
            raise FramingError("malformed trailer field")

    def _check_partial_line(self) -> None:
        limit = TRAILER_BYTES if self._state is _State.TRAILER else SIZE_LINE_BYTES
        partial = self._buffer
        if len(partial) > limit + 2:
            raise FramingError("a line of the chunked coding is too long")
        if self._state is _State.DATA_END and not b"\r\n".startswith(partial):
            raise FramingError("chunk data is longer than its size")
        if _BARE_CR.search(partial):
            raise FramingError("a line of the chunked coding holds a bare CR")


def encode_chunk(data: bytes) -> bytes:
    """Frame bytes as one chunk (RFC 9112 §7.1); `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
