"""A bounded memory of a pure function."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers what a pure function returned; when it is full it starts again.

    Field names, hosts and media types come in few spellings from honest clients, so a check costs a
    dictionary look-up; a hostile client can only make it cost what it would without the memo. Keys
    are bounded in number here and in size by the limits on heads.

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
            if len(self.known) >= self._limit:
                self.known.clear()
            value = self.known[key] = self._function(key)
            return value
