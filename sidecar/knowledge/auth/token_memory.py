"""The memory of verified tokens, bounded in number and in bytes."""

from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.auth.jwt import Lifetime
from sidecar.model.identity import Introspection, KeySet, Principal

_TOKEN_BYTES: Final = 2048
"""Average token for which the memory has room; what is kept of one is in proportion to it."""


@dataclass(slots=True)
class Remembered:
    """What was found out about a token that was verified.

    Attributes:
        principal: its bearer.
        issuer: its issuer.
        identities: what revokes it.
        lifetime: when it may be used.
        vouched_by: the key set, or the answer, that vouched for it; compared with `is`.
        size_bytes: length of the token.
    """

    principal: Principal
    issuer: str
    identities: tuple[dict[str, str], ...]
    lifetime: Lifetime
    vouched_by: KeySet | Introspection
    size_bytes: int


class TokenMemory:
    """Remembers verified tokens by their digest, those used lately the longest.

    Two generations, each half of the room: what is used moves to the young one, and when that is
    full it becomes the old one and the old one is forgotten. A hit costs one look-up, and nothing
    is written for it as long as the token is young.

    Args:
        entries: most tokens that are remembered; one at least.
    """

    def __init__(self, entries: int) -> None:
        self._limit = max(1, entries // 2)
        self._limit_bytes = self._limit * _TOKEN_BYTES
        self._keeps_old = entries > 1
        self._young: dict[bytes, Remembered] = {}
        self._old: dict[bytes, Remembered] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        """Count the tokens that are remembered."""
        return len(self._young) + len(self._old)

    def get(self, digest: bytes) -> Remembered | None:
        """Return what is remembered of a token."""
        found = self._young.get(digest)
        if found is not None:
            return found
        found = self._old.get(digest)
        if found is not None:
            self.put(digest, found)
        return found

    def put(self, digest: bytes, remembered: Remembered) -> None:
        """Remember a token, in place of what was remembered of it.

        Args:
            digest: SHA-256 of the token.
            remembered: what was found out.
        """
        self._old.pop(digest, None)
        before = self._young.pop(digest, None)
        if before is not None:
            self._young_bytes -= before.size_bytes
        size = self._young_bytes + remembered.size_bytes
        if len(self._young) >= self._limit or size > self._limit_bytes:
            self._old = self._young if self._keeps_old else {}
            self._young = {}
            size = remembered.size_bytes
        self._young[digest] = remembered
        self._young_bytes = size
