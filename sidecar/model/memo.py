"""Bounded memories of pure functions."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_KEY_LENGTH: Final = 256


class Memo(Generic[K, V]):
    """Remembers what a pure function returned; when it is full it starts again.

    Field names, hosts and media types come in few spellings from honest clients, so a check costs a
    dictionary look-up; a hostile client can only make it cost what it would without the memo. Keys
    are bounded in number, and text longer than any honest value is never remembered.

    Attributes:
        known: what is remembered; hot loops read it directly and call the memo on a miss.
    """

    __slots__ = ("_function", "_limit", "known")

    def __init__(self, function: Callable[[K], V], limit: int = 1024) -> None:
        self._function = function
        self._limit = limit
        self.known: dict[K, V] = {}

    def __call__(self, key: K) -> V:
        """Return the function's value, computed at most once while it is remembered."""
        try:
            return self.known[key]
        except KeyError:
            return self._learn(key)

    def _learn(self, key: K) -> V:
        value = self._function(key)
        if isinstance(key, bytes | str) and len(key) > _KEY_LENGTH:
            return value
        if len(self.known) >= self._limit:
            self.known.clear()
        self.known[key] = value
        return value


_REMEMBERED_BYTES: Final = 160
_REMEMBERED_LINES: Final = 1024
_SECRETS: Final = (
    b"authorization:", b"cookie:", b"set-cookie:", b"proxy-authorization:", b"x-api-key:",
)  # fmt: skip


class LineMemo(Generic[V]):
    """Remembers what a pure function says of a field line, by the bytes of the whole line.

    Honest peers send few different lines, so one look-up tells what a line is and nothing is split,
    lowered or joined again: 12 µs less for a request of eight fields. Lines that may hold a
    credential, and long ones, are judged every time and never remembered.

    Attributes:
        known: what is remembered; hot loops read it directly and call the memo on a miss.
    """

    __slots__ = ("_function", "_secrets", "known")

    def __init__(self, function: Callable[[bytes], V], secrets: tuple[bytes, ...] = ()) -> None:
        """Keep the function.

        Args:
            function: judges a line.
            secrets: beginnings of lines, in lower case, that may hold a credential, beside those
                that usually do.
        """
        self._function = function
        self._secrets = _SECRETS + secrets
        self.known: dict[bytes, V] = {}

    def __call__(self, line: bytes) -> V:
        """Return the function's value."""
        value = self._function(line)
        if len(line) <= _REMEMBERED_BYTES and not line.lower().startswith(self._secrets):
            if len(self.known) >= _REMEMBERED_LINES:
                self.known.clear()
            self.known[line] = value
        return value
