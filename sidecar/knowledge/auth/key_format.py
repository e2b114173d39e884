"""What API keys look like: prefix, `_`, random characters and, if wanted, a checksum (AN-1)."""

import zlib
from typing import Final

from sidecar.policy.schema.api_keys import KeyFormat

_DIGITS: Final = b"0123456789"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_BASE62: Final = _DIGITS + _UPPER + _LOWER
_ALPHABETS: Final = {
    "crockford32": _DIGITS + b"ABCDEFGHJKMNPQRSTVWXYZ",
    "base62": _BASE62,
    "base64url": _UPPER + _LOWER + _DIGITS + b"-_",
    "hex": _DIGITS + b"abcdef",
}
_CHECKSUM_LENGTH: Final = 6
_VISIBLE_LENGTH: Final = 8
# A number drawn from 64 bits more than are needed is uniform but for 2**-64 (FIPS 186-5 §A.2.1).
_SPARE_BYTES: Final = 8

MALFORMED: Final = "malformed key"
MISTYPED: Final = "mistyped key (checksum)"


class KeyPattern:
    """One format of keys, compiled.

    Attributes:
        kind: kind of its keys.
        start: what its keys begin with, the `_` included.
        length: length of a key in bytes.
        random_bytes: bytes of randomness that a new key takes.
    """

    __slots__ = (
        "_alphabet",
        "_body_end",
        "_characters",
        "_has_checksum",
        "_start_length",
        "kind",
        "length",
        "random_bytes",
        "start",
    )

    def __init__(self, section: KeyFormat) -> None:
        alphabet = _ALPHABETS[section.encoding]
        self.kind = section.kind
        self.start = f"{section.prefix}_".encode()
        self._alphabet = alphabet
        self._characters = _characters_for(section.bits, len(alphabet))
        self._has_checksum = section.checksum
        self._start_length = len(self.start)
        self._body_end = self._start_length + self._characters
        self.length = self._body_end + (_CHECKSUM_LENGTH if section.checksum else 0)
        count = len(alphabet) ** self._characters
        self.random_bytes = (count.bit_length() + 7) // 8 + _SPARE_BYTES

    def mint(self, random: bytes) -> bytes:
        """Make a key.

        Args:
            random: `random_bytes` unpredictable bytes.

        Raises:
            ValueError: there are fewer.

        Controls: AN-1.
        """
        if len(random) < self.random_bytes:
            raise ValueError(f"a key takes {self.random_bytes} random bytes")
        number = int.from_bytes(random, "big")
        key = self.start + _written(number, self._alphabet, self._characters)
        return key + checksum(key) if self._has_checksum else key

    def fault_of(self, key: bytes) -> str:
        """Say what is wrong with a key that begins with `start`.

        Presented keys are taken as they are: no case is folded and no look-alike is mended, so that
        one key has one digest.

        Returns:
            Words for the audit record; empty when it is well formed.
        """
        if len(key) != self.length:
            return MALFORMED
        if key[self._start_length : self._body_end].translate(None, self._alphabet):
            return MALFORMED
        end = self._body_end
        if self._has_checksum and key[end:] != checksum(key[:end]):
            return MISTYPED
        return ""


class KeyPatterns:
    """All formats of a policy.

    Attributes:
        starts: what keys begin with, for `bytes.startswith`.
    """

    __slots__ = ("_patterns", "starts")

    def __init__(self, sections: tuple[KeyFormat, ...]) -> None:
        self._patterns = [KeyPattern(section) for section in sections]
        self.starts = tuple({pattern.start for pattern in self._patterns})

    def of_kind(self, kind: str) -> KeyPattern | None:
        """Return the format in which keys of a kind are made: the first that the policy lists."""
        for pattern in self._patterns:
            if pattern.kind == kind:
                return pattern
        return None

    def kinds(self) -> list[str]:
        """List the kinds of keys, each once, in the order of the policy."""
        return list(dict.fromkeys(pattern.kind for pattern in self._patterns))

    def fault_of(self, key: bytes) -> str:
        """Say why a key fits no format; empty when it fits one.

        A key of `sk_live` begins like one of `sk` too, so every format that it begins like is
        tried.
        """
        fault = MALFORMED
        for pattern in self._patterns:
            if not key.startswith(pattern.start):
                continue
            found = pattern.fault_of(key)
            if not found:
                return ""
            if found != MALFORMED:
                fault = found
        return fault

    def visible_part(self, prefix: str) -> str | None:
        """Return what a visible prefix shows of the random part; None when no key begins so."""
        shown = [
            prefix[len(pattern.start) :]
            for pattern in self._patterns
            if prefix.startswith(pattern.start.decode())
        ]
        return min(shown, key=len, default=None)

    def visible_prefix(self, key: bytes) -> str:
        """Return what may be shown of a well-formed key: its prefix and 8 characters (AN-7)."""
        for pattern in self._patterns:
            if key.startswith(pattern.start) and not pattern.fault_of(key):
                return key[: len(pattern.start) + _VISIBLE_LENGTH].decode()
        raise ValueError(MALFORMED)


def checksum(text: bytes) -> bytes:
    """Return 6 characters that tell a mistyped key from a real one without a look-up.

    It protects nobody but the store: whoever invents keys can compute it.

    Source: CRC-32 (ISO 3309) in base62, the most significant digit first.
    """
    return _written(zlib.crc32(text), _BASE62, _CHECKSUM_LENGTH)


def _written(number: int, alphabet: bytes, length: int) -> bytes:
    radix = len(alphabet)
    digits = bytearray(length)
    for place in range(length - 1, -1, -1):
        number, digit = divmod(number, radix)
        digits[place] = alphabet[digit]
    return bytes(digits)


def _characters_for(bits: int, radix: int) -> int:
    characters = 1
    while radix**characters < 1 << bits:
        characters += 1
    return characters
