"""Request ids: UUID version 7, which sort by the time they were made; nonces of answers; spans."""

from base64 import b64encode
from collections.abc import Callable
from typing import Final

_IDS_A_BLOCK: Final = 256
_DIGITS_AN_ID: Final = 20
_NONCE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
# What follows the version digit, each `x` a random hexadecimal digit and `v` the variant.
_TAIL: Final = b"xxx-vxxx-xxxxxxxxxxxx\n"
# The variant is the two bits 10: a random hexadecimal digit becomes one of 8, 9, a, b.
_VARIANT: Final = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)


class UuidV7:
    """Makes UUIDv7 as text; randomness is read in blocks, which costs 0.4 µs an id (RFC 9562 §5.7).

    Two workers must never share a block, so each builds its own after the fork.

    Args:
        clock: gives Unix seconds.
        urandom: gives that many unpredictable bytes.
    """

    __slots__ = ("_clock", "_millisecond", "_prefix", "_tails", "_urandom")

    def __init__(self, clock: Callable[[], float], urandom: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._urandom = urandom
        self._millisecond = -1
        self._prefix = b""
        self._tails: list[bytes] = []

    def __call__(self) -> bytes:
        """Return a fresh id of 36 ASCII characters.

        Ids of different milliseconds sort by time; those of one millisecond in no order.
        """
        millisecond = int(self._clock() * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            digits = b"%012x" % (millisecond & 0xFFFF_FFFF_FFFF)
            self._prefix = digits[:8] + b"-" + digits[8:] + b"-7"
        if not self._tails:
            self._tails = self._read_block()
        return self._prefix + self._tails.pop()

    def _read_block(self) -> list[bytes]:
        # Column by column, so that the interpreter runs once a block: 0.1 µs an id, not 0.9.
        digits = self._urandom(_IDS_A_BLOCK * _DIGITS_AN_ID // 2).hex().encode()
        block = bytearray(_TAIL * _IDS_A_BLOCK)
        column = 0
        for place, mark in enumerate(_TAIL):
            if mark in b"xv":
                chosen = digits[column::_DIGITS_AN_ID]
                block[place :: len(_TAIL)] = chosen.translate(_VARIANT) if mark in b"v" else chosen
                column += 1
        return bytes(block).split()


class RandomNonces:
    """Makes nonces of 128 bits in base64; randomness is read in blocks, as above.

    Args:
        urandom: gives that many unpredictable bytes.
    """

    __slots__ = ("_made", "_urandom")

    def __init__(self, urandom: Callable[[int], bytes]) -> None:
        self._urandom = urandom
        self._made: list[bytes] = []

    def __call__(self) -> bytes:
        """Return a fresh nonce of 24 ASCII characters."""
        if not self._made:
            block = self._urandom(_IDS_A_BLOCK * _NONCE_BYTES)
            cuts = range(0, len(block), _NONCE_BYTES)
            self._made = [b64encode(block[cut : cut + _NONCE_BYTES]) for cut in cuts]
        return self._made.pop()


class RandomSpanIds:
    """Makes ids of spans: 16 hexadecimal digits, never all zero (W3C Trace Context §3.2.2.4).

    Args:
        urandom: gives that many unpredictable bytes.
    """

    __slots__ = ("_made", "_urandom")

    def __init__(self, urandom: Callable[[int], bytes]) -> None:
        self._urandom = urandom
        self._made: list[bytes] = []

    def __call__(self) -> bytes:
        """Return a fresh id; two of them are the id of a trace."""
        while not self._made:
            digits = self._urandom(_IDS_A_BLOCK * _SPAN_BYTES).hex().encode()
            width = 2 * _SPAN_BYTES
            cuts = [digits[at : at + width] for at in range(0, len(digits), width)]
            self._made = [cut for cut in cuts if cut.strip(b"0")]
        return self._made.pop()
