"""The body of one request as it comes in: framing, and a pace that a client must keep."""

from typing import Final

from sidecar.knowledge.http1.framing import (
    BodyDecoder,
    ChunkedDecoder,
    FramingError,
    LengthDecoder,
)
from sidecar.model.errors import ProtocolError
from sidecar.model.message import CHUNKED
from sidecar.model.refusals import RefusalCode

_NO_PATIENCE: Final = 0.0


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
        return decoder.rest if decoder.done else None
