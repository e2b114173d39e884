"""One request as it comes in: its head, the framing of its body, a pace that a client must keep."""

import re
from typing import Final

from sidecar.knowledge.http1.framing import (
    BodyDecoder,
    ChunkedDecoder,
    FramingError,
    LengthDecoder,
)
from sidecar.knowledge.http1.request import HEAD_END, RequestHeadParser
from sidecar.model.errors import ProtocolError
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.refusals import RefusalCode

_NO_PATIENCE: Final = 0.0
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
_EMPTY_LINE: Final = b"\r\n"


def take_head(parser: RequestHeadParser, data: bytes) -> tuple[RequestHead | None, bytes]:
    """Read the head at the beginning of some bytes.

    Returns:
        The head, None before its end came; and the bytes that are not read yet.

    Raises:
        ProtocolError: the bytes are no head, and cannot become one.
    """
    # RFC 9112 §2.2: a server "SHOULD ignore at least one empty line (CRLF)". One it is, however it
    # arrives: an empty line alone is kept, so that the next one is seen to be the second.
    if data[:1] == b"\r":
        if len(data) <= len(_EMPTY_LINE) and _EMPTY_LINE.startswith(data):
            return None, data
        data = data.removeprefix(_EMPTY_LINE)
        if data[:1] == b"\r":
            raise ProtocolError(
                RefusalCode.BAD_REQUEST, "more than one empty line before a request"
            )
    end = data.find(HEAD_END)
    if end < 0:
        parser.check_partial(data)
        return None, data
    split = end + len(HEAD_END)
    if split == len(data):
        return parser.parse(data), b""
    return parser.parse(data[:split]), data[split:]


class Intake:
    """Decodes the body of one request.

    Attributes:
        decoder: the framing.
    """

    __slots__ = ("_received", "_since", "decoder")

    def __init__(self, length: int, now: float) -> None:
        """Start at the first byte behind the head.

        Args:
            length: the body's length in bytes, or CHUNKED.
            now: monotonic seconds.
        """
        self.decoder: BodyDecoder = ChunkedDecoder() if length == CHUNKED else LengthDecoder(length)
        self._since = now
        self._received = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return those of the body.

        Raises:
            ProtocolError: the bytes break the framing (RFC 9112 §6, §7).
        """
        try:
            payload = self.decoder.feed(data)
        except FramingError as error:
            raise ProtocolError(RefusalCode.BAD_REQUEST, str(error)) from error
        self._received += len(payload)
        return payload

    def resume(self, now: float, pause: float) -> None:
        """Leave a pause that we asked for out of the client's time.

        Args:
            now: monotonic seconds.
            pause: seconds that we did not read.
        """
        self._since = min(now, self._since + pause)

    def patience(self, now: float, silence: float, rate: int) -> float:
        """Return how long the next byte may take, in seconds (slow-loris).

        Args:
            now: monotonic seconds.
            silence: longest silence, in seconds.
            rate: bytes per second that the body must average after the first `silence`; 0 is none.
        """
        if not rate:
            return silence
        spent = now - self._since
        return max(_NO_PATIENCE, min(silence, silence + self._received / rate - spent))

    def skip(self, data: bytes) -> bytes | None:
        """Drop the rest of a body that is wholly at hand.

        Returns:
            The bytes behind the body; None if its end is not at hand, or its size is not declared.
        """
        decoder = self.decoder
        if decoder.done:
            return data
        if not isinstance(decoder, LengthDecoder):
            return None
        decoder.feed(data)
        return decoder.rest if self.decoder.done else None
