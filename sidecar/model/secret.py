"""A value that never prints."""

from typing import Final

_HIDDEN: Final = "Secret('…')"


class Secret:
    """Text or bytes that must not reach a log, a traceback or an answer.

    `repr`, `str` and formatting hide the value; `reveal` is the only way to it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Hand out the value, for the one place that must use it."""
        return self._value

    def __repr__(self) -> str:
        """Hide the value."""
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Hide the value."""
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        """Refuse comparison by `==`: it would not be constant in time."""
        return self is other

    __hash__ = object.__hash__
