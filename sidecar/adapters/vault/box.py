"""Values sealed with AES-256-GCM under a ring of master keys (SE-1).

    sealed = version ‖ key id ‖ nonce ‖ ciphertext and tag
             1 byte    8 bytes  12 bytes

The place of the value (what it is, whose, its name) and the header are authenticated, not written:
what is copied to another tenant or name does not open there. The key id says which key of the ring
opens a value, so that a new key can be put in front while the old one still opens what it sealed.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.model.errors import StoreUnavailableError
from sidecar.model.secret import Secret

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 8
_ID_PURPOSE: Final = b"sidecar master key id"
_HEADER_BYTES: Final = len(_VERSION) + _ID_BYTES
_LENGTH_BYTES: Final = 4


class SealedError(StoreUnavailableError):
    """A sealed value cannot be opened, or none can be sealed; the reason never holds a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs; it opens nowhere else.

    Attributes:
        kind: what it is, such as `secret`.
        tenant: whose it is; empty for the installation's.
        name: its name.
    """

    kind: str
    tenant: str
    name: str

    def __str__(self) -> str:
        """Read as errors name it."""
        return f"{self.kind} {self.name} of " + (self.tenant or "the installation")


class Box:
    """Seals and opens values.

    Random nonces of 96 bits are safe for 2^32 values under one key (NIST SP 800-38D §8.3), more
    than operators will ever set.

    Args:
        ring: master keys of 32 bytes, the newest first: it seals, all of them open.
        random_bytes: returns so many random bytes.

    Source: NIST SP 800-38D. Controls: SE-1.
    """

    def __init__(self, ring: Sequence[Secret], random_bytes: Callable[[int], bytes]) -> None:
        # Here and not above: 11 MB that a sidecar without a master key does not need.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not ring or any(len(key.reveal()) != KEY_BYTES for key in ring):
            raise ValueError("a box needs master keys of 32 bytes")
        self._newest = _id_of(ring[0])
        # An AEAD that failed is told by its exception; the key lives in the cipher alone.
        self._ciphers = {_id_of(key): AESGCM(key.reveal()) for key in ring}
        self._random_bytes = random_bytes

    def seal(self, place: Place, value: Secret) -> bytes:
        """Seal a value for a place with the newest key."""
        nonce = self._random_bytes(NONCE_BYTES)
        header = _VERSION + self._newest
        sealed = self._ciphers[self._newest].encrypt(nonce, value.reveal(), _bound(header, place))
        return header + nonce + sealed

    def open(self, place: Place, sealed: bytes) -> Secret:
        """Open a value that was sealed for a place, with whichever key of the ring.

        Raises:
            SealedError: it is of another version, key or place, or damaged.
        """
        from cryptography.exceptions import InvalidTag

        if len(sealed) < _HEADER_BYTES + NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise SealedError(f"the {place} was not sealed by this version of the sidecar")
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        cipher = self._ciphers.get(header[1:])
        if cipher is None:
            raise SealedError(
                f"the {place} is sealed under a key that is not in secrets.master_key"
            )
        try:
            value = cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound(header, place))
        except InvalidTag as error:
            raise SealedError(f"the {place} is damaged, or was sealed for another place") from error
        return Secret(value)

    def reseal(self, place: Place, sealed: bytes) -> bytes | None:
        """Seal a value anew with the newest key; None when that key sealed it already.

        Raises:
            SealedError: as of `open`.
        """
        value = self.open(place, sealed)
        is_newest = sealed[len(_VERSION) : _HEADER_BYTES] == self._newest
        return None if is_newest else self.seal(place, value)


def _id_of(key: Secret) -> bytes:
    """Name a key without telling anything about it."""
    return hmac.digest(key.reveal(), _ID_PURPOSE, "sha256")[:_ID_BYTES]


def _bound(header: bytes, place: Place) -> bytes:
    """Write what is authenticated; the lengths keep `a/b` and `c` apart from `a` and `b/c`."""
    parts = [part.encode() for part in (place.kind, place.tenant, place.name)]
    return header + b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)
