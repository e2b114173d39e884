"""Records become the lines of a chain (AU-6); compiled with the hot path, as each record passes."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from sidecar.knowledge.audit.chain import Head

_THOUSAND: Final = 1000
# The last digits of a number: to look them up takes a third of writing the number down.
_DIGITS: Final = [b"%03d" % number for number in range(_THOUSAND)]
_HASH: Final = b',"hash":"'
_END: Final = b'"}\n'


def link(records: Sequence[bytes], head: Head) -> tuple[bytes, Head]:
    """Chain records to a head.

    Args:
        records: open records: JSON objects with at least one member and without line feeds, each
            without the brace at its end, so that what the chain says can follow.
        head: what they follow.

    Returns:
        Their lines, each with its line feed, and the end of the chain behind them.
    """
    writer = b',"writer":"' + head.writer + b'","seq":'
    before: bytes = head.hash
    seq: int = head.seq
    thousands = _thousands(writer, seq)
    digest = sha256
    pieces: list[bytes] = []
    for record in records:
        seq += 1
        last = seq % _THOUSAND
        if not last:
            thousands = _thousands(writer, seq)
        number = _DIGITS[last] if seq >= _THOUSAND else str(seq).encode()
        # Two thirds of what a record takes here is SHA-256, half of that OpenSSL's preparations.
        before = digest(b"".join([before, record, thousands, number])).hexdigest().encode()
        pieces += (record, thousands, number, _HASH, before, _END)
    return b"".join(pieces), Head(head.writer, seq, before)


def _thousands(writer: bytes, seq: int) -> bytes:
    """Write what stands before the last three digits of a number."""
    return writer + str(seq // _THOUSAND).encode() if seq >= _THOUSAND else writer
